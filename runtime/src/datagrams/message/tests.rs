use super::*;

/// A buffer as the kernel fills it.
fn buffer(name: &[u8], control: &[u8], payload: &[u8], flags: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in [name.len() as u32, control.len() as u32, payload.len() as u32, flags as u32] {
        bytes.extend_from_slice(&field.to_ne_bytes());
    }
    bytes.extend_from_slice(name);
    bytes.resize(HEADER_BYTES + ADDRESS_BYTES, 0);
    bytes.extend_from_slice(control);
    bytes.resize(HEADER_BYTES + ADDRESS_BYTES + CONTROL_BYTES, 0);
    bytes.extend_from_slice(payload);
    bytes
}

fn control_message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
    let len = size_of::<libc::cmsghdr>() + data.len();
    let mut bytes = len.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&level.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(data);
    bytes.resize(len.next_multiple_of(8), 0);
    bytes
}

#[test]
fn a_received_message_falls_into_its_parts() {
    let bytes = buffer(b"name", b"control", b"payload", 0);
    let message = ReceivedMessage::parse(&bytes).unwrap();
    assert_eq!((message.name, message.control), (&b"name"[..], &b"control"[..]));
    assert_eq!(message.payload, b"payload");
}

#[test]
fn what_was_cut_is_not_read() {
    for flag in [libc::MSG_TRUNC, libc::MSG_CTRUNC] {
        assert!(ReceivedMessage::parse(&buffer(b"", b"", b"payload", flag)).is_none());
    }
    let whole = buffer(b"", b"", b"payload", 0);
    for len in 0..whole.len() {
        assert!(ReceivedMessage::parse(&whole[..len]).is_none(), "{len} bytes");
    }
}

#[test]
fn packet_info_is_found_among_other_control_data() {
    let info = [2_u32.to_ne_bytes(), [9, 9, 9, 9], [10, 0, 0, 255]].concat();
    let own = control_message(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
    let other = control_message(libc::SOL_SOCKET, libc::SO_TIMESTAMP, &[1; 5]);
    let found = packet_info(&[other.clone(), own.clone()].concat()).unwrap();
    assert_eq!((found.interface, found.destination), (2, Ipv4Addr::new(10, 0, 0, 255)));
    assert!(packet_info(&other).is_none());
    assert!(packet_info(&own[..own.len() - 5]).is_none());
    // A length of nothing must not be read for ever.
    assert!(packet_info(&[0; 64]).is_none());
}

#[test]
fn addresses_are_read_in_network_order() {
    let mut name = (libc::AF_INET as u16).to_ne_bytes().to_vec();
    name.extend_from_slice(&[0x1f, 0x90, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(inet_address(&name), Some("192.0.2.1:8080".parse().unwrap()));
    assert_eq!(inet_address(&name[..7]), None);
    name[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
    assert_eq!(inet_address(&name), None);
}

#[test]
fn only_ethernet_stations_are_read() {
    let mut name = [0; 20];
    name[10] = libc::PACKET_OUTGOING;
    name[11] = 6;
    name[12..18].copy_from_slice(&[2, 0, 0, 0, 0, 7]);
    assert_eq!(link_address(&name), Some((MacAddr([2, 0, 0, 0, 0, 7]), true)));
    name[10] = libc::PACKET_HOST;
    assert_eq!(link_address(&name), Some((MacAddr([2, 0, 0, 0, 0, 7]), false)));
    name[11] = 20;
    assert_eq!(link_address(&name), None);
}
