//! ISC dhcpd: statements in a small language; a later `lease` block about an address replaces an
//! earlier one (dhcpd.leases(5)).

use std::net::Ipv4Addr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use reveille_core::mac::MacAddr;

use super::{Foreign, ForeignState, Reading, hex};
use crate::store::wall::Wall;

pub(super) fn read(text: &str) -> Reading {
    let mut reading = Reading::default();
    let mut words = Words { text: text.as_bytes(), at: 0, line: 1 };
    let mut statement = Vec::new();
    let mut begin = 1;
    // Ends: every round takes a word of the text.
    while let Some((line, word)) = words.next() {
        if statement.is_empty() {
            begin = line;
        }
        match word {
            Word::End => statement.clear(),
            Word::Close => {
                reading.skip(line, "a block is closed that was not opened");
                statement.clear();
            }
            Word::Open => {
                match &statement[..] {
                    [Word::Plain(kind), Word::Plain(address)] if kind == "lease" => {
                        block(&mut reading, &mut words, begin, address);
                    }
                    // Groups, failover states and leases of DHCPv6 are of no use here.
                    other => {
                        if matches!(other.first(), Some(Word::Plain(kind)) if kind.starts_with("ia"))
                        {
                            reading.skip(begin, "it is a lease of DHCPv6");
                        }
                        words.skip_block();
                    }
                }
                statement.clear();
            }
            Word::Plain(_) | Word::Quoted(_) => statement.push(word),
        }
    }
    reading
}

/// What stands in a block about a lease.
#[derive(Default)]
struct Block {
    starts: Option<Wall>,
    ends: Option<Wall>,
    state: Option<String>,
    abandoned: bool,
    mac: Option<MacAddr>,
    client_id: Vec<u8>,
    hostname: String,
}

/// Reads a block to its end.
fn block(reading: &mut Reading, words: &mut Words<'_>, line: usize, address: &str) {
    let mut block = Block::default();
    let mut statement = Vec::new();
    let mut is_whole = false;
    let mut fault = None;
    // Ends: every round takes a word of the text.
    while let Some((_, word)) = words.next() {
        match word {
            Word::Close => {
                is_whole = true;
                break;
            }
            Word::Open => {
                // `on commit { … }`: nothing about the lease.
                words.skip_block();
                statement.clear();
            }
            Word::End => {
                if let Err(why) = block.take(&statement) {
                    fault = Some(why);
                }
                statement.clear();
            }
            Word::Plain(_) | Word::Quoted(_) => statement.push(word),
        }
    }
    let lease = match (address.parse::<Ipv4Addr>(), fault) {
        _ if !is_whole => Err("the block is not closed: the file was cut".to_owned()),
        (Err(_), _) => Err(format!("`{address}` is no IPv4 address")),
        (_, Some(why)) => Err(why),
        (Ok(address), None) => block.lease(line, address),
    };
    match lease {
        Ok(lease) => reading.take(lease),
        Err(why) => reading.skip(line, why),
    }
}

impl Block {
    /// Takes a statement; those that say nothing about the lease are passed over.
    fn take(&mut self, statement: &[Word]) -> Result<(), String> {
        let plain: Vec<&str> = statement.iter().map(Word::text).collect();
        match (&plain[..], statement) {
            (["starts", time @ ..], _) => self.starts = Some(self::time(time)?),
            (["ends", time @ ..], _) => self.ends = Some(self::time(time)?),
            (["binding", "state", state], _) => self.state = Some((*state).to_owned()),
            (["abandoned"], _) => self.abandoned = true,
            (["hardware", "ethernet", mac], _) => {
                let mac: Option<[u8; 6]> = hex(mac).and_then(|mac| mac.try_into().ok());
                self.mac = Some(MacAddr(mac.ok_or("its hardware address is no MAC address")?));
            }
            (["uid", _], [_, Word::Quoted(bytes)]) => self.client_id.clone_from(bytes),
            (["uid", text], _) => {
                self.client_id = hex(text).ok_or_else(|| format!("`{text}` is no uid"))?;
            }
            (["client-hostname", _], [_, Word::Quoted(name)]) => {
                self.hostname = String::from_utf8_lossy(name).into_owned();
            }
            _ => {}
        }
        Ok(())
    }

    fn lease(self, line: usize, address: Ipv4Addr) -> Result<Foreign, String> {
        let until = self.ends.ok_or("it does not say when it ends")?;
        let state = match self.state.as_deref() {
            _ if self.abandoned => ForeignState::Declined { until },
            Some("abandoned") => ForeignState::Declined { until },
            // Before version 3 there were no states.
            None | Some("active" | "bootp") => ForeignState::Bound { since: self.starts, until },
            Some("free" | "expired" | "released" | "reset" | "backup" | "reserved") => {
                ForeignState::Former { at: until }
            }
            Some(other) => return Err(format!("the binding state `{other}` is not known")),
        };
        let Self { mac, client_id, hostname, .. } = self;
        Ok(Foreign { line, address, mac, client_id, hostname, state })
    }
}

/// `never`, `epoch SECONDS`, or `WEEKDAY YYYY/MM/DD HH:MM:SS` in UTC, perhaps with an offset.
fn time(words: &[&str]) -> Result<Wall, String> {
    let fault = || format!("`{}` is no time", words.join(" "));
    match words {
        ["never"] => Ok(Wall::NEVER),
        ["epoch", seconds] => Ok(Wall::from_seconds(seconds.parse().map_err(|_| fault())?)),
        [_weekday, date, clock, offset @ ..] => {
            let text = format!("{} {clock}", date.replace('/', "-"));
            let civil: DateTime = text.parse().map_err(|_| fault())?;
            let time = civil.to_zoned(TimeZone::UTC).map_err(|_| fault())?.timestamp();
            let offset = match offset {
                [] => 0,
                // `+HHMM`: that far east of Greenwich.
                [offset] => {
                    let number: i64 = offset.parse().map_err(|_| fault())?;
                    (number / 100 * 60 + number % 100) * 60
                }
                [..] => return Err(fault()),
            };
            let seconds = u64::try_from(time.as_second() - offset).map_err(|_| fault())?;
            Ok(Wall::from_seconds(seconds))
        }
        _ => Err(fault()),
    }
}

/// A word of the language.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Plain(String),
    /// A string without its quotes and escapes.
    Quoted(Vec<u8>),
    Open,
    Close,
    /// `;`
    End,
}

impl Word {
    fn text(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Quoted(_) | Self::Open | Self::Close | Self::End => "",
        }
    }
}

/// The words of a text, with their lines.
struct Words<'t> {
    text: &'t [u8],
    at: usize,
    line: usize,
}

impl Iterator for Words<'_> {
    type Item = (usize, Word);

    fn next(&mut self) -> Option<(usize, Word)> {
        self.skip_blank();
        let line = self.line;
        let word = match self.step()? {
            b'{' => Word::Open,
            b'}' => Word::Close,
            b';' => Word::End,
            b'"' => Word::Quoted(self.quoted()),
            first => Word::Plain(self.plain(first)),
        };
        Some((line, word))
    }
}

impl Words<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        self.line += usize::from(byte == b'\n');
        Some(byte)
    }

    fn skip_blank(&mut self) {
        while let Some(byte) = self.peek() {
            if byte == b'#' {
                while self.peek().is_some_and(|byte| byte != b'\n') {
                    self.step();
                }
            } else if byte.is_ascii_whitespace() {
                self.step();
            } else {
                return;
            }
        }
    }

    fn plain(&mut self, first: u8) -> String {
        let mut bytes = vec![first];
        let ends = |byte: u8| byte.is_ascii_whitespace() || b"{};\"#".contains(&byte);
        while let Some(byte) = self.peek().filter(|byte| !ends(*byte)) {
            bytes.push(byte);
            self.step();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The rest of a string: `\` and three octal digits, or `\` and the character itself.
    fn quoted(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Ends: every round takes a byte of the text.
        while let Some(byte) = self.step() {
            match byte {
                b'"' => break,
                b'\\' => {
                    let digits = self.text.get(self.at..self.at + 3);
                    let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
                    match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
                        Some(value) => {
                            bytes.push(value);
                            self.at += 3;
                        }
                        None => bytes.extend(self.step()),
                    }
                }
                byte => bytes.push(byte),
            }
        }
        bytes
    }

    /// Passes over a block and all in it.
    fn skip_block(&mut self) {
        let mut depth = 1;
        for (_, word) in self.by_ref() {
            match word {
                Word::Open => depth += 1,
                Word::Close => depth -= 1,
                Word::Plain(_) | Word::Quoted(_) | Word::End => {}
            }
            if depth == 0 {
                return;
            }
        }
    }
}
