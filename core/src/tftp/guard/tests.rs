use core::net::SocketAddr;

use super::*;
use crate::engine::{InterfaceId, SocketId};
use crate::tftp::tests::site;

#[test]
fn answers_go_to_single_clients_of_our_networks() {
    let view = site();
    let to_us = "10.0.0.1:69";
    for (source, destination, expected) in [
        ("10.0.0.9:2070", to_us, Ok(())),
        ("[fe80::9]:2070", "[fe80::1]:69", Ok(())),
        ("10.0.0.9:0", to_us, Err(Discard::BadSource)),
        ("10.0.0.9:69", to_us, Err(Discard::BadSource)),
        ("10.0.0.1:2070", to_us, Err(Discard::BadSource)),
        ("0.0.0.0:2070", to_us, Err(Discard::BadSource)),
        ("10.0.0.255:2070", to_us, Err(Discard::BadSource)),
        ("224.0.0.1:2070", to_us, Err(Discard::BadSource)),
        ("10.0.0.9:2070", "255.255.255.255:69", Err(Discard::BadSource)),
        ("10.0.0.9:2070", "10.0.0.255:69", Err(Discard::BadSource)),
        ("10.0.0.9:2070", "224.0.0.1:69", Err(Discard::BadSource)),
        ("[fe80::9]:2070", "[ff02::1]:69", Err(Discard::BadSource)),
        ("192.0.2.9:2070", to_us, Err(Discard::UnknownNetwork)),
    ] {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let datagram = Datagram {
            socket: SocketId(0),
            interface: InterfaceId(0),
            source: address(source),
            destination: address(destination),
            payload: &[],
        };
        assert_eq!(check_addresses(&datagram, &view), expected, "{source} to {destination}");
    }
}

#[test]
fn strays_are_answered_a_bounded_number_of_times_a_second() {
    let mut guard = Guard::new();
    let answered = |guard: &mut Guard, at| (0..1000).filter(|_| guard.may_answer_stray(at)).count();
    let second = |n| Instant::ZERO + Duration::from_secs(n);
    assert_eq!(answered(&mut guard, second(5)), TFTP_STRAY_ERRORS_PER_SECOND as usize);
    assert_eq!(answered(&mut guard, second(6)), TFTP_STRAY_ERRORS_PER_SECOND as usize);
}

#[test]
fn what_ended_is_remembered() {
    let mut guard = Guard::new();
    assert!(!guard.remembers(77));
    guard.remember(77);
    assert!(guard.remembers(77));
}

#[test]
fn suspicions_are_forgiven_one_by_one() {
    let mut suspicions = Suspicions::default();
    let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
    assert_eq!([0, 1, 2].map(|now| suspicions.add(at(1000 + now))), [false; 3]);
    // One in each ten seconds does no harm, also after a pause that wraps the count of periods.
    for now in (1010..3000).step_by(10).chain([9000]) {
        assert!(!suspicions.add(at(now)), "{now}");
    }
    let mut suspicions = Suspicions::default();
    assert_eq!([0, 0, 0, 0].map(|now| suspicions.add(at(1000 + now))), [false, false, false, true]);
    let mut suspicions = Suspicions::default();
    assert_eq!(
        [0, 1, 2, 13, 14].map(|now| suspicions.add(at(1000 + now))),
        [false, false, false, false, true]
    );
}
