//! How full pools are, told before they are empty.

use crate::event::{PoolLevel, PoolUsage};
use crate::limits;
use crate::rng::Rng;
use crate::table::recent::RecentMap;
use crate::time::Instant;
use crate::view::Subnet;

/// What was told of each network's pools.
#[derive(Debug)]
pub(super) struct PoolLevels {
    told: RecentMap<u64, Told>,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    usage: PoolUsage,
    at: Instant,
}

/// The addresses of a network, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) bound: u32,
    pub(super) offered: u32,
    pub(super) resting: u32,
}

impl PoolLevels {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Self { told: RecentMap::new(limits::POOL_LEVELS_MAX, rng) }
    }

    /// Compares with what was told before: what there is to tell now, if anything is.
    pub(super) fn handle_counts(
        &mut self,
        subnet: Subnet,
        size: u64,
        counts: Counts,
        now: Instant,
    ) -> Option<PoolUsage> {
        if size == 0 {
            return None;
        }
        let key = u64::from(subnet.address.to_bits()) << 8 | u64::from(subnet.prefix_len);
        let before = self.told.find(&key);
        let level_before = before.map_or(PoolLevel::Normal, |told| told.usage.level);
        let Counts { bound, offered, resting } = counts;
        let mut usage = PoolUsage {
            subnet,
            size,
            bound,
            offered,
            resting,
            level: level_before,
            is_news: false,
        };
        usage.level = level_of(usage.used(), size, level_before);
        usage.is_news = usage.level != level_before;
        let is_due = before.is_none_or(|told| {
            let same = PoolUsage { is_news: usage.is_news, ..told.usage } == usage;
            !same && now - told.at >= limits::POOL_GAUGE_INTERVAL
        });
        if !usage.is_news && !is_due {
            return None;
        }
        self.told.put(key, Told { usage, at: now });
        Some(usage)
    }
}

/// The level of `used` of `size` addresses, after another one.
fn level_of(used: u64, size: u64, before: PoolLevel) -> PoolLevel {
    let is_reached = |percent| used * 100 >= size * percent;
    let [high, critical, full] =
        [(PoolLevel::High, 80, 75), (PoolLevel::Critical, 95, 90), (PoolLevel::Full, 100, 98)]
            .map(|(level, enter, stay)| is_reached(if before >= level { stay } else { enter }));
    match (full, critical, high) {
        (true, _, _) => PoolLevel::Full,
        (false, true, _) => PoolLevel::Critical,
        (false, false, true) => PoolLevel::High,
        (false, false, false) => PoolLevel::Normal,
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;
    use core::time::Duration;

    use super::*;

    const SUBNET: Subnet = Subnet { address: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 24 };

    #[test]
    fn levels_are_left_later_than_they_are_reached() {
        let mut level = PoolLevel::Normal;
        for (used, expected) in [
            (79, PoolLevel::Normal),
            (80, PoolLevel::High),
            (75, PoolLevel::High),
            (95, PoolLevel::Critical),
            (91, PoolLevel::Critical),
            (100, PoolLevel::Full),
            (98, PoolLevel::Full),
            (97, PoolLevel::Critical),
            (89, PoolLevel::High),
            (74, PoolLevel::Normal),
            (103, PoolLevel::Full),
            (0, PoolLevel::Normal),
        ] {
            level = level_of(used, 100, level);
            assert_eq!(level, expected, "{used} of 100");
        }
    }

    #[test]
    fn levels_are_told_at_once_and_numbers_now_and_then() {
        let mut levels = PoolLevels::new(&mut Rng::new(1));
        let mut now = Instant::ZERO + Duration::from_secs(60);
        let mut tell = |bound, passed| {
            now = now + Duration::from_secs(passed);
            let counts = Counts { bound, ..Counts::default() };
            levels.handle_counts(SUBNET, 10, counts, now).map(|usage| (usage.level, usage.is_news))
        };
        assert_eq!(tell(1, 0), Some((PoolLevel::Normal, false)));
        assert_eq!(tell(2, 1), None);
        assert_eq!(tell(2, 4), Some((PoolLevel::Normal, false)));
        assert_eq!(tell(2, 60), None);
        assert_eq!(tell(8, 0), Some((PoolLevel::High, true)));
        assert_eq!(tell(8, 0), None);
        assert_eq!(tell(10, 0), Some((PoolLevel::Full, true)));
        assert_eq!(tell(0, 0), Some((PoolLevel::Normal, true)));
        assert_eq!(tell(0, 60), None);
    }

    #[test]
    fn a_network_without_pools_is_never_full() {
        let mut levels = PoolLevels::new(&mut Rng::new(1));
        assert_eq!(levels.handle_counts(SUBNET, 0, Counts::default(), Instant::ZERO), None);
    }
}
