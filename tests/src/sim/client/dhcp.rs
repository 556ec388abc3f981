//! DHCP as firmware speaks it: own encoder and decoder, and the firmware's own timers.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use reveille_core::time::Instant;

use super::{Context, Step};
use crate::sim::site::SERVER;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// edk2's PXE: chooses at the end of the first window, 4 s at least.
    UefiPxe,
    /// edk2's HTTP Boot, likewise.
    UefiHttp,
    /// A BIOS PXE ROM.
    BiosPxe,
    /// iPXE: takes the first offer that forbids it to wait for a ProxyDHCP.
    Ipxe,
    /// A DHCP client of an operating system.
    System,
}

/// One exchange, from DISCOVER to ACK.
#[derive(Debug)]
pub(super) struct Dhcp {
    style: Style,
    xid: u32,
    tries: usize,
    offer: Option<Reply>,
    requesting: bool,
    /// When the original request was sent: a lease counts from there (RFC 2131 §4.4.1).
    requested_at: Instant,
}

/// What a reply says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    kind: u8,
    pub(super) address: Ipv4Addr,
    server: Option<Ipv4Addr>,
    mask: bool,
    next_server: Ipv4Addr,
    /// Option 67 or, failing that, the header's field.
    pub(super) file: String,
    class: Vec<u8>,
    ipxe: Vec<u8>,
    lease: Duration,
    /// When the lease ends.
    pub(super) until: Instant,
}

const OFFER: u8 = 2;
const ACK: u8 = 5;
const NAK: u8 = 6;

impl Style {
    fn boots(self) -> bool {
        self != Self::System
    }

    /// Waits after each DISCOVER, then it fails.
    fn discover_ms(self) -> &'static [u64] {
        match self {
            Self::UefiPxe | Self::UefiHttp | Self::BiosPxe => &[4000, 8000, 16_000, 32_000],
            Self::Ipxe => &[1000, 2000, 4000, 8000],
            Self::System => &[3000, 3000, 3000, 20_000],
        }
    }

    /// Waits after each REQUEST.
    fn request_ms(self) -> &'static [u64] {
        match self {
            Self::Ipxe => &[250, 500, 1000, 2000, 4000, 8000],
            Self::UefiPxe | Self::UefiHttp | Self::BiosPxe | Self::System => self.discover_ms(),
        }
    }

    /// Whether the first window is waited in full, whatever comes.
    fn collects(self) -> bool {
        matches!(self, Self::UefiPxe | Self::UefiHttp | Self::BiosPxe)
    }

    fn class(self) -> Option<(&'static str, u16)> {
        match self {
            Self::UefiPxe => Some(("PXEClient:Arch:00007:UNDI:003001", 7)),
            Self::UefiHttp => Some(("HTTPClient:Arch:00016:UNDI:003001", 16)),
            Self::BiosPxe | Self::Ipxe => Some(("PXEClient:Arch:00000:UNDI:002001", 0)),
            Self::System => None,
        }
    }
}

impl Dhcp {
    pub(super) fn start(style: Style, context: &mut Context<'_>) -> Self {
        let xid = context.rng.next_u64() as u32;
        let requested_at = context.now;
        let dhcp = Self { style, xid, tries: 0, offer: None, requesting: false, requested_at };
        dhcp.send(context);
        dhcp
    }

    pub(super) fn on_timer(&mut self, context: &mut Context<'_>) -> Step<Reply> {
        if !self.requesting && self.offer.is_some() {
            return self.request(context);
        }
        self.tries += 1;
        if self.tries >= self.waits().len() {
            return Step::Failed;
        }
        self.send(context);
        Step::Going
    }

    pub(super) fn on_datagram(&mut self, payload: &[u8], context: &mut Context<'_>) -> Step<Reply> {
        let reply = match parse(payload, self.xid, context) {
            Ok(Some(reply)) => reply,
            Ok(None) => return Step::Going,
            Err(why) => context.fail(&format!("{why}: {payload:02x?}")),
        };
        match (reply.kind, self.requesting) {
            (OFFER, false) => {
                // An offer promises nothing: when no address is left, several machines are offered
                // the same one. What is acknowledged is one machine's, and checked.
                self.check(&reply, context);
                let takes_it_now = !self.style.collects();
                self.offer = Some(reply);
                if takes_it_now { self.request(context) } else { Step::Going }
            }
            (ACK, true) => {
                let offered = self.offer.as_ref().map(|offer| offer.address);
                context.ensure(Some(reply.address) == offered, || {
                    format!("offered {offered:?}, acknowledged {}", reply.address)
                });
                self.check(&reply, context);
                let until = self.requested_at + reply.lease;
                Step::Done(Reply { until, ..reply })
            }
            (NAK, true) => Step::Failed,
            _ => Step::Going,
        }
    }

    fn request(&mut self, context: &mut Context<'_>) -> Step<Reply> {
        self.requesting = true;
        self.requested_at = context.now;
        self.tries = 0;
        self.send(context);
        Step::Going
    }

    /// What the firmware needs to find, in OFFER and ACK alike.
    fn check(&self, reply: &Reply, context: &Context<'_>) {
        context.ensure(reply.server == Some(SERVER), || format!("no server id: {reply:?}"));
        context.ensure(reply.mask, || format!("no subnet mask: {reply:?}"));
        let boots = !reply.file.is_empty() && reply.next_server == SERVER;
        context.ensure(boots || !self.style.boots(), || format!("no boot file: {reply:?}"));
        let style_fits = match self.style {
            Style::UefiPxe | Style::BiosPxe => !reply.file.starts_with("http"),
            Style::UefiHttp => reply.file.starts_with("http") && reply.class == b"HTTPClient",
            // No option 60 and no wait for a ProxyDHCP (option 175.176).
            Style::Ipxe => {
                reply.class.is_empty() && reply.ipxe.windows(3).any(|w| w == [176, 1, 1])
            }
            Style::System => true,
        };
        context.ensure(style_fits, || format!("not for {:?}: {reply:?}", self.style));
    }

    fn waits(&self) -> &'static [u64] {
        if self.requesting { self.style.request_ms() } else { self.style.discover_ms() }
    }

    fn send(&self, context: &mut Context<'_>) {
        let message = self.message(context);
        let source = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
        context.send(source, SocketAddrV4::new(Ipv4Addr::BROADCAST, 67), message);
        let mut wait = self.waits()[self.tries];
        if self.style == Style::BiosPxe {
            wait = wait - 1000 + u64::from(context.rng.below(2000));
        }
        context.wait(Duration::from_millis(wait));
    }

    fn message(&self, context: &Context<'_>) -> Vec<u8> {
        let broadcasts = matches!(self.style, Style::UefiPxe | Style::UefiHttp);
        let mut bytes = vec![0; 236];
        bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
        bytes[4..8].copy_from_slice(&self.xid.to_be_bytes());
        bytes[10] = if broadcasts { 0x80 } else { 0 };
        bytes[28..34].copy_from_slice(&context.mac.0);
        bytes.extend([99, 130, 83, 99]);
        let mut option = |code: u8, value: &[u8]| {
            bytes.extend([code, u8::try_from(value.len()).expect("options are short")]);
            bytes.extend(value);
        };
        option(53, &[if self.requesting { 3 } else { 1 }]);
        if let (true, Some(offer)) = (self.requesting, &self.offer) {
            option(50, &offer.address.octets());
            option(54, &SERVER.octets());
        }
        option(55, &[1, 3, 6, 12, 15, 43, 54, 60, 66, 67, 175]);
        option(57, &1472_u16.to_be_bytes());
        if let Some((class, arch)) = self.style.class() {
            option(60, class.as_bytes());
            option(93, &arch.to_be_bytes());
            option(94, &[1, 3, 0]);
            let mut guid = [0; 17];
            guid[1..].copy_from_slice(&guid_of(context.machine));
            option(97, &guid);
        }
        if self.style == Style::Ipxe {
            option(77, b"iPXE");
            option(175, &[0x13, 1, 1, 0x21, 1, 1]);
        }
        if matches!(self.style, Style::Ipxe | Style::System) {
            let mut id = [1; 7];
            id[1..].copy_from_slice(&context.mac.0);
            option(61, &id);
        }
        bytes.push(255);
        bytes.resize(bytes.len().max(300), 0);
        bytes
    }
}

/// Gives an address back (RFC 2131 §4.4.6): no answer, no repetition.
pub(super) fn release(context: &mut Context<'_>) {
    let mut bytes = vec![0; 236];
    bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
    bytes[4..8].copy_from_slice(&context.machine.to_be_bytes());
    bytes[12..16].copy_from_slice(&context.address.octets());
    bytes[28..34].copy_from_slice(&context.mac.0);
    bytes.extend([99, 130, 83, 99, 53, 1, 7, 54, 4]);
    bytes.extend(SERVER.octets());
    bytes.push(255);
    bytes.resize(300, 0);
    let source = SocketAddrV4::new(context.address, 68);
    context.send(source, SocketAddrV4::new(SERVER, 67), bytes);
}

fn guid_of(machine: u32) -> [u8; 16] {
    let mut hasher = DefaultHasher::new();
    machine.hash(&mut hasher);
    let half = hasher.finish().to_le_bytes();
    let mut guid = [0x5a; 16];
    guid[..8].copy_from_slice(&half);
    guid
}

/// Reads a reply; `None` if it is for another exchange.
fn parse(bytes: &[u8], xid: u32, context: &Context<'_>) -> Result<Option<Reply>, &'static str> {
    if !(300..=1472).contains(&bytes.len()) {
        return Err("an illegal length");
    }
    if bytes[..4] != [2, 1, 6, 0] || bytes[28..34] != context.mac.0 || bytes[34..44] != [0; 10] {
        return Err("a bad header");
    }
    if bytes[236..240] != [99, 130, 83, 99] {
        return Err("no magic cookie");
    }
    if bytes[4..8] != xid.to_be_bytes() {
        return Ok(None);
    }
    let address = |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    let mut reply = Reply {
        kind: 0,
        address: address(16),
        server: None,
        mask: false,
        next_server: address(20),
        file: text(&bytes[108..236]),
        class: Vec::new(),
        ipxe: Vec::new(),
        lease: Duration::ZERO,
        until: Instant::ZERO,
    };
    let mut at = 240;
    loop {
        let code = *bytes.get(at).ok_or("options without an end")?;
        at += 1;
        if code == 255 {
            return Ok(Some(reply));
        }
        if code == 0 {
            continue;
        }
        let len = usize::from(*bytes.get(at).ok_or("an option without a length")?);
        let value = bytes.get(at + 1..at + 1 + len).ok_or("an option that is cut")?;
        at += 1 + len;
        match (code, value) {
            (53, [kind]) => reply.kind = *kind,
            (54, [a, b, c, d]) => reply.server = Some(Ipv4Addr::new(*a, *b, *c, *d)),
            (1, [_, _, _, _]) => reply.mask = true,
            (51, [a, b, c, d]) => {
                let seconds = u32::from_be_bytes([*a, *b, *c, *d]);
                reply.lease = Duration::from_secs(u64::from(seconds));
            }
            (67, name) => reply.file = text(name),
            (60, class) => reply.class = class.to_vec(),
            (175, options) => reply.ipxe = options.to_vec(),
            (52, _) => return Err("an overloaded option"),
            (1 | 51 | 53 | 54, _) => return Err("an option of illegal length"),
            _ => {}
        }
    }
}
