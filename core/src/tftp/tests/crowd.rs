//! Who waits for whom, how fast transfers go, and what guessing brings.

use super::*;
use crate::rate::{ByteRate, Rates};
use crate::wire::tftp::OptionName::{BlockSize, TransferSize, WindowSize};

const MS: Duration = Duration::from_millis(1);

/// A lab where windows fill all of the room for bytes under way: those of the first of `clients`
/// ports from 1000 on, which all have asked. Tells the answers that these were given.
fn crowded(clients: u16) -> (Lab, Vec<Sent>) {
    let mut lab = narrow();
    for port in 1000..1000 + FITTING {
        lab.ask(client(port), &wide()).unwrap();
    }
    let answers = lab.poll_all();
    assert_eq!(answers.len(), usize::from(FITTING));
    for answer in &answers {
        lab.ack(answer, 0).unwrap();
    }
    for port in 1000 + FITTING..1000 + clients {
        lab.ask(client(port), &wide()).unwrap();
    }
    (lab, answers)
}

fn narrow() -> Lab {
    Lab::with(TftpConfig { transfers: 256, room_bytes: ROOM_BYTES, ..TftpConfig::default() })
}

/// A request for 93,952 bytes at a time: 22 of them fill the room.
fn wide() -> Vec<u8> {
    rrq("5000000000", &[(BlockSize, 1468), (WindowSize, 64)])
}

const FITTING: u16 = 22;
/// And a block for a script.
const ROOM_BYTES: u64 = 22 * 93_952 + 512;

fn waits(events: &[Event]) -> Vec<Duration> {
    let waited = |event: &Event| {
        let EventKind::Waited { waited, .. } = event.kind else { return None };
        Some(waited)
    };
    events.iter().filter_map(waited).collect()
}

#[test]
fn who_comes_beyond_the_room_waits_until_somebody_leaves() {
    let (mut lab, answers) = crowded(FITTING + 3);
    assert!(lab.poll_all().iter().all(|sent| sent.to.port() < 1000 + FITTING));
    lab.advance(500 * MS);
    // Nobody's repetition takes a second place, and scripts are not held up.
    let last = client(1000 + FITTING + 2);
    assert_eq!(lab.ask(last, &wide()), Err(Discard::Duplicate));
    lab.ask(client(3000), &rrq("node/52-54-00-00-00-07/boot.ipxe", &[])).unwrap();
    assert_eq!(lab.poll_one().to, client(3000));
    let error = b"\0\x05\0\0aborted\0";
    for (answer, port) in answers.iter().zip([1000 + FITTING, 1001 + FITTING]) {
        lab.deliver(answer.socket, answer.to, error).unwrap();
        let next = lab.poll_one();
        assert_eq!(next.to, client(port), "the first come first");
        lab.ack(&next, 0).unwrap();
        assert!(lab.poll_all().iter().all(|sent| sent.to == client(port)));
    }
    assert_eq!(waits(&lab.events()), [500 * MS; 2]);
}

#[test]
fn quick_answers_make_room_for_more() {
    let (mut lab, answers) = crowded(60);
    let mut answered = answers.len();
    for _ in 0..6 {
        for answer in lab.poll_all() {
            answered += usize::from(answer.bytes[1] == 6);
            let block = if answer.bytes[1] == 6 { 0 } else { block_of(&answer) };
            if block.is_multiple_of(64) {
                lab.ack(&answer, block).unwrap();
            }
        }
        lab.advance(MS);
    }
    assert_eq!(answered, 60, "all within some round trips");
    assert_eq!(waits(&lab.events()), []);
}

#[test]
fn nobody_waits_longer_than_its_firmware_while_others_are_served_in_time() {
    let (mut lab, _) = crowded(FITTING + 1);
    lab.poll_all();
    lab.advance(limits::TFTP_WAIT_MAX - MS * 10);
    lab.poll_all();
    assert_eq!(waits(&lab.events()), []);
    lab.advance(MS * 10);
    assert!(lab.poll_all().iter().any(|sent| sent.to == client(1000 + FITTING)));
    assert_eq!(waits(&lab.events()), [limits::TFTP_WAIT_MAX]);
}

#[test]
fn in_a_slow_crowd_those_who_wait_go_on_waiting_until_they_leave() {
    let (mut lab, _) = crowded(FITTING);
    let mut window = Vec::new();
    // Everybody waits 7 s for each window.
    let (patient, gone) = (client(1000 + FITTING), client(1001 + FITTING));
    for round in 1..12_u16 {
        window.extend(lab.poll_all());
        lab.advance(7000 * MS);
        for port in 1000..1000 + FITTING {
            let last = window.iter().rfind(|sent| sent.to == client(port)).unwrap().clone();
            lab.ack(&last, 64 * round).unwrap();
        }
        window.clear();
        match round {
            ..3 => {}
            3 => {
                lab.ask(patient, &wide()).unwrap();
                lab.ask(gone, &wide()).unwrap();
            }
            // The other one has been switched off.
            4.. => assert_eq!(lab.ask(patient, &wide()), Err(Discard::Duplicate), "{round}"),
        }
    }
    let events = lab.events();
    assert_eq!(waits(&events), []);
    let gone = events.iter().filter(|event| matches!(event.kind, EventKind::TransferEnded { .. }));
    assert_eq!(gone.count(), 0, "what never began has no end to tell of");
    assert_eq!(lab.server.sessions(), usize::from(FITTING) + 1);
}

#[test]
fn requests_that_nobody_acknowledges_take_no_room_from_others() {
    let mut lab = narrow();
    for port in 1000..1000 + 5 * FITTING {
        lab.ask(client(port), &wide()).unwrap();
        assert_eq!(lab.poll_one().to, client(port), "a block each is what may be under way");
    }
    lab.advance(10 * MS);
    lab.ask(client(3000), &wide()).unwrap();
    assert_eq!(lab.poll_one().to, client(3000));
    assert_eq!(waits(&lab.events()), []);
}

#[test]
fn the_second_acknowledgement_of_a_turn_is_no_answer_in_no_time() {
    let mut lab = narrow();
    lab.ask(client(1000), &wide()).unwrap();
    let answer = lab.poll_one();
    lab.ack(&answer, 0).unwrap();
    for round in 0..400_u64 {
        lab.poll_all();
        lab.advance(800 * MS);
        for half in [32, 64] {
            lab.ack(&answer, (64 * round + half) as u16).unwrap();
        }
    }
    let patience = lab.server.admission.retry_min();
    assert!((1550 * MS..=1600 * MS).contains(&patience), "twice 0.8 s: {patience:?}");
}

#[test]
fn a_faster_rate_holds_at_once() {
    let (slow, fast) = (ByteRate::new(8000), ByteRate::new(80_000_000));
    for rates in [Rates { client: slow, total: None }, Rates { total: slow, client: None }] {
        let mut lab = Lab::new();
        lab.view.tftp.rates = rates;
        lab.ask(client(1000), &rrq("100000", &[(BlockSize, 1468)])).unwrap();
        let mut last = lab.poll_one();
        lab.ack(&last, 0).unwrap();
        last = lab.poll_one();
        lab.ack(&last, 1).unwrap();
        assert_eq!(lab.poll_all(), [], "a block takes 0.18 s");
        lab.view.tftp.rates =
            Rates { client: rates.client.and(fast), total: rates.total.and(fast) };
        assert_eq!(block_of(&lab.poll_one()), 2);
        lab.advance(MS);
        assert_eq!(lab.poll_all(), []);
    }
}

#[test]
fn a_crowd_that_leaves_at_once_is_told_of_bit_by_bit() {
    let mut lab = Lab::with(TftpConfig { transfers: 4096, ..TftpConfig::default() });
    let clients = 3000;
    for host in 0..clients {
        let address = [10, 0, 0, 2 + (host % 200) as u8];
        lab.ask(SocketAddr::from((address, 1000 + host)), &rrq("512", &[])).unwrap();
    }
    assert_eq!(lab.poll_all().len(), usize::from(clients));
    lab.events();
    let mut ended = 0;
    let mut calls = 0;
    while lab.server.sessions() > 0 {
        // Twenty seconds pass at once, as on a host that was asleep.
        if lab.server.poll_timeout().is_some_and(|due| due > lab.now) {
            lab.now = lab.now + Duration::from_secs(20);
        }
        lab.server.handle_timeout(lab.now);
        lab.poll_all();
        let events = lab.events().len();
        assert!(events <= limits::EXPIRIES_MAX as usize, "{events} events of one call");
        ended += events;
        calls += 1;
        assert!(calls < 1000, "{} sessions are left", lab.server.sessions());
    }
    assert_eq!(ended, usize::from(clients));
    assert_eq!(lab.server.events_lost(), 0);
}

/// The number of a block.
fn block_of(sent: &Sent) -> u16 {
    assert_eq!(sent.bytes[..2], [0, 3], "DATA: {sent:?}");
    u16::from_be_bytes([sent.bytes[2], sent.bytes[3]])
}

/// Bytes that a client with the window gets in two seconds.
fn bytes_in_two_seconds(rates: Rates, window: u64) -> u64 {
    let mut lab = Lab::new();
    lab.view.tftp.rates = rates;
    lab.ask(client(1000), &rrq("5000000000", &[(BlockSize, 1468), (WindowSize, window)])).unwrap();
    let mut last = lab.poll_one();
    let until = lab.now + 2000 * MS;
    let (mut block, mut bytes) = (0_u64, 0);
    while lab.now < until {
        lab.ack(&last, (block & 0xffff) as u16).ok();
        let all = lab.poll_all();
        let due = lab.server.poll_timeout().filter(|_| all.is_empty());
        for sent in all {
            block += 1;
            bytes += sent.bytes.len() as u64 - 4;
            last = sent;
        }
        let wait = due.map_or(Duration::ZERO, |due| due - lab.now);
        lab.advance(wait.max(MS / 10));
    }
    bytes
}

#[test]
fn a_client_is_held_to_its_rate_in_lockstep_and_with_windows() {
    let rate = ByteRate::new(1_250_000);
    for window in [1, 4, 64] {
        for rates in [Rates { client: rate, total: None }, Rates { total: rate, client: None }] {
            let bytes = bytes_in_two_seconds(rates, window);
            assert!((2_400_000..2_600_000).contains(&bytes), "{bytes} with a window of {window}");
        }
    }
}

#[test]
fn the_total_is_shared_equally() {
    let mut lab = Lab::new();
    lab.view.tftp.rates.total = ByteRate::new(1_000_000);
    let mut last = std::collections::BTreeMap::new();
    for port in 1000..1010 {
        lab.ask(client(port), &rrq("5000000000", &[(BlockSize, 1468)])).unwrap();
    }
    let mut counts = [0_u32; 10];
    let until = lab.now + 2000 * MS;
    while lab.now < until {
        for sent in lab.poll_all() {
            let block = if sent.bytes[1] == 6 { 0 } else { counts[sent.to.port() as usize % 10] };
            counts[sent.to.port() as usize % 10] = block + 1;
            last.insert(sent.to.port(), (sent, block));
        }
        for (sent, block) in last.values() {
            lab.ack(sent, *block as u16).ok();
        }
        last.clear();
        lab.advance(MS / 2);
    }
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(most - least <= 2, "{counts:?}");
    let bytes = u64::from(counts.iter().sum::<u32>()) * 1468;
    assert!((1_950_000..2_050_000).contains(&bytes), "{bytes}");
}

/// Bytes that each of some clients gets in two seconds in which all share 3 MB/s, and answer at
/// once: clients with these sizes of blocks and windows.
fn bytes_in_a_crowd(clients: &[(u64, u64)]) -> Vec<u64> {
    let mut lab = Lab::new();
    lab.view.tftp.rates.total = ByteRate::new(3_000_000);
    for (port, (block_bytes, window)) in (1000..).zip(clients) {
        let options = [(BlockSize, *block_bytes), (WindowSize, *window)];
        let options = if *window == 1 { &options[..1] } else { &options[..] };
        lab.ask(client(port), &rrq("5000000000", options)).unwrap();
    }
    let mut received = std::vec![0_u64; clients.len()];
    let mut blocks = std::vec![0_u64; clients.len()];
    let until = lab.now + 2000 * MS;
    while lab.now < until {
        for sent in lab.poll_all() {
            let at = usize::from(sent.to.port() - 1000);
            if sent.bytes[1] == 3 {
                received[at] += sent.bytes.len() as u64 - 4;
                blocks[at] += 1;
            }
            if blocks[at].is_multiple_of(clients[at].1) {
                lab.ack(&sent, blocks[at] as u16).unwrap();
            }
        }
        lab.advance(MS / 2);
    }
    received
}

#[test]
fn whoever_begins_together_goes_on_together_whatever_its_window() {
    let equals = [(1468, 16), (1468, 4), (512, 64), (1024, 2), (1468, 44), (512, 4)];
    let bytes = bytes_in_a_crowd(&equals);
    let (least, most) = (bytes.iter().min().unwrap(), bytes.iter().max().unwrap());
    assert!(*least > 900_000 && most - least <= 44 * 1468, "{bytes:?}");

    let bytes = bytes_in_a_crowd(&[(1468, 1), (512, 1), (1024, 1), (1468, 1)]);
    let (least, most) = (bytes.iter().min().unwrap(), bytes.iter().max().unwrap());
    assert!(*least > 1_400_000 && most - least <= 15_000, "{bytes:?}");
}

#[test]
fn windows_do_not_slow_lockstep_down() {
    // Each in lockstep counts for four with windows.
    let bytes = bytes_in_a_crowd(&[(1468, 1), (1468, 16), (1468, 44), (1468, 1), (1468, 4)]);
    let (lockstep, window) = (6_000_000 * 4 / 11, 6_000_000 / 11);
    for (at, expected) in [lockstep, window, window, lockstep, window].into_iter().enumerate() {
        assert!(bytes[at].abs_diff(expected) <= 44 * 1468, "{at}: {bytes:?}");
    }
}

#[test]
fn acknowledgements_that_are_guessed_end_what_they_are_about() {
    // Somebody forges requests of a victim and acknowledges what it never sees, at all ports.
    let (mut sent_bytes, mut received_bytes, mut victims) = (0, 0, 0);
    for port in 1000..1400 {
        let mut lab = Lab::with(TftpConfig { seed: u64::from(port), ..TftpConfig::default() });
        let request = rrq("100000", &[(BlockSize, 1468)]);
        lab.ask(client(port), &request).unwrap();
        sent_bytes += request.len();
        for block in 0..70 {
            received_bytes += lab.poll_all().iter().map(|sent| sent.bytes.len()).sum::<usize>();
            // It takes our ports in turn, and changes that from request to request.
            for turn in 0..4 {
                let socket = SocketId((port + turn) % 4 + 1);
                lab.deliver(socket, client(port), &emit_ack(block)).ok();
                sent_bytes += 4;
            }
        }
        victims += usize::from(received_bytes > 50_000 * (usize::from(port) - 999));
    }
    // What a client acknowledges properly is 360 times what it sends.
    assert!(received_bytes < 4 * sent_bytes, "{received_bytes} for {sent_bytes}");
    assert_eq!(victims, 0);
}

#[test]
fn a_guess_ahead_of_what_was_sent_is_noticed() {
    let mut lab = Lab::new();
    lab.ask(client(1000), &rrq("560000", &[(TransferSize, 0)])).unwrap();
    let answer = lab.poll_one();
    lab.ack(&answer, 0).unwrap();
    for late in 0..3 {
        assert_eq!(lab.ack(&answer, 7), Err(Discard::Suspect), "{late}");
        assert_eq!(lab.server.sessions(), 1, "a few are forgiven");
    }
    assert_eq!(lab.ack(&answer, 7), Err(Discard::Suspect));
    assert_eq!(lab.server.sessions(), 0);
}
