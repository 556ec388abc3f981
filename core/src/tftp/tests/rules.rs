//! The rules of the RFCs, one test each.

use super::*;
use crate::wire::tftp::OptionName::{BlockSize, Timeout, TransferSize, WindowSize};
use crate::wire::tftp::{ErrorCode, emit_error, emit_write_request};

const MS: Duration = Duration::from_millis(1);

#[test]
fn without_options_the_answer_is_data_from_another_port() {
    // RFC 1350 §4.
    let mut lab = Lab::new();
    lab.ask(client(2070), &rrq("513", &[])).unwrap();
    let first = lab.poll_one();
    assert_ne!(first.socket, SocketId(0));
    assert_eq!(first.to, client(2070));
    assert_eq!(first.bytes, data(513, 512, 1));
    lab.ack(&first, 1).unwrap();
    let last = lab.poll_one();
    assert_eq!(last.socket, first.socket);
    assert_eq!(last.bytes, data(513, 512, 2));
    lab.ack(&last, 2).unwrap();
    assert_eq!(lab.poll_all(), []);
    assert_eq!(lab.outcomes(), [Outcome::Completed]);
    assert_eq!(lab.server.sessions(), 0);
    assert_eq!(lab.server.poll_timeout(), None);
}

#[test]
fn options_are_acknowledged_in_the_clients_order_and_nothing_else() {
    // RFC 2347, 2348, 2349; the probe of edk2.
    let mut lab = Lab::new();
    let asked = [(TransferSize, 0), (BlockSize, 9000), (WindowSize, 4), (Timeout, 255)];
    lab.ask(client(2070), &rrq("100000", &asked)).unwrap();
    let answer = lab.poll_one();
    assert_eq!(answer.bytes, b"\0\x06tsize\x00100000\0blksize\x001468\0windowsize\x004\0");
    lab.ack(&answer, 0).unwrap();
    let window = lab.poll();
    assert_eq!(window.len(), 4, "one send of four datagrams");
    for (block, sent) in (1..).zip(&window) {
        assert_eq!(sent.bytes, data(100_000, 1468, block));
    }
    assert_eq!(lab.poll_all(), []);
}

#[test]
fn the_final_block_is_short_or_empty() {
    // RFC 1350 §6.
    for (len, block_bytes, blocks) in
        [(0, 512, 1), (511, 512, 1), (512, 512, 2), (513, 512, 2), (1024, 512, 3), (1468, 1468, 2)]
    {
        for window in [1, 16] {
            let mut lab = Lab::new();
            let asked = [(BlockSize, block_bytes), (WindowSize, window)];
            lab.ask(client(2070), &rrq(&std::format!("{len}"), &asked)).unwrap();
            let mut to = lab.poll_one();
            lab.ack(&to, 0).unwrap();
            let mut block = 0;
            while lab.server.sessions() > 0 {
                for sent in lab.poll_all() {
                    block += 1;
                    assert_eq!(sent.bytes, data(len, block_bytes, block), "{len} {block}");
                    to = sent;
                }
                lab.ack(&to, u16::try_from(block).unwrap()).unwrap();
            }
            assert_eq!(block, blocks, "{len} in blocks of {block_bytes}");
            assert_eq!(to.bytes.len() as u64, 4 + len % block_bytes);
        }
    }
}

#[test]
fn a_repeated_ack_is_never_answered() {
    // RFC 1123 §4.2.3.1, the Sorcerer's Apprentice.
    let mut lab = Lab::new();
    lab.ask(client(2070), &rrq("4096", &[])).unwrap();
    let first = lab.poll_one();
    lab.ack(&first, 1).unwrap();
    let second = lab.poll_one();
    for _ in 0..5 {
        assert_eq!(lab.ack(&second, 1), Err(Discard::Duplicate));
        assert_eq!(lab.poll_all(), []);
    }
    lab.ack(&second, 2).unwrap();
    assert_eq!(lab.poll_one().bytes, data(4096, 512, 3));
    assert_eq!(lab.ack(&second, 9), Err(Discard::Suspect));
}

#[test]
fn silence_is_answered_with_ever_longer_waits_and_then_given_up() {
    let mut lab = Lab::new();
    lab.ask(client(2070), &rrq("4096", &[])).unwrap();
    let first = lab.poll_one();
    lab.ack(&first, 1).unwrap();
    let began = lab.now;
    let mut waits = Vec::new();
    while lab.server.sessions() > 0 {
        assert_eq!(lab.poll_one().bytes, data(4096, 512, 2));
        waits.push(lab.expire());
    }
    assert_eq!(waits.len(), 5);
    for (wait, seconds) in waits.iter().zip([1, 2, 4, 8, 8]) {
        let shortest = Duration::from_secs(seconds);
        assert!((shortest - 2 * MS..=shortest * 9 / 8).contains(wait), "{waits:?}");
    }
    assert!((15..=30).contains(&(lab.now - began).as_secs()));
    let ended = lab.events().pop().unwrap().kind;
    let EventKind::TransferEnded { outcome, bytes, retransmits, .. } = ended else {
        panic!("it ended: {ended:?}");
    };
    assert_eq!((outcome, bytes, retransmits), (Outcome::TimedOut, 512, 4));
}

#[test]
fn a_timer_that_progress_has_overtaken_sends_nothing() {
    let mut lab = Lab::new();
    lab.ask(client(2070), &rrq("4096", &[])).unwrap();
    let first = lab.poll_one();
    let armed = lab.server.poll_timeout().unwrap();
    lab.advance(700 * MS);
    lab.ack(&first, 1).unwrap();
    assert_eq!(lab.poll_one().bytes, data(4096, 512, 2));
    let acknowledged = lab.now;
    assert_eq!(lab.server.poll_timeout(), Some(armed), "a timer that is too early stays");
    lab.advance(armed - lab.now);
    assert_eq!(lab.poll().len(), 0);
    // It is set to the deadline that counts: patience began anew with the acknowledgement.
    lab.expire();
    assert!(lab.now - acknowledged >= 998 * MS, "{:?}", lab.now - acknowledged);
    assert_eq!(lab.poll_one().bytes, data(4096, 512, 2));
}

#[test]
fn the_timeout_option_is_honoured() {
    // RFC 2349 §2.
    let mut lab = Lab::new();
    lab.ask(client(2070), &rrq("4096", &[(Timeout, 5)])).unwrap();
    let answer = lab.poll_one();
    assert_eq!(answer.bytes, b"\0\x06timeout\x005\0");
    lab.ack(&answer, 0).unwrap();
    for _ in 0..3 {
        assert_eq!(lab.poll_one().bytes, data(4096, 512, 1));
        let wait = lab.expire();
        assert!((Duration::from_millis(4998)..Duration::from_millis(5700)).contains(&wait));
    }
}

#[test]
fn a_client_with_a_short_timeout_is_not_given_up_sooner() {
    // It may write flash memory, or its switch port may flap: 15 s of silence are no end.
    for timeout_s in [1, 2, 5, 16] {
        let mut lab = Lab::new();
        lab.ask(client(2070), &rrq("4096", &[(Timeout, timeout_s)])).unwrap();
        let answer = lab.poll_one();
        lab.ack(&answer, 0).unwrap();
        let began = lab.now;
        let mut sends = 0;
        while lab.server.sessions() > 0 {
            sends += lab.poll_all().len();
            lab.expire();
        }
        let silence = (lab.now - began).as_secs();
        assert!((15..60).contains(&silence), "{silence} s with a timeout of {timeout_s} s");
        assert!((3..=30).contains(&sends), "{sends} sends");
    }
}

#[test]
fn an_answer_that_nobody_confirms_is_sent_three_times() {
    // No large amplifier for whoever forges addresses.
    for options in [&[(TransferSize, 0)][..], &[]] {
        let mut lab = Lab::new();
        lab.ask(client(2070), &rrq("4096", options)).unwrap();
        let mut copies = Vec::new();
        while lab.server.sessions() > 0 {
            copies.extend(lab.poll_all());
            lab.expire();
        }
        assert_eq!(copies.len(), 3);
        assert!(copies.iter().all(|copy| *copy == copies[0]));
        assert_eq!(lab.outcomes(), [Outcome::TimedOut]);
    }
}

#[test]
fn a_lost_last_ack_is_no_failure() {
    for len in [513, 0] {
        let mut lab = Lab::new();
        lab.ask(client(2070), &rrq(&std::format!("{len}"), &[(TransferSize, 0)])).unwrap();
        let answer = lab.poll_one();
        lab.ack(&answer, 0).unwrap();
        if len > 0 {
            let first = lab.poll_one();
            lab.ack(&first, 1).unwrap();
        }
        let mut sends = 0;
        while lab.server.sessions() > 0 {
            let last = lab.poll_one();
            assert_eq!(last.bytes, data(len, 512, len / 512 + 1));
            sends += 1;
            lab.expire();
        }
        assert_eq!(sends, 3, "the block itself may have been lost");
        assert_eq!(lab.outcomes(), [Outcome::Completed]);
    }
}

#[test]
fn an_error_from_the_client_ends_the_transfer_quietly_at_any_time() {
    // RFC 1350 §7; firmware ends its size probe with code 8 or 0.
    for code in [0, 8] {
        for acks in 0..3 {
            let mut lab = Lab::new();
            lab.ask(client(2070), &rrq("4096", &[(TransferSize, 0)])).unwrap();
            let mut to = lab.poll_one();
            for block in 0..acks {
                lab.ack(&to, block).unwrap();
                to = lab.poll_one();
            }
            let mut error = [0; 64];
            let len = emit_error(&mut error, ErrorCode(code), "User aborted").unwrap();
            lab.deliver(to.socket, to.to, &error[..len]).unwrap();
            assert_eq!(lab.poll_all(), []);
            assert_eq!(lab.outcomes(), [Outcome::Aborted]);
            assert_eq!(lab.server.poll_timeout(), None);
        }
    }
}

#[test]
fn an_error_is_never_answered() {
    let mut lab = Lab::new();
    for socket in 0..3 {
        let error = b"\0\x05\0\x05unknown transfer id\0";
        let result = lab.deliver(SocketId(socket), client(2070), error);
        assert_eq!(result, Err(Discard::UnknownSession));
    }
    assert_eq!(lab.poll_all(), []);
}

#[test]
fn refused_requests_get_an_error_at_once() {
    let write = |name: &str| {
        let options = TransferOptions::default();
        let request = Request { file_name: name.as_bytes(), mode: Mode::Octet, options };
        let mut buffer = [0; 128];
        let len = emit_write_request(&mut buffer, &request).unwrap();
        buffer[..len].to_vec()
    };
    let long = "x".repeat(300);
    for (request, code) in [
        (rrq("nothing", &[(TransferSize, 0)]), 1),
        (rrq("pxelinux.cfg/C0A80001", &[]), 1),
        (rrq("../etc/passwd", &[]), 2),
        (rrq("a\\..\\..\\b", &[]), 2),
        (rrq("a\nb", &[]), 2),
        (rrq(&long, &[]), 2),
        (write("512"), 2),
        (b"\0\x01512\0mail\0".to_vec(), 4),
    ] {
        let mut lab = Lab::new();
        lab.ask(client(2070), &request).unwrap();
        let refusal = lab.poll_one();
        assert_eq!(refusal.to, client(2070));
        assert_eq!(error_code(&refusal), code, "{request:?}");
        assert_eq!(lab.server.sessions(), 0);
        let event = lab.events().pop().unwrap().kind;
        match code {
            1 => assert!(matches!(event, EventKind::NotFound { .. })),
            _ => assert!(matches!(event, EventKind::Refused { .. })),
        }
    }
}

#[test]
fn names_and_modes_are_read_generously() {
    for request in [
        rrq("/512", &[]),
        rrq("//512", &[]),
        rrq("\\512", &[]),
        rrq("./512", &[]),
        b"\0\x01512\0OCTET\0".to_vec(),
        b"\0\x01512\0NetAscii\0".to_vec(),
    ] {
        let mut lab = Lab::new();
        lab.ask(client(2070), &request).unwrap();
        assert_eq!(lab.poll_one().bytes, data(512, 512, 1), "{request:?}");
    }
}

#[test]
fn nonsense_is_dropped() {
    let mut lab = Lab::new();
    for bytes in [&b""[..], b"\0", b"\0\x01", b"\0\x01512\0octet", b"\0\x09xx", b"\0\x04\0"] {
        assert_eq!(lab.ask(client(2070), bytes), Err(Discard::Malformed), "{bytes:?}");
    }
    assert_eq!(lab.ask(client(2070), b"\0\x04\0\x01"), Err(Discard::UnknownSession));
    let result = lab.deliver(SocketId(1), client(2070), &rrq("512", &[]));
    assert_eq!(result, Err(Discard::NotForServer), "requests go to the listener");
    assert_eq!(lab.poll_all(), []);
}

#[test]
fn a_stranger_is_told_so_and_the_transfer_goes_on() {
    // RFC 1350 §4.
    let mut lab = Lab::new();
    lab.ask(client(2070), &rrq("4096", &[])).unwrap();
    let first = lab.poll_one();
    let stranger = client(2071);
    assert_eq!(lab.deliver(first.socket, stranger, &emit_ack(1)), Err(Discard::UnknownSession));
    let refusal = lab.poll_one();
    assert_eq!((refusal.to, refusal.socket, error_code(&refusal)), (stranger, first.socket, 5));
    let other = SocketId(first.socket.0 % 4 + 1);
    assert_eq!(
        lab.deliver(other, client(2070), &emit_ack(1)),
        Err(Discard::Suspect),
        "the right client at the wrong port"
    );
    assert_eq!(lab.poll_all(), [], "it would hear of this at the port of its transfer");
    lab.ack(&first, 1).unwrap();
    assert_eq!(lab.poll_one().bytes, data(4096, 512, 2));
}

#[test]
fn a_late_copy_of_the_last_ack_is_no_stranger() {
    let mut lab = Lab::new();
    lab.ask(client(2070), &rrq("1", &[])).unwrap();
    let only = lab.poll_one();
    lab.ack(&only, 1).unwrap();
    assert_eq!(lab.ack(&only, 1), Err(Discard::UnknownSession));
    assert_eq!(lab.poll_all(), []);
}

#[test]
fn the_same_request_again_gets_the_same_answer_again() {
    for options in [&[(TransferSize, 0)][..], &[]] {
        let mut lab = Lab::new();
        let request = rrq("4096", options);
        lab.ask(client(2070), &request).unwrap();
        assert_eq!(lab.ask(client(2070), &request), Err(Discard::Duplicate), "still waiting");
        let answer = lab.poll_one();
        lab.advance(400 * MS);
        lab.ask(client(2070), &request).unwrap();
        assert_eq!(lab.poll_one(), answer);
        assert_eq!(lab.server.sessions(), 1);
        lab.ask(client(2071), &request).unwrap();
        assert_eq!(lab.server.sessions(), 2, "another port is another transfer");
    }
}

#[test]
fn a_request_in_the_middle_is_a_late_copy_or_a_client_that_was_reset() {
    let mut lab = Lab::new();
    let request = rrq("4096", &[]);
    lab.ask(client(2070), &request).unwrap();
    let first = lab.poll_one();
    lab.ack(&first, 1).unwrap();
    assert_eq!(lab.poll_one().bytes, data(4096, 512, 2));
    assert_eq!(lab.ask(client(2070), &request), Err(Discard::Duplicate));
    lab.advance(3000 * MS);
    lab.poll_all();
    lab.ask(client(2070), &request).unwrap();
    let again = lab.poll_one();
    assert_eq!(again.bytes, data(4096, 512, 1));
    assert_ne!(again.socket, first.socket, "a new transfer has a new identifier");
    assert_eq!(lab.outcomes(), [Outcome::Aborted]);
}

#[test]
fn another_request_from_the_same_port_replaces_the_transfer() {
    let mut lab = Lab::new();
    lab.ask(client(2070), &rrq("4096", &[])).unwrap();
    let old = lab.poll_one();
    lab.ask(client(2070), &rrq("513", &[])).unwrap();
    let new = lab.poll_one();
    assert_eq!(new.bytes, data(513, 512, 1));
    assert_eq!(lab.server.sessions(), 1);
    assert_eq!(lab.ack(&old, 1), Err(Discard::UnknownSession));
    assert_eq!(lab.poll_all(), [], "a late packet of the old transfer");
    lab.ack(&new, 1).unwrap();
    assert_eq!(lab.poll_one().bytes, data(513, 512, 2));
    assert_eq!(
        lab.ask(client(2070), &rrq("4096", &[])),
        Err(Discard::Duplicate),
        "a copy of the first request, overtaken by the second"
    );
}

#[test]
fn a_window_rolls_back_to_what_is_missing() {
    // RFC 7440 §4.
    let mut lab = Lab::new();
    lab.ask(client(2070), &rrq("100000", &[(WindowSize, 4)])).unwrap();
    let answer = lab.poll_one();
    lab.ack(&answer, 0).unwrap();
    assert_eq!(lab.poll().len(), 4);
    lab.ack(&answer, 2).unwrap();
    let next: Vec<_> = lab.poll().into_iter().map(|sent| sent.bytes).collect();
    assert_eq!(next, [data(100_000, 512, 5), data(100_000, 512, 6)], "the window moves on");
    for _ in 0..3 {
        assert_eq!(lab.ack(&answer, 2), Err(Discard::Duplicate), "copies say nothing new");
        assert_eq!(lab.poll_all(), []);
    }
    assert!(lab.expire() <= 10 * MS);
    let window = lab.poll();
    assert_eq!(window.len(), 4);
    assert_eq!(window[0].bytes, data(100_000, 512, 3));
    lab.ack(&answer, 6).unwrap();
    assert_eq!(lab.poll()[0].bytes, data(100_000, 512, 7));
}

#[test]
fn the_first_block_of_a_window_is_asked_for_by_a_repeated_ack() {
    let mut lab = Lab::new();
    lab.ask(client(2070), &rrq("100000", &[(WindowSize, 4)])).unwrap();
    let answer = lab.poll_one();
    lab.ack(&answer, 0).unwrap();
    assert_eq!(lab.poll().len(), 4);
    for _ in 0..20 {
        lab.ack(&answer, 0).unwrap();
        assert_eq!(lab.ack(&answer, 0), Err(Discard::Duplicate));
        assert!(lab.expire() <= 10 * MS);
        let window = lab.poll();
        assert_eq!(window[0].bytes, data(100_000, 512, 1), "as often as the client asks");
    }
}

#[test]
fn an_echo_is_forgotten_when_the_rest_arrives() {
    // The network copies block 2, firmware answers the copy with ACK 2, then all is well.
    let mut lab = Lab::new();
    lab.ask(client(2070), &rrq("100000", &[(WindowSize, 4)])).unwrap();
    let answer = lab.poll_one();
    lab.ack(&answer, 0).unwrap();
    lab.poll();
    lab.ack(&answer, 2).unwrap();
    assert_eq!(lab.poll().len(), 2, "blocks 5 and 6");
    lab.advance(MS);
    lab.ack(&answer, 6).unwrap();
    let window = lab.poll_all();
    assert_eq!(window.len(), 4);
    assert_eq!(window[0].bytes, data(100_000, 512, 7));
}

#[test]
fn a_large_window_goes_out_in_sends_of_what_the_kernel_takes() {
    for (block_bytes, expected) in [(1468_u64, [44, 20]), (8, [44, 20])] {
        let mut lab = Lab::new();
        let asked = [(BlockSize, block_bytes), (WindowSize, 64)];
        lab.ask(client(2070), &rrq("560000", &asked)).unwrap();
        let answer = lab.poll_one();
        lab.ack(&answer, 0).unwrap();
        assert_eq!([lab.poll().len(), lab.poll().len()], expected);
        assert_eq!(lab.poll_all(), []);
    }
    let mut lab = Lab::new();
    lab.view.interfaces[0].mtu = 9000;
    lab.view.tftp.block_bytes_max = 8192;
    lab.ask(client(2070), &rrq("560000", &[(BlockSize, 8192), (WindowSize, 64)])).unwrap();
    let answer = lab.poll_one();
    lab.ack(&answer, 0).unwrap();
    assert_eq!(lab.poll().len(), 7, "65,507 bytes at most");
}

#[test]
fn a_client_that_answers_quickly_is_sent_what_it_missed_sooner() {
    let mut lab = Lab::new();
    lab.ask(client(1000), &rrq("100000", &[])).unwrap();
    let first = lab.poll_one();
    for block in 1..=6 {
        // What is known of three blocks is not much.
        let expected = if block <= 4 { 1000..1200 } else { 250..300 };
        if block == 4 || block == 6 {
            let waits: Vec<_> = (0..2).map(|_| (lab.expire(), lab.poll_one()).0).collect();
            assert!(expected.contains(&waits[0].as_millis()), "{block}: {waits:?}");
            assert!(waits[1] > waits[0] * 3 / 2, "{block}: {waits:?}");
        }
        lab.advance(Duration::from_millis(1));
        lab.ack(&first, block).unwrap();
        lab.poll_one();
    }
    // Early retransmissions take nothing from its patience.
    let waits: Vec<_> = core::iter::from_fn(|| {
        let wait = lab.expire();
        (!lab.poll_all().is_empty()).then_some(wait.as_millis())
    })
    .collect();
    let nominal = [250, 500, 1000, 2000, 4000, 8000];
    assert_eq!(waits.len(), nominal.len(), "{waits:?}");
    for (wait, nominal) in waits.iter().zip(nominal) {
        assert!((nominal..nominal * 5 / 4).contains(wait), "{waits:?}");
    }
    assert_eq!(lab.outcomes(), [Outcome::TimedOut]);
}
