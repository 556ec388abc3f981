//! Tells about boots: lines for people, or messages with fields.

use reveille_core::time::Instant;
use tracing::{Level, debug, enabled, info, warn};

use super::{Paint, Terminal};
use crate::logging::BOOT;
use crate::timeline::{
    Crowd, Entry, Throttle, Timelines, UnderWay, Verdict, Weight, What, protocol_label,
};
use crate::units::{Bytes, Count, Span};

/// Machines shown at one time while they boot.
const SHOWN_MAX: usize = 12;

/// Where and how boots are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Lines on standard output, with machines under way below them.
    Lines,
    /// Messages on standard error.
    Messages,
}

/// Tells about boots.
#[derive(Debug)]
pub struct Boots {
    terminal: Terminal,
    style: Style,
    throttle: Throttle,
    crowd: Crowd,
}

impl Boots {
    /// Tells on `terminal`.
    pub fn new(terminal: Terminal, style: Style) -> Self {
        Self { terminal, style, throttle: Throttle::default(), crowd: Crowd::default() }
    }

    /// Tells one entry, unless too many of its kind were told just now: stages of a crowd are
    /// counted and told by [`Boots::refresh`].
    pub fn tell(&mut self, entry: &Entry, now: Instant) {
        // In a storm most entries are details that nobody wants to see.
        if entry.what.weight() == Weight::Detail && !enabled!(target: BOOT, Level::DEBUG) {
            return;
        }
        let mut is_last = false;
        if entry.what.weight() == Weight::Warning {
            match self.throttle.judge(entry.what.label(), now) {
                Verdict::Show => {}
                Verdict::ShowLast => is_last = true,
                Verdict::Hold => return,
            }
        }
        let is_stage = entry.what.weight() == Weight::Stage;
        if is_stage && !enabled!(target: BOOT, Level::DEBUG) && !self.crowd.admit(entry, now) {
            return;
        }
        match (self.style, entry.what.weight()) {
            (_, Weight::Detail) => log(entry),
            (Style::Messages, _) => log(entry),
            (Style::Lines, _) => {
                let colour = self.terminal.traits().colour_out;
                self.terminal.line(&line(entry, colour));
            }
        }
        if is_last {
            info!("more of these ({}) are only counted for a minute", entry.what.label());
        }
    }

    /// Tells what was held back and shows the machines under way. Meant to be called several
    /// times a second where somebody looks, else about once.
    pub fn refresh(&mut self, timelines: &Timelines, now: Instant) {
        for (kind, count) in self.throttle.expire(now) {
            info!("{} more: {kind}", Count(count, "warning"));
        }
        if let Some(digest) = self.crowd.expire(now) {
            self.tell_digest(&digest);
        }
        if self.style == Style::Lines && self.terminal.traits().live {
            self.terminal.show(block(timelines.under_way(now)));
        }
    }

    /// Tells what was held back and takes away what is shown about machines under way.
    pub fn finish(&mut self) {
        if let Some(digest) = self.crowd.take() {
            self.tell_digest(&digest);
        }
        self.terminal.show(Vec::new());
    }

    fn tell_digest(&self, digest: &str) {
        match self.style {
            Style::Lines => self.terminal.line(digest),
            Style::Messages => info!(target: BOOT, "{digest}"),
        }
    }
}

/// An entry as a line, with advice below.
fn line(entry: &Entry, colour: bool) -> String {
    let plain = entry.to_string();
    let paint = if matches!(entry.what, What::Up { .. }) {
        Paint::Green
    } else if matches!(entry.what, What::Discover { .. }) {
        Paint::Bold
    } else if entry.what.weight() == Weight::Warning {
        Paint::Yellow
    } else {
        Paint::Cyan
    };
    let label = entry.what.label();
    let mut line = match plain.split_once(label) {
        Some((before, after)) => format!("{before}{}{after}", paint.paint(label, colour)),
        None => plain,
    };
    if let Some(help) = entry.what.help() {
        line.push_str("\n  help: ");
        line.push_str(&help);
    }
    line
}

fn block(machines: impl Iterator<Item = UnderWay>) -> Vec<String> {
    let mut machines: Vec<UnderWay> = machines.collect();
    // The same machine stays in the same row.
    machines.sort_by_key(|machine| machine.mac);
    let count = machines.len();
    let mut lines: Vec<String> = machines.iter().take(SHOWN_MAX).map(under_way).collect();
    if count > SHOWN_MAX {
        lines.push(format!("… and {} more machines booting", count - SHOWN_MAX));
    }
    lines
}

fn under_way(machine: &UnderWay) -> String {
    let millis = machine.since_start.as_millis();
    let since = format!("{:>5}.{} s", millis / 1000, millis % 1000 / 100);
    let what = match &machine.fetching {
        Some((name, bytes, lasting)) => {
            format!("{name}: {} on the way for {}", Bytes(*bytes), Span(*lasting))
        }
        None => "done; waiting for the machine".to_owned(),
    };
    format!("{}  {since}    {:<12}  {what}", machine.mac, machine.stage)
}

/// An entry as a message: the text for people, the fields for machines.
fn log(entry: &Entry) {
    let facts = Facts::of(&entry.what);
    let machine = entry.who;
    let since_ms = entry.since_start.map(|since| since.as_millis() as u64);
    let stage = entry.what.label();
    let Facts { file, bytes, took_ms, protocol, address } = facts;
    macro_rules! message {
        ($level:ident $(, $help:expr)?) => {
            $level!(
                target: BOOT, %machine, since_ms, stage, file, bytes, took_ms, protocol, address,
                $(help = $help,)? "{entry}"
            )
        };
    }
    match entry.what.weight() {
        Weight::Detail => message!(debug),
        Weight::Stage => message!(info),
        Weight::Warning => message!(warn, entry.what.help()),
    }
}

/// The fields of a message.
#[derive(Debug, Default)]
struct Facts<'e> {
    file: Option<&'e str>,
    bytes: Option<u64>,
    took_ms: Option<u64>,
    protocol: Option<&'static str>,
    address: Option<String>,
}

impl<'e> Facts<'e> {
    fn of(what: &'e What) -> Self {
        let none = Self::default();
        match what {
            What::Offer { address, boot_file, .. } | What::Ack { address, boot_file, .. } => Self {
                address: Some(address.to_string()),
                file: Some(&**boot_file).filter(|name| !name.is_empty()),
                ..none
            },
            What::ProxyOffer { boot_file } => {
                Self { file: Some(&**boot_file).filter(|name| !name.is_empty()), ..none }
            }
            What::Began { protocol, name, bytes, .. } => Self {
                file: Some(name),
                bytes: Some(*bytes),
                protocol: Some(protocol_label(*protocol)),
                ..none
            },
            What::Served { protocol, name, bytes, took, .. } => Self {
                file: Some(name),
                bytes: Some(*bytes),
                took_ms: u64::try_from(took.as_millis()).ok(),
                protocol: Some(protocol_label(*protocol)),
                ..none
            },
            What::Aborted { name, bytes } | What::TimedOut { name, bytes, .. } => {
                Self { file: Some(name), bytes: Some(*bytes), ..none }
            }
            What::NotFound { protocol, name, .. } | What::Refused { protocol, name } => {
                Self { file: Some(name), protocol: Some(protocol_label(*protocol)), ..none }
            }
            What::Unreadable { name } => Self { file: Some(name), ..none },
            What::Waited { name, waited } | What::SentAway { name, wait: waited } => {
                Self { file: Some(name), took_ms: u64::try_from(waited.as_millis()).ok(), ..none }
            }
            What::Nak { address } | What::Decline { address } | What::Release { address } => {
                Self { address: Some(address.to_string()), ..none }
            }
            What::AddressInUse { address, .. } => {
                Self { address: Some(address.to_string()), ..none }
            }
            What::ForeignServer(found) => Self { address: Some(found.server.to_string()), ..none },
            What::Up { bytes } => Self { bytes: Some(*bytes), ..none },
            What::Discover { .. } | What::RouterAdvertised | What::Pool(_) | What::Diagnosis(_) => {
                none
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reveille_core::mac::MacAddr;

    use super::*;
    use crate::timeline::{Diagnosis, Stage, Who};

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    #[test]
    fn a_warning_carries_its_advice() {
        let entry = Entry {
            who: Who::Mac(MAC),
            since_start: Some(Duration::from_millis(1500)),
            what: What::Diagnosis(Diagnosis::PoolExhausted),
        };
        assert_eq!(
            line(&entry, false),
            "02:00:00:00:00:01      1.500 s  no address    no address is left for it\n  \
             help: make the pool larger or the leases shorter"
        );
        assert!(line(&entry, true).contains("\x1b[33mno address\x1b[0m"));
    }

    #[test]
    fn machines_under_way_keep_their_rows() {
        let machine = |last| UnderWay {
            mac: MacAddr([2, 0, 0, 0, 0, last]),
            since_start: Duration::from_millis(2345),
            stage: Stage::Kernel,
            fetching: Some(("vmlinuz".into(), 8_000_000, Duration::from_secs(1))),
        };
        let rows = block((0..20).rev().map(machine));
        assert_eq!(
            rows[0],
            "02:00:00:00:00:00      2.3 s    kernel        \
             vmlinuz: 8.0 MB on the way for 1.00 s"
        );
        assert_eq!(rows.len(), 13);
        assert_eq!(rows[12], "… and 8 more machines booting");
    }
}
