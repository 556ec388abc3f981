//! The client that a command line describes, and the message that it would send.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum, ValueHint};
use reveille_core::mac::MacAddr;
use reveille_core::wire::dhcp4::{
    CLIENT_PORT, FLAG_BROADCAST, HTYPE_ETHERNET, MAGIC_COOKIE, MessageType, SERVER_PORT,
};
use reveille_core::wire::dhcp4_options::{RelayAgent, code};
use reveille_core::wire::pxe::{ArchType, Uuid};

use crate::arch;
use crate::args::StateArgs;

/// `reveille explain`
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// Which server.
    #[command(flatten)]
    pub place: StateArgs,
    /// The client's Ethernet address
    #[arg(long, value_name = "MAC", required_unless_present = "pcap")]
    pub mac: Option<MacAddr>,
    /// What kind of program asks: fills in what such programs send
    #[arg(long, value_enum, value_name = "KIND")]
    pub firmware: Option<Preset>,
    /// Its architecture (option 93), as configurations name it, or its number
    #[arg(long, value_name = "ARCH", value_parser = parse_arch)]
    pub arch: Option<ArchType>,
    /// Its UUID (option 97)
    #[arg(long, value_name = "UUID")]
    pub uuid: Option<Uuid>,
    /// Its vendor class (option 60)
    #[arg(long, value_name = "TEXT")]
    pub vendor_class: Option<Bytes>,
    /// Its user class (option 77)
    #[arg(long, value_name = "TEXT")]
    pub user_class: Option<Bytes>,
    /// Its client identifier (option 61): text, or bytes such as 0x01525400123456
    #[arg(long, value_name = "BYTES")]
    pub client_id: Option<Bytes>,
    /// The options that it asks for (option 55)
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    pub ask: Option<Vec<u8>>,
    /// Any other option, as text or as bytes after 0x; may be repeated
    #[arg(long, value_name = "CODE=VALUE", value_parser = parse_option)]
    pub option: Vec<(u8, Bytes)>,
    /// The address that it wishes (option 50), or has (with --type inform)
    #[arg(long, value_name = "ADDRESS")]
    pub requested: Option<Ipv4Addr>,
    /// What it sends
    #[arg(long = "type", value_enum, value_name = "TYPE", default_value = "discover")]
    pub kind: Asking,
    /// Our interface that it arrives at [default: the only one that is served]
    #[arg(short, long, value_name = "NAME")]
    pub interface: Option<String>,
    /// The relay agent that passes it on (giaddr)
    #[arg(long, value_name = "ADDRESS")]
    pub relay: Option<Ipv4Addr>,
    /// The relay agent's circuit (option 82.1)
    #[arg(long, value_name = "BYTES", requires = "relay")]
    pub circuit_id: Option<Bytes>,
    /// The relay agent's remote end (option 82.2)
    #[arg(long, value_name = "BYTES", requires = "relay")]
    pub remote_id: Option<Bytes>,
    /// Explain the messages of a capture (pcap or pcapng) instead, one after the other
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = [
        "mac", "firmware", "arch", "uuid", "vendor_class", "user_class", "client_id", "ask",
        "option", "requested", "kind", "relay",
    ])]
    pub pcap: Option<PathBuf>,
    /// Only the packet with this number, as Wireshark counts
    #[arg(long, value_name = "NUMBER", requires = "pcap",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub packet: Option<u64>,
    /// One JSON object a message, for programs
    #[arg(long)]
    pub json: bool,
}

/// Programs whose messages are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// A PXE option ROM of a BIOS
    Bios,
    /// UEFI PXE
    Uefi,
    /// UEFI HTTP Boot
    Http,
    /// iPXE, which firmware has loaded
    Ipxe,
    /// The boot ROM of a Raspberry Pi
    Pi,
    /// U-Boot
    UBoot,
}

/// Messages that ask for something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Asking {
    /// Looks for servers
    #[default]
    Discover,
    /// Wants an address that it has or had
    Request,
    /// Has an address and wants the rest
    Inform,
    /// BOOTP, which came before DHCP
    Bootp,
}

/// Bytes that are typed as text, or in hexadecimal after `0x` or with colons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pairs = text
            .split(':')
            .all(|pair| pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let digits = match text.strip_prefix("0x") {
            Some(digits) => digits.replace(':', ""),
            None if pairs && text.contains(':') => text.replace(':', ""),
            None => return Ok(Self(text.as_bytes().to_vec())),
        };
        let pairs = digits.as_bytes().chunks(2);
        let byte = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        };
        let bytes = pairs.map(byte).collect::<Option<Vec<u8>>>();
        bytes.map(Self).ok_or_else(|| "expected pairs of hexadecimal digits behind 0x".to_owned())
    }
}

fn parse_arch(text: &str) -> Result<ArchType, String> {
    if let Ok(number) = text.parse::<u16>() {
        return Ok(ArchType(number));
    }
    let known = arch::numbers(text).and_then(|numbers| numbers.first().copied());
    known.ok_or_else(|| {
        let names: Vec<&str> = arch::names().collect();
        format!("expected a number, or one of {}", names.join(", "))
    })
}

fn parse_option(text: &str) -> Result<(u8, Bytes), String> {
    let usage = || "expected CODE=VALUE, such as 12=web1 or 43=0x0601ff".to_owned();
    let (code, value) = text.split_once('=').ok_or_else(usage)?;
    let code = code.parse().ok().filter(|code| (1..255).contains(code)).ok_or_else(usage)?;
    let value: Bytes = value.parse()?;
    if value.0.len() > 255 {
        return Err("an option has 255 bytes at most".to_owned());
    }
    Ok((code, value))
}

/// A message as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) source: SocketAddrV4,
    pub(super) destination: SocketAddrV4,
    pub(super) payload: Vec<u8>,
}

impl ExplainArgs {
    /// The message that the described client sends.
    pub(super) fn message(&self) -> Asked {
        let mac = self.mac.unwrap_or(MacAddr([0; 6]));
        let preset = self.firmware.map(|preset| preset.sends(mac));
        let relay = self.relay.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let informs = self.kind == Asking::Inform;
        let ciaddr = self.requested.filter(|_| informs).unwrap_or(Ipv4Addr::UNSPECIFIED);
        let mut payload = vec![1, HTYPE_ETHERNET, 6, u8::from(self.relay.is_some())];
        payload.extend(XID);
        payload.extend([0; 2]);
        let flags = if preset.as_ref().is_some_and(|it| it.broadcast) { FLAG_BROADCAST } else { 0 };
        payload.extend(flags.to_be_bytes());
        payload.extend(ciaddr.octets());
        payload.extend([0; 8]);
        payload.extend(relay.octets());
        payload.extend(mac.0);
        // The rest of the hardware address, and the names of a server and a file.
        payload.extend([0; 10 + 64 + 128]);
        if self.kind != Asking::Bootp {
            payload.extend(MAGIC_COOKIE);
            for (code, value) in self.options(preset) {
                payload.extend([code, u8::try_from(value.len()).unwrap_or(u8::MAX)]);
                payload.extend(value.iter().take(255));
            }
            payload.push(255);
        }
        payload.resize(payload.len().max(300), 0);
        let (source, port) =
            if relay.is_unspecified() { (ciaddr, CLIENT_PORT) } else { (relay, SERVER_PORT) };
        Asked {
            source: SocketAddrV4::new(source, port),
            destination: SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT),
            payload,
        }
    }

    /// What was said, over what the program sends by itself; the relay agent's last.
    fn options(&self, preset: Option<Sends>) -> Vec<(u8, Vec<u8>)> {
        let kind = match self.kind {
            Asking::Discover | Asking::Bootp => MessageType::Discover,
            Asking::Request => MessageType::Request,
            Asking::Inform => MessageType::Inform,
        };
        let mut options = vec![(code::MESSAGE_TYPE, vec![kind.code()])];
        options.extend(preset.map(|preset| preset.options).unwrap_or_default());
        let mut set = |code: u8, value: Vec<u8>| match options.iter_mut().find(|o| o.0 == code) {
            Some(option) => option.1 = value,
            None => options.push((code, value)),
        };
        let bytes = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| bytes.0.clone());
        let wish = self.requested.filter(|_| self.kind != Asking::Inform);
        let said = [
            (code::REQUESTED_ADDRESS, wish.map(|address| address.octets().to_vec())),
            (code::PARAMETER_LIST, self.ask.clone()),
            (code::VENDOR_CLASS, bytes(&self.vendor_class).or_else(|| self.vendor_class_of_arch())),
            (code::CLIENT_ID, bytes(&self.client_id)),
            (code::USER_CLASS, bytes(&self.user_class)),
            (code::CLIENT_ARCH, self.arch.map(|arch| arch.0.to_be_bytes().to_vec())),
            (code::CLIENT_MACHINE_ID, self.uuid.map(machine_id)),
        ];
        for (code, value) in said {
            if let Some(value) = value {
                set(code, value);
            }
        }
        for (code, value) in &self.option {
            set(*code, value.0.clone());
        }
        let agent: Vec<u8> =
            [(RelayAgent::CIRCUIT_ID, &self.circuit_id), (RelayAgent::REMOTE_ID, &self.remote_id)]
                .into_iter()
                .filter_map(|(code, value)| Some((code, value.as_ref()?)))
                .flat_map(|(code, value)| {
                    let len = u8::try_from(value.0.len()).unwrap_or(u8::MAX);
                    [code, len].into_iter().chain(value.0.iter().take(255).copied())
                })
                .collect();
        if !agent.is_empty() {
            options.push((code::RELAY_AGENT, agent));
        }
        options
    }

    /// Firmware names its architecture in its vendor class as well.
    fn vendor_class_of_arch(&self) -> Option<Vec<u8>> {
        let (ArchType(arch), preset) = (self.arch?, self.firmware?);
        let (name, version) = match preset {
            Preset::Bios => ("PXEClient", "002001"),
            Preset::Uefi | Preset::Ipxe => ("PXEClient", "003016"),
            Preset::Http => ("HTTPClient", "003001"),
            Preset::Pi | Preset::UBoot => return None,
        };
        Some(format!("{name}:Arch:{arch:05}:UNDI:{version}").into_bytes())
    }
}

/// What a program sends.
#[derive(Debug)]
struct Sends {
    broadcast: bool,
    options: Vec<(u8, Vec<u8>)>,
}

impl Preset {
    /// As captures of such programs have it.
    fn sends(self, mac: MacAddr) -> Sends {
        let (vendor_class, arch, undi): (&str, u16, [u8; 3]) = match self {
            Self::Bios => ("PXEClient:Arch:00000:UNDI:002001", 0, [1, 2, 1]),
            Self::Uefi => ("PXEClient:Arch:00007:UNDI:003016", 7, [1, 3, 16]),
            Self::Http => ("HTTPClient:Arch:00016:UNDI:003001", 16, [1, 3, 1]),
            Self::Ipxe => ("PXEClient:Arch:00007:UNDI:003010", 7, [1, 3, 10]),
            Self::Pi => ("PXEClient:Arch:00000:UNDI:002001", 0, [1, 2, 1]),
            Self::UBoot => ("U-Boot.armv8", 0x16, [1, 0, 0]),
        };
        let asks: &[u8] = match self {
            Self::Bios | Self::Uefi | Self::Http => ASKED_BY_FIRMWARE,
            Self::Ipxe => ASKED_BY_IPXE,
            Self::Pi => &[1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135],
            Self::UBoot => &[1, 3, 6, 12, 15, 17, 26, 66, 67, 209],
        };
        let own_id = || [&[1], mac.0.as_slice()].concat();
        let mut options = vec![(code::PARAMETER_LIST, asks.to_vec())];
        if self != Self::UBoot {
            options.push((code::MAX_MESSAGE_SIZE, vec![5, 0xc0]));
            options.push((code::CLIENT_NDI, undi.to_vec()));
        }
        options.push((code::VENDOR_CLASS, vendor_class.as_bytes().to_vec()));
        options.push((code::CLIENT_ARCH, arch.to_be_bytes().to_vec()));
        match self {
            Self::Ipxe => {
                options.push((code::USER_CLASS, b"iPXE".to_vec()));
                options.push((code::IPXE, IPXE_FEATURES.to_vec()));
                options.push((code::CLIENT_ID, own_id()));
            }
            // It names itself where others have a UUID.
            Self::Pi => {
                let id = [b"\0RPi4".as_slice(), &[0; 6], &mac.0].concat();
                options.push((code::CLIENT_MACHINE_ID, id));
            }
            Self::Bios | Self::Uefi | Self::Http | Self::UBoot => {}
        }
        let broadcast = matches!(self, Self::Bios | Self::Uefi | Self::Http);
        Sends { broadcast, options }
    }
}

/// Option 97 in the byte order of SMBIOS tables, as firmware copies it.
fn machine_id(uuid: Uuid) -> Vec<u8> {
    [&[0], uuid.swapped().0.as_slice()].concat()
}

const XID: [u8; 4] = [0x72, 0x65, 0x76, 0x65];

const ASKED_BY_FIRMWARE: &[u8] = &[
    1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66,
    67, 97, 128, 129, 130, 131, 132, 133, 134, 135,
];

const ASKED_BY_IPXE: &[u8] = &[
    1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175,
    203,
];

/// An iPXE with HTTP, TFTP, DNS, menus and EFI.
const IPXE_FEATURES: &[u8] =
    &[0xeb, 3, 1, 0, 0, 0x17, 1, 1, 0x24, 1, 1, 0x13, 1, 1, 0x27, 1, 1, 0x15, 1, 1, 0x12, 1, 1];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_text_or_hexadecimal() {
        let bytes = |text: &str| text.parse::<Bytes>().map(|bytes| bytes.0);
        assert_eq!(bytes("rack-7"), Ok(b"rack-7".to_vec()));
        assert_eq!(bytes("0x0152"), Ok(vec![1, 0x52]));
        assert_eq!(bytes("01:52:ff"), Ok(vec![1, 0x52, 0xff]));
        assert_eq!(bytes("ab"), Ok(b"ab".to_vec()));
        assert!(bytes("0x1").is_err() && bytes("0xzz").is_err());
        assert_eq!(parse_option("12=web1"), Ok((12, Bytes(b"web1".to_vec()))));
        for wrong in ["12", "x=1", "0=1", "255=1", "300=1"] {
            assert!(parse_option(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_arch("arm64-uefi"), Ok(ArchType(0x0b)));
        assert_eq!(parse_arch("7"), Ok(ArchType(7)));
        assert!(parse_arch("vax").is_err_and(|error| error.contains("x86_64-uefi")));
    }
}
