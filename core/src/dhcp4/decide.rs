//! What a server answers to a client's message (RFC 2131 §4.3).

use core::net::Ipv4Addr;

use super::lease::{LeaseTable, Refusal};
use super::pool::Claim;
use super::request::{Kind, Request};

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// DHCPOFFER of this address.
    Offer(Ipv4Addr),
    /// DHCPACK: the address is lent.
    Ack(Ipv4Addr),
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

/// Decides as the server of the network and notes the decision in `leases`.
pub(super) fn decide(leases: &mut LeaseTable, claim: &Claim<'_>, request: &Request<'_>) -> Answer {
    match request.kind {
        Kind::Discover => match leases.offer(claim, request.options.requested_address) {
            Some(address) => Answer::Offer(address),
            None => Answer::NoAddress,
        },
        Kind::Request => decide_request(leases, claim, request),
        Kind::Inform => Answer::Inform,
        Kind::Decline | Kind::Release => Answer::Silence,
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
    match leases.bind(claim, address, network.lease, adopt) {
        Ok(()) => Answer::Ack(address),
        Err(Refusal::Unknown) => Answer::Silence,
        Err(Refusal::Wrong) => {
            let known = leases.find(claim.client, network.subnet).is_some();
            if adopt || known { Answer::Nak(address) } else { Answer::Silence }
        }
    }
}
