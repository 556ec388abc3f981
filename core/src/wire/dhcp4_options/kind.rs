//! The format of every assigned option (IANA "BOOTP Vendor Extensions and DHCP Options").

/// How the value of an option is laid out. Lists hold at least one element unless it is said
/// otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OptionKind {
    /// No value (length 0).
    Empty,
    /// One byte, 0 or 1.
    Flag,
    /// One byte.
    U8,
    /// A 16-bit number.
    U16,
    /// A 32-bit number.
    U32,
    /// A signed 32-bit number.
    I32,
    /// 16-bit numbers.
    U16List,
    /// Bytes that stand for something each.
    Codes,
    /// An IPv4 address.
    Address,
    /// IPv4 addresses.
    Addresses,
    /// IPv4 addresses, perhaps none (option 68).
    AddressesOrNone,
    /// Pairs of IPv4 addresses.
    AddressPairs,
    /// An IPv6 address.
    Ipv6Address,
    /// NVT ASCII without its trailing NULs (RFC 2132 §2).
    Text,
    /// Domain names in DNS wire form, perhaps compressed (RFC 3397).
    DomainNames,
    /// Destinations with their routers (RFC 3442).
    Routes,
    /// A DHCP message type.
    MessageType,
    /// A client's FQDN (RFC 4702).
    ClientFqdn,
    /// User classes (RFC 3004, or raw).
    UserClass,
    /// Architecture types (RFC 4578 §2.1).
    ArchTypes,
    /// Network interface (RFC 4578 §2.2).
    NetworkInterface,
    /// Machine identifier (RFC 4578 §2.3).
    MachineId,
    /// Options within the option, without PAD and END.
    SubOptions,
    /// Options within the option, with PAD and END.
    PaddedSubOptions,
    /// Data per enterprise number (RFC 3925).
    VendorIdentifying,
    /// At least so many bytes whose form depends on something else, or that are of no concern to
    /// booting.
    Opaque {
        /// Smallest legal length, in bytes.
        min: u8,
    },
}

impl OptionKind {
    /// The format of option `code`; opaque for private and unassigned codes.
    pub const fn of(code: u8) -> Self {
        match code {
            2 => Self::I32,
            1 | 16 | 28 | 32 | 50 | 54 | 118 => Self::Address,
            3..=11
            | 41
            | 42
            | 44
            | 45
            | 48
            | 49
            | 65
            | 69..=76
            | 85
            | 89
            | 92
            | 112
            | 136
            | 138
            | 142
            | 148
            | 150 => Self::Addresses,
            68 => Self::AddressesOrNone,
            21 | 33 => Self::AddressPairs,
            109 => Self::Ipv6Address,
            12 | 14 | 15 | 17 | 18 | 40 | 47 | 56 | 62 | 64 | 66 | 67 | 86 | 87 | 95 | 98 | 100
            | 101 | 113 | 114 | 161 | 209 | 210 | 252 => Self::Text,
            13 | 22 | 26 | 57 => Self::U16,
            25 | 117 => Self::U16List,
            19 | 20 | 27 | 29..=31 | 34 | 36 | 39 => Self::Flag,
            23 | 37 | 46 | 52 | 116 | 156 | 157 => Self::U8,
            24 | 35 | 38 | 51 | 58 | 59 | 91 | 108 | 152..=155 | 208 | 211 => Self::U32,
            53 => Self::MessageType,
            55 | 145 => Self::Codes,
            77 => Self::UserClass,
            80 => Self::Empty,
            81 => Self::ClientFqdn,
            82 | 122 | 139 | 140 => Self::SubOptions,
            88 | 119 | 137 | 141 | 147 | 213 => Self::DomainNames,
            93 => Self::ArchTypes,
            94 => Self::NetworkInterface,
            97 => Self::MachineId,
            121 | 249 => Self::Routes,
            124 | 125 => Self::VendorIdentifying,
            175 => Self::PaddedSubOptions,
            60 => Self::Opaque { min: 1 },
            61 => Self::Opaque { min: 2 },
            // Its sub-options are those of the vendor that option 60 names.
            43 => Self::Opaque { min: 1 },
            _ => Self::Opaque { min: 0 },
        }
    }
}
