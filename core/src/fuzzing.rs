//! Bodies of the fuzz targets: what must hold for any bytes at all.
//!
//! They live here, behind the feature `fuzzing`, so that ordinary builds keep them compiling and
//! ordinary tests replay the corpora; `fuzz/` only hooks them to a fuzzer. None of them may panic.

use crate::limits::{DHCP_MESSAGE_BYTES_MAX, NAME_BYTES_MAX};
use crate::wire::dhcp4::Message;
use crate::wire::dhcp4_options::{OptionValue, Options};
use crate::wire::http::{Parsed, RequestHead};
use crate::wire::pxe::{ClassDetail, PxeOptions, VendorClass};
use crate::wire::{ipv4_udp, ndp, path, tftp};

/// A target: takes any bytes, and panics where a promise does not hold.
pub type Target = fn(&[u8]);

/// The targets by the names of their corpora.
pub const TARGETS: [(&str, Target); 4] =
    [("dhcp4", dhcp4), ("tftp", tftp), ("http", http), ("packet", packet)];

/// A DHCP message: header, options in all three places, each option by its type.
pub fn dhcp4(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    for option in message.options() {
        if let Ok(OptionValue::Addresses(addresses)) = OptionValue::parse(option.code, option.data)
        {
            assert_eq!(addresses.iter().count() * 4, option.data.len());
        }
    }
    let mut scratch = [0; 2048];
    let Ok(options) = Options::parse(&message, &mut scratch) else { return };
    assert!(options.message_bytes_max() <= DHCP_MESSAGE_BYTES_MAX);
    if let Some(class) = options.vendor_class {
        match VendorClass::parse(class) {
            VendorClass::Pxe(rest) | VendorClass::Http(rest) => {
                let detail = ClassDetail::parse(rest);
                assert!(detail.undi.is_none_or(|(major, _)| major < 1000), "three digits");
            }
            VendorClass::UBoot(whole) | VendorClass::Other(whole) => assert_eq!(whole, class),
        }
    }
    if let Some(pxe) = options.vendor_specific.and_then(|data| PxeOptions::parse(data).ok()) {
        assert!(pxe.iter().count() <= bytes.len());
        assert!(pxe.menu().count() <= bytes.len());
        assert!(pxe.boot_servers().count() <= bytes.len());
    }
}

/// A TFTP packet.
pub fn tftp(bytes: &[u8]) {
    if let Ok(tftp::Packet::ReadRequest(request)) = tftp::parse(bytes) {
        let mut name = [0; NAME_BYTES_MAX];
        check_name(path::normalise(request.file_name, &mut name).ok());
    }
}

/// An HTTP request head with its target.
pub fn http(bytes: &[u8]) {
    if let Ok(Parsed::Complete { head, len }) = RequestHead::parse(bytes) {
        assert!(len <= bytes.len(), "a head ends within the bytes it was read from");
        let mut name = [0; NAME_BYTES_MAX];
        check_name(head.target.name(&mut name).ok());
    }
}

/// An IP packet from the link: IPv4 with UDP, or IPv6 with neighbour discovery.
pub fn packet(bytes: &[u8]) {
    if let Ok(datagram) = ipv4_udp::parse(bytes) {
        assert!(datagram.payload.len() < bytes.len(), "headers take room");
    }
    if let Ok(ndp::Message::Advertisement(advertisement)) = ndp::parse(bytes) {
        assert!(advertisement.source.is_unicast_link_local(), "RFC 4861 §6.1.2");
    }
}

/// Whatever comes out of the normaliser stays below the root.
fn check_name(name: Option<&str>) {
    let Some(name) = name else { return };
    assert!(!name.starts_with('/') && !name.contains(['\\', '\0']));
    assert!(name.split('/').all(|part| !matches!(part, "." | "..")));
}
