//! How long addresses are lent.

use core::time::Duration;

pub use crate::limits::LEASE_INFINITE;

/// The lease where nothing says another.
pub const LEASE_DEFAULT: Duration = Duration::from_secs(30 * 60);

/// How long an address is lent, as far as one level of the configuration says it.
///
/// What a level leaves open is taken from the next: machine, class, pool, network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseTerms {
    /// For clients that wish nothing.
    pub lease: Option<Duration>,
    /// The shortest that a client may wish; `None` at every level: what `lease` says.
    pub min: Option<Duration>,
    /// The longest that a client may wish, likewise.
    pub max: Option<Duration>,
}

impl LeaseTerms {
    /// The same length for everybody.
    pub const fn fixed(lease: Duration) -> Self {
        Self { lease: Some(lease), min: None, max: None }
    }

    /// This, and from `next` what is open here.
    ///
    /// Bounds belong to the length that they stand beside: a level with a length of its own does
    /// not take over the bounds of the next unless it has one itself.
    #[must_use]
    pub const fn or(self, next: Self) -> Self {
        match self.lease {
            Some(_) => self,
            None => Self {
                lease: next.lease,
                min: if self.min.is_some() { self.min } else { next.min },
                max: if self.max.is_some() { self.max } else { next.max },
            },
        }
    }

    /// What a client gets that wishes `wish` (option 51).
    pub fn grant(self, wish: Option<Duration>) -> Duration {
        let lease = self.lease.unwrap_or(LEASE_DEFAULT);
        if self.min.is_none() && self.max.is_none() {
            return lease;
        }
        let min = self.min.unwrap_or(lease).min(lease);
        let max = self.max.unwrap_or(lease).max(lease);
        wish.unwrap_or(lease).clamp(min, max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(minutes * 60)
    }

    #[test]
    fn a_wish_is_granted_within_the_bounds() {
        let open = LeaseTerms {
            lease: Some(minutes(30)),
            min: Some(minutes(5)),
            max: Some(LEASE_INFINITE),
        };
        for (terms, wish, granted) in [
            (LeaseTerms::default(), None, minutes(30)),
            (LeaseTerms::default(), Some(minutes(1)), minutes(30)),
            (LeaseTerms::fixed(minutes(9)), Some(minutes(90)), minutes(9)),
            (open, None, minutes(30)),
            (open, Some(minutes(1)), minutes(5)),
            (open, Some(minutes(99)), minutes(99)),
            (open, Some(LEASE_INFINITE), LEASE_INFINITE),
            (LeaseTerms { min: None, ..open }, Some(minutes(1)), minutes(30)),
        ] {
            assert_eq!(terms.grant(wish), granted, "{terms:?}, {wish:?}");
        }
    }

    #[test]
    fn a_nearer_level_wins_with_its_bounds() {
        let network = LeaseTerms { max: Some(minutes(60)), ..LeaseTerms::fixed(minutes(30)) };
        let class = LeaseTerms::fixed(minutes(10));
        assert_eq!(class.or(network), class);
        let bound = LeaseTerms { max: Some(minutes(40)), ..LeaseTerms::default() };
        assert_eq!(bound.or(network).grant(Some(minutes(90))), minutes(40));
        assert_eq!(LeaseTerms::default().or(network), network);
    }
}
