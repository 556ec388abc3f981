//! How many transfers one source address may have that it has not acknowledged, and what becomes of
//! the others.

use super::*;
use crate::wire::tftp::OptionName::BlockSize;

const MS: Duration = Duration::from_millis(1);

/// A lab in which each source may have three unconfirmed transfers.
fn strict(transfers: u32) -> Lab {
    Lab::with(TftpConfig { transfers, unconfirmed_per_source: 3, ..TftpConfig::default() })
}

fn other(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 8], port))
}

fn ports(sent: &[Sent]) -> Vec<u16> {
    sent.iter().map(|sent| sent.to.port()).collect()
}

#[test]
fn beyond_the_bound_requests_wait_until_others_are_confirmed() {
    let mut lab = strict(64);
    for port in 1000..1008 {
        lab.ask(client(port), &rrq("512", &[])).unwrap();
    }
    let answers = lab.poll_all();
    assert_eq!(ports(&answers), [1000, 1001, 1002]);
    lab.ask(other(1000), &rrq("512", &[])).unwrap();
    assert_eq!(lab.poll_one().to, other(1000), "another source does not wait for them");
    assert_eq!(lab.ask(client(1005), &rrq("512", &[])), Err(Discard::Duplicate));
    lab.ack(&answers[1], 1).unwrap();
    assert_eq!(ports(&lab.poll_all()), [1001, 1003], "the next, and the last block of 1001");
    // Whoever breaks off was there as well.
    lab.deliver(answers[2].socket, answers[2].to, b"\0\x05\0\0aborted\0").unwrap();
    assert_eq!(lab.poll_one().to, client(1004));
}

#[test]
fn after_silence_only_those_who_ask_again_are_answered() {
    let mut lab = strict(64);
    for port in 1000..1006 {
        lab.ask(client(port), &rrq("512", &[])).unwrap();
    }
    assert_eq!(lab.poll_all().len(), 3);
    let ends = lab.now + 8000 * MS;
    let mut repeated = 0;
    while lab.now < ends {
        lab.advance(100 * MS);
        repeated += lab.poll_all().iter().filter(|sent| sent.to.port() < 1003).count();
    }
    assert_eq!((repeated, lab.server.sessions()), (6, 3), "three sends each, and no more");
    lab.ask(client(1004), &rrq("512", &[])).unwrap();
    let answer = lab.poll_one();
    assert_eq!(answer.to, client(1004));
    // It is there, so the others may be there as well.
    lab.ack(&answer, 1).unwrap();
    assert_eq!(ports(&lab.poll_all()), [1004, 1003, 1005]);
}

#[test]
fn who_is_held_back_and_silent_leaves() {
    let mut lab = strict(64);
    for port in 1000..1004 {
        lab.ask(client(port), &rrq("5000000000", &[])).unwrap();
    }
    assert_eq!(lab.poll_all().len(), 3);
    for _ in 0..110 {
        lab.advance(100 * MS);
        lab.poll_all();
    }
    assert_eq!(lab.server.sessions(), 0);
    // The fourth never began, so nothing is told of its end.
    assert_eq!(lab.outcomes(), [Outcome::TimedOut; 3]);
}

#[test]
fn a_client_that_breaks_off_lets_the_next_begin() {
    let mut lab = strict(64);
    for port in 1000..1004 {
        lab.ask(client(port), &rrq("5000000000", &[(BlockSize, 1468)])).unwrap();
    }
    let offered = lab.poll_all();
    assert_eq!(offered.len(), 3);
    let error = b"\0\x05\0\x08User aborted the transfer\0";
    lab.deliver(offered[0].socket, offered[0].to, error).unwrap();
    assert_eq!(ports(&lab.poll_all()), [1003]);
}

#[test]
fn those_held_back_take_no_place_that_others_need() {
    let mut lab = strict(8);
    for port in 1000..1008 {
        lab.ask(client(port), &rrq("512", &[])).unwrap();
    }
    assert_eq!(lab.ask(client(1008), &rrq("512", &[])), Err(Discard::Overload));
    for port in 1000..1003 {
        lab.ask(other(port), &rrq("512", &[])).unwrap();
    }
    assert_eq!(lab.server.sessions(), 8);
    let answered = lab.poll_all();
    assert_eq!(answered.iter().filter(|sent| sent.to.ip() == other(0).ip()).count(), 3);
    // The oldest of those who waited have left.
    for answer in &answered[..2] {
        lab.ack(answer, 1).unwrap();
    }
    let begun: Vec<_> = ports(&lab.poll_all()).into_iter().filter(|port| *port > 1002).collect();
    assert_eq!(begun, [1006, 1007]);
}

#[test]
fn a_forged_flood_brings_its_victim_no_more_than_the_bound() {
    let bound = limits::TFTP_UNCONFIRMED_PER_SOURCE_MAX;
    let mut lab = Lab::with(TftpConfig::default());
    for port in 1000..11_000 {
        lab.ask(client(port), &rrq("4096", &[])).unwrap();
    }
    let mut sent = lab.poll_all().len();
    assert_eq!(sent, usize::from(bound));
    for _ in 0..300 {
        lab.advance(100 * MS);
        sent += lab.poll_all().len();
    }
    assert_eq!(sent, 3 * usize::from(bound));
    assert_eq!(lab.server.sessions(), 0);
}

/// A request for the script of a machine.
fn ask_script(lab: &mut Lab, client: SocketAddr) -> Result<(), Discard> {
    let last = client.port() & 0xff;
    lab.ask(client, &rrq(&std::format!("node/52-54-00-00-00-{last:02x}/boot.ipxe"), &[]))
}

#[test]
fn documents_wait_like_files_and_hold_no_buffer_meanwhile() {
    let mut lab = strict(64);
    for port in 1000..1008 {
        ask_script(&mut lab, client(port)).unwrap();
    }
    let answers = lab.poll_all();
    assert_eq!(ports(&answers), [1000, 1001, 1002]);
    assert_eq!(lab.server.documents.pool().len(), 3);
    lab.ack(&answers[0], 1).unwrap();
    assert_eq!(
        ports(&lab.poll_all()),
        [1003],
        "as many as are confirmed, and two if that leaves room"
    );
    for _ in 0..110 {
        lab.advance(100 * MS);
        lab.poll_all();
    }
    assert_eq!(lab.server.sessions(), 0);
    assert!(lab.server.documents.pool().is_empty());
}

#[test]
fn beyond_all_buffers_documents_wait_for_one() {
    let mut lab = Lab::with(TftpConfig { transfers: 4096, ..TftpConfig::default() });
    let buffers = limits::DOCUMENTS_MAX as u16;
    for port in 1000..1000 + buffers + 100 {
        ask_script(&mut lab, client(port)).unwrap();
    }
    let answers = lab.poll_all();
    assert_eq!(answers.len(), usize::from(buffers));
    lab.advance(100 * MS);
    for answer in &answers[..100] {
        lab.ack(answer, 1).unwrap();
    }
    let late = lab.poll_all();
    assert_eq!(late.len(), 100);
    assert!(late.iter().all(|sent| sent.to.port() >= 1000 + buffers));
}

#[test]
fn a_document_that_cannot_be_rendered_is_refused() {
    let mut lab = Lab::new();
    lab.view.profiles[0].ipxe = script(&"long ".repeat(1000));
    ask_script(&mut lab, client(1000)).unwrap();
    assert_eq!(error_code(&lab.poll_one()), 0);
    assert_eq!(lab.server.sessions(), 0);
}
