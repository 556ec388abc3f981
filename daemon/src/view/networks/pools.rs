//! Pools: what is left of their ranges, and on which terms it is given.

use std::net::Ipv4Addr;

use reveille_core::view::{Pool, PoolTerms};

use crate::problem::{Place, Problem};
use crate::site::SiteNetwork;
use crate::view::classes::Compiled;

/// Most pools of one network with terms of their own.
const TERMS_MAX: usize = 255;

/// The ranges of a network's pools without what is excluded, and the terms that they refer to:
/// at first those of plain pools, then one for each that is not.
pub(super) fn compile(
    meant: &SiteNetwork,
    classes: &Compiled,
    place: &Place,
    problems: &mut Vec<Problem>,
) -> (Vec<Pool>, Vec<PoolTerms>) {
    let mut ranges = Vec::new();
    let mut terms = vec![PoolTerms::default()];
    for (at, pool) in meant.pools.iter().enumerate() {
        let place = place.key("pool").index(at);
        let mut number = 0;
        if !pool.is_plain() {
            let class = pool.class.as_ref().and_then(|name| {
                let found = classes.find(name);
                if found.is_none() {
                    let what = format!("there is no class `{name}`");
                    let help = classes.advice(name);
                    problems.push(Problem::error(place.key("class"), what).help(help));
                }
                found
            });
            number = terms.len();
            let options = pool.options.iter().cloned().collect();
            terms.push(PoolTerms { class, lease: pool.lease, options });
        }
        let whole = Pool { terms: u16::try_from(number).unwrap_or(u16::MAX), ..pool.range };
        ranges.extend(without(whole, &meant.exclude));
    }
    if terms.len() > TERMS_MAX {
        let what = format!("more than {TERMS_MAX} pools have terms of their own");
        problems.push(Problem::error(place.key("pool"), what));
    }
    (ranges, terms)
}

/// What is left of `pool` without `excluded`.
fn without(pool: Pool, excluded: &[Pool]) -> Vec<Pool> {
    let mut left = Vec::new();
    let mut holes: Vec<&Pool> =
        excluded.iter().filter(|hole| hole.first <= pool.last && pool.first <= hole.last).collect();
    holes.sort_by_key(|hole| hole.first);
    let mut next = u64::from(pool.first.to_bits());
    let mut add = |from: u64, to: u64| {
        if let (Ok(first), Ok(last)) = (u32::try_from(from), u32::try_from(to))
            && from <= to
        {
            let (first, last) = (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last));
            left.push(Pool { first, last, ..pool });
        }
    };
    for hole in holes {
        if let Some(before) = u64::from(hole.first.to_bits()).checked_sub(1) {
            add(next, before);
        }
        next = next.max(u64::from(hole.last.to_bits()) + 1);
    }
    add(next, u64::from(pool.last.to_bits()));
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u8, last: u8) -> Pool {
        Pool::new(Ipv4Addr::new(10, 0, 0, first), Ipv4Addr::new(10, 0, 0, last))
    }

    #[test]
    fn what_is_excluded_is_cut_out() {
        for (holes, left) in [
            (&[][..], &[(10, 20)][..]),
            (&[(1, 9), (21, 30)], &[(10, 20)]),
            (&[(12, 13)], &[(10, 11), (14, 20)]),
            (&[(5, 12), (18, 25)], &[(13, 17)]),
            (&[(15, 16), (11, 15), (12, 13)], &[(10, 10), (17, 20)]),
            (&[(10, 10), (20, 20)], &[(11, 19)]),
            (&[(0, 255)], &[]),
        ] {
            let holes: Vec<Pool> = holes.iter().map(|(a, b)| range(*a, *b)).collect();
            let left: Vec<Pool> = left.iter().map(|(a, b)| range(*a, *b)).collect();
            assert_eq!(without(range(10, 20), &holes), left, "{holes:?}");
        }
        let all = Pool::new(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        assert_eq!(without(all, &[all]), []);
    }
}
