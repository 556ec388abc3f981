//! Opens the ports of what was prepared, also where a server has ended a moment ago.

use std::time::Duration;

use reveille_runtime::{BindError, BindReason, Bound};
use tracing::info;

use super::{Explained, Prepared, Refused, advice, plan};
use crate::site::Site;

/// Opens the sockets of what was prepared; and prepares once more, if interfaces or addresses
/// have gone away meanwhile.
///
/// # Errors
/// If a socket cannot be opened, or the site not be served any more.
pub(super) fn open(
    mut prepared: Prepared,
    site: &Site,
    mut prepare: impl FnMut() -> Result<Prepared, Refused>,
) -> anyhow::Result<(Prepared, Bound)> {
    let mut patience = Patience::default();
    loop {
        let error = match reveille_runtime::bind(plan::of(site, &prepared)) {
            Ok(bound) => return Ok((prepared, bound)),
            Err(error) => error,
        };
        match patience.after(&error) {
            Next::Wait => std::thread::sleep(RELEASE_PAUSE),
            Next::Prepare => prepared = prepare()?,
            Next::GiveUp => {
                let explained = Explained { what: error.to_string(), help: advice(&error) };
                return Err(explained.into());
            }
        }
    }
}

/// How often to try again.
#[derive(Debug)]
struct Patience {
    preparations_left: u32,
    waits_left: u32,
}

/// What to do about a socket that did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Try the same again in [`RELEASE_PAUSE`].
    Wait,
    /// Look at the host anew.
    Prepare,
    /// Nothing.
    GiveUp,
}

impl Default for Patience {
    fn default() -> Self {
        Self { preparations_left: PREPARATIONS_MAX, waits_left: RELEASE_WAITS_MAX }
    }
}

impl Patience {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other reasons stay")]
    fn after(&mut self, error: &BindError) -> Next {
        let (left, next) = match &error.reason {
            BindReason::NoDevice | BindReason::NoAddress => {
                (&mut self.preparations_left, Next::Prepare)
            }
            // The rings of a process that was killed keep its sockets until the kernel has put
            // them away, which it does after the process is gone.
            BindReason::InUse { holder: None } => (&mut self.waits_left, Next::Wait),
            _ => return Next::GiveUp,
        };
        if *left == 0 {
            return Next::GiveUp;
        }
        if next == Next::Wait && *left == RELEASE_WAITS_MAX {
            info!(
                "{error}, by no process that can be seen: waiting up to {} s for the kernel to \
                 release what a server that was killed had",
                (RELEASE_PAUSE * RELEASE_WAITS_MAX).as_secs()
            );
        }
        *left -= 1;
        next
    }
}

/// How often a host may change while it is looked at.
const PREPARATIONS_MAX: u32 = 4;

/// Between two attempts at a port that nobody seems to have.
const RELEASE_PAUSE: Duration = Duration::from_millis(100);

/// How often to wait for it: 5 seconds.
const RELEASE_WAITS_MAX: u32 = 50;

#[cfg(test)]
mod tests {
    use reveille_runtime::{Endpoint, Holder};

    use super::*;

    fn failure(reason: BindReason) -> BindError {
        BindError { endpoint: Endpoint::Tcp { local: "127.0.0.1:80".parse().unwrap() }, reason }
    }

    #[test]
    fn a_port_that_nobody_has_is_waited_for_and_not_for_ever() {
        let mut patience = Patience::default();
        let in_use = failure(BindReason::InUse { holder: None });
        for _ in 0..RELEASE_WAITS_MAX {
            assert_eq!(patience.after(&in_use), Next::Wait);
        }
        assert_eq!(patience.after(&in_use), Next::GiveUp);
    }

    #[test]
    fn a_port_that_a_process_has_is_told_at_once() {
        let holder = Some(Holder { pid: 7, name: "dnsmasq".to_owned() });
        let in_use = failure(BindReason::InUse { holder });
        assert_eq!(Patience::default().after(&in_use), Next::GiveUp);
        let unknown = failure(BindReason::OutOfDescriptors);
        assert_eq!(Patience::default().after(&unknown), Next::GiveUp);
    }

    #[test]
    fn a_host_that_changes_is_looked_at_a_few_times() {
        let mut patience = Patience::default();
        for _ in 0..PREPARATIONS_MAX {
            assert_eq!(patience.after(&failure(BindReason::NoDevice)), Next::Prepare);
        }
        assert_eq!(patience.after(&failure(BindReason::NoAddress)), Next::GiveUp);
    }
}
