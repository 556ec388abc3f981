//! How a part of a machine answers.

use super::note::Reason;

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes on.
    Going,
    /// It goes on, and something was sent again or will be.
    Again,
    /// It goes on when the server's wait is over.
    ToldToWait,
    /// It is done.
    Done,
    /// The file does not exist, said with this code of TFTP or status of HTTP.
    Missing(Reason),
    /// It is over.
    Failed(Reason),
}
