//! Where a message meets leases, policy and what is remembered of its sender.

use core::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use super::decide::{Answer, decide_on_link, decide_stored, network_of_stored};
use super::guard::{Guard, promise_on_link};
use super::identify::Archs;
use super::lease::{ClientKey, LeaseTable, Storing};
use super::policy::{self, Policy};
use super::pool::Claim;
use super::proxy;
use super::reply::{self, Form, Reply, Times};
use super::request::{Kind, Request};
use super::route::{self, Directed, Way};
use super::server::Dhcp4Config;
use super::trace::{ClientRule, Decision, NetworkRule, Recorder, Unrecorded};
use crate::binding::{Binding, BindingState, ClientId};
use crate::boot::{self, Boot, Plan};
use crate::engine::{Discard, Origin, Route, Transmit};
use crate::event::{Client, Event, EventKind, EventName, EventQueue};
use crate::identity::{ClientIdentity, Firmware};
use crate::limits;
use crate::mac::MacAddr;
use crate::ndp::Advertiser;
use crate::rng::Rng;
use crate::table::recent::RecentMap;
use crate::text::Text;
use crate::time::Instant;
use crate::view::{DhcpMode, MachineId, Network, View};
use crate::wire::dhcp4::{MessageType, SERVER_PORT};
use crate::wire::ipv4_udp;
use crate::wire::pxe::ArchType;

/// What is remembered of a machine that boots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Booting {
    pub(super) firmware: Firmware,
    arch: Option<ArchType>,
    seen: Instant,
}

/// What becomes of a message.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is answered.
    Reply(Transmit),
    /// It is not answered.
    Nothing,
    /// It waits for this to be stored.
    Store(Storing, Binding),
    /// Its turn comes again when the store was told of what is noted.
    Again,
}

/// Everything that an answer depends on but the message and the view.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) leases: LeaseTable,
    pub(super) advertiser: Advertiser,
    pub(super) events: EventQueue,
    pub(super) guard: Guard,
    booting: RecentMap<MacAddr, Booting>,
    rng: Rng,
}

impl Desk {
    pub(super) fn new(config: &Dhcp4Config, mut rng: Rng) -> Self {
        Self {
            leases: LeaseTable::new(config, &mut rng),
            advertiser: Advertiser::new(&mut rng),
            events: EventQueue::new(limits::EVENTS_MAX),
            guard: Guard::new(&mut rng),
            booting: RecentMap::new(limits::DHCP_BOOTING_MAX, &mut rng),
            rng,
        }
    }

    /// Another desk that knows what this one does and may change its mind about it.
    pub(super) fn copy(&self) -> Self {
        let mut rng = self.rng.clone();
        Self {
            leases: self.leases.copy(),
            advertiser: Advertiser::new(&mut rng),
            events: EventQueue::new(1),
            guard: Guard::new(&mut rng),
            booting: self.booting.clone(),
            rng: self.rng.clone(),
        }
    }

    /// The key of the client's lease: its Ethernet address, else its identifier, else whatever
    /// hardware address it has. `None` if it has none of them.
    pub(super) fn client_key(&self, request: &Request<'_>) -> Option<ClientKey> {
        if let Some(mac) = request.client.mac {
            return Some(ClientKey::Mac(mac));
        }
        let hardware = request.header.hardware_address();
        let identifier = request.options.client_id.unwrap_or(hardware);
        identifier.iter().any(|byte| *byte != 0).then(|| self.leases.key_of(identifier))
    }

    /// What is known of a machine whose boot is not long past.
    pub(super) fn booting(&self, mac: MacAddr, now: Instant) -> Option<&Booting> {
        self.booting.find(&mac).filter(|booting| now - booting.seen < limits::BOOTING_FOR)
    }

    pub(super) fn is_booting(&self, client: &ClientIdentity, now: Instant) -> bool {
        client.firmware != Firmware::System
            || client.mac.is_some_and(|mac| self.booting(mac, now).is_some())
    }

    /// Adds what the client told before: iPXE's requests for boot servers say no more than
    /// `PXEClient`.
    pub(super) fn recall(&self, request: &mut Request<'_>, now: Instant) {
        let client = &mut request.client;
        if client.firmware != Firmware::Pxe || client.arch.is_some() {
            return;
        }
        if let Some(known) = client.mac.and_then(|mac| self.booting(mac, now)) {
            client.firmware = known.firmware;
            client.arch = known.arch;
            request.client_by = ClientRule::Remembered;
        }
    }

    /// Tells that a message came.
    pub(super) fn note_arrival(&mut self, request: &Request<'_>, now: Instant) {
        let ClientIdentity { firmware, arch, uuid, .. } = request.client;
        let kind = match request.kind {
            Kind::Discover => EventKind::Discover { firmware, arch, uuid },
            Kind::Request => {
                let address = request.address().unwrap_or(Ipv4Addr::UNSPECIFIED);
                EventKind::Request { firmware, address }
            }
            Kind::Decline | Kind::Release | Kind::Inform | Kind::Bootp => return,
        };
        self.tell(request, None, kind, now);
    }

    /// The client takes another server's offer.
    pub(super) fn withdraw(&mut self, request: &Request<'_>, network: &Network, now: Instant) {
        if let Some(client) = self.client_key(request) {
            self.leases.withdraw(client, network);
        }
        self.note_arrival(request, now);
    }

    /// # Errors
    /// As [`LeaseTable::release`].
    pub(super) fn release(
        &mut self,
        request: &Request<'_>,
        network: &Network,
        now: Instant,
    ) -> Result<(), Discard> {
        let client = self.client_key(request).ok_or(Discard::Malformed)?;
        let address = request.header.ciaddr();
        self.leases.release(client, network, address)?;
        self.tell(request, None, EventKind::Release { address }, now);
        Ok(())
    }

    /// # Errors
    /// As [`LeaseTable::decline`].
    pub(super) fn decline(
        &mut self,
        request: &Request<'_>,
        network: &Network,
        now: Instant,
    ) -> Result<(), Discard> {
        let client = self.client_key(request).ok_or(Discard::Malformed)?;
        let address = request.address().ok_or(Discard::Malformed)?;
        self.leases.decline(client, network, address, now)?;
        self.tell(request, None, EventKind::Decline { address }, now);
        Ok(())
    }

    /// The operator takes `address` back.
    ///
    /// # Errors
    /// As [`LeaseTable::take_back`].
    pub(super) fn take_back(&mut self, address: Ipv4Addr, now: Instant) -> Result<(), Discard> {
        let lease = self.leases.take_back(address)?;
        let mac = match lease.client {
            Some(ClientKey::Mac(mac)) => Some(mac),
            Some(ClientKey::Other(_)) | None => None,
        };
        let client = Client { mac, address: Some(IpAddr::V4(address)) };
        self.events.push(Event { at: now, client, kind: EventKind::Release { address } });
        Ok(())
    }

    /// Whether a message can be answered while the store fails.
    ///
    /// # Errors
    /// [`Discard::StoreFailing`] if not.
    pub(super) fn check_unstored(
        &self,
        request: &Request<'_>,
        network: &Network,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        match (request.kind, request.address(), self.client_key(request)) {
            (Kind::Discover, _, _) => Err(Discard::StoreFailing),
            (Kind::Request, Some(address), Some(client)) => {
                let machine = request.machine(view).map(|(id, _)| id);
                let classes = policy::classes_of(request, view, machine.is_some());
                let is_silent = request.is_silent();
                let claim = Claim { view, network, client, machine, classes, is_silent, now };
                let is_new = self.leases.check_unstored(&claim, address) == Ok(false);
                if is_new { Err(Discard::StoreFailing) } else { Ok(()) }
            }
            (Kind::Request | Kind::Decline | Kind::Release | Kind::Inform | Kind::Bootp, _, _) => {
                Ok(())
            }
        }
    }

    /// Answers a message that has waited: for its turn, or for its lease to be stored, which it is
    /// now.
    pub(super) fn answer<R: Recorder>(
        &mut self,
        request: &Request<'_>,
        stored: Option<(u32, &Storing)>,
        head: &mut [u8],
        now: Instant,
        view: &View,
        recorder: &mut R,
    ) -> Verdict {
        // It was noted when the message came.
        let Ok(place) = request.place(view, &mut Unrecorded) else { return Verdict::Nothing };
        let mut network = place.network;
        let machine = request.machine(view);
        let classes = policy::classes_of(request, view, machine.is_some());
        let is_proxy = request.asks_boot_server() || network.mode == DhcpMode::Proxy;
        let lent = if is_proxy {
            if stored.is_some() {
                return Verdict::Nothing;
            }
            None
        } else {
            let Some(client) = self.client_key(request) else { return Verdict::Nothing };
            let machine = machine.map(|(id, _)| id);
            let is_silent = request.is_silent();
            let claim = Claim { view, network, client, machine, classes, is_silent, now };
            let answer = match stored {
                None => {
                    let (chosen, answer) =
                        decide_on_link(&mut self.leases, &claim, place, request, recorder);
                    if chosen.subnet != network.subnet {
                        let (subnet, by) = (chosen.subnet, NetworkRule::SharedLink);
                        recorder.note(|| Decision::Network { subnet, by });
                    }
                    network = chosen;
                    if answer == Answer::NoAddress
                        && request.kind == Kind::Discover
                        && let Some((on, address)) =
                            promise_on_link(&mut self.leases, &claim, place)
                    {
                        network = on;
                        Answer::Offer(address)
                    } else {
                        answer
                    }
                }
                Some((message, stored)) => {
                    if request.kind == Kind::Bootp {
                        network = network_of_stored(&self.leases, view, place, stored, message);
                    }
                    let claim = Claim { network, ..claim };
                    decide_stored(&mut self.leases, &claim, request, stored, message)
                }
            };
            match answer {
                Answer::Later(address, storing) => {
                    let binding = Binding {
                        address,
                        subnet: network.subnet,
                        client: Some(client),
                        client_id: ClientId::cut(request.options.client_id.unwrap_or_default()),
                        hostname: host_name(request, view, machine),
                        state: BindingState::Bound { since: now, until: storing.until },
                    };
                    return Verdict::Store(storing, binding);
                }
                Answer::Again => return Verdict::Again,
                Answer::Offer(_)
                | Answer::Ack(..)
                | Answer::Inform
                | Answer::Nak(_)
                | Answer::ProxyOffer
                | Answer::BootAck
                | Answer::NoAddress
                | Answer::Silence => Some(answer),
            }
        };
        let other_archs = Archs::of(request.options).iter().skip(1);
        let http = request.loads_by_http();
        let client = ClientIdentity { machine: machine.map(|(id, _)| id), ..request.client };
        let mut plan = boot::plan(view, network.server, &client, other_archs, http);
        proxy::choose_from_menu(request, view, &mut plan);
        let answer = lent.unwrap_or_else(|| proxy::decide(request, &plan));
        recorder.note(|| {
            let client = ClientIdentity { arch: plan.arch, ..client };
            Decision::Boot { plan, by: boot::choose(view, &client) }
        });
        let quirk_client = request.quirk_client(plan.arch);
        let effects = view.quirks.effects(&quirk_client);
        if R::TAKES_NOTES {
            for quirk in view.quirks.matching(&quirk_client) {
                recorder.note(|| Decision::Quirk(quirk));
            }
        }
        recorder.note(|| Decision::Answer(answer.rule()));
        self.remember(request, &plan, now);
        let later = proxy::tells_file_later(effects);
        self.note_answer(request, &plan, later, answer, now);
        if !is_proxy {
            self.guard_answer(request, network, answer, now);
        }
        let machine = machine.map(|(_, machine)| machine);
        let asked = request.options.parameter_list.codes();
        let address = answer.address().or_else(|| request.address());
        let policy = Policy::new(view, network, machine, classes, address);
        let menu = view.menu.as_ref();
        let plan = &plan;
        let reply = Reply { request, network, machine, policy, plan, effects, menu, asked };
        self.write(answer, &reply, view, head, recorder).map_or(Verdict::Nothing, Verdict::Reply)
    }

    /// Writes an answer into `head`, if there is one.
    fn write(
        &mut self,
        answer: Answer,
        reply: &Reply<'_>,
        view: &View,
        head: &mut [u8],
        recorder: &mut impl Recorder,
    ) -> Option<Transmit> {
        let Reply { request, policy, network, effects, .. } = *reply;
        let interface = view.interface(request.received.interface);
        let rng = &mut self.rng;
        let mut lease = |message_type, address, lease| Form::Lease {
            message_type,
            address,
            times: Times::of(lease, network, rng),
        };
        let (form, directed) = match answer {
            Answer::Offer(address) => (
                lease(MessageType::Offer, address, policy.lease(request.options.lease_time_s)),
                route::of_reply(request, interface, effects, address),
            ),
            Answer::Ack(address, _) if request.kind == Kind::Bootp => {
                let names_file = names_file(request, view);
                let directed = route::of_reply(request, interface, effects, address);
                (Form::Bootp { address, names_file }, directed)
            }
            Answer::Ack(address, time) => (
                lease(MessageType::Ack, address, time),
                route::of_reply(request, interface, effects, address),
            ),
            Answer::Inform => (Form::Inform, route::of_inform(request)),
            Answer::ProxyOffer => (
                Form::ProxyOffer,
                route::of_reply(request, interface, effects, Ipv4Addr::UNSPECIFIED),
            ),
            Answer::BootAck => (Form::BootAck, route::of_boot_ack(request)),
            Answer::Nak(_) => {
                let way = note_way(route::of_nak(request), recorder);
                let write =
                    |buffer: &mut [u8]| reply::write_nak(request, network, buffer, recorder).ok();
                return transmit(request, network, way, head, write);
            }
            Answer::NoAddress if request.options.auto_configure.is_some() => {
                let directed = route::of_reply(request, interface, effects, Ipv4Addr::UNSPECIFIED);
                let way = note_way(directed, recorder);
                let write = |buffer: &mut [u8]| {
                    reply::write_refusal(request, network, buffer, recorder).ok()
                };
                return transmit(request, network, way, head, write);
            }
            Answer::NoAddress | Answer::Silence | Answer::Later(..) | Answer::Again => return None,
        };
        let way = note_way(directed, recorder);
        transmit(request, network, way, head, |buffer| reply.write(form, buffer, recorder).ok())
    }

    /// The next router advertisement.
    pub(super) fn poll_advertisement(
        &mut self,
        head: &mut [u8],
        now: Instant,
        view: &View,
    ) -> Option<Transmit> {
        let (transmit, client) = self.advertiser.poll_output(head, now, view)?;
        self.events.push(Event { at: now, client, kind: EventKind::RouterAdvertised });
        Some(transmit)
    }

    /// Tells what is about the server rather than about a client.
    pub(super) fn tell_all(&mut self, kind: EventKind, now: Instant) {
        self.events.push(Event { at: now, client: Client::default(), kind });
    }

    fn remember(&mut self, request: &Request<'_>, plan: &Plan, now: Instant) {
        let Some(mac) = request.client.mac.filter(|_| plan.boots()) else { return };
        let firmware = request.client.firmware;
        let arch = request.client.arch;
        self.booting.put(mac, Booting { firmware, arch, seen: now });
        if firmware == Firmware::Ipxe {
            self.advertiser.handle_boot(mac, now);
        }
    }

    /// `later` tells whether a proxy tells the boot file on port 4011 only.
    fn note_answer(
        &mut self,
        request: &Request<'_>,
        plan: &Plan,
        later: bool,
        answer: Answer,
        now: Instant,
    ) {
        let firmware = request.client.firmware;
        let boot_file = EventName::sanitised(plan.file());
        let arch = plan.arch;
        if plan.boot == Boot::NoProgram && request.kind == Kind::Discover {
            self.tell(request, None, EventKind::NoBootProgram { arch }, now);
        }
        let (address, kind) = match answer {
            Answer::Offer(address) => (None, EventKind::Offer { address, boot_file }),
            Answer::ProxyOffer if later => {
                (None, EventKind::ProxyOffer { boot_file: EventName::EMPTY })
            }
            Answer::ProxyOffer => (None, EventKind::ProxyOffer { boot_file }),
            Answer::Ack(address, lease) => {
                (Some(address), EventKind::Ack { firmware, address, lease, boot_file })
            }
            Answer::BootAck | Answer::Inform => {
                let address = request.header.ciaddr();
                let lease = core::time::Duration::ZERO;
                (Some(address), EventKind::Ack { firmware, address, lease, boot_file })
            }
            Answer::Nak(address) => (None, EventKind::Nak { address }),
            Answer::NoAddress if !self.guard.may_tell_refusal(now) => return,
            Answer::NoAddress => (None, EventKind::NoAddress),
            Answer::Silence | Answer::Later(..) | Answer::Again => return,
        };
        self.tell(request, address, kind, now);
    }

    fn tell(
        &mut self,
        request: &Request<'_>,
        address: Option<Ipv4Addr>,
        kind: EventKind,
        now: Instant,
    ) {
        let ciaddr = request.header.ciaddr();
        let address = address.or_else(|| (!ciaddr.is_unspecified()).then_some(ciaddr));
        let client = Client { mac: request.client.mac, address: address.map(IpAddr::V4) };
        self.events.push(Event { at: now, client, kind });
    }
}

/// Whether a BOOTP client names a boot file that is here (RFC 951 §7.3).
fn names_file(request: &Request<'_>, view: &View) -> bool {
    let name = core::str::from_utf8(request.header.file_name()).ok();
    name.is_some_and(|name| view.catalogue.get(name.trim_start_matches('/')).is_some())
}

/// The way of an answer, noted.
fn note_way((way, by): Directed, recorder: &mut impl Recorder) -> Way {
    recorder.note(|| Decision::Route(by));
    way
}

/// What the client is called: as it is configured, else as it calls itself.
fn host_name(request: &Request<'_>, view: &View, machine: Option<MachineId>) -> Text<64> {
    let configured = machine.and_then(|id| view.machines.get(id)?.hostname.as_deref());
    let options = request.options;
    // In option 81 a name may also have the form of DNS messages (RFC 4702 §2.1).
    let whole = options.client_fqdn.filter(|fqdn| fqdn.flags & FQDN_ENCODED == 0);
    let own = options.host_name.or_else(|| whole.map(|fqdn| fqdn.name)).unwrap_or_default();
    Text::sanitised(configured.map_or(own, str::as_bytes))
}

/// In option 81: the name is encoded as in DNS messages (RFC 4702 §2.1).
const FQDN_ENCODED: u8 = 0x04;

/// Writes a message into `head` for its way; `None` if `write` fails.
fn transmit(
    request: &Request<'_>,
    network: &Network,
    way: Way,
    head: &mut [u8],
    write: impl FnOnce(&mut [u8]) -> Option<usize>,
) -> Option<Transmit> {
    let interface = request.received.interface;
    let (route, len) = match way {
        Way::Socket(destination) => {
            let len = write(head)?;
            let route = Route::Datagram {
                socket: request.received.socket,
                interface,
                source: IpAddr::V4(network.server),
                destination: SocketAddr::V4(destination),
            };
            (route, len)
        }
        Way::Link { station, destination } => {
            let len = write(head.get_mut(ipv4_udp::HEADERS_BYTES..)?)?;
            let source = SocketAddrV4::new(network.server, SERVER_PORT);
            let len = ipv4_udp::emit(head, source, destination, len).ok()?;
            (Route::Link { interface, station }, len)
        }
    };
    Some(Transmit {
        route,
        origin: Origin(u64::from(request.header.xid())),
        head_len: u16::try_from(len).ok()?,
        body: None,
        split: None,
    })
}
