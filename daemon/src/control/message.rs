//! What is said over the control socket: a question and an answer, each one line of JSON.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::leases::Listed;
use crate::leases::filter::Filter;
use crate::status::Status;

/// The name of the socket in the state directory.
pub(crate) const SOCKET: &str = "control.sock";

/// The longest question.
pub(crate) const REQUEST_BYTES_MAX: usize = 4096;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
pub(crate) enum Request {
    /// How the server fares.
    Status,
    /// Some leases from an address on.
    Leases {
        /// The first address.
        from: Ipv4Addr,
        /// Which.
        filter: Filter,
    },
    /// Takes an address from whoever has it.
    Release {
        /// The address.
        address: Ipv4Addr,
    },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
pub(crate) enum Answer {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Leases`].
    Leases(Page),
    /// It is done.
    Done {
        /// What was done.
        note: String,
    },
    /// It is not done.
    Error {
        /// Why.
        what: String,
        /// What can be done about it.
        help: Option<String>,
    },
}

impl Answer {
    /// It is not done, and nothing can be said about what to do.
    pub(crate) fn error(what: impl Into<String>) -> Self {
        Self::Error { what: what.into(), help: None }
    }
}

/// Some leases, in the order of their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Page {
    /// Those that fit; perhaps none, without this being the end.
    pub(crate) leases: Vec<Listed>,
    /// Where the next page begins; nothing after the last.
    pub(crate) next: Option<Ipv4Addr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_lines_that_a_person_could_write() {
        let request: Request =
            serde_json::from_str(r#"{"ask":"release","address":"10.0.0.5"}"#).expect("it is one");
        assert_eq!(request, Request::Release { address: Ipv4Addr::new(10, 0, 0, 5) });
        let request = Request::Leases {
            from: Ipv4Addr::UNSPECIFIED,
            filter: Filter { mac: Some("52:54:00".to_owned()), ..Filter::default() },
        };
        let text = serde_json::to_string(&request).expect("it is data");
        assert!(text.len() < REQUEST_BYTES_MAX && !text.contains('\n'));
        assert_eq!(serde_json::from_str::<Request>(&text).expect(&text), request);
        let request: Request =
            serde_json::from_str(r#"{"ask":"leases","from":"0.0.0.0","filter":{}}"#).expect("one");
        assert!(matches!(request, Request::Leases { filter, .. } if filter == Filter::default()));
        assert!(serde_json::from_str::<Request>(r#"{"ask":"reboot"}"#).is_err());
    }
}
