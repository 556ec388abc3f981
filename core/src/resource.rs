//! What a name means: the one namespace that TFTP and HTTP clients fetch from.
//!
//! Files of the catalogue come first, so an operator's own `grub.cfg` replaces the generated
//! one. Then come the documents that are generated for each machine.

use core::str::FromStr;

use crate::document::DocumentKind;
use crate::identity::ClientIdentity;
use crate::mac::MacAddr;
use crate::node::NodePrefix;
use crate::view::{File, View};
use crate::wire::pxe::Uuid;

/// What lies under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'v> {
    /// A file.
    File(&'v File),
    /// A text to generate.
    Document(DocumentKind),
    /// The place where user space reports that it runs.
    Up,
    /// Nothing.
    Missing,
}

/// Looks up a normalised `name` for a client that told `claims`; adds what the name tells about
/// the client to `claims`. `facts_asked` says that the request carries the machine's facts, so
/// it must not be sent to fetch them once more.
pub fn resolve<'v>(
    view: &'v View,
    name: &str,
    claims: &mut ClientIdentity,
    facts_asked: bool,
) -> Resource<'v> {
    let rest = match NodePrefix::split(name) {
        Some((prefix, rest)) => {
            prefix.identify(claims);
            rest
        }
        None => name,
    };
    if let Some(file) = view.catalogue.get(rest) {
        return Resource::File(file);
    }
    if rest == "up" && claims.mac.is_some() {
        return Resource::Up;
    }
    let document = match rest.rsplit_once('/').map_or(rest, |(_, last)| last) {
        "boot.ipxe" | "autoexec.ipxe" => ipxe_script(view, claims, facts_asked),
        last => {
            if let Some(name) = last.strip_prefix("grub.cfg") {
                grub_config(view, claims, name)
            } else if rest.contains("pxelinux.cfg/") {
                pxelinux_config(view, claims, last)
            } else {
                None
            }
        }
    };
    document.map_or(Resource::Missing, Resource::Document)
}

fn ipxe_script(view: &View, claims: &ClientIdentity, facts_asked: bool) -> Option<DocumentKind> {
    if claims.mac.is_none() || (!facts_asked && view.asks_for_facts()) {
        return Some(DocumentKind::Identify);
    }
    view.profile_of(claims).map(|(id, _)| DocumentKind::Ipxe(id))
}

/// GRUB asks for `grub.cfg-<uuid>`, `grub.cfg-01-<mac>`, `grub.cfg-<address in hex>` with ever
/// fewer digits, and `grub.cfg`. The first that names the machine is enough.
fn grub_config(view: &View, claims: &mut ClientIdentity, suffix: &str) -> Option<DocumentKind> {
    match suffix.strip_prefix('-') {
        None if suffix.is_empty() && claims.mac.is_none() => {
            return Some(DocumentKind::GrubIdentify);
        }
        None if suffix.is_empty() => {}
        None => return None,
        // What is left for a GRUB that does not know its own address.
        Some("default") => {}
        Some(name) => name_machine(claims, name)?,
    }
    view.profile_of(claims).map(|(id, _)| DocumentKind::Grub(id))
}

/// pxelinux asks for `<uuid>`, `01-<mac>`, the address in hex likewise, and `default`.
fn pxelinux_config(view: &View, claims: &mut ClientIdentity, name: &str) -> Option<DocumentKind> {
    if name != "default" {
        name_machine(claims, name)?;
    }
    view.profile_of(claims).map(|(id, _)| DocumentKind::Pxelinux(id))
}

/// Reads `01-<mac>` (hardware type 1 is Ethernet) or a UUID out of a configuration's name.
///
/// Without a MAC address a UUID is not enough: the generated file would go out without the
/// machine's own facts, while the next name the loader tries carries them.
fn name_machine(claims: &mut ClientIdentity, name: &str) -> Option<()> {
    if let Some(mac) = name.strip_prefix("01-") {
        claims.mac = Some(MacAddr::from_str(mac).ok()?);
        return Some(());
    }
    claims.uuid = Some(Uuid::from_str(name).ok()?);
    claims.mac.map(|_| ())
}

#[cfg(test)]
mod tests;
