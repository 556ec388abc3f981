//! A DHCP exchange, from DISCOVER to ACK, with PXE's second server.

use core::net::{Ipv4Addr, SocketAddrV4};

use super::location::PATH_LEN;
use super::note::Reason;
use super::outbox::{Out, Outbox};
use super::step::Step;
use super::text::Text;
use super::{Identity, Message};
use crate::model::{DhcpHabits, IPXE_FEATURES};
use crate::random::Random;
use crate::time::{Duration, Instant};
use crate::wire::dhcp4::{self, Header, Reply, code, kind};

/// For how long iPXE waits for a second server.
const IPXE_PROXY_WAIT: Duration = Duration::from_secs(2);
/// How long iPXE waits after it was refused.
const IPXE_DEFER: Duration = Duration::from_secs(1);
/// How often it may be.
const IPXE_DEFERRALS_MAX: u8 = 180;

/// The exchange.
#[derive(Debug)]
pub(super) struct Dhcp {
    habits: &'static DhcpHabits,
    state: State,
    xid: u32,
    /// How many waits of the current table are over.
    waits: u8,
    sent: u16,
    deferrals: u8,
    secs: u16,
    began: Instant,
    entered: Instant,
    wake: Instant,
    offer: Option<Offer>,
    proxy: Option<Offer>,
    no_proxy: bool,
    /// The address once it is ours.
    pub(super) address: Ipv4Addr,
    /// Where the boot file lies.
    pub(super) boot_server: Ipv4Addr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Discovering,
    Requesting,
    /// Asks port 4011; whether an answer has come.
    AskingProxy(bool),
}

/// An offer, or what a ProxyDHCP server sent.
#[derive(Clone, Copy, Debug)]
struct Offer {
    address: Ipv4Addr,
    server: Ipv4Addr,
    boot_server: Ipv4Addr,
    rank: u8,
    has_file: bool,
}

/// How edk2 ranks offers; iPXE ranks by option 175.1.
mod rank {
    /// An address and no vendor class.
    pub(super) const PLAIN: u8 = 1;
    /// `PXEClient` without PXE options: ask port 4011.
    pub(super) const BINL: u8 = 2;
    /// `PXEClient` with PXE options.
    pub(super) const PXE: u8 = 3;
}

impl Dhcp {
    pub(super) const fn idle(habits: &'static DhcpHabits) -> Self {
        Self {
            habits,
            state: State::Idle,
            xid: 0,
            waits: 0,
            sent: 0,
            deferrals: 0,
            secs: 0,
            began: Instant::ZERO,
            entered: Instant::ZERO,
            wake: Instant::ZERO,
            offer: None,
            proxy: None,
            no_proxy: false,
            address: Ipv4Addr::UNSPECIFIED,
            boot_server: Ipv4Addr::UNSPECIFIED,
        }
    }

    pub(super) fn begin(
        &mut self,
        habits: &'static DhcpHabits,
        rng: &mut Random,
        out: &mut Outbox,
        now: Instant,
    ) {
        *self = Self { began: now, xid: rng.next() as u32, ..Self::idle(habits) };
        self.enter(State::Discovering, rng, out, now);
    }

    pub(super) const fn wake(&self) -> Instant {
        self.wake
    }

    fn enter(&mut self, state: State, rng: &mut Random, out: &mut Outbox, now: Instant) {
        self.state = state;
        self.entered = now;
        self.waits = 0;
        self.send(rng, out, now);
    }

    fn waits_ms(&self) -> &'static [u32] {
        match self.state {
            State::Idle => &[],
            State::Discovering => self.habits.discover_ms,
            State::Requesting => self.habits.request_ms,
            State::AskingProxy(_) => self.habits.proxy_ms,
        }
    }

    fn send(&mut self, rng: &mut Random, out: &mut Outbox, now: Instant) {
        let wait = self.waits_ms().get(usize::from(self.waits)).copied().unwrap_or_default();
        let jitter = self.habits.jitter_ms;
        let jitters = matches!(self.state, State::Discovering | State::Requesting);
        let wait = if jitters && jitter > 0 {
            wait.saturating_sub(jitter) + rng.below(2 * u64::from(jitter) + 1) as u32
        } else {
            wait
        };
        self.wake = now + Duration::from_millis(u64::from(wait));
        if self.state == State::Discovering {
            let elapsed = now.since(self.began).as_secs();
            self.secs = u16::try_from(elapsed).unwrap_or(u16::MAX);
        }
        self.sent = self.sent.saturating_add(1);
        out.push(match self.state {
            State::Idle => return,
            State::Discovering => Out::Dhcp(kind::DISCOVER),
            State::Requesting => Out::Dhcp(kind::REQUEST),
            State::AskingProxy(_) => Out::Proxy,
        });
    }

    pub(super) fn handle_timeout(
        &mut self,
        file: &Text<PATH_LEN>,
        rng: &mut Random,
        out: &mut Outbox,
        now: Instant,
    ) -> Step {
        let is_ipxe = self.habits.is_ipxe;
        match self.state {
            State::Idle => return Step::Going,
            State::Discovering if is_ipxe => {
                if self.offer.is_some() && now.since(self.entered) > IPXE_PROXY_WAIT {
                    self.request(rng, out, now);
                    return Step::Going;
                }
            }
            State::Discovering => {
                if self.can_choose() {
                    self.request(rng, out, now);
                    return Step::Going;
                }
            }
            State::AskingProxy(_) if is_ipxe => {
                if now.since(self.entered) > IPXE_PROXY_WAIT {
                    return self.finish(file);
                }
            }
            State::AskingProxy(true) => return self.finish(file),
            State::Requesting | State::AskingProxy(false) => {}
        }
        self.waits = self.waits.wrapping_add(1);
        if usize::from(self.waits) < self.waits_ms().len() {
            self.send(rng, out, now);
            return Step::Again;
        }
        match self.state {
            State::Idle => Step::Going,
            State::Discovering if self.offer.is_some() => Step::Failed(Reason::NoBootFile),
            State::Discovering => Step::Failed(Reason::NoOffer),
            State::Requesting => Step::Failed(Reason::NoAck),
            State::AskingProxy(_) if is_ipxe => self.finish(file),
            State::AskingProxy(_) => Step::Failed(Reason::NoBootServer),
        }
    }

    /// Takes a message; the boot file's name goes to `file`.
    pub(super) fn handle(
        &mut self,
        message: Message<'_>,
        identity: &Identity,
        file: &mut Text<PATH_LEN>,
        rng: &mut Random,
        out: &mut Outbox,
        now: Instant,
    ) -> Step {
        let Some(reply) = dhcp4::parse(message.payload, self.habits.overloads) else {
            return Step::Going;
        };
        if reply.xid != self.xid || reply.mac != identity.mac {
            return Step::Going;
        }
        match self.state {
            State::Idle => Step::Going,
            State::Discovering if self.habits.is_ipxe => {
                self.ipxe_offer(&reply, message.source, file);
                let elapsed = now.since(self.entered);
                let enough = self.no_proxy || self.proxy.is_some() || elapsed > IPXE_PROXY_WAIT;
                if self.offer.is_some() && enough {
                    self.request(rng, out, now);
                }
                Step::Going
            }
            State::Discovering => {
                self.pxe_offer(&reply, file);
                if !self.habits.collects && self.can_choose() {
                    self.request(rng, out, now);
                }
                Step::Going
            }
            State::Requesting => self.acknowledged(&reply, message.source, file, rng, out, now),
            State::AskingProxy(_) => self.proxy_answered(&reply, message.source, file),
        }
    }

    /// `net/udp/dhcp.c:dhcp_discovery_rx`.
    fn ipxe_offer(&mut self, reply: &Reply<'_>, source: SocketAddrV4, file: &mut Text<PATH_LEN>) {
        let ipxe = reply.option(code::IPXE).unwrap_or_default();
        let one = |code| match dhcp4::sub_option(ipxe, code) {
            Some([value]) => *value,
            _ => 0,
        };
        let priority = one(1);
        let outranks = |other: Option<Offer>| other.is_none_or(|other| priority >= other.rank);
        let is_offer = matches!(reply.kind(), kind::OFFER | 0);
        let server = reply.address_option(code::SERVER).unwrap_or(Ipv4Addr::UNSPECIFIED);
        let new = Offer {
            address: reply.address,
            server,
            boot_server: reply.next_server,
            rank: priority,
            has_file: has_boot(reply),
        };
        let is_main = !reply.address.is_unspecified() && source.port() == dhcp4::SERVER_PORT;
        if is_main && is_offer && outranks(self.offer) {
            self.offer = Some(new);
            self.no_proxy = one(176) != 0;
        }
        if has_class(reply, b"PXEClient") && outranks(self.proxy) {
            let server = if server.is_unspecified() { *source.ip() } else { server };
            self.proxy = Some(Offer { server, ..new });
            if new.has_file {
                file.set(ipxe_file(reply));
            }
        }
    }

    /// `UefiPxeBcDxe/PxeBcDhcp4.c` and `HttpBootDxe/HttpBootDhcp4.c`; ROMs of a BIOS likewise.
    fn pxe_offer(&mut self, reply: &Reply<'_>, file: &mut Text<PATH_LEN>) {
        let server = reply.address_option(code::SERVER).unwrap_or(Ipv4Addr::UNSPECIFIED);
        if reply.kind() != kind::OFFER || server.is_unspecified() {
            return;
        }
        let name = pxe_file(reply);
        let is_proxy = reply.address.octets()[0] == 0;
        let mut new = Offer {
            address: reply.address,
            server,
            boot_server: boot_server(reply, server),
            rank: rank::PLAIN,
            has_file: !name.is_empty(),
        };
        if self.habits.wants_url {
            new.has_file = has_class(reply, b"HTTPClient") && name.starts_with(b"http");
        } else if has_class(reply, b"PXEClient") {
            new.rank = if has_pxe_options(reply) { rank::PXE } else { rank::BINL };
        } else if is_proxy {
            return;
        }
        let old = if is_proxy { &mut self.proxy } else { &mut self.offer };
        let better = |old: &Offer| (new.rank, new.has_file) > (old.rank, old.has_file);
        if old.as_ref().is_none_or(better) {
            *old = Some(new);
            let keeps = self.habits.wants_url || is_proxy;
            if new.has_file && keeps {
                file.set(name);
            }
        }
    }

    /// Whether there is an offer that leads to a boot file.
    fn can_choose(&self) -> bool {
        let Some(offer) = self.offer else { return false };
        let by_proxy = match self.proxy {
            Some(_) if !self.habits.wants_url => true,
            Some(proxy) => proxy.has_file,
            None => false,
        };
        !self.habits.needs_file || offer.has_file || offer.rank > rank::PLAIN || by_proxy
    }

    fn request(&mut self, rng: &mut Random, out: &mut Outbox, now: Instant) {
        self.enter(State::Requesting, rng, out, now);
    }

    fn acknowledged(
        &mut self,
        reply: &Reply<'_>,
        source: SocketAddrV4,
        file: &mut Text<PATH_LEN>,
        rng: &mut Random,
        out: &mut Outbox,
        now: Instant,
    ) -> Step {
        let Some(offer) = self.offer else { return Step::Going };
        let is_ipxe = self.habits.is_ipxe;
        let server = reply.address_option(code::SERVER).unwrap_or(Ipv4Addr::UNSPECIFIED);
        if server != offer.server || (is_ipxe && source.port() != dhcp4::SERVER_PORT) {
            return Step::Going;
        }
        match reply.kind() {
            kind::NAK if is_ipxe => return self.defer(now),
            kind::NAK => return Step::Failed(Reason::Nak),
            kind::ACK => {}
            _ => return Step::Going,
        }
        let has_mask = reply.option(code::MASK).is_some();
        if reply.address != offer.address || (!has_mask && !is_ipxe) {
            if is_ipxe {
                return Step::Going;
            }
            out.push(Out::Dhcp(kind::DECLINE));
            return Step::Failed(Reason::BadDhcp);
        }
        self.address = reply.address;
        self.boot_server = if is_ipxe { reply.next_server } else { boot_server(reply, server) };
        if self.habits.wants_url {
            // The URL came with the offer.
            return self.finish(file);
        }
        if !is_ipxe && offer.rank == rank::BINL {
            self.proxy = Some(Offer { server: offer.boot_server, ..offer });
        }
        let asks = if is_ipxe { !self.no_proxy } else { offer.rank != rank::PXE };
        match self.proxy.filter(|_| asks) {
            Some(proxy) if proxy.has_file && (is_ipxe || proxy.rank == rank::PXE) => {
                self.boot_server = proxy.boot_server;
            }
            Some(_) => {
                self.set_file(reply, file);
                self.enter(State::AskingProxy(false), rng, out, now);
                return Step::Going;
            }
            None => self.set_file(reply, file),
        }
        self.finish(file)
    }

    fn set_file(&self, reply: &Reply<'_>, file: &mut Text<PATH_LEN>) {
        file.set(if self.habits.is_ipxe { ipxe_file(reply) } else { pxe_file(reply) });
    }

    fn proxy_answered(
        &mut self,
        reply: &Reply<'_>,
        source: SocketAddrV4,
        file: &mut Text<PATH_LEN>,
    ) -> Step {
        let right = source.port() == dhcp4::PXE_PORT
            && matches!(reply.kind(), kind::ACK | kind::OFFER)
            && has_boot(reply);
        if !right {
            return Step::Going;
        }
        self.set_file(reply, file);
        if self.habits.is_ipxe {
            self.boot_server = reply.next_server;
            return self.finish(file);
        }
        self.boot_server = boot_server(reply, *source.ip());
        // edk2 looks at its answers when the window ends.
        self.state = State::AskingProxy(true);
        Step::Going
    }

    fn defer(&mut self, now: Instant) -> Step {
        self.deferrals += 1;
        if self.deferrals > IPXE_DEFERRALS_MAX {
            return Step::Failed(Reason::Nak);
        }
        self.state = State::Discovering;
        (self.offer, self.proxy, self.no_proxy) = (None, None, false);
        self.entered = now + IPXE_DEFER;
        self.wake = now + IPXE_DEFER;
        // The next wake-up sends as the first of the table does.
        self.waits = u8::MAX;
        Step::Again
    }

    fn finish(&mut self, file: &Text<PATH_LEN>) -> Step {
        self.state = State::Idle;
        if self.habits.needs_file && (file.is_empty() || file.is_cut()) {
            return Step::Failed(Reason::NoBootFile);
        }
        Step::Done
    }

    /// Where a message of this type comes from and goes to.
    pub(super) fn ends(&self, proxy: bool) -> (SocketAddrV4, SocketAddrV4) {
        match self.proxy.filter(|_| proxy) {
            Some(proxy) => (
                SocketAddrV4::new(self.address, self.habits.proxy_port),
                SocketAddrV4::new(proxy.server, dhcp4::PXE_PORT),
            ),
            None => (
                SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, dhcp4::CLIENT_PORT),
                SocketAddrV4::new(Ipv4Addr::BROADCAST, dhcp4::SERVER_PORT),
            ),
        }
    }

    /// Writes a message of this type.
    pub(super) fn write(
        &self,
        kind: u8,
        proxy: bool,
        identity: &Identity,
        buffer: &mut [u8],
    ) -> Option<usize> {
        let habits = self.habits;
        let flags = u16::from(self.offer.is_some()) << 1 | u16::from(self.proxy.is_some());
        let header = Header {
            xid: self.xid,
            // iPXE tells its state in this field.
            secs: if habits.is_ipxe { self.sent << 2 | flags } else { self.secs },
            broadcast: habits.broadcast && !proxy,
            address: if proxy { self.address } else { Ipv4Addr::UNSPECIFIED },
            mac: identity.mac,
        };
        let mut message = dhcp4::Message::new(buffer, &header);
        message.option(code::KIND, &[kind]);
        if !habits.is_ipxe {
            self.write_choice(kind, proxy, &mut message);
        }
        for code in habits.order {
            write_option(*code, habits, identity, &mut message);
        }
        if habits.is_ipxe {
            self.write_choice(kind, proxy, &mut message);
        }
        message.finish()
    }

    fn write_choice(&self, kind: u8, proxy: bool, message: &mut dhcp4::Message<'_>) {
        let (Some(offer), kind::REQUEST | kind::DECLINE) = (self.offer, kind) else { return };
        match self.proxy.filter(|_| proxy) {
            None => {
                message.option(code::SERVER, &offer.server.octets());
                message.option(code::REQUESTED, &offer.address.octets());
            }
            Some(proxy) if self.habits.is_ipxe => {
                message.option(code::SERVER, &proxy.server.octets());
            }
            Some(_) => {}
        }
    }
}

fn write_option(
    option: u8,
    habits: &DhcpHabits,
    identity: &Identity,
    message: &mut dhcp4::Message<'_>,
) {
    match option {
        code::PARAMETERS => message.option(option, habits.parameters),
        code::SIZE_MAX => message.option(option, &habits.size_max.to_be_bytes()),
        code::CLASS => message.option(option, habits.class.as_bytes()),
        code::ARCH => message.option(option, &habits.arch.to_be_bytes()),
        code::NDI => message.option(option, &habits.ndi),
        code::USER_CLASS => message.option(option, b"iPXE"),
        code::IPXE => message.option(option, IPXE_FEATURES),
        code::CLIENT => {
            let mut id = [1; 7];
            id[1..].copy_from_slice(&identity.mac);
            message.option(option, &id);
        }
        code::UUID => {
            let mut id = [0; 17];
            id[1..].copy_from_slice(&identity.uuid);
            message.option(option, &id);
        }
        _ => {}
    }
}

fn has_class(reply: &Reply<'_>, prefix: &[u8]) -> bool {
    reply.option(code::CLASS).is_some_and(|class| class.starts_with(prefix))
}

/// Any of the options of PXE 2.1 (sub-options 6 to 10 of option 43).
fn has_pxe_options(reply: &Reply<'_>) -> bool {
    let vendor = reply.option(code::VENDOR).unwrap_or_default();
    (6..=10).any(|code| dhcp4::sub_option(vendor, code).is_some())
}

/// A boot file and its server, or a menu.
fn has_boot(reply: &Reply<'_>) -> bool {
    let vendor = reply.option(code::VENDOR).unwrap_or_default();
    !ipxe_file(reply).is_empty() || dhcp4::sub_option(vendor, 9).is_some()
}

/// iPXE prefers the header's field.
fn ipxe_file<'r>(reply: &Reply<'r>) -> &'r [u8] {
    match reply.file_field() {
        [] => reply.file_option(),
        file => file,
    }
}

/// Firmware prefers the option.
fn pxe_file<'r>(reply: &Reply<'r>) -> &'r [u8] {
    match reply.file_option() {
        [] => reply.file_field(),
        file => file,
    }
}

fn boot_server(reply: &Reply<'_>, server: Ipv4Addr) -> Ipv4Addr {
    if reply.next_server.is_unspecified() { server } else { reply.next_server }
}
