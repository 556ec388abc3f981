//! A reply in a form in which servers can be compared.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::message::{Message, Reply, kind};
use super::servers::SUBNETS;
use super::station::Heard;

/// What a client knows that gives the addresses in a reply their meaning.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What it sent.
    pub message: &'a Message,
    /// The address that it was told last.
    pub own: Option<Ipv4Addr>,
    /// The address that its message named.
    pub named: Option<Ipv4Addr>,
    /// The relay agent's and router's Ethernet address.
    pub router: [u8; 6],
    /// What is reserved for it.
    pub reserved: Option<Ipv4Addr>,
}

/// The fields of a reply by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer(pub BTreeMap<String, String>);

/// The word for a kind of reply.
#[must_use]
pub fn word(reply: &Reply) -> &'static str {
    match reply.kind() {
        kind::OFFER => "offer",
        kind::ACK => "ack",
        kind::NAK => "nak",
        0 => "bootp",
        _ => "other",
    }
}

impl Answer {
    /// Tells a reply.
    #[must_use]
    pub fn of(heard: &Heard, context: &Context<'_>) -> Self {
        let reply = &heard.reply;
        let mut fields = BTreeMap::new();
        let mut put = |name: &str, value: String| fields.insert(name.to_owned(), value);
        put("kind", word(reply).to_owned());
        put("yiaddr", context.meaning(reply.yiaddr));
        put("ciaddr", reply.ciaddr.to_string().replace("0.0.0.0", "-"));
        if !reply.ciaddr.is_unspecified() {
            put("ciaddr", context.meaning(reply.ciaddr));
        }
        put("siaddr", reply.siaddr.to_string());
        put("giaddr", reply.giaddr.to_string());
        let sent = context.message;
        let same = |is_same: bool, value: String| if is_same { AS_SENT.to_owned() } else { value };
        put("hops", same(reply.hops == sent.hops, reply.hops.to_string()));
        put("secs", same(reply.secs == sent.secs, reply.secs.to_string()));
        put("flags", same(reply.flags == sent.flags, format!("{:04x}", reply.flags)));
        put("sname", text(&reply.sname));
        put("file", text(&reply.file));
        put("padding of chaddr", hex(&reply.chaddr[6..]));
        put("frame to", context.station(heard.station));
        let to = *heard.destination.ip();
        let to = match to {
            _ if to.is_broadcast() => "broadcast".to_owned(),
            _ if to == reply.giaddr => "giaddr".to_owned(),
            _ if to == reply.ciaddr => "ciaddr".to_owned(),
            _ if to == reply.yiaddr => "yiaddr".to_owned(),
            _ => to.to_string(),
        };
        put("packet to", to);
        put("from", heard.source.to_string());
        put("port", heard.destination.port().to_string());
        for (code, value) in &reply.options {
            let echo = sent.options.iter().any(|sent| sent == &(*code, value.clone()));
            let value = same(echo, option(*code, value, reply));
            put(&format!("option {code}{}", context.asked(*code)), value);
        }
        Self(fields)
    }

    /// The field's value, `-` without.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.0.get(name).map_or("-", String::as_str)
    }
}

impl Context<'_> {
    fn meaning(&self, address: Ipv4Addr) -> String {
        if address.is_unspecified() {
            return "-".to_owned();
        }
        if Some(address) == self.reserved {
            return "reserved".to_owned();
        }
        if Some(address) == self.own {
            return "own".to_owned();
        }
        if Some(address) == self.named {
            return "as asked".to_owned();
        }
        let pool = SUBNETS.iter().find(|subnet| subnet.pools(address));
        pool.map_or_else(|| address.to_string(), |subnet| format!("new of {}", subnet.name))
    }

    /// Whether the client asked for an option; nothing for those that need no asking.
    fn asked(&self, code: u8) -> &'static str {
        if ALWAYS_TOLD.contains(&code) {
            return "";
        }
        let list = self.message.options.iter().find(|(code, _)| *code == PARAMETER_LIST);
        match list {
            None => ", no list",
            Some((_, list)) if list.contains(&code) => ", asked",
            Some(_) => ", unasked",
        }
    }

    fn station(&self, mac: [u8; 6]) -> String {
        match mac {
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => "broadcast".to_owned(),
            _ if mac == self.message.mac => "client".to_owned(),
            _ if mac == self.router => "router".to_owned(),
            _ => hex(&mac),
        }
    }
}

/// An option's value. T1 and T2 are told as parts of the lease, of which servers take a little
/// off so that clients do not all come at once.
fn option(code: u8, value: &[u8], reply: &Reply) -> String {
    let number = |value: &[u8]| Some(u32::from_be_bytes(value.try_into().ok()?));
    let lease = reply.option(LEASE_TIME).and_then(number).unwrap_or(0);
    match (code, number(value)) {
        (RENEWAL_TIME, Some(time)) => part(time, lease, 50),
        (REBINDING_TIME, Some(time)) => part(time, lease, 87),
        (LEASE_TIME, Some(time)) => time.to_string(),
        (1 | 3 | 6 | 28 | 42 | 54, _) => {
            let (addresses, rest) = value.as_chunks::<4>();
            let addresses = addresses.iter().map(|bytes| Ipv4Addr::from_octets(*bytes).to_string());
            addresses.collect::<Vec<_>>().join(" ") + &hex(rest)
        }
        (12 | 15 | 56, _) => String::from_utf8_lossy(value).into_owned(),
        _ => hex(value),
    }
}

/// `time` as per cent of `lease`, told as `usual` if it is that or up to a tenth of it less.
fn part(time: u32, lease: u32, usual: u64) -> String {
    let hundredfold = u64::from(time) * 100;
    let lease = u64::from(lease).max(1);
    let is_usual = hundredfold <= (usual + 1) * lease && hundredfold >= usual * 89 / 100 * lease;
    if is_usual { format!("about {usual} %") } else { format!("{} %", hundredfold / lease) }
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    match String::from_utf8_lossy(&field[..end]) {
        text if text.is_empty() => "-".to_owned(),
        text => text.into_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// What the client sent.
const AS_SENT: &str = "as sent";

/// What is told whether it is asked for or not: the message type, times and the server, and what
/// is echoed.
const ALWAYS_TOLD: [u8; 8] = [51, 53, 54, 56, 58, 59, 61, 82];

const PARAMETER_LIST: u8 = 55;
const LEASE_TIME: u8 = 51;
const RENEWAL_TIME: u8 = 58;
const REBINDING_TIME: u8 = 59;
