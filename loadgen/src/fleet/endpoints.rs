//! The sockets of machines, and the names of what is under way on them.

use std::net::SocketAddrV4;
use std::os::fd::RawFd;

/// What an operation is about, as `user_data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) kind: Kind,
    /// Which of the machine's sockets, counted from its first; modulo 2^24.
    generation: u32,
    /// The machine; for frames, which of the packet sockets.
    pub(super) number: u32,
}

/// Kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Frames,
    Datagram,
    DatagramSend,
    Connect,
    Stream,
    StreamSend,
}

impl Name {
    /// The receive on a packet socket.
    pub(super) const fn frames(socket: u32) -> Self {
        Self { kind: Kind::Frames, generation: 0, number: socket }
    }

    /// Another operation on the same socket.
    pub(super) const fn with(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    pub(super) const fn to_bits(self) -> u64 {
        (self.kind as u64) << 56 | (self.generation as u64) << 32 | self.number as u64
    }

    /// `None` for operations that nobody wants to hear of.
    pub(super) const fn from_bits(bits: u64) -> Option<Self> {
        let kind = match bits >> 56 {
            0 => Kind::Frames,
            1 => Kind::Datagram,
            2 => Kind::DatagramSend,
            3 => Kind::Connect,
            4 => Kind::Stream,
            5 => Kind::StreamSend,
            _ => return None,
        };
        let generation = (bits >> 32) as u32 & GENERATION_MASK;
        Some(Self { kind, generation, number: bits as u32 })
    }
}

/// The sockets of all machines.
#[derive(Debug)]
pub(super) struct Places {
    places: Vec<Place>,
    syscalls: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    power: Power,
    datagram: Option<Datagram>,
    stream: Option<Stream>,
    generation: u32,
    /// When it sent a DHCP message that nobody has answered yet: the first of its kind.
    asked: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Power {
    #[default]
    Waiting,
    On,
    Off,
}

/// A UDP socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagram {
    pub(super) fd: RawFd,
    generation: u32,
    /// Who sent the last datagram.
    pub(super) heard: Option<SocketAddrV4>,
    /// The only one that it talks to.
    pub(super) connected: Option<SocketAddrV4>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    fd: RawFd,
    generation: u32,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self { places: vec![Place::default(); count], syscalls: 0 }
    }

    /// System calls that were made for sockets.
    pub(super) const fn syscalls(&self) -> u64 {
        self.syscalls
    }

    pub(super) const fn count_syscalls(&mut self, more: u64) {
        self.syscalls += more;
    }

    /// A machine sends a DHCP message, perhaps once more.
    pub(super) fn ask(&mut self, number: u32, now: u64) {
        self.places[number as usize].asked.get_or_insert(now);
    }

    /// A machine got a DHCP message: when it had asked, if this is the first answer.
    pub(super) fn answered(&mut self, number: u32) -> Option<u64> {
        self.places[number as usize].asked.take()
    }

    /// Switches a machine on; false if that was done before.
    pub(super) fn power_on(&mut self, number: u32) -> bool {
        let power = &mut self.places[number as usize].power;
        let waited = *power == Power::Waiting;
        if waited {
            *power = Power::On;
        }
        waited
    }

    /// Switches a machine off; false if it was not on.
    pub(super) fn power_off(&mut self, number: u32) -> bool {
        let power = &mut self.places[number as usize].power;
        let was_on = *power == Power::On;
        *power = Power::Off;
        was_on
    }

    pub(super) fn is_on(&self, number: u32) -> bool {
        self.places[number as usize].power == Power::On
    }

    /// Whether an operation was begun on a socket that its machine still has.
    pub(super) fn is(&self, name: Name) -> bool {
        let Some(place) = self.places.get(name.number as usize) else { return false };
        let current = match name.kind {
            Kind::Frames => None,
            Kind::Datagram | Kind::DatagramSend => {
                place.datagram.map(|datagram| datagram.generation)
            }
            Kind::Connect | Kind::Stream | Kind::StreamSend => {
                place.stream.map(|stream| stream.generation)
            }
        };
        current == Some(name.generation)
    }

    /// A machine's UDP socket, and the name of `kind` on it.
    pub(super) fn datagram(&mut self, number: u32) -> Option<&mut Datagram> {
        self.places[number as usize].datagram.as_mut()
    }

    /// A machine's TCP socket.
    pub(super) fn stream(&self, number: u32) -> Option<RawFd> {
        self.places[number as usize].stream.map(|stream| stream.fd)
    }

    /// The name of an operation on the socket that a machine has for it.
    pub(super) fn name(&self, kind: Kind, number: u32) -> Name {
        let place = &self.places[number as usize];
        let generation = match kind {
            Kind::Frames => 0,
            Kind::Datagram | Kind::DatagramSend => {
                place.datagram.map_or(0, |datagram| datagram.generation)
            }
            Kind::Connect | Kind::Stream | Kind::StreamSend => {
                place.stream.map_or(0, |stream| stream.generation)
            }
        };
        Name { kind, generation, number }
    }

    /// Gives a machine a UDP socket; returns the one that it had.
    pub(super) fn put_datagram(&mut self, number: u32, fd: RawFd) -> Option<RawFd> {
        let place = &mut self.places[number as usize];
        let generation = place.next_generation();
        let datagram = Datagram { fd, generation, heard: None, connected: None };
        place.datagram.replace(datagram).map(|datagram| datagram.fd)
    }

    /// Gives a machine a TCP socket; returns the one that it had.
    pub(super) fn put_stream(&mut self, number: u32, fd: RawFd) -> Option<RawFd> {
        let place = &mut self.places[number as usize];
        let generation = place.next_generation();
        place.stream.replace(Stream { fd, generation }).map(|stream| stream.fd)
    }

    /// Takes a machine's UDP socket away.
    pub(super) fn take_datagram(&mut self, number: u32) -> Option<RawFd> {
        self.places[number as usize].datagram.take().map(|datagram| datagram.fd)
    }

    /// Takes a machine's TCP socket away.
    pub(super) fn take_stream(&mut self, number: u32) -> Option<RawFd> {
        self.places[number as usize].stream.take().map(|stream| stream.fd)
    }
}

impl Place {
    const fn next_generation(&mut self) -> u32 {
        self.generation = (self.generation + 1) & GENERATION_MASK;
        self.generation
    }
}

const GENERATION_MASK: u32 = 0x00ff_ffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_ring() {
        let kinds = [
            Kind::Frames,
            Kind::Datagram,
            Kind::DatagramSend,
            Kind::Connect,
            Kind::Stream,
            Kind::StreamSend,
        ];
        for kind in kinds {
            let name = Name { kind, generation: GENERATION_MASK, number: u32::MAX };
            assert_eq!(Name::from_bits(name.to_bits()), Some(name));
        }
        assert_eq!(Name::from_bits(u64::MAX), None);
    }

    #[test]
    fn what_comes_late_for_a_closed_socket_is_for_nobody() {
        let mut places = Places::new(2);
        assert_eq!(places.put_datagram(1, 10), None);
        let first = places.name(Kind::Datagram, 1);
        assert!(places.is(first));
        assert_eq!(places.put_stream(1, 11), None);
        assert!(places.is(first), "a stream is another socket");
        assert!(places.is(places.name(Kind::Stream, 1)));
        assert_eq!(places.take_datagram(1), Some(10));
        assert!(!places.is(first));
        assert_eq!(places.put_datagram(1, 12), None);
        assert!(!places.is(first), "nor for the next one");
        assert!(!places.is(Name { number: 0, ..first }), "nor for another machine");
    }

    #[test]
    fn machines_are_switched_on_once() {
        let mut places = Places::new(1);
        assert!(!places.is_on(0));
        assert!(places.power_on(0) && places.is_on(0));
        assert!(!places.power_on(0));
        assert!(places.power_off(0) && !places.is_on(0));
        assert!(!places.power_off(0) && !places.power_on(0));
    }
}
