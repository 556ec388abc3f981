//! ProxyDHCP: boot information beside another server's addresses (PXE 2.1 §2.2).

use super::decide::Answer;
use super::request::{Kind, Request};
use crate::boot::Plan;
use crate::engine::Discard;
use crate::identity::Firmware;
use crate::wire::pxe::{ArchType, PxeOptions};

/// Whether a proxy or a boot server has anything to say to this message.
///
/// # Errors
/// [`Discard::OtherServer`] for what the other server answers: whatever clients say on port 67 but
/// DISCOVER, and systems that do not boot. [`Discard::NotForServer`] for a boot server type that
/// nobody was told of.
pub(super) fn check(request: &Request<'_>) -> Result<(), Discard> {
    match request.client.firmware {
        // U-Boot takes any offer for one with an address; it cannot be served beside another.
        Firmware::System | Firmware::UBoot => return Err(Discard::OtherServer),
        Firmware::Pxe | Firmware::HttpBoot | Firmware::Ipxe | Firmware::RaspberryPi => {}
    }
    match (request.received.at_pxe_port(), request.kind) {
        (false, Kind::Discover) => Ok(()),
        (true, Kind::Request | Kind::Inform) => check_boot_item(request),
        _ => Err(Discard::OtherServer),
    }
}

/// Boot server discovery (PXE 2.1 §2.2.3) asks for one type of server. We show no menu, so all
/// types but 0 are somebody else's; one who asks our own address means us nevertheless.
fn check_boot_item(request: &Request<'_>) -> Result<(), Discard> {
    let destination = request.received.destination.ip();
    let to_us_alone = !destination.is_broadcast() && !destination.is_multicast();
    let vendor = request.options.vendor_specific;
    let item = vendor.and_then(|data| PxeOptions::parse(data).ok()?.boot_item());
    match item {
        Some(item) if item.kind != 0 && !to_us_alone => Err(Discard::NotForServer),
        Some(_) | None => Ok(()),
    }
}

/// Decides as a proxy or boot server; [`check`] has let the message pass.
pub(super) fn decide(request: &Request<'_>, plan: &Plan) -> Answer {
    match (plan.boots(), request.received.at_pxe_port()) {
        (false, _) => Answer::Silence,
        (true, true) => Answer::BootAck,
        (true, false) => Answer::ProxyOffer,
    }
}

/// Whether the boot file is told on port 4011 only.
///
/// UEFI's menu code is faulty in many machines, so an offer for UEFI has no option 43 and no file:
/// then firmware asks on port 4011 and takes what it gets there.
pub(super) fn tells_file_later(request: &Request<'_>, plan: &Plan) -> bool {
    request.client.firmware == Firmware::Pxe && plan.arch.is_some_and(ArchType::is_uefi)
}
