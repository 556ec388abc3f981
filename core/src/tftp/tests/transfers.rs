//! Whole transfers, byte by byte, over good and bad networks.

use super::client::{Faults, Fetch, fetch};
use super::*;

#[test]
fn every_shape_of_file_arrives_with_no_datagram_too_many() {
    for len in [0, 1, 511, 512, 513, 1024, 1468, 4096, 100_000] {
        for (block_bytes, window) in [(512, 1), (512, 4), (1468, 1), (1468, 64), (1024, 7)] {
            let mut lab = Lab::new();
            let job = Fetch { len, block_bytes, window, options: true };
            let fetched = fetch(&mut lab, job, Faults::default(), 1);
            assert_eq!(fetched.bytes, len, "{job:?}");
            assert_eq!(fetched.datagrams, len / block_bytes + 1, "{job:?}");
            assert_eq!(lab.outcomes(), [Outcome::Completed]);
        }
        let mut lab = Lab::new();
        let job = Fetch { len, block_bytes: 512, window: 1, options: false };
        assert_eq!(fetch(&mut lab, job, Faults::default(), 1).bytes, len);
    }
}

#[test]
fn block_numbers_wrap() {
    // 70,000 blocks of 8 bytes.
    for window in [1, 16, 1000] {
        let mut lab = Lab::new();
        lab.view.tftp.window_blocks_max = 1000;
        let job = Fetch { len: 560_000, block_bytes: 8, window, options: true };
        let fetched = fetch(&mut lab, job, Faults::default(), 1);
        assert_eq!((fetched.bytes, fetched.datagrams), (560_000, 70_001), "window {window}");
    }
}

#[test]
fn a_bad_network_delays_but_corrupts_nothing() {
    for seed in 0..200 {
        let window = [1, 1, 2, 4, 16, 64][(seed % 6) as usize];
        let options = seed % 5 != 0;
        let len = [0, 513, 4096, 100_000][(seed / 6 % 4) as usize];
        let job = Fetch { len, block_bytes: 1024, window, options };
        let faults = Faults { lost: 50, copied: 30, delay_ms: 3 };
        let mut lab = Lab::new();
        let fetched = fetch(&mut lab, job, faults, seed);
        assert_eq!(fetched.bytes, len, "seed {seed}: {job:?}");
        assert_eq!(lab.server.sessions(), 0);
        assert!(!lab.server.uses_image(image_of(len)));
    }
}

#[test]
fn copies_do_not_multiply() {
    // A network that copies every tenth packet, delivered in any order within 3 ms: without the
    // rules on repeated ACKs each copy would double all that follows.
    for (seed, window) in [(1, 1), (2, 4), (3, 16)] {
        let mut lab = Lab::new();
        let job = Fetch { len: 560_000, block_bytes: 512, window, options: true };
        let faults = Faults { lost: 0, copied: 100, delay_ms: if window == 1 { 3 } else { 0 } };
        let fetched = fetch(&mut lab, job, faults, seed);
        let needed = 560_000 / 512 + 1;
        assert!(fetched.datagrams < needed * 3 / 2, "{fetched:?} for {needed}, window {window}");
    }
}

#[test]
fn a_window_recovers_from_single_losses_without_waiting() {
    // Every loss that the receiver can see is told by an ACK; only losses at the very end of a
    // window and of ACKs cost a timeout.
    let mut lab = Lab::new();
    let job = Fetch { len: 560_000, block_bytes: 512, window: 16, options: true };
    let faults = Faults { lost: 10, ..Faults::default() };
    let fetched = fetch(&mut lab, job, faults, 7);
    assert!(fetched.took < Duration::from_secs(10), "took {:?}", fetched.took);
}
