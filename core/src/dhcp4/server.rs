//! The engine: what comes in, what waits, whose turn it is.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::desk::{Desk, Verdict};
use super::guard::GuardCounts;
use super::lease::{ClientKey, Lease, Storing};
use super::pending::{Parked, Pending, RepeatKey, Urgency};
use super::policy;
use super::proxy;
use super::records::Keeping;
use super::request::{Kind, Place, Received, Request};
use super::trace::{Decision, Explanation, Outcome, Recorder, Unrecorded};
use crate::binding::{Binding, RestoreError};
use crate::boot::BootFile;
use crate::digits;
use crate::engine::{
    Datagram, Discard, Engine, Frame, OperatorOrder, Origin, Output, Packet, Route, SendError,
    SocketId, StoreAnswer, Transmit,
};
use crate::event::{Event, EventKind};
use crate::identity::{ClientIdentity, Firmware};
use crate::image::ImageId;
use crate::limits;
use crate::rng::Rng;
use crate::time::Instant;
use crate::view::{DhcpMode, Network, View};
use crate::wire::dhcp4_options::Options;
use crate::wire::ipv4_udp;

/// A DHCPv4 server and ProxyDHCP for all networks of a view, with the empty router advertisements
/// that spare iPXE its wait for IPv6.
///
/// Its sockets are bound to ports 67 and 4011 on each interface; it tells them apart by the
/// destination port. A site has one, since broadcasts reach every socket.
#[derive(Debug)]
pub struct Dhcp4Server {
    pending: Pending,
    desk: Desk,
    /// Where the pieces of options join while a message is read.
    scratch: Box<[u8]>,
    draining: bool,
}

/// How large a server is, and what it shares with its earlier lives.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dhcp4Config {
    /// Room for so many leases, about 90 bytes each.
    pub leases_max: u32,
    /// Keys the tables and draws the jitter.
    pub seed: u64,
    /// Keys the hash by which clients without an Ethernet address are known: with the key of its
    /// earlier life, a server finds them again.
    pub identifier_key: [u8; 16],
    /// Whether a binding must be stored before its ACK leaves ([`Output::Persist`]).
    pub durable: bool,
}

impl Dhcp4Server {
    /// A server without leases, with the fixed tables of [`crate::limits`].
    ///
    /// # Panics
    /// If `config.leases_max` is `u32::MAX`.
    pub fn new(config: Dhcp4Config) -> Self {
        let mut rng = Rng::new(config.seed);
        let pending = Pending::new(limits::DHCP_PENDING_MAX, config.durable, &mut rng);
        let scratch = vec![0; limits::DHCP_REQUEST_BYTES_MAX].into_boxed_slice();
        let desk = Desk::new(&config, rng);
        Self { pending, desk, scratch, draining: false }
    }

    /// Takes up a binding of an earlier life of the server, before the first packet. One that is
    /// over makes its client the address's last one.
    ///
    /// Bindings come in any order; best in that of their ends, in which leases are looked at.
    ///
    /// # Errors
    /// Why it is not taken; the others are.
    pub fn restore(&mut self, binding: &Binding, now: Instant) -> Result<(), RestoreError> {
        self.desk.leases.restore(binding, now)
    }

    /// What was noticed beside the service.
    pub fn guard_counts(&self) -> GuardCounts {
        self.desk.guard.counts()
    }

    /// All addresses of which something is known.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.desk.leases.iter()
    }

    /// How a client is known that has no Ethernet address, by its client identifier or other
    /// hardware address.
    pub fn key_of(&self, identifier: &[u8]) -> ClientKey {
        self.desk.leases.key_of(identifier)
    }

    fn handle_datagram(
        &mut self,
        datagram: &Datagram<'_>,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        if datagram.socket == SocketId::ECHO {
            return self.desk.handle_echo(datagram.payload, now, view);
        }
        let received = Received::of(datagram, view)?;
        let payload = without_padding(datagram.payload)?;
        let mut options = Options::default();
        let mut request = Request::parse(payload, &mut options, &mut self.scratch, received)?;
        let admitted =
            admit(&mut self.desk, &mut request, self.draining, now, view, &mut Unrecorded)?;
        let Admitted::Waits(urgency) = admitted else { return Ok(()) };
        let key = RepeatKey::of(request.header, request.kind, &received);
        let pushed = self.pending.push(key, urgency, received, payload);
        if pushed != Err(Discard::Duplicate) {
            self.desk.note_arrival(&request, now);
        }
        pushed
    }

    /// What would become of a message that came now, and which rule decides each part of it.
    ///
    /// Decided by the same code as any message, on a copy of the leases: nothing changes. The copy
    /// takes memory and time by the number of leases, so this is for people, not for packets.
    pub fn explain(&self, datagram: &Datagram<'_>, now: Instant, view: &View) -> Explanation {
        let mut decisions = Vec::new();
        let outcome = match self.explain_into(datagram, now, view, &mut decisions) {
            Ok(outcome) => outcome,
            Err(discard) => Outcome::Dropped(discard),
        };
        Explanation { decisions, outcome }
    }

    fn explain_into(
        &self,
        datagram: &Datagram<'_>,
        now: Instant,
        view: &View,
        decisions: &mut Vec<Decision>,
    ) -> Result<Outcome, Discard> {
        let received = Received::of(datagram, view)?;
        let payload = without_padding(datagram.payload)?;
        let mut options = Options::default();
        let mut scratch = vec![0; limits::DHCP_REQUEST_BYTES_MAX];
        let mut request = Request::parse(payload, &mut options, &mut scratch, received)?;
        let mut desk = self.desk.copy();
        let admitted = admit(&mut desk, &mut request, self.draining, now, view, decisions)?;
        let Admitted::Waits(_) = admitted else { return Ok(Outcome::Silence) };
        let mut head = vec![0; limits::HEAD_BYTES];
        let verdict = desk.answer(&request, None, &mut head, now, view, decisions);
        let Verdict::Reply(transmit) = verdict else { return Ok(Outcome::Silence) };
        let headers = match transmit.route {
            Route::Link { .. } => ipv4_udp::HEADERS_BYTES,
            Route::Datagram { .. } | Route::Stream(_) => 0,
        };
        let message = head[headers..usize::from(transmit.head_len)].to_vec();
        Ok(Outcome::Reply { route: transmit.route, message })
    }

    /// Answers the message `number`, whose lease is `stored` now if it has waited for that.
    fn answer(
        &mut self,
        number: u32,
        stored: Option<&Storing>,
        head: &mut [u8],
        now: Instant,
        view: &View,
    ) -> Verdict {
        let (received, payload) = self.pending.message(number);
        // A message that was good when it came is read again, now with the view of now.
        let mut options = Options::default();
        let parsed = Request::parse(payload, &mut options, &mut self.scratch, received);
        let Ok(mut request) = parsed else { return Verdict::Nothing };
        self.desk.recall(&mut request, now);
        let stored = stored.map(|stored| (number, stored));
        self.desk.answer(&request, stored, head, now, view, &mut Unrecorded)
    }

    /// Answers the next message whose lease is stored.
    fn poll_stored(&mut self, head: &mut [u8], now: Instant, view: &View) -> Option<Transmit> {
        // Ends: each round takes one message, of which there is a bounded number.
        while let Some((message, parked)) = self.pending.next_parked() {
            if !self.desk.leases.records.is_stored(parked.ticket) {
                return None;
            }
            let outcome = self.answer(message, Some(&parked.storing), head, now, view);
            // Whoever is not served here any more does not keep the address either.
            self.desk.leases.abandon(&parked.storing, message, now);
            self.pending.remove(message);
            if let Verdict::Reply(transmit) = outcome {
                return Some(transmit);
            }
        }
        None
    }

    fn handle_store(&mut self, answer: StoreAnswer, now: Instant) {
        let records = &mut self.desk.leases.records;
        match (answer, records.keeping) {
            (StoreAnswer::Stored(ticket), _) => records.on_stored(ticket),
            (StoreAnswer::Failed, Keeping::Everything) => {
                records.on_failed();
                let waiting = self.give_up_unstored(now);
                self.desk.tell_all(EventKind::StoreFailed { waiting }, now);
            }
            (StoreAnswer::Recovered, Keeping::NothingNew) => {
                records.keeping = Keeping::Everything;
                self.desk.tell_all(EventKind::StoreRecovered, now);
            }
            (StoreAnswer::Failed | StoreAnswer::Recovered, _) => {}
        }
    }

    /// Nothing more is stored: who has an older lease is answered by that one, the others get
    /// nothing. Gives the number of those.
    fn give_up_unstored(&mut self, now: Instant) -> u32 {
        let Self { pending, desk, .. } = self;
        let mut lost = 0;
        let mut next = pending.next_parked();
        // Ends: each round looks at the next of a bounded number of messages.
        while let Some((message, parked)) = next {
            next = pending.parked_after(message);
            if desk.leases.records.is_stored(parked.ticket) {
                continue;
            }
            if desk.leases.give_up(&parked.storing, message, now) {
                pending.unpark(message);
            } else {
                pending.remove(message);
                lost += 1;
            }
        }
        lost
    }

    fn handle_frame(
        &mut self,
        frame: &Frame<'_>,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        match frame.packet.first().map(|first| first >> 4) {
            Some(0) => return self.desk.handle_arp(frame, now, view),
            Some(4) => return self.desk.handle_server_frame(frame, &mut self.scratch, now, view),
            Some(_) | None => {}
        }
        let booting = self.desk.booting(frame.source, now);
        let is_ipxe = booting.is_some_and(|booting| booting.firmware == Firmware::Ipxe);
        self.desk.advertiser.handle_frame(frame, is_ipxe, now, view)
    }
}

impl Engine for Dhcp4Server {
    type Input<'i> = Packet<'i>;

    /// # Errors
    /// As [`Engine::handle_input`]. [`Discard::Overload`] counts a message that had to go, which is
    /// the DISCOVER that has waited longest if there is one, not the one that came.
    fn handle_input(
        &mut self,
        input: Packet<'_>,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        self.desk.leases.end_restore();
        match input {
            Packet::Datagram(datagram) => self.handle_datagram(&datagram, now, view),
            Packet::Frame(frame) => self.handle_frame(&frame, now, view),
            Packet::Operator(OperatorOrder::Release(address)) => self.desk.take_back(address, now),
            Packet::Store(answer) => {
                self.handle_store(answer, now);
                Ok(())
            }
        }
    }

    /// Does nothing: leases end when somebody asks for their address.
    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_output(&mut self, head: &mut [u8], now: Instant, view: &View) -> Option<Output> {
        if let Some(transmit) = self.desk.poll_advertisement(head, now, view) {
            return Some(Output::Transmit(transmit));
        }
        if let Some(transmit) = self.poll_stored(head, now, view) {
            return Some(Output::Transmit(transmit));
        }
        // Ends: each round takes one message, of which there is a bounded number, or one that has
        // to wait for a change that the next round tells.
        loop {
            if let Some((ticket, binding)) = self.desk.leases.next_change(now) {
                return Some(Output::Persist { ticket, binding });
            }
            self.desk.guard.set_waiting(self.pending.len());
            let Some(message) = self.pending.next() else {
                return self.desk.poll_probe(head, now, view).map(Output::Transmit);
            };
            match self.answer(message, None, head, now, view) {
                Verdict::Reply(transmit) => {
                    self.pending.remove(message);
                    return Some(Output::Transmit(transmit));
                }
                Verdict::Nothing => self.pending.remove(message),
                Verdict::Again => {}
                Verdict::Store(Storing { rival: Some(parked), .. }, _) => {
                    // What is stored now is as long as the first of them asked for: BOOTP and DHCP
                    // do not share it. Whoever is not answered repeats its message.
                    if self.pending.kind(parked) == self.pending.kind(message) {
                        self.pending.replace(parked, message);
                    } else {
                        self.pending.remove(message);
                    }
                }
                Verdict::Store(storing, binding) => {
                    let ticket = self.desk.leases.hold_for(storing.lease, message);
                    self.pending.park(message, Parked { ticket, storing });
                    return Some(Output::Persist { ticket, binding });
                }
            }
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.desk.events.pop()
    }

    fn events_lost(&self) -> u64 {
        self.desk.events.lost()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Does nothing: clients repeat what gets no answer.
    fn handle_send_error(&mut self, _origin: Origin, _error: SendError, _now: Instant) {}

    fn uses_image(&self, _image: ImageId) -> bool {
        false
    }

    /// No new boot begins here: DISCOVER is for the server that runs next. A boot that runs still
    /// gets its ACK.
    fn drain(&mut self) {
        self.draining = true;
    }

    fn sessions(&self) -> usize {
        let changes = self.desk.leases.records.waiting();
        self.pending.len() as usize + self.desk.advertiser.waiting() + changes
    }
}

/// What becomes of a message that was read.
enum Admitted {
    /// It waits for its answer.
    Waits(Urgency),
    /// It gets none, and that is all.
    Done,
}

/// Whether a message is to be answered, as far as can be told without choosing an answer.
fn admit(
    desk: &mut Desk,
    request: &mut Request<'_>,
    draining: bool,
    now: Instant,
    view: &View,
    recorder: &mut impl Recorder,
) -> Result<Admitted, Discard> {
    desk.recall(request, now);
    recorder.note(|| {
        let (by, ClientIdentity { firmware, arch, .. }) = (request.client_by, request.client);
        Decision::Client { firmware, arch, by }
    });
    let place = request.place(view, recorder)?;
    let network = place.network;
    note_client(request, view, recorder);
    if desk.client_key(request).is_none() {
        return Err(Discard::Malformed);
    }
    policy::check_access(request, network, view)?;
    if request.asks_boot_server() || network.mode == DhcpMode::Proxy {
        check_as_proxy(desk, request, network, now, view)?;
    } else if handled_at_once(desk, request, place, now, view)? {
        return Ok(Admitted::Done);
    }
    match request.kind {
        Kind::Discover if draining => Err(Discard::Draining),
        Kind::Discover => Ok(Admitted::Waits(Urgency::Later)),
        Kind::Request | Kind::Decline | Kind::Release | Kind::Inform | Kind::Bootp => {
            Ok(Admitted::Waits(Urgency::First))
        }
    }
}

/// Takes note of what the site knows of the client.
fn note_client<R: Recorder>(request: &Request<'_>, view: &View, recorder: &mut R) {
    if !R::TAKES_NOTES {
        return;
    }
    let machine = request.machine_by(view);
    if let Some((machine, by)) = machine {
        recorder.note(|| Decision::Machine { machine, by });
    }
    for class in policy::classes_of(request, view, machine.is_some()).iter() {
        recorder.note(|| Decision::Class(class));
    }
}

/// Messages to a proxy or boot server: what is the other server's is only watched.
fn check_as_proxy(
    desk: &mut Desk,
    request: &Request<'_>,
    network: &Network,
    now: Instant,
    view: &View,
) -> Result<(), Discard> {
    let checked = proxy::check(request, network, view);
    if request.kind == Kind::Request && !request.received.at_pxe_port() {
        desk.note_choice(request, network, now, view);
    }
    if checked.is_err() && desk.is_booting(&request.client, now) {
        desk.note_arrival(request, now);
    }
    checked
}

/// Messages to a server that get no answer; tells whether this was one.
fn handled_at_once(
    desk: &mut Desk,
    request: &Request<'_>,
    place: Place<'_>,
    now: Instant,
    view: &View,
) -> Result<bool, Discard> {
    let network = place.network;
    let for_us = request.is_for_us(view, network);
    if for_us && desk.leases.records.keeping == Keeping::NothingNew {
        desk.check_unstored(request, network, now, view)?;
    }
    match request.kind {
        Kind::Request if !for_us => {
            desk.withdraw(request, network, now);
            desk.note_choice(request, network, now, view);
            Err(Discard::OtherServer)
        }
        Kind::Bootp => check_bootp(request, place, view).map(|()| false),
        Kind::Decline | Kind::Release if !for_us => Err(Discard::OtherServer),
        Kind::Decline => desk.decline(request, network, now).map(|()| true),
        Kind::Release => desk.release(request, network, now).map(|()| true),
        Kind::Discover | Kind::Request | Kind::Inform => Ok(false),
    }
}

/// Whether a BOOTP client is served: one that asks for no server but us (RFC 951 §7.3), and whose
/// machine has an address of its own on the link, unless a network there is open to all: a lease
/// without an end empties a pool.
fn check_bootp(request: &Request<'_>, place: Place<'_>, view: &View) -> Result<(), Discard> {
    let network = place.network;
    let sname = request.header.server_name();
    let mut name = BootFile::default();
    let is_our_name =
        digits::write_address(&mut name, network.server).is_ok() && sname == name.as_bytes();
    if !sname.is_empty() && !is_our_name {
        return Err(Discard::OtherServer);
    }
    let machine = request.machine(view).map(|(_, machine)| machine);
    let serves = |network: &Network| {
        network.bootp || machine.is_some_and(|machine| machine.address_in(network.subnet).is_some())
    };
    let on_link = || view.networks.on_link_of(place.id).any(|(_, network)| serves(network));
    if serves(network) || !place.chosen && on_link() { Ok(()) } else { Err(Discard::NotAllowed) }
}

/// The message without zeros behind its options that would make it longer than we take.
fn without_padding(payload: &[u8]) -> Result<&[u8], Discard> {
    match payload.split_at_checked(limits::DHCP_REQUEST_BYTES_MAX) {
        None => Ok(payload),
        Some((message, padding)) if padding.iter().all(|byte| *byte == 0) => Ok(message),
        Some(_) => Err(Discard::Malformed),
    }
}
