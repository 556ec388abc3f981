//! What the server as a whole does: places, turns, images, documents, events.

use super::*;
use crate::engine::SendError;
use crate::event::Protocol;
use crate::view::TftpPolicy;
use crate::wire::tftp::OptionName::{TransferSize, WindowSize};

#[test]
fn a_full_server_is_silent_and_counts() {
    let mut lab = Lab::with(TftpConfig { transfers: 2, ..TftpConfig::default() });
    for port in 1000..1002 {
        lab.ask(client(port), &rrq("512", &[])).unwrap();
    }
    assert_eq!(lab.ask(client(1002), &rrq("512", &[])), Err(Discard::Overload));
    assert_eq!(lab.poll_all().len(), 2);
    lab.ask(client(1003), &rrq("nothing", &[])).unwrap();
    assert_eq!(error_code(&lab.poll_one()), 1, "a refusal takes no place");
}

#[test]
fn requests_that_nobody_confirms_make_room_after_a_while() {
    // A flood of forged requests must not keep out those who are there.
    let mut lab = Lab::with(TftpConfig { transfers: 3, ..TftpConfig::default() });
    lab.ask(client(1000), &rrq("4096", &[])).unwrap();
    let first = lab.poll_one();
    lab.ack(&first, 1).unwrap();
    for port in 1001..1003 {
        lab.ask(client(port), &rrq("512", &[])).unwrap();
    }
    lab.poll_all();
    assert_eq!(lab.ask(client(1003), &rrq("512", &[])), Err(Discard::Overload));
    lab.advance(limits::TFTP_UNCONFIRMED_MIN);
    for port in 1003..1005 {
        lab.ask(client(port), &rrq("512", &[])).unwrap();
    }
    assert_eq!(lab.outcomes(), [Outcome::TimedOut; 2]);
    assert_eq!(lab.ask(client(1005), &rrq("512", &[])), Err(Discard::Overload));
    assert_eq!(lab.server.sessions(), 3);
    // The one that runs goes on.
    lab.ack(&first, 2).unwrap();
    assert!(lab.poll_all().iter().any(|sent| sent.bytes == data(4096, 512, 3)));
}

#[test]
fn refusals_are_bounded() {
    let mut lab = Lab::new();
    let mut overload = 0;
    for port in 1000..2000 {
        overload += usize::from(lab.ask(client(port), &rrq("nothing", &[])).is_err());
    }
    assert_eq!(lab.poll_all().len(), limits::TFTP_REFUSALS_MAX);
    assert_eq!(overload, 1000 - limits::TFTP_REFUSALS_MAX);
}

#[test]
fn draining_finishes_what_runs_and_takes_nothing_new() {
    let mut lab = Lab::new();
    lab.ask(client(1000), &rrq("513", &[])).unwrap();
    let first = lab.poll_one();
    lab.server.drain();
    assert_eq!(lab.ask(client(1001), &rrq("513", &[])), Err(Discard::Draining));
    lab.ack(&first, 1).unwrap();
    let last = lab.poll_one();
    lab.ack(&last, 2).unwrap();
    assert_eq!(lab.server.sessions(), 0);
}

#[test]
fn running_transfers_go_before_beginning_ones_but_not_for_ever() {
    let mut lab = Lab::new();
    let runs: Vec<_> = (0..20)
        .map(|n| {
            lab.ask(client(1000 + n), &rrq("4096", &[])).unwrap();
            lab.poll_one()
        })
        .collect();
    for n in 0..3 {
        lab.ask(client(2000 + n), &rrq("4096", &[])).unwrap();
    }
    for run in &runs {
        lab.ack(run, 1).unwrap();
    }
    let order: Vec<_> = lab.poll_all().iter().map(|sent| sent.to.port() / 1000).collect();
    let expected = [[1; 8].as_slice(), &[2], &[1; 8], &[2], &[1; 4], &[2]].concat();
    assert_eq!(order, expected);
}

#[test]
fn senders_take_turns() {
    let mut lab = Lab::new();
    for port in 1000..1003 {
        lab.ask(client(port), &rrq("560000", &[(WindowSize, 64)])).unwrap();
    }
    for answer in lab.poll_all() {
        lab.ack(&answer, 0).unwrap();
    }
    let turns: Vec<_> = (0..6).map(|_| lab.poll()[0].to.port()).collect();
    assert_eq!(turns, [1000, 1001, 1002, 1000, 1001, 1002]);
    assert_eq!(lab.poll_all(), []);
}

#[test]
fn transfers_spread_over_the_sockets() {
    let mut lab = Lab::with(TftpConfig { transfers: 400, ..TftpConfig::default() });
    let mut counts = [0; 4];
    for n in 0..400 {
        lab.ask(client(1000 + n), &rrq("512", &[])).unwrap();
        counts[usize::from(lab.poll_one().socket.0) - 1] += 1;
    }
    assert!(counts.iter().all(|count| (60..140).contains(count)), "{counts:?}");
}

#[test]
fn a_client_with_one_port_gets_another_of_ours_each_time() {
    let mut lab = Lab::new();
    let mut before = None;
    for name in ["513", "1024", "4096", "511"] {
        lab.ask(client(2070), &rrq(name, &[])).unwrap();
        let socket = lab.poll_one().socket;
        assert_ne!(before.replace(socket), Some(socket));
    }
}

#[test]
fn in_single_port_mode_everything_leaves_by_the_listener() {
    let config = TftpConfig { transfers: 4, transfer_sockets: 0, ..TftpConfig::default() };
    let mut lab = Lab::with(config);
    lab.ask(client(1000), &rrq("513", &[])).unwrap();
    let first = lab.poll_one();
    assert_eq!(first.socket, SocketId(0));
    lab.ack(&first, 1).unwrap();
    let last = lab.poll_one();
    lab.ack(&last, 2).unwrap();
    assert_eq!(lab.outcomes(), [Outcome::Completed]);
    assert_eq!(lab.ask(client(1001), b"\0\x04\0\x01"), Err(Discard::UnknownSession));
    assert_eq!(error_code(&lab.poll_one()), 5);
}

#[test]
fn an_image_is_in_use_while_it_is_sent() {
    let mut lab = Lab::new();
    let image = image_of(512);
    assert!(!lab.server.uses_image(image));
    lab.ask(client(1000), &rrq("512", &[])).unwrap();
    lab.ask(client(1001), &rrq("512", &[])).unwrap();
    for answer in lab.poll_all() {
        assert!(lab.server.uses_image(image));
        lab.ack(&answer, 1).unwrap();
        let last = lab.poll_one();
        lab.ack(&last, 2).unwrap();
    }
    assert!(!lab.server.uses_image(image));
}

#[test]
fn an_unreadable_image_ends_its_transfer_and_the_client_is_told() {
    let mut lab = Lab::new();
    lab.ask(client(1000), &rrq("512", &[])).unwrap();
    lab.poll_one();
    let origin = lab.origins.pop().unwrap();
    for harmless in [SendError::Refused, SendError::TooLarge] {
        lab.server.handle_send_error(origin, harmless, lab.now);
        assert_eq!(lab.server.sessions(), 1);
    }
    lab.server.handle_send_error(origin, SendError::ImageUnreadable, lab.now);
    assert_eq!(error_code(&lab.poll_one()), 0);
    assert_eq!(lab.outcomes(), [Outcome::ImageUnreadable]);
    lab.server.handle_send_error(origin, SendError::ImageUnreadable, lab.now);
    let of_refusal = lab.origins.pop().unwrap();
    lab.server.handle_send_error(of_refusal, SendError::ImageUnreadable, lab.now);
    assert_eq!(lab.poll_all(), [], "whoever is gone is told nothing");
}

#[test]
fn a_document_stays_as_it_was_when_the_transfer_began() {
    let mut lab = Lab::new();
    let name = "node/52-54-00-00-00-07.7/boot.ipxe";
    lab.ask(client(1000), &rrq(name, &[(TransferSize, 0)])).unwrap();
    let answer = lab.poll_one();
    assert_eq!(answer.bytes, b"\0\x06tsize\x0030\0");
    lab.view.profiles[0].ipxe = script("something else for ");
    lab.ack(&answer, 0).unwrap();
    let only = lab.poll_one();
    assert_eq!(&only.bytes[4..], b"#!ipxe\n# for 52:54:00:00:00:07");
    assert_eq!(lab.server.documents.pool().len(), 1);
    lab.ack(&only, 1).unwrap();
    assert!(lab.server.documents.pool().is_empty());
}

#[test]
fn events_tell_who_fetched_what() {
    let mut lab = Lab::new();
    let mac = Some(MacAddr([0x52, 0x54, 0, 0, 0, 7]));
    lab.ask(client(1000), &rrq("node/52-54-00-00-00-07/513", &[])).unwrap();
    let first = lab.poll_one();
    lab.ack(&first, 1).unwrap();
    lab.advance(Duration::from_millis(20));
    let last = lab.poll_one();
    lab.ack(&last, 2).unwrap();
    lab.ask(client(1001), &rrq("node/52-54-00-00-00-07/none", &[])).unwrap();
    let events = lab.events();
    assert!(events.iter().all(|event| event.client.mac == mac));
    assert!(events.iter().all(|event| event.client.address == Some(client(0).ip())));
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    let name = crate::event::EventName::sanitised;
    let protocol = Protocol::Tftp;
    assert_eq!(
        kinds,
        [
            EventKind::TransferStarted { protocol, name: name(b"513"), bytes: 513 },
            EventKind::TransferEnded {
                protocol,
                name: name(b"513"),
                bytes: 513,
                took: Duration::from_millis(20),
                retransmits: 0,
                outcome: Outcome::Completed,
            },
            EventKind::NotFound { protocol, name: name(b"none") },
        ]
    );
}

#[test]
fn addresses_that_no_client_has_are_not_answered() {
    let mut lab = Lab::new();
    for source in ["10.0.0.9:69", "10.0.0.255:2070", "10.0.0.1:2070"] {
        let result = lab.ask(source.parse().unwrap(), &rrq("512", &[]));
        assert_eq!(result, Err(Discard::BadSource), "{source}");
    }
    let result = lab.ask("192.0.2.1:2070".parse().unwrap(), &rrq("512", &[]));
    assert_eq!(result, Err(Discard::UnknownNetwork));
    assert_eq!(lab.poll_all(), []);
}

#[test]
fn more_than_four_gibibytes_are_no_problem() {
    let mut lab = Lab::new();
    lab.view.tftp = TftpPolicy { window_blocks_max: 32_767, ..TftpPolicy::default() };
    lab.ask(client(1000), &rrq("5000000000", &[(WindowSize, 32_767), (TransferSize, 0)])).unwrap();
    let answer = lab.poll_one();
    assert_eq!(answer.bytes, b"\0\x06windowsize\x0032767\0tsize\x005000000000\0");
    lab.ack(&answer, 0).unwrap();
    let (mut block, mut last) = (0_u64, answer);
    while block * 512 < 4_400_000_000 {
        // Only the bursts' headers are looked at: the bytes would take too long.
        let output = lab.server.poll_output(&mut lab.head, lab.now, &lab.view);
        let Some(Output::Transmit(transmit)) = output else {
            last.bytes.clear();
            lab.ack(&last, (block & 0xffff) as u16).unwrap();
            continue;
        };
        let span = transmit.body.unwrap();
        assert_eq!(span.offset, block * 512);
        block += u64::from(transmit.split.map_or(1, |split| split.segments));
        assert_eq!(span.offset + u64::from(span.len), block * 512);
    }
}
