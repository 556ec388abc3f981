//! What a server answers to a client's message (RFC 2131 §4.3).

use core::net::Ipv4Addr;
use core::time::Duration;

use super::lease::{Lease, LeaseTable, Lent, Refusal, Storing};
use super::pool::Claim;
use super::records::Keeping;
use super::request::{Kind, Place, Request};
use super::trace::{AddressRule, AnswerRule, Decision, Recorder};
use crate::limits;
use crate::view::{DhcpMode, Network, View};

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// DHCPOFFER of this address.
    Offer(Ipv4Addr),
    /// DHCPACK: the address is lent, for this long.
    Ack(Ipv4Addr, Duration),
    /// Nothing yet: the lease has to be stored.
    Later(Ipv4Addr, Storing),
    /// Nothing yet: the store has to learn of something else before.
    Again,
    /// DHCPACK without an address, to DHCPINFORM.
    Inform,
    /// DHCPNAK: this address is not for the client.
    Nak(Ipv4Addr),
    /// DHCPOFFER without an address, beside another server's.
    ProxyOffer,
    /// DHCPACK without an address, from the boot server port.
    BootAck,
    /// Nothing can be offered.
    NoAddress,
    /// Nothing, to somebody whom another server may know.
    Silence,
}

impl Answer {
    /// The address that the client is given.
    pub(super) const fn address(self) -> Option<Ipv4Addr> {
        match self {
            Self::Offer(address) | Self::Ack(address, _) | Self::Later(address, _) => Some(address),
            Self::Inform
            | Self::Nak(_)
            | Self::ProxyOffer
            | Self::BootAck
            | Self::Again
            | Self::NoAddress
            | Self::Silence => None,
        }
    }

    /// As it is told to people.
    pub(super) const fn rule(self) -> AnswerRule {
        match self {
            Self::Offer(_) => AnswerRule::Offer,
            Self::Ack(..) | Self::Later(..) | Self::Again => AnswerRule::Ack,
            Self::Inform => AnswerRule::Inform,
            Self::Nak(_) => AnswerRule::Nak,
            Self::ProxyOffer => AnswerRule::ProxyOffer,
            Self::BootAck => AnswerRule::BootAck,
            Self::NoAddress => AnswerRule::NoAddress,
            Self::Silence => AnswerRule::Silence,
        }
    }
}

/// Decides as the server of the client's network, or of another one on its link, and notes the
/// decision in `leases`; gives the network that the decision is for.
///
/// A client that looks for an address gets it where one is reserved for it, else where it had one,
/// else where there is room.
pub(super) fn decide_on_link<'v>(
    leases: &mut LeaseTable,
    claim: &Claim<'v>,
    place: Place<'v>,
    request: &Request<'_>,
    recorder: &mut impl Recorder,
) -> (&'v Network, Answer) {
    let first = claim.network;
    if place.chosen || first.shared.is_none() {
        return (first, decide(leases, claim, request, recorder));
    }
    let on = |network| Claim { network, ..*claim };
    let link = || {
        let networks = claim.view.networks.on_link_of(place.id).map(|(_, network)| network);
        networks.filter(|network| {
            let is_open = request.kind != Kind::Bootp || network.bootp;
            network.mode == DhcpMode::Server && (is_open || on(network).reserved().is_some())
        })
    };
    // BOOTP looks for an address and takes it in one.
    if !matches!(request.kind, Kind::Discover | Kind::Bootp) {
        let answer = decide(leases, claim, request, recorder);
        if matches!(answer, Answer::Ack(..) | Answer::Later(..)) {
            for other in link().filter(|network| network.subnet != first.subnet) {
                leases.withdraw(claim.client, other);
            }
        }
        return (first, answer);
    }
    let reserved = link().find(|network| on(network).reserved().is_some());
    let had = || {
        let keeps = |network: &Network, lease: &Lease| on_network(claim, network, lease.address);
        link().find(|network| {
            leases.find(claim.client, network.subnet).is_some_and(|lease| keeps(network, lease))
        })
    };
    let here = || link().find(|network| network.subnet == first.subnet);
    let best = reserved.or_else(had).or_else(here).or_else(|| link().next()).unwrap_or(first);
    let mut answer = decide(leases, &on(best), request, recorder);
    let mut network = best;
    for other in link().filter(|network| network.subnet != best.subnet) {
        if answer != Answer::NoAddress {
            break;
        }
        (network, answer) = (other, decide(leases, &on(other), request, recorder));
    }
    (network, answer)
}

/// The network on the link of `place` that the lease of `message`, which is stored now, lies in: a
/// client of BOOTP names no address to tell it by.
pub(super) fn network_of_stored<'v>(
    leases: &LeaseTable,
    view: &'v View,
    place: Place<'v>,
    stored: &Storing,
    message: u32,
) -> &'v Network {
    let found = leases.address_of_stored(stored, message).and_then(|address| {
        let mut link = view.networks.on_link_of(place.id).map(|(_, network)| network);
        link.find(|network| network.subnet.contains(address))
    });
    found.unwrap_or(place.network)
}

fn on_network(claim: &Claim<'_>, network: &Network, address: Ipv4Addr) -> bool {
    Claim { network, ..*claim }.may_keep(address)
}

/// Decides as the server of the network and notes the decision in `leases`.
pub(super) fn decide<R: Recorder>(
    leases: &mut LeaseTable,
    claim: &Claim<'_>,
    request: &Request<'_>,
    recorder: &mut R,
) -> Answer {
    let before =
        R::TAKES_NOTES.then(|| Some(leases.find(claim.client, claim.network.subnet)?.address));
    let answer = match request.kind {
        // What is offered will be asked for, and could not be given.
        Kind::Discover if leases.records.keeping == Keeping::NothingNew => Answer::Silence,
        Kind::Discover => match leases.offer(claim, request.options.requested_address) {
            Some(address) => Answer::Offer(address),
            None => Answer::NoAddress,
        },
        Kind::Request => decide_request(leases, claim, request),
        Kind::Bootp => decide_bootp(leases, claim, request),
        Kind::Inform => Answer::Inform,
        Kind::Decline | Kind::Release => Answer::Silence,
    };
    if let Answer::Offer(address) | Answer::Ack(address, _) = answer {
        recorder.note(|| {
            let by = address_rule(claim, request, before.flatten(), address);
            Decision::Address { address, by }
        });
    }
    answer
}

/// Why the client that had `before` is to have `address`.
fn address_rule(
    claim: &Claim<'_>,
    request: &Request<'_>,
    before: Option<Ipv4Addr>,
    address: Ipv4Addr,
) -> AddressRule {
    if claim.reserved() == Some(address) {
        AddressRule::Reserved
    } else if before == Some(address) {
        AddressRule::Kept
    } else if request.address() == Some(address) {
        AddressRule::Wished
    } else {
        AddressRule::Free
    }
}

/// BOOTP has one exchange, and no way to give an address back or to renew it (RFC 951 §7, RFC 1534
/// §2): the address is for good.
fn decide_bootp(leases: &mut LeaseTable, claim: &Claim<'_>, request: &Request<'_>) -> Answer {
    let is_new = leases.find(claim.client, claim.network.subnet).is_none();
    if is_new && leases.records.keeping == Keeping::NothingNew {
        return Answer::Silence;
    }
    let Some(address) = leases.offer(claim, request.address()) else { return Answer::NoAddress };
    match leases.lend(claim, address, limits::LEASE_INFINITE, true) {
        Ok(Lent::For(lease)) if is_for_good(lease) => Answer::Ack(address, lease),
        Ok(Lent::Later(storing)) => Answer::Later(address, storing),
        Ok(Lent::Again) => Answer::Again,
        // What ends is not what the client would take it for.
        Ok(Lent::For(_) | Lent::NotNow) => Answer::Silence,
        Err(Refusal::Unknown | Refusal::Wrong) => Answer::NoAddress,
    }
}

/// Whether a lease is what BOOTP promises.
fn is_for_good(lease: Duration) -> bool {
    lease >= limits::LEASE_INFINITE
}

/// RFC 2131 §4.3.2. What state the client is in follows from what it fills in.
fn decide_request(leases: &mut LeaseTable, claim: &Claim<'_>, request: &Request<'_>) -> Answer {
    let Some(address) = request.address() else { return Answer::Silence };
    let network = claim.network;
    // SELECTING: the client takes our offer, so the answer is ours to give in any case.
    let selecting = request.options.server_id.is_some();
    // INIT-REBOOT, RENEWING, REBINDING: a client that we do not know may be another server's,
    // unless there is no other. Then it had the address from us before we were started anew.
    let adopt = selecting || network.authoritative;
    match leases.lend(
        claim,
        address,
        claim.policy(address).lease(request.options.lease_time_s),
        adopt,
    ) {
        Ok(Lent::For(lease)) => Answer::Ack(address, lease),
        Ok(Lent::Later(storing)) => Answer::Later(address, storing),
        Ok(Lent::Again) => Answer::Again,
        Ok(Lent::NotNow) => Answer::Silence,
        Err(Refusal::Unknown) => Answer::Silence,
        Err(Refusal::Wrong) => {
            let known = leases.find(claim.client, network.subnet).is_some();
            if adopt || known { Answer::Nak(address) } else { Answer::Silence }
        }
    }
}

/// Decides about a request whose lease is stored now, by the configuration of now.
pub(super) fn decide_stored(
    leases: &mut LeaseTable,
    claim: &Claim<'_>,
    request: &Request<'_>,
    stored: &Storing,
    message: u32,
) -> Answer {
    let address = match request.kind {
        // It names no address: it has the one that was stored for it.
        Kind::Bootp => leases.find(claim.client, claim.network.subnet).map(|lease| lease.address),
        Kind::Discover | Kind::Request | Kind::Decline | Kind::Release | Kind::Inform => {
            request.address()
        }
    };
    let Some(address) = address else { return Answer::Silence };
    let lease = match request.kind {
        Kind::Bootp => limits::LEASE_INFINITE,
        Kind::Discover | Kind::Request | Kind::Decline | Kind::Release | Kind::Inform => {
            claim.policy(address).lease(request.options.lease_time_s)
        }
    };
    match leases.complete(claim, stored, message, lease) {
        Ok(Some(lease)) if request.kind == Kind::Bootp && !is_for_good(lease) => Answer::Silence,
        Ok(Some(lease)) => Answer::Ack(address, lease),
        Ok(None) => Answer::Silence,
        Err(_) if request.kind == Kind::Bootp => Answer::NoAddress,
        Err(Refusal::Wrong | Refusal::Unknown) => Answer::Nak(address),
    }
}
