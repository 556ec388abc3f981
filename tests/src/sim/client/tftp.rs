//! TFTP as firmware speaks it.

use std::net::SocketAddrV4;
use std::time::Duration;

use super::{Context, Step};
use crate::sim::host::Payload;
use crate::sim::site::{SERVER, Version};

/// Who fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// edk2: asks for the size, breaks off with ERROR 8, asks again with a window of 4.
    Uefi,
    /// A BIOS ROM: asks for the size, breaks off with ERROR 0, asks again from the same port.
    Bios,
    /// iPXE: lockstep, first time.
    Ipxe,
}

/// What a fetch brought.
#[derive(Debug)]
pub(super) enum Fetched {
    File,
    Document(Vec<u8>),
    Missing,
}

/// One file on its way.
#[derive(Debug)]
pub(super) struct Tftp {
    style: Style,
    name: String,
    /// What the file may be, fewer the more is known; nothing for a generated document.
    versions: Vec<Version>,
    is_file: bool,
    port: u16,
    server_port: Option<u16>,
    /// Whether only the size is asked for.
    probing: bool,
    block_bytes: u64,
    window: u64,
    received: u64,
    unacked: u64,
    tries: u32,
    document: Vec<u8>,
}

impl Style {
    fn block_bytes(self) -> u64 {
        match self {
            Self::Uefi => 1468,
            Self::Bios => 1456,
            Self::Ipxe => 1432,
        }
    }

    fn window(self) -> u64 {
        if self == Self::Uefi { 4 } else { 1 }
    }

    /// The options of a request.
    fn options(self, probing: bool) -> Vec<(&'static str, u64)> {
        let block = ("blksize", self.block_bytes());
        match (self, probing) {
            (Self::Uefi, true) => vec![("tsize", 0), block, ("windowsize", 4)],
            (Self::Uefi, false) => vec![block, ("windowsize", 4)],
            (Self::Bios, true) => vec![("tsize", 0)],
            (Self::Bios, false) => vec![block],
            (Self::Ipxe, _) => vec![block, ("tsize", 0)],
        }
    }

    /// How long to wait after the `tries`-th repetition; `None` to give up.
    fn patience(self, tries: u32) -> Option<Duration> {
        let (first_ms, doublings, tries_max) = match self {
            Self::Uefi => (4000, 0, 6),
            Self::Bios => (2000, 1, 5),
            Self::Ipxe => (250, 5, 6),
        };
        let wait = Duration::from_millis(first_ms << tries.min(doublings));
        (tries < tries_max).then_some(wait)
    }
}

impl Tftp {
    pub(super) fn start(style: Style, name: &str, context: &mut Context<'_>) -> Self {
        let mut tftp = Self {
            style,
            name: name.to_owned(),
            versions: Vec::new(),
            is_file: false,
            port: 0,
            server_port: None,
            probing: style != Style::Ipxe,
            block_bytes: 512,
            window: 1,
            received: 0,
            unacked: 0,
            tries: 0,
            document: Vec::new(),
        };
        tftp.ask(context);
        tftp
    }

    /// Sends a request, from a new port unless the firmware has only one.
    ///
    /// Two transfers between the same two ports cannot be told apart (RFC 1350 §4), so a late
    /// packet of one may ruin the other: firmware with one port needs a server with more.
    fn ask(&mut self, context: &mut Context<'_>) {
        let one_port = self.style == Style::Bios && context.site.transfer_ports > 1;
        self.port = if one_port { 2070 } else { context.next_port() };
        self.server_port = None;
        self.is_file = !context.site.versions(&self.name).is_empty();
        self.tries = 0;
        self.repeat(context);
    }

    pub(super) fn on_timer(&mut self, context: &mut Context<'_>) -> Step<Fetched> {
        self.tries += 1;
        if self.style.patience(self.tries).is_none() {
            return Step::Failed;
        }
        self.repeat(context);
        Step::Going
    }

    fn repeat(&mut self, context: &mut Context<'_>) {
        match self.server_port {
            Some(_) => self.ack(context),
            None => {
                let mut request = vec![0, 1];
                request.extend([self.name.as_bytes(), b"\0octet\0"].concat());
                for (name, value) in self.style.options(self.probing) {
                    request.extend(format!("{name}\0{value}\0").bytes());
                }
                self.send(69, request, context);
            }
        }
        self.wait(context);
    }

    fn wait(&self, context: &mut Context<'_>) {
        context.wait(self.style.patience(self.tries).expect("it has not given up"));
    }

    fn send(&self, port: u16, payload: Vec<u8>, context: &mut Context<'_>) {
        let source = SocketAddrV4::new(context.address, self.port);
        context.send(source, SocketAddrV4::new(SERVER, port), payload);
    }

    fn ack(&mut self, context: &mut Context<'_>) {
        self.unacked = 0;
        let [a, b] = (self.received as u16).to_be_bytes();
        self.send(self.server_port.expect("the server has answered"), vec![0, 4, a, b], context);
    }

    pub(super) fn on_datagram(
        &mut self,
        source: SocketAddrV4,
        port: u16,
        payload: &Payload,
        context: &mut Context<'_>,
    ) -> Step<Fetched> {
        if port != self.port {
            return Step::Going;
        }
        if self.server_port.is_none() {
            self.versions = context.site.versions(&self.name);
        }
        if *self.server_port.get_or_insert(source.port()) != source.port() {
            // From a transfer that is over (RFC 1350 §4).
            if payload.head[1] != 5 {
                self.send(source.port(), b"\0\x05\0\x05unknown transfer\0".to_vec(), context);
            }
            return Step::Going;
        }
        match payload.head[..] {
            [0, 6, ..] => self.on_option_ack(payload, context),
            [0, 3, a, b, ..] => self.on_data(u16::from_be_bytes([a, b]), payload, context),
            [0, 5, 0, 1, ..] => {
                context.ensure(!self.is_file, || format!("{} is not found", self.name));
                Step::Done(Fetched::Missing)
            }
            [0, 5, ..] => Step::Failed,
            _ => context.fail(&format!("no packet for a client: {payload:02x?}")),
        }
    }

    fn on_option_ack(&mut self, payload: &Payload, context: &mut Context<'_>) -> Step<Fetched> {
        let text = String::from_utf8_lossy(&payload.head[2..]).into_owned();
        let asked = self.style.options(self.probing);
        if self.style == Style::Bios && !self.probing && text.starts_with("tsize") {
            // Of the transfer that it broke off: with one port it cannot tell them apart.
            let error = b"\0\x05\0\x08not asked for\0".to_vec();
            let port = self.server_port.take().expect("it answered");
            self.send(port, error, context);
            return Step::Going;
        }
        let words: Vec<_> = text.split_terminator('\0').collect();
        for pair in words.chunks(2) {
            let value = pair.get(1).and_then(|value| value.parse::<u64>().ok());
            let limit = asked.iter().find(|(name, _)| *name == pair[0]);
            let (Some((name, limit)), Some(value)) = (limit, value) else {
                context.fail(&format!("asked for {asked:?}, got {text:?}"));
            };
            let good = if *name == "tsize" {
                self.versions.retain(|(_, len)| *len == value);
                self.is_file != self.versions.is_empty()
            } else {
                (1..=*limit).contains(&value)
            };
            context.ensure(good, || format!("asked for {asked:?}, got {text:?}"));
            match *name {
                "blksize" => self.block_bytes = value,
                "windowsize" => self.window = value,
                _ => {}
            }
        }
        let complete = words.len() == 2 * asked.len();
        context.ensure(complete, || format!("asked for {asked:?}, got {text:?}"));
        if self.probing {
            let code = if self.style == Style::Uefi { 8 } else { 0 };
            let mut error = vec![0, 5, 0, code];
            error.extend(b"User aborted the transfer\0");
            self.send(self.server_port.expect("it answered"), error, context);
            self.probing = false;
            (self.block_bytes, self.window) = (512, 1);
            self.ask(context);
        } else if self.received == 0 {
            self.tries = 0;
            self.ack(context);
            self.wait(context);
        }
        Step::Going
    }

    fn on_data(
        &mut self,
        block: u16,
        payload: &Payload,
        context: &mut Context<'_>,
    ) -> Step<Fetched> {
        if self.probing {
            return Step::Going;
        }
        let next = self.received + 1;
        if block != next as u16 {
            self.ack(context);
            return Step::Going;
        }
        let offset = self.received * self.block_bytes;
        let len = self.take(offset, payload, context);
        self.received = next;
        self.unacked += 1;
        self.tries = 0;
        let last = len < self.block_bytes;
        if last || self.unacked >= self.window.min(self.style.window()) {
            self.ack(context);
        }
        if !last {
            self.wait(context);
            return Step::Going;
        }
        Step::Done(if self.is_file {
            Fetched::File
        } else {
            Fetched::Document(std::mem::take(&mut self.document))
        })
    }

    /// Checks the bytes of a block, or keeps them if nobody knows what to expect. Tells their
    /// number.
    fn take(&mut self, offset: u64, payload: &Payload, context: &Context<'_>) -> u64 {
        let text = &payload.head[4..];
        if !self.is_file {
            context.ensure(payload.body.is_none(), || format!("an image for {}", self.name));
            self.document.extend(text);
            return text.len() as u64;
        }
        let block_bytes = self.block_bytes;
        let expected = |len: u64| len.saturating_sub(offset).min(block_bytes);
        // Whatever the file is, it is the same from the first block to the last.
        self.versions.retain(|(image, len)| match payload.body {
            None => offset <= *len && expected(*len) == 0,
            Some(span) => {
                span.image == *image
                    && span.offset == offset
                    && u64::from(span.len) == expected(*len)
            }
        });
        context.ensure(!self.versions.is_empty() && text.is_empty(), || {
            format!("wrong bytes of {} at {offset}: {payload:?}", self.name)
        });
        payload.body.map_or(0, |span| u64::from(span.len))
    }
}
