use alloc::boxed::Box;
use alloc::vec::Vec;

use super::*;
use crate::mac::MacAddr;
use crate::wire::tftp::OptionName::{BlockSize, Timeout, TransferSize, WindowSize};

fn bounds(mtu: u16, policy: TftpPolicy, client: &str) -> Bounds {
    let interface = Interface {
        name: Box::from("boot"),
        mac: MacAddr::default(),
        mtu,
        link_unicast: false,
        advertise_from: None,
    };
    Bounds::new(&policy, &interface, client.parse().expect("an address"))
}

fn answer(asked: &[(OptionName, u64)], bounds: Bounds) -> Vec<(OptionName, u64)> {
    let asked = asked.iter().fold(TransferOptions::default(), |all, (n, v)| all.with(*n, *v));
    negotiate(&asked, bounds).answer(123_456).iter().collect()
}

#[test]
fn blocks_fit_into_a_packet() {
    let large =
        TftpPolicy { block_bytes_max: 65_464, window_blocks_max: 1, ..TftpPolicy::default() };
    for (mtu, client, expected) in [
        (1500, "10.0.0.9:1024", 1468),
        (1500, "[fe80::1]:1024", 1448),
        (9000, "10.0.0.9:1024", 8968),
        (68, "10.0.0.9:1024", 36),
        (0, "10.0.0.9:1024", 8),
    ] {
        let granted = answer(&[(BlockSize, 65_464)], bounds(mtu, large, client));
        assert_eq!(granted, [(BlockSize, expected)], "{mtu} {client}");
    }
}

#[test]
fn never_more_than_asked_nor_than_the_policy() {
    let policy =
        TftpPolicy { block_bytes_max: 1024, window_blocks_max: 16, ..TftpPolicy::default() };
    let bounds = bounds(1500, policy, V4);
    for (asked, expected) in [
        ((BlockSize, 512), (BlockSize, 512)),
        ((BlockSize, 1468), (BlockSize, 1024)),
        ((WindowSize, 4), (WindowSize, 4)),
        ((WindowSize, 65_535), (WindowSize, 16)),
        ((TransferSize, 0), (TransferSize, 123_456)),
        ((Timeout, 5), (Timeout, 5)),
    ] {
        assert_eq!(answer(&[asked], bounds), [expected], "{asked:?}");
    }
}

#[test]
fn the_order_is_the_clients_and_the_timeout_its_own_or_left_out() {
    let bounds = bounds(1500, TftpPolicy::default(), V4);
    let asked = [(WindowSize, 2), (Timeout, 255), (TransferSize, 0), (BlockSize, 600)];
    assert_eq!(
        answer(&asked, bounds),
        [(WindowSize, 2), (TransferSize, 123_456), (BlockSize, 600)]
    );
}

#[test]
fn nothing_to_acknowledge_is_silent() {
    let bounds = bounds(1500, TftpPolicy::default(), V4);
    let silent = |options: TransferOptions| negotiate(&options, bounds).is_silent();
    assert!(silent(TransferOptions::default()));
    assert!(silent(TransferOptions::default().with(Timeout, 200)));
    assert!(!silent(TransferOptions::default().with(TransferSize, 0)));
}

#[test]
fn a_window_is_never_too_large_for_the_numbers_on_the_wire() {
    let policy = TftpPolicy { window_blocks_max: u16::MAX, ..TftpPolicy::default() };
    let granted = answer(&[(WindowSize, 65_535)], bounds(1500, policy, V4));
    assert_eq!(granted, [(WindowSize, 32_767)]);
}

const V4: &str = "10.0.0.9:1024";
