//! An engine that answers each datagram as the datagram asks.

use std::collections::VecDeque;

use reveille_core::engine::{
    Datagram, Discard, Engine, Origin, Output, Packet, Route, SendError, SocketId, Split, Transmit,
};
use reveille_core::event::Event;
use reveille_core::image::{ImageId, ImageSpan};
use reveille_core::time::Instant;
use reveille_core::view::View;

/// What a client can ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    /// Who am I to you: destination address, interface, then the number given.
    Describe(u32),
    /// A head and a span, from the given socket.
    Fetch(u16, ImageSpan),
    /// A span in datagrams of four bytes of head and so many of body, in one send.
    Split(ImageSpan, u16),
    /// Nothing at all, and a reason for it.
    Discard,
    /// A panic.
    Panic,
}

impl Request {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let span = |span: ImageSpan| {
            let ImageSpan { image: ImageId { slot, generation }, offset, len } = span;
            let (slot, generation) = (slot.to_le_bytes(), generation.to_le_bytes());
            [&slot[..], &generation, &len.to_le_bytes(), &offset.to_le_bytes()].concat()
        };
        match self {
            Self::Describe(number) => [&[0][..], &number.to_le_bytes()].concat(),
            Self::Fetch(socket, body) => [&[1][..], &socket.to_le_bytes(), &span(body)].concat(),
            Self::Split(body, body_len) => {
                [&[2][..], &body_len.to_le_bytes(), &span(body)].concat()
            }
            Self::Discard => vec![3],
            Self::Panic => vec![4],
        }
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let u16_at = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let span = || ImageSpan {
            image: ImageId { slot: u32_at(3), generation: u32_at(7) },
            len: u32_at(11),
            offset: u64::from_le_bytes(bytes[15..23].try_into().unwrap()),
        };
        match bytes[0] {
            0 => Self::Describe(u32_at(1)),
            1 => Self::Fetch(u16_at(1), span()),
            2 => Self::Split(span(), u16_at(1)),
            3 => Self::Discard,
            _ => Self::Panic,
        }
    }
}

/// The heads of the datagrams of a split.
pub(crate) fn split_head(index: usize) -> [u8; 4] {
    [b'S', b'P', index as u8, !(index as u8)]
}

/// Answers in the order of the questions; a failed send is answered with `error`.
#[derive(Debug, Default)]
pub(crate) struct Replier {
    waiting: VecDeque<(Route, Answer)>,
    in_flight: VecDeque<(Origin, Route)>,
    next_origin: u64,
}

#[derive(Debug)]
enum Answer {
    Text(Vec<u8>),
    Request(Request),
}

impl Replier {
    pub(crate) fn into_packets(self) -> PacketReplier {
        PacketReplier(self)
    }

    fn take(&mut self, datagram: &Datagram<'_>) -> Result<(), Discard> {
        let request = Request::from_bytes(datagram.payload);
        let route = |socket| Route::Datagram {
            socket,
            interface: datagram.interface,
            source: datagram.destination.ip(),
            destination: datagram.source,
        };
        let (socket, answer) = match request {
            Request::Discard => return Err(Discard::NotAllowed),
            Request::Panic => panic!("as asked for"),
            Request::Describe(number) => {
                let interface = datagram.interface.0;
                let text = format!("{} {interface} {number}", datagram.destination);
                (datagram.socket, Answer::Text(text.into_bytes()))
            }
            Request::Fetch(socket, _) => (SocketId(socket), Answer::Request(request)),
            Request::Split(..) => (datagram.socket, Answer::Request(request)),
        };
        self.waiting.push_back((route(socket), answer));
        Ok(())
    }

    fn output(&mut self, head: &mut [u8]) -> Option<Output> {
        let (route, answer) = self.waiting.pop_front()?;
        self.next_origin += 1;
        let origin = Origin(self.next_origin);
        self.in_flight.push_back((origin, route));
        let transmit = |head_len, body, split| {
            Some(Output::Transmit(Transmit { route, origin, head_len, body, split }))
        };
        match answer {
            Answer::Text(text) => {
                head[..text.len()].copy_from_slice(&text);
                transmit(text.len() as u16, None, None)
            }
            Answer::Request(Request::Fetch(_, body)) => {
                head[..4].copy_from_slice(b"head");
                transmit(4, Some(body), None)
            }
            Answer::Request(Request::Split(body, body_len)) => {
                let segments = (body.len / u32::from(body_len) + 1) as u16;
                for (index, head) in head.chunks_exact_mut(4).take(segments.into()).enumerate() {
                    head.copy_from_slice(&split_head(index));
                }
                let split = Split { head_len: 4, body_len, segments };
                transmit(segments * 4, Some(body), Some(split))
            }
            Answer::Request(other) => panic!("{other:?} has no answer"),
        }
    }

    fn failed(&mut self, origin: Origin, error: SendError) {
        let found = self.in_flight.iter().find(|(sent, _)| *sent == origin);
        let (_, route) = found.expect("an error names a send");
        self.waiting.push_back((*route, Answer::Text(format!("{error:?}").into_bytes())));
    }
}

macro_rules! engine {
    ($type:ident, $input:ident, |$self:ident, $value:ident| $inner:expr, $datagram:expr) => {
        impl Engine for $type {
            type Input<'i> = $input<'i>;

            fn handle_input(
                &mut $self,
                $value: $input<'_>,
                _: Instant,
                _: &View,
            ) -> Result<(), Discard> {
                match $datagram {
                    Some(datagram) => $inner.take(&datagram),
                    None => Err(Discard::NotForServer),
                }
            }

            fn handle_timeout(&mut self, _: Instant) {}

            fn poll_output(&mut $self, head: &mut [u8], _: Instant, _: &View) -> Option<Output> {
                $inner.output(head)
            }

            fn poll_event(&mut self) -> Option<Event> {
                None
            }

            fn poll_timeout(&self) -> Option<Instant> {
                None
            }

            fn handle_send_error(&mut $self, origin: Origin, error: SendError, _: Instant) {
                $inner.failed(origin, error);
            }

            fn uses_image(&self, _: ImageId) -> bool {
                false
            }

            fn drain(&mut self) {}

            fn sessions(&$self) -> usize {
                $inner.waiting.len()
            }
        }
    };
}

/// The same for the engine that is given packets.
#[derive(Debug, Default)]
pub(crate) struct PacketReplier(Replier);

engine!(Replier, Datagram, |self, value| self, Some(value));
engine!(
    PacketReplier,
    Packet,
    |self, value| self.0,
    match value {
        Packet::Datagram(datagram) => Some(datagram),
        Packet::Frame(_) | Packet::Store(_) | Packet::Operator(_) => None,
    }
);
