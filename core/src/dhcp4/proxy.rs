//! ProxyDHCP: boot information beside another server's addresses (PXE 2.1 §2.2).

use super::decide::Answer;
use super::request::{Kind, Request};
use crate::boot::{Boot, BootFile, Plan};
use crate::engine::Discard;
use crate::view::{BootTarget, Effect, Effects, Network, View};
use crate::wire::pxe::LAYER_CREDENTIALS;

/// Whether a proxy or a boot server has anything to say to this message.
///
/// # Errors
/// [`Discard::OtherServer`] for what the other server answers: whatever clients say on port 67 but
/// DISCOVER, and systems that do not boot. [`Discard::NotForServer`] for a boot server type that
/// nobody was told of.
pub(super) fn check(request: &Request<'_>, network: &Network, view: &View) -> Result<(), Discard> {
    let effects = view.quirks.effects(&request.quirk_client(request.client.arch));
    if effects.has(Effect::NoProxy) {
        return Err(Discard::OtherServer);
    }
    match (request.asks_boot_server(), request.kind) {
        (false, Kind::Discover) => Ok(()),
        (true, Kind::Request | Kind::Inform) => check_boot_item(request, network, view),
        _ => Err(Discard::OtherServer),
    }
}

/// Boot server discovery (PXE 2.1 §2.2.3) asks for one type of server. Types that are in no menu
/// of ours are somebody else's; without a menu, one who asks our own address means us
/// nevertheless.
fn check_boot_item(request: &Request<'_>, network: &Network, view: &View) -> Result<(), Discard> {
    let Some(item) = request.boot_item().filter(|item| item.kind != 0) else { return Ok(()) };
    let ours = match &view.menu {
        Some(menu) => menu.service(item.kind).is_some_and(|service| match &service.target {
            BootTarget::Own | BootTarget::File(_) => true,
            BootTarget::Servers(servers) => servers.contains(&network.server),
            BootTarget::Local => false,
        }),
        None => {
            let destination = request.received.destination.ip();
            !destination.is_broadcast() && !destination.is_multicast()
        }
    };
    let wants_file = item.layer & LAYER_CREDENTIALS == 0;
    if ours && wants_file { Ok(()) } else { Err(Discard::NotForServer) }
}

/// Puts the file that the person at the machine chose from a menu in the place of the plan's own.
pub(super) fn choose_from_menu(request: &Request<'_>, view: &View, plan: &mut Plan) {
    let Some(menu) = view.menu.as_ref().filter(|_| request.asks_boot_server()) else { return };
    let service = request.boot_item().and_then(|item| menu.service(item.kind));
    let Some(BootTarget::File(name)) = service.map(|service| &service.target) else { return };
    let mut file = BootFile::default();
    if core::fmt::Write::write_str(&mut file, name).is_ok() {
        plan.boot = Boot::File { file, program: None };
    }
}

/// Decides as a proxy or boot server; [`check`] has let the message pass.
pub(super) fn decide(request: &Request<'_>, plan: &Plan) -> Answer {
    match (plan.boots(), request.asks_boot_server()) {
        (false, _) => Answer::Silence,
        (true, true) => Answer::BootAck,
        (true, false) => Answer::ProxyOffer,
    }
}

/// Whether the boot file is told on port 4011 only.
pub(super) const fn tells_file_later(effects: Effects) -> bool {
    effects.has(Effect::FileOnPort4011) && !effects.has(Effect::FileInProxyOffer)
}
