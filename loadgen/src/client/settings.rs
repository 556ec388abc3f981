//! `${…}` in scripts: iPXE's settings and GRUB's variables.

use core::fmt::Write;

use super::intake::Facts;
use super::plan::Plan;
use super::text::Text;

/// Room for a word whose settings are filled in.
pub(super) const EXPANDED_LEN: usize = 360;

/// A word whose settings are filled in.
pub(super) type Expanded = Text<EXPANDED_LEN>;

/// Fills in the settings of iPXE. What it does not know is nothing, as to iPXE.
pub(super) fn ipxe(word: &[u8], facts: &Facts<'_>, plan: &Plan) -> Expanded {
    let mut out = Expanded::EMPTY;
    let mut rest = word;
    while let Some(at) = find(rest, b"${") {
        let Some(len) = rest[at..].iter().position(|byte| *byte == b'}') else { break };
        out.extend(&rest[..at]);
        ipxe_setting(&rest[at + 2..at + len], facts, plan, &mut out);
        rest = &rest[at + len + 1..];
    }
    out.extend(rest);
    out
}

/// Fills in the variables of GRUB.
pub(super) fn grub(word: &[u8], facts: &Facts<'_>, plan: &Plan) -> Expanded {
    let mut out = Expanded::EMPTY;
    let mut rest = word;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        out.extend(&rest[..at]);
        let after = &rest[at + 1..];
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let (name, skip) = match after {
            [b'{', inner @ ..] => {
                let len = inner.iter().position(|byte| *byte == b'}').unwrap_or(inner.len());
                (&inner[..len], len + 2)
            }
            _ => {
                let len = after.iter().take_while(|byte| is_name(byte)).count();
                (&after[..len], len)
            }
        };
        grub_variable(name, facts, plan, &mut out);
        rest = after.get(skip..).unwrap_or_default();
    }
    out.extend(rest);
    out
}

fn ipxe_setting(text: &[u8], facts: &Facts<'_>, plan: &Plan, out: &mut Expanded) {
    let (name, kind) = match text.iter().position(|byte| *byte == b':') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &b""[..]),
    };
    let bare = match name.iter().rposition(|byte| *byte == b'/') {
        Some(at) => &name[at + 1..],
        None => name,
    };
    let mut value = Expanded::EMPTY;
    match bare {
        b"mac" => match kind {
            b"hexhyp" => mac(facts, "-", &mut value),
            b"hexraw" => mac(facts, "", &mut value),
            _ => mac(facts, ":", &mut value),
        },
        b"cwuri" => facts.location.write(&mut value),
        b"cwduri" => {
            let mut folder = facts.location.clone();
            if folder.go_beside("") {
                folder.write(&mut value);
            }
        }
        _ => named(bare, facts, plan, &mut value),
    }
    if kind == b"uristring" {
        value.as_bytes().iter().for_each(|byte| escape(*byte, out));
    } else {
        out.extend(value.as_bytes());
    }
}

fn named(name: &[u8], facts: &Facts<'_>, plan: &Plan, out: &mut Expanded) {
    if let Some(value) = plan.variable(name) {
        return out.extend(value);
    }
    // Texts take everything and remember what did not fit.
    let written = match name {
        b"ip" => write!(out, "{}", facts.address),
        b"next-server" | b"dhcp-server" => write!(out, "{}", facts.boot_server),
        b"uuid" => uuid(&facts.identity.uuid, out),
        b"serial" => write!(out, "LG{:06}", facts.identity.number),
        b"product" => write!(out, "Simulated {}", facts.model.name),
        b"manufacturer" => write!(out, "Reveille"),
        b"buildarch" => write!(out, "{}", if facts.model.is_efi() { "x86_64" } else { "i386" }),
        b"platform" => write!(out, "{}", if facts.model.is_efi() { "efi" } else { "pcbios" }),
        b"version" => write!(out, "1.21.1"),
        _ => Ok(()),
    };
    debug_assert!(written.is_ok());
}

fn grub_variable(name: &[u8], facts: &Facts<'_>, plan: &Plan, out: &mut Expanded) {
    match name {
        b"net_default_mac" => mac(facts, ":", out),
        b"net_default_ip" => named(b"ip", facts, plan, out),
        b"net_default_server" | b"pxe_default_server" => named(b"next-server", facts, plan, out),
        b"grub_cpu" => out.extend(b"x86_64"),
        b"grub_platform" => out.extend(b"efi"),
        b"root" => {
            out.extend(b"tftp,");
            named(b"next-server", facts, plan, out);
        }
        _ => {
            if let Some(value) = plan.variable(name) {
                out.extend(value);
            }
        }
    }
}

/// The MAC address with something between its octets.
pub(super) fn mac<const N: usize>(facts: &Facts<'_>, between: &str, out: &mut Text<N>) {
    for (at, octet) in facts.identity.mac.iter().enumerate() {
        let between = if at == 0 { "" } else { between };
        let written = write!(out, "{between}{octet:02x}");
        debug_assert!(written.is_ok());
    }
}

/// The UUID as people write it: firmware stores its first three fields with the low byte first.
pub(super) fn uuid<const N: usize>(bytes: &[u8; 16], out: &mut Text<N>) -> core::fmt::Result {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    for (at, place) in ORDER.into_iter().enumerate() {
        let hyphen = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
        write!(out, "{hyphen}{:02x}", bytes[place])?;
    }
    Ok(())
}

fn escape(byte: u8, out: &mut Expanded) {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        out.push(byte);
    } else {
        let written = write!(out, "%{byte:02X}");
        debug_assert!(written.is_ok());
    }
}

fn find(bytes: &[u8], wanted: &[u8; 2]) -> Option<usize> {
    bytes.array_windows().position(|pair: &[u8; 2]| pair == wanted)
}
