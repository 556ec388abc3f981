//! What a server answers to a client's message (RFC 2131 §4.3).

use core::net::Ipv4Addr;
use core::time::Duration;

use super::lease::{LeaseTable, Lent, Refusal, Storing};
use super::pool::Claim;
use super::records::Keeping;
use super::request::{Kind, Request};
use super::trace::{AddressRule, AnswerRule, Decision, Recorder};

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

/// RFC 2131 §4.3.2. What state the client is in follows from what it fills in.
fn decide_request(leases: &mut LeaseTable, claim: &Claim<'_>, request: &Request<'_>) -> Answer {
    let Some(address) = request.address() else { return Answer::Silence };
    let network = claim.network;
    // SELECTING: the client takes our offer, so the answer is ours to give in any case.
    let selecting = request.options.server_id.is_some();
    // INIT-REBOOT, RENEWING, REBINDING: a client that we do not know may be another server's,
    // unless there is no other. Then it had the address from us before we were started anew.
    let adopt = selecting || network.authoritative;
    match leases.lend(claim, address, network.lease, adopt) {
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
    let Some(address) = request.address() else { return Answer::Silence };
    match leases.complete(claim, stored, message, claim.network.lease) {
        Ok(Some(lease)) => Answer::Ack(address, lease),
        Ok(None) => Answer::Silence,
        Err(Refusal::Wrong | Refusal::Unknown) => Answer::Nak(address),
    }
}
