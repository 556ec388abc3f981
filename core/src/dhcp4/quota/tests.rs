use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::mac::MacAddr;
use crate::rng::Rng;

fn offer(last: u8) -> OpenOffer {
    let client = ClientKey::Mac(MacAddr([2, 0, 0, 0, 0, last]));
    OpenOffer { address: Ipv4Addr::new(10, 0, 0, last), client }
}

#[derive(Clone, Debug)]
enum Step {
    Offer { port: u64, last: u8 },
    End { last: u8 },
    Pass { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u64..4, 0_u8..20).prop_map(|(port, last)| Step::Offer { port, last }),
        2 => (0_u8..20).prop_map(|last| Step::End { last }),
        1 => (1_u64..90).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

proptest! {
    /// Against a list: no port has more than its limit, what is taken back is the port's oldest,
    /// and nobody else's.
    #[test]
    fn a_port_pays_for_itself(
        capacity in 4_u32..32,
        limit in 1_u32..6,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut offers = PortOffers::new(capacity, &mut Rng::new(1));
        // Port, offer and time, oldest first.
        let mut model: Vec<(u64, OpenOffer, Instant)> = Vec::new();
        let (mut now, mut taken_back) = (Instant::ZERO + limits::OFFER_HOLD, 0);
        for step in steps {
            match step {
                Step::Pass { seconds } => now = now + core::time::Duration::from_secs(seconds),
                Step::End { last } => {
                    offers.handle_end(offer(last).address);
                    model.retain(|(_, known, _)| known.address != offer(last).address);
                }
                Step::Offer { port, last } => {
                    let taken = offers.handle_offer(PortKey(port), offer(last), limit, now);
                    model.retain(|(_, known, made)| {
                        known.address != offer(last).address && now - *made < limits::OFFER_HOLD
                    });
                    if model.len() == capacity as usize {
                        model.remove(0);
                    }
                    model.push((port, offer(last), now));
                    let of_port = |(other, _, _): &(u64, OpenOffer, Instant)| *other == port;
                    let expected = (model.iter().filter(|known| of_port(known)).count()
                        > limit as usize)
                        .then(|| model.remove(model.iter().position(of_port).unwrap()).1);
                    prop_assert_eq!(taken, expected);
                    taken_back += u64::from(taken.is_some());
                }
            }
            let mut counts = BTreeMap::new();
            for (port, _, _) in &model {
                *counts.entry(*port).or_insert(0_u32) += 1;
            }
            prop_assert!(counts.values().all(|count| *count <= limit));
            prop_assert_eq!(offers.taken_back(), taken_back);
        }
    }
}
