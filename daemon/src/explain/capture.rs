//! Packets out of a capture file: pcap (tcpdump) and pcapng (Wireshark), of either byte order.
//!
//! Formats: <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-06.html> and
//! <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-04.html>. A file is not trusted: no
//! length in it is believed before it was compared with what is there.

use std::time::Duration;

/// A packet as it was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Captured<'c> {
    /// Its number in the file, from 1 as Wireshark counts.
    pub(super) number: u64,
    /// When, since 1970; zero where the file does not tell.
    pub(super) at: Duration,
    /// What its first header is (`LINKTYPE_…`).
    pub(super) link: u16,
    /// The interface's name, where the file tells it.
    pub(super) interface: Option<&'c str>,
    /// Whether all of it was captured.
    pub(super) whole: bool,
    /// The packet from its link-layer header on.
    pub(super) bytes: &'c [u8],
}

/// Why a file cannot be read, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CaptureError {
    /// It is something else.
    #[error("this is neither a pcap nor a pcapng file")]
    Unknown,
    /// A length in it cannot be.
    #[error("the file is damaged behind packet {0}")]
    Damaged(u64),
    /// Its end is missing.
    #[error("the file ends in the middle of what follows packet {0}")]
    CutOff(u64),
    /// A packet names an interface that the file does not describe.
    #[error("packet {0} names an interface that the file does not describe")]
    NoInterface(u64),
}

/// The packets of a capture file, in its order. After an error there is nothing more.
#[derive(Debug)]
pub(super) struct Capture<'c> {
    rest: &'c [u8],
    format: Format<'c>,
    number: u64,
}

#[derive(Debug)]
enum Format<'c> {
    Pcap { big: bool, nanos: bool, link: u16 },
    Pcapng { big: bool, interfaces: Vec<Interface<'c>> },
    Over,
}

/// An interface that a pcapng file describes.
#[derive(Clone, Copy, Debug)]
struct Interface<'c> {
    link: u16,
    /// Bytes that are kept of a packet; 0 for all.
    kept: u32,
    /// Units of time in a second.
    per_second: u64,
    name: Option<&'c str>,
}

impl<'c> Capture<'c> {
    /// Begins to read.
    ///
    /// # Errors
    /// [`CaptureError::Unknown`].
    pub(super) fn new(file: &'c [u8]) -> Result<Self, CaptureError> {
        if file.starts_with(&SECTION) {
            let format = Format::Pcapng { big: false, interfaces: Vec::new() };
            return Ok(Self { rest: file, format, number: 0 });
        }
        let (head, rest) = file.split_at_checked(PCAP_HEAD).ok_or(CaptureError::Unknown)?;
        let (big, nanos) = match head.first_chunk::<4>() {
            Some([0xa1, 0xb2, 0xc3, 0xd4]) => (true, false),
            Some([0xa1, 0xb2, 0x3c, 0x4d]) => (true, true),
            Some([0xd4, 0xc3, 0xb2, 0xa1]) => (false, false),
            Some([0x4d, 0x3c, 0xb2, 0xa1]) => (false, true),
            Some(_) | None => return Err(CaptureError::Unknown),
        };
        // The upper bits tell of checksums behind the frames.
        let link = u32_at(head, 20, big).map_or(0, |link| (link & 0xffff) as u16);
        Ok(Self { rest, format: Format::Pcap { big, nanos, link }, number: 0 })
    }

    fn next_of_pcap(
        &mut self,
        big: bool,
        nanos: bool,
        link: u16,
    ) -> Result<Option<Captured<'c>>, CaptureError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let cut_off = CaptureError::CutOff(self.number);
        let word = |at| u32_at(self.rest, at, big).ok_or(cut_off.clone());
        let (seconds, parts, kept, len) = (word(0)?, word(4)?, word(8)?, word(12)?);
        if kept > PACKET_MAX {
            return Err(CaptureError::Damaged(self.number));
        }
        let body = self.rest.get(RECORD_HEAD..).unwrap_or_default();
        let (bytes, rest) = body.split_at_checked(kept as usize).ok_or(cut_off)?;
        self.rest = rest;
        self.number += 1;
        let parts = Duration::from_nanos(u64::from(parts) * if nanos { 1 } else { 1000 });
        let at = Duration::from_secs(seconds.into()) + parts;
        let whole = len <= kept;
        Ok(Some(Captured { number: self.number, at, link, interface: None, whole, bytes }))
    }

    fn next_of_pcapng(&mut self) -> Result<Option<Captured<'c>>, CaptureError> {
        // Ends: each round takes a block of twelve bytes or more.
        while !self.rest.is_empty() {
            let Format::Pcapng { big, interfaces } = &mut self.format else { return Ok(None) };
            let cut_off = CaptureError::CutOff(self.number);
            let damaged = CaptureError::Damaged(self.number);
            if self.rest.starts_with(&SECTION) {
                *big = match self.rest.get(8..12) {
                    Some([0x1a, 0x2b, 0x3c, 0x4d]) => true,
                    Some([0x4d, 0x3c, 0x2b, 0x1a]) => false,
                    Some(_) => return Err(damaged),
                    None => return Err(cut_off),
                };
                interfaces.clear();
            }
            let big = *big;
            let word = |at| u32_at(self.rest, at, big).ok_or(cut_off.clone());
            let (kind, len) = (word(0)?, word(4)? as usize);
            if len < 12 || !len.is_multiple_of(4) {
                return Err(damaged);
            }
            let (block, rest) = self.rest.split_at_checked(len).ok_or(cut_off)?;
            self.rest = rest;
            let body = block.get(8..len - 4).unwrap_or_default();
            match kind {
                INTERFACE if interfaces.len() >= INTERFACES_MAX => return Err(damaged),
                INTERFACE => interfaces.push(Interface::parse(body, big).ok_or(damaged)?),
                ENHANCED | OLD_PACKET | SIMPLE => {
                    self.number += 1;
                    return packet(kind, body, big, interfaces, self.number).map(Some);
                }
                // Sections, names, statistics, and what nobody has thought of yet.
                _ => {}
            }
        }
        Ok(None)
    }
}

impl<'c> Iterator for Capture<'c> {
    type Item = Result<Captured<'c>, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match self.format {
            Format::Pcap { big, nanos, link } => self.next_of_pcap(big, nanos, link),
            Format::Pcapng { .. } => self.next_of_pcapng(),
            Format::Over => Ok(None),
        };
        if next.is_err() {
            self.format = Format::Over;
        }
        next.transpose()
    }
}

impl<'c> Interface<'c> {
    fn parse(body: &'c [u8], big: bool) -> Option<Self> {
        let link = u16_at(body, 0, big)?;
        let kept = u32_at(body, 4, big)?;
        let mut interface = Self { link, kept, per_second: 1_000_000, name: None };
        let mut rest = body.get(8..)?;
        // Ends: each round takes four bytes or more.
        while let (Some(code), Some(len)) = (u16_at(rest, 0, big), u16_at(rest, 2, big)) {
            let len = usize::from(len);
            let value = rest.get(4..4 + len)?;
            match (code, value) {
                (END_OF_OPTIONS, _) => break,
                (NAME, name) => interface.name = std::str::from_utf8(name).ok(),
                (RESOLUTION, [power]) => interface.per_second = per_second(*power)?,
                _ => {}
            }
            rest = rest.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
        }
        Some(interface)
    }
}

/// Units in a second: a power of ten, or of two with the highest bit set. `None` if that is more
/// than anybody counts.
fn per_second(power: u8) -> Option<u64> {
    let (base, power) = if power & 0x80 == 0 { (10_u64, power) } else { (2, power & 0x7f) };
    base.checked_pow(power.into())
}

/// A packet block of pcapng.
fn packet<'c>(
    kind: u32,
    body: &'c [u8],
    big: bool,
    interfaces: &[Interface<'c>],
    number: u64,
) -> Result<Captured<'c>, CaptureError> {
    let damaged = CaptureError::Damaged(number - 1);
    let word = |at| u32_at(body, at, big).ok_or(damaged.clone());
    let of = match kind {
        ENHANCED => word(0)? as usize,
        OLD_PACKET => usize::from(u16_at(body, 0, big).ok_or(damaged.clone())?),
        _ => 0,
    };
    let interface = interfaces.get(of).ok_or(CaptureError::NoInterface(number))?;
    let (head, units, kept, len) = if kind == SIMPLE {
        let len = word(0)?;
        let all = u32::try_from(body.len() - 4).unwrap_or(u32::MAX);
        let kept = if interface.kept == 0 { len } else { len.min(interface.kept) };
        (4, 0, kept.min(all), len)
    } else {
        let units = u64::from(word(4)?) << 32 | u64::from(word(8)?);
        (20, units, word(12)?, word(16)?)
    };
    let bytes = body.get(head..).and_then(|body| body.get(..kept as usize)).ok_or(damaged)?;
    let seconds = units / interface.per_second;
    let parts = u128::from(units % interface.per_second) * 1_000_000_000;
    let nanos = u32::try_from(parts / u128::from(interface.per_second)).unwrap_or(0);
    let at = Duration::new(seconds, nanos);
    let Interface { link, name, .. } = *interface;
    Ok(Captured { number, at, link, interface: name, whole: len <= kept, bytes })
}

fn u16_at(bytes: &[u8], at: usize, big: bool) -> Option<u16> {
    let bytes = *bytes.get(at..)?.first_chunk()?;
    Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
}

fn u32_at(bytes: &[u8], at: usize, big: bool) -> Option<u32> {
    let bytes = *bytes.get(at..)?.first_chunk()?;
    Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
}

/// Bytes before the first packet of pcap, and before each.
const PCAP_HEAD: usize = 24;
const RECORD_HEAD: usize = 16;

/// No frame is longer: what says so is damaged (the limit of libpcap for Ethernet).
const PACKET_MAX: u32 = 262_144;

/// Interfaces of a section that are kept in mind.
const INTERFACES_MAX: usize = 4096;

/// Blocks of pcapng. That of a section reads alike in both byte orders.
const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE: u32 = 3;
const ENHANCED: u32 = 6;

/// Options of an interface.
const END_OF_OPTIONS: u16 = 0;
const NAME: u16 = 2;
const RESOLUTION: u16 = 9;

#[cfg(test)]
mod tests;
