//! Who waits for whom, how fast transfers go, and what guessing brings.

use super::*;
use crate::rate::{ByteRate, Rates};
use crate::wire::tftp::OptionName::{BlockSize, TransferSize, WindowSize};

const MS: Duration = Duration::from_millis(1);

/// A lab where windows fill all of the room for bytes under way: those of `clients` ports from
/// 1000 on, which all have asked.
fn crowded(clients: u16) -> Lab {
    let mut lab =
        Lab::with(TftpConfig { transfers: 256, room_bytes: 2 << 20, ..TftpConfig::default() });
    for port in 1000..1000 + clients {
        lab.ask(client(port), &wide()).unwrap();
    }
    lab
}

/// A request for 93,952 bytes at a time: 22 of them fill the room there is at first.
fn wide() -> Vec<u8> {
    rrq("5000000000", &[(BlockSize, 1468), (WindowSize, 64)])
}

const FITTING: u16 = 22;

fn waits(events: &[Event]) -> Vec<Duration> {
    let waited = |event: &Event| {
        let EventKind::Waited { waited, .. } = event.kind else { return None };
        Some(waited)
    };
    events.iter().filter_map(waited).collect()
}

#[test]
fn who_comes_beyond_the_room_waits_until_somebody_leaves() {
    let mut lab = crowded(FITTING + 3);
    let answers = lab.poll_all();
    assert_eq!(answers.len(), usize::from(FITTING));
    lab.advance(500 * MS);
    // Nobody's repetition takes a second place, and scripts are not held up.
    let last = client(1000 + FITTING + 2);
    assert_eq!(lab.ask(last, &wide()), Err(Discard::Duplicate));
    lab.ask(client(3000), &rrq("node/52-54-00-00-00-07/boot.ipxe", &[])).unwrap();
    assert_eq!(lab.poll_one().to, client(3000));
    let error = b"\0\x05\0\0aborted\0";
    for answer in &answers[..2] {
        lab.deliver(answer.socket, answer.to, error).unwrap();
    }
    let late: Vec<_> = lab.poll_all().iter().map(|sent| sent.to.port()).collect();
    assert_eq!(late, [1000 + FITTING, 1001 + FITTING], "the first come first");
    assert_eq!(waits(&lab.events()), [500 * MS; 2]);
}

#[test]
fn quick_answers_make_room_for_more() {
    let mut lab = crowded(60);
    let mut answered = 0;
    for _ in 0..6 {
        for answer in lab.poll_all() {
            if answer.bytes[1] == 6 {
                answered += 1;
                lab.ack(&answer, 0).unwrap();
            }
        }
        lab.advance(MS);
    }
    assert_eq!(answered, 60, "all within some round trips");
    assert_eq!(waits(&lab.events()), []);
}

#[test]
fn nobody_waits_longer_than_its_firmware_while_others_are_served_in_time() {
    let mut lab = crowded(FITTING + 1);
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
    let mut lab = crowded(FITTING);
    let mut window = Vec::new();
    for answer in lab.poll_all() {
        lab.ack(&answer, 0).unwrap();
    }
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
