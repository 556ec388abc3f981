//! DHCP messages (RFC 2131 §2) as this folder writes and reads them: on its own, so that a mistake
//! of the server's codec cannot cancel out.

use std::net::Ipv4Addr;

/// Message types (RFC 2132 §9.6).
pub mod kind {
    /// DHCPDISCOVER.
    pub const DISCOVER: u8 = 1;
    /// DHCPOFFER.
    pub const OFFER: u8 = 2;
    /// DHCPREQUEST.
    pub const REQUEST: u8 = 3;
    /// DHCPDECLINE.
    pub const DECLINE: u8 = 4;
    /// DHCPACK.
    pub const ACK: u8 = 5;
    /// DHCPNAK.
    pub const NAK: u8 = 6;
    /// DHCPRELEASE.
    pub const RELEASE: u8 = 7;
    /// DHCPINFORM.
    pub const INFORM: u8 = 8;
}

/// What a client sends.
#[derive(Clone, Debug)]
pub struct Message {
    /// Relay agents on the way.
    pub hops: u8,
    /// Transaction.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// The broadcast flag and bits that must be zero.
    pub flags: u16,
    /// The client's address.
    pub ciaddr: Ipv4Addr,
    /// The relay agent's address.
    pub giaddr: Ipv4Addr,
    /// The client's Ethernet address.
    pub mac: [u8; 6],
    /// In the order in which they are sent. Without option 53 it is a BOOTP message.
    pub options: Vec<(u8, Vec<u8>)>,
}

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Relay agents on the way.
    pub hops: u8,
    /// Transaction.
    pub xid: u32,
    /// As the client sent it, or zero.
    pub secs: u16,
    /// As the client sent them.
    pub flags: u16,
    /// The client's address.
    pub ciaddr: Ipv4Addr,
    /// The client's new address.
    pub yiaddr: Ipv4Addr,
    /// Where the boot file lies.
    pub siaddr: Ipv4Addr,
    /// The relay agent's address.
    pub giaddr: Ipv4Addr,
    /// The client's hardware address, with padding.
    pub chaddr: [u8; 16],
    /// The server's name.
    pub sname: [u8; 64],
    /// The boot file's name.
    pub file: [u8; 128],
    /// In their order, without padding.
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Message {
    /// The message as bytes, of at least the length of BOOTP (RFC 1542 §2.1).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![1, 1, 6, self.hops];
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend(self.secs.to_be_bytes());
        bytes.extend(self.flags.to_be_bytes());
        bytes.extend(self.ciaddr.octets());
        bytes.extend([0; 8]);
        bytes.extend(self.giaddr.octets());
        bytes.extend(self.mac);
        bytes.resize(FIXED_LEN, 0);
        bytes.extend(COOKIE);
        for (code, value) in &self.options {
            bytes.push(*code);
            bytes.push(u8::try_from(value.len()).expect("options are short"));
            bytes.extend(value);
        }
        bytes.push(END);
        bytes.resize(bytes.len().max(BOOTP_LEN), 0);
        bytes
    }
}

impl Reply {
    /// Reads a reply.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (fixed, rest) = bytes
            .split_first_chunk::<FIXED_LEN>()
            .ok_or_else(|| format!("{} bytes are no DHCP message", bytes.len()))?;
        if fixed[..3] != [2, 1, 6] {
            return Err(format!("op, htype, hlen are {:?}", &fixed[..3]));
        }
        let options = rest.strip_prefix(&COOKIE).ok_or("there is no magic cookie")?;
        let address =
            |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        let short = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        Ok(Self {
            hops: fixed[3],
            xid: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            secs: short(8),
            flags: short(10),
            ciaddr: address(12),
            yiaddr: address(16),
            siaddr: address(20),
            giaddr: address(24),
            chaddr: fixed[28..44].try_into().expect("sixteen bytes"),
            sname: fixed[44..108].try_into().expect("64 bytes"),
            file: fixed[108..].try_into().expect("128 bytes"),
            options: read_options(options)?,
        })
    }

    /// The value of the first option with this code.
    #[must_use]
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        let found = self.options.iter().find(|(found, _)| *found == code);
        found.map(|(_, value)| value.as_slice())
    }

    /// The message type, zero for BOOTP.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.option(53).and_then(<[u8]>::first).copied().unwrap_or(0)
    }

    /// The client's Ethernet address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.chaddr[..6].try_into().expect("six of sixteen bytes")
    }
}

fn read_options(mut bytes: &[u8]) -> Result<Vec<(u8, Vec<u8>)>, String> {
    let mut options = Vec::new();
    // Ends: each round takes a byte at least.
    loop {
        match *bytes {
            [0, ref rest @ ..] => bytes = rest,
            [END, ..] => return Ok(options),
            [code, length, ref rest @ ..] => {
                let (value, rest) = rest
                    .split_at_checked(usize::from(length))
                    .ok_or_else(|| format!("option {code} runs over the end"))?;
                options.push((code, value.to_vec()));
                bytes = rest;
            }
            [] | [_] => return Err("the options have no end".to_owned()),
        }
    }
}

const FIXED_LEN: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const END: u8 = 255;
const BOOTP_LEN: usize = 300;
