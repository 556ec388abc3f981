use super::*;
use crate::explain::frame;

fn packets(file: &[u8]) -> Vec<Captured<'_>> {
    let read: Result<Vec<_>, _> = Capture::new(file).expect("a capture").collect();
    read.expect("it is whole")
}

fn real(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/");
    std::fs::read(format!("{folder}{name}")).expect("a capture of the repository")
}

/// The same packets as pcapng of this byte order, behind two tags of virtual networks.
fn pcapng(packets: &[Captured<'_>], big: bool) -> Vec<u8> {
    let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let block = |kind: u32, body: &[u8]| {
        let len = 12 + body.len().next_multiple_of(4);
        let mut block = [word(kind), word(len as u32)].concat();
        block.extend(body);
        block.resize(len - 4, 0);
        block.extend(word(len as u32));
        block
    };
    let mut file = block(0x0a0d_0d0a, &[word(0x1a2b_3c4d), word(0), word(!0), word(!0)].concat());
    let half = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut interface = [half(1), half(0)].concat();
    interface.extend(word(0));
    interface.extend([half(2), half(4)].concat());
    interface.extend(b"eth7");
    interface.extend([half(9), half(1)].concat());
    interface.extend([9, 0, 0, 0]);
    file.extend(block(1, &interface));
    for packet in packets {
        let (addresses, rest) = packet.bytes.split_at(12);
        let tags = [0x88, 0xa8, 0, 7, 0x81, 0, 0, 42];
        let frame = [addresses, &tags, rest].concat();
        let nanos = packet.at.as_nanos() as u64;
        let len = frame.len() as u32;
        let head = [word(0), word((nanos >> 32) as u32), word(nanos as u32), word(len), word(len)];
        file.extend(block(6, &[&head.concat(), frame.as_slice()].concat()));
    }
    file
}

#[test]
fn real_captures_have_the_messages_of_their_clients() {
    let file = real("uefi-pxe-snponly.pcap");
    let packets = packets(&file);
    let sent: Vec<_> =
        packets.iter().filter_map(|packet| frame::message(packet).expect("Ethernet")).collect();
    assert!(sent.len() >= 4, "{}", sent.len());
    assert!(sent.iter().all(|sent| sent.destination.port() == 67 && sent.vlans.is_empty()));
    assert!(packets[0].at > Duration::from_secs(1_700_000_000));
}

#[test]
fn pcapng_tells_the_same_in_both_byte_orders() {
    let file = real("uefi-pxe-snponly.pcap");
    let plain = packets(&file);
    for big in [false, true] {
        let file = pcapng(&plain, big);
        let again = packets(&file);
        assert_eq!(again.len(), plain.len());
        for (packet, plain) in again.iter().zip(&plain) {
            assert_eq!((packet.at, packet.interface), (plain.at, Some("eth7")));
            let sent = frame::message(packet).expect("Ethernet");
            let expected = frame::message(plain).expect("Ethernet");
            assert_eq!(sent.as_ref().map(|it| it.payload), expected.map(|it| it.payload));
            assert!(sent.is_none_or(|sent| sent.vlans == [7, 42]));
        }
    }
}

#[test]
fn what_is_no_capture_or_ends_early_is_told() {
    assert_eq!(Capture::new(b"GIF89a").err(), Some(CaptureError::Unknown));
    let file = real("udhcpc.pcap");
    let cut = &file[..file.len() - 3];
    let last = Capture::new(cut).expect("a capture").last().expect("packets");
    assert!(matches!(last, Err(CaptureError::CutOff(_))), "{last:?}");
}

#[test]
fn no_bytes_panic() {
    let plain = real("udhcpc.pcap");
    let modern = pcapng(&packets(&plain), false);
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..4000 {
        let mut file = if round % 2 == 0 { plain.clone() } else { modern.clone() };
        for _ in 0..=random(6) {
            let at = random(if round % 3 == 0 { 200 } else { file.len() });
            file[at] = random(256) as u8;
        }
        file.truncate(random(file.len()) + 1);
        let Ok(capture) = Capture::new(&file) else { continue };
        for packet in capture.flatten() {
            let Ok(Some(sent)) = frame::message(&packet) else { continue };
            assert!(sent.payload.len() <= packet.bytes.len());
        }
    }
}
