//! Options as people read them.

use std::fmt::Display;
use std::time::Duration;

use reveille_core::wire::dhcp4::Message;
use reveille_core::wire::dhcp4_options::{OptionValue, code};

use crate::arch;
use crate::config;
use crate::units::Span;

/// The options of a message in its order, each with its joined value.
pub(super) fn options_of(message: &Message<'_>) -> Vec<(u8, Vec<u8>)> {
    let mut options: Vec<(u8, Vec<u8>)> = Vec::new();
    for option in message.options() {
        match options.iter_mut().find(|known| known.0 == option.code) {
            Some(known) => known.1.extend(option.data),
            None => options.push((option.code, option.data.to_vec())),
        }
    }
    options
}

/// The name of an option.
pub(super) fn name(code: u8) -> String {
    config::option_name(code).map_or_else(|| format!("option {code}"), str::to_owned)
}

/// The value of an option.
pub(super) fn text(code: u8, data: &[u8]) -> String {
    if matches!(code, code::LEASE_TIME | code::RENEWAL_TIME | code::REBINDING_TIME) {
        return match data.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes)) {
            Some(u32::MAX) => "for ever".to_owned(),
            Some(seconds) => Span(Duration::from_secs(seconds.into())).to_string(),
            None => hex(data),
        };
    }
    match OptionValue::parse(code, data) {
        Ok(value) => of_value(&value, data),
        Err(_) => hex(data),
    }
}

fn of_value(value: &OptionValue<'_>, data: &[u8]) -> String {
    match value {
        OptionValue::Empty => String::new(),
        OptionValue::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        OptionValue::U8(number) => number.to_string(),
        OptionValue::U16(number) => number.to_string(),
        OptionValue::U32(number) => number.to_string(),
        OptionValue::I32(number) => number.to_string(),
        OptionValue::U16List(list) => join(list.iter()),
        OptionValue::Codes(codes) => join(codes.iter()),
        OptionValue::Address(address) => address.to_string(),
        OptionValue::Addresses(list) => join(list.iter()),
        OptionValue::AddressPairs(list) => {
            join(list.iter().map(|(first, second)| format!("{first} {second}")))
        }
        OptionValue::Ipv6Address(address) => address.to_string(),
        OptionValue::Text(text) => printable(text),
        OptionValue::DomainNames(names) => join(names.iter()),
        OptionValue::Routes(routes) => join(routes.iter().map(|route| {
            format!("{}/{} by {}", route.destination, route.prefix_len, route.router)
        })),
        OptionValue::MessageType(kind) => format!("{kind:?}").to_uppercase(),
        OptionValue::ClientFqdn(fqdn) => printable(fqdn.name),
        OptionValue::UserClass(class) => join(class.iter().map(printable)),
        OptionValue::ArchTypes(list) => join(list.iter().map(arch::label)),
        OptionValue::NetworkInterface(ndi) => format!("UNDI {}.{}", ndi.major, ndi.minor),
        OptionValue::MachineId(id) => {
            id.uuid().map_or_else(|| hex(id.as_bytes()), |uuid| uuid.to_string())
        }
        OptionValue::SubOptions(agent) => {
            join(agent.iter().map(|sub| format!("{} = {}", sub.code, bytes(sub.data))))
        }
        OptionValue::PaddedSubOptions(options) => {
            join(options.iter().map(|sub| format!("{} = {}", sub.code, bytes(sub.data))))
        }
        OptionValue::VendorIdentifying(_) => hex(data),
        OptionValue::Opaque(data) => bytes(data),
    }
}

fn join<T: Display>(parts: impl Iterator<Item = T>) -> String {
    parts.map(|part| part.to_string()).collect::<Vec<_>>().join(", ")
}

/// Text where it is some, else hexadecimal.
pub(super) fn bytes(data: &[u8]) -> String {
    let is_text = data.len() > 1 && data.iter().all(|byte| (0x20..0x7f).contains(byte));
    if is_text { printable(data) } else { hex(data) }
}

/// Text whose control characters do no harm to a terminal.
pub(super) fn printable(data: &[u8]) -> String {
    let data = data.strip_suffix(&[0]).unwrap_or(data);
    String::from_utf8_lossy(data)
        .chars()
        .map(|letter| if letter.is_control() { '\u{fffd}' } else { letter })
        .collect()
}

fn hex(data: &[u8]) -> String {
    let digits: Vec<String> = data.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_by_their_kind() {
        for (code, data, expected) in [
            (1, &[255, 255, 255, 0][..], "255.255.255.0"),
            (3, &[10, 0, 0, 1, 10, 0, 0, 2], "10.0.0.1, 10.0.0.2"),
            (51, &[0, 0, 7, 8], "30 min 00 s"),
            (51, &[255; 4], "for ever"),
            (53, &[2], "OFFER"),
            (60, b"PXEClient", "PXEClient"),
            (67, b"a.efi\0", "a.efi"),
            (93, &[0, 7], "x86_64-uefi"),
            (121, &[24, 10, 1, 2, 10, 0, 0, 1], "10.1.2.0/24 by 10.0.0.1"),
            (43, &[6, 1, 8, 255], "06:01:08:ff"),
            (12, b"a\x1b[31m", "a\u{fffd}[31m"),
            (3, &[1, 2], "01:02"),
        ] {
            assert_eq!(text(code, data), expected, "{code}");
        }
    }
}
