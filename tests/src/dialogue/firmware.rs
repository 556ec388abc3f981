//! What firmware and boot programs say, for every architecture.

use std::net::Ipv4Addr;

use super::script::{Conversation, Habits, Identity, Place, Says, Step, Wanted};
use super::servers::RELAYED;

/// A conversation for each firmware that asks for a lease, on the link and behind a relay agent;
/// the numbers count from `first`.
#[must_use]
pub fn conversations(first: u32) -> Vec<Conversation> {
    let all = all();
    let behind = Place::Relay(RELAYED.relay, vec![(1, b"rack7/port12".to_vec())]);
    let places = [Place::Link, behind];
    let pairs = places
        .iter()
        .flat_map(|place| all.iter().map(move |(name, options)| (place, name, options)));
    pairs
        .zip(first..)
        .map(|((place, name, options), number)| {
            let habits = Habits {
                client_id: None,
                broadcast: number % 2 == 0,
                secs: 4,
                options: options.clone(),
            };
            let says = [
                Says::Discover(None),
                Says::Select(Wanted::Own, None),
                Says::InitReboot(Wanted::At(Ipv4Addr::new(192, 168, 7, 9))),
                Says::Inform(Some(Wanted::Own)),
            ];
            let step = |says| Step { says, identity: Identity::Usual, twice: false };
            let steps = says.map(step).to_vec();
            Conversation { number, name, place: place.clone(), habits, steps }
        })
        .collect()
}

type Options = Vec<(u8, Vec<u8>)>;

/// Each with its options.
fn all() -> Vec<(&'static str, Options)> {
    let mut all = Vec::new();
    for arch in 0..=ARCH_LAST {
        all.push(("PXE", pxe("PXEClient", arch, &EDK2_LIST)));
        all.push(("HTTP Boot", pxe("HTTPClient", arch, &EDK2_LIST)));
        let mut ipxe = pxe("PXEClient", arch, &IPXE_LIST);
        ipxe.push((77, b"iPXE".to_vec()));
        ipxe.push((175, IPXE_FEATURES.to_vec()));
        all.push(("iPXE", ipxe));
    }
    let mut sparing = pxe("PXEClient", 7, &EDK2_LIST);
    sparing.retain(|(code, _)| !matches!(code, 55 | 57 | 97));
    all.push(("PXE without a list", sparing));
    let mut small = pxe("PXEClient", 7, &EDK2_LIST);
    small[0].1 = vec![2, 64];
    all.push(("PXE with little room", small));
    let mut bare = pxe("PXEClient", 0, &EDK2_LIST);
    bare.push((77, b"\x04iPXE".to_vec()));
    all.push(("iPXE in RFC 3004's form", bare));
    let mut pi =
        pxe("PXEClient", 0, &[1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135]);
    pi[2].1 = [&[0][..], b"RPi4", &[0x40, 0xd0, 0x03, 0xc0, 1, 2, 3, 4, 5, 6, 7, 8]].concat();
    all.push(("Raspberry Pi", pi));
    all.push((
        "U-Boot",
        vec![(60, b"U-Boot.armv8".to_vec()), (55, vec![1, 3, 6, 12, 15, 17, 66, 67])],
    ));
    all.push((
        "PXELINUX",
        vec![(60, b"U-Boot".to_vec()), (55, vec![1, 3, 66, 67, 150, 208, 209, 210, 211])],
    ));
    all
}

/// PXE's options (RFC 4578).
fn pxe(class: &str, arch: u16, list: &[u8]) -> Options {
    let uuid: Vec<u8> = (0x10..0x20).collect();
    vec![
        (57, vec![5, 192]),
        (55, list.to_vec()),
        (97, [&[0][..], &uuid].concat()),
        (94, vec![1, 3, 1]),
        (93, arch.to_be_bytes().to_vec()),
        (60, format!("{class}:Arch:{arch:05}:UNDI:003001").into_bytes()),
    ]
}

/// The last architecture that has a number, and one that has none.
const ARCH_LAST: u16 = 0x2a;

const EDK2_LIST: [u8; 35] = [
    1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66,
    67, 97, 128, 129, 130, 131, 132, 133, 134, 135,
];

const IPXE_LIST: [u8; 22] =
    [1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175];

/// Option 175 as iPXE fills it in: its features, HTTP, TFTP and menus among them.
const IPXE_FEATURES: [u8; 15] = [0x13, 1, 1, 0x14, 1, 1, 0x18, 1, 1, 0x21, 1, 1, 0x27, 1, 1];
