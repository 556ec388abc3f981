//! What this kernel can do, and what an operator could change about it.

use std::fmt;
use std::fs;
use std::io;

use crate::error::BindReason;

/// The kernel features that the runtime uses where they exist.
#[derive(Clone, Debug, Default)]
pub struct Features {
    /// Release of the running kernel, such as `6.1.0-28-amd64`.
    pub kernel: String,
    /// Whether frames can be sent to a station directly on every configured interface.
    pub link_unicast: bool,
    list: Vec<Feature>,
}

impl Features {
    pub(crate) const fn new(kernel: String) -> Self {
        Self { kernel, link_unicast: true, list: Vec::new() }
    }

    /// All features with their states, for the log at start.
    pub fn iter(&self) -> impl Iterator<Item = &Feature> {
        self.list.iter()
    }

    pub(crate) fn push(&mut self, name: &'static str, state: FeatureState) {
        self.list.push(Feature { name, state });
    }
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// Whether it is used.
    pub state: FeatureState,
}

/// Whether a feature is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeatureState {
    /// It is.
    Used,
    /// It is not.
    Fallback {
        /// What is done instead.
        instead: String,
        /// What would change that.
        hint: String,
    },
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            FeatureState::Used => write!(f, "{}", self.name),
            FeatureState::Fallback { instead, hint } => {
                write!(f, "no {}: {instead}; {hint}", self.name)
            }
        }
    }
}

/// The release of the running kernel, if it is new enough.
///
/// # Errors
/// [`BindReason::KernelTooOld`].
pub(crate) fn kernel_release() -> Result<String, BindReason> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    if is_new_enough(&release) {
        Ok(release)
    } else {
        Err(BindReason::KernelTooOld { found: release })
    }
}

/// What it means that a ring could not be made.
pub(crate) fn explain_ring_error(error: io::Error) -> BindReason {
    match error.raw_os_error() {
        Some(libc::EPERM) => {
            let setting = fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
            match setting.ok().and_then(|value| value.trim().parse().ok()) {
                Some(sysctl @ 1..) => BindReason::RingsDisabled { sysctl },
                Some(0) | None => BindReason::RingsForbidden,
            }
        }
        // A filter that pretends that the system call does not exist, or a kernel without it.
        Some(libc::ENOSYS) => BindReason::RingsForbidden,
        Some(libc::EMFILE | libc::ENFILE) => BindReason::OutOfDescriptors,
        _ => BindReason::Other(error),
    }
}

fn is_new_enough(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= KERNEL_MIN,
        // A release without numbers says nothing; the ring will.
        _ => true,
    }
}

/// The oldest kernel that has all that there is no fallback for: multishot receives into
/// provided buffer rings.
const KERNEL_MIN: (u32, u32) = (6, 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_number() {
        for release in ["6.1.0-28-amd64", "6.18.44", "7.0-rc1", "10.2"] {
            assert!(is_new_enough(release), "{release}");
        }
        for release in ["6.0.19", "5.15.0-91-generic", "4.19"] {
            assert!(!is_new_enough(release), "{release}");
        }
    }

    #[test]
    fn a_missing_permission_is_a_filter_or_a_setting() {
        let reason = explain_ring_error(io::Error::from_raw_os_error(libc::EPERM));
        assert!(matches!(reason, BindReason::RingsForbidden | BindReason::RingsDisabled { .. }));
        let reason = explain_ring_error(io::Error::from_raw_os_error(libc::EMFILE));
        assert!(matches!(reason, BindReason::OutOfDescriptors));
    }
}
