//! HTTP/1.1 request heads and response heads (RFC 9110, RFC 9112), as far as boot clients and
//! operators' tools speak it: files by GET and HEAD, ranges, conditions, persistent connections.

mod condition;
pub mod date;
mod range;
mod request;
mod response;
mod target;

pub use condition::{Precondition, Validators};
pub use range::{ByteRange, RangeOutcome, RangeRequest};
pub use request::{Body, HEADERS_MAX, Method, Parsed, RequestError, RequestHead, Version};
pub use response::{ResponseWriter, Status};
pub use target::{Target, percent_decode};

#[cfg(test)]
mod tests;
