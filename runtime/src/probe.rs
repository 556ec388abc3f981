//! What this kernel can do, and what an operator could change about it.

use std::fmt;

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
