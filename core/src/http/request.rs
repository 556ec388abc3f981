//! From a request head to its answer: who asks, for what, and may they.

use core::net::{IpAddr, Ipv4Addr};
use core::str::{self, FromStr};

use super::answer::{Answer, Content, Extent, FileContent, Persistence};
use crate::document::Document;
use crate::event::{Client, EventKind, EventName, Protocol};
use crate::identity::{ClientIdentity, Fact, Firmware};
use crate::limits;
use crate::mac::MacAddr;
use crate::node::NodePrefix;
use crate::resource::{self, Resource};
use crate::text::Text;
use crate::time::Instant;
use crate::view::{File, View};
use crate::wire::http::{
    Body, Method, Parsed, Precondition, RangeOutcome, RequestError, RequestHead, Status, Target,
    Validators, Version, date, percent_decode,
};
use crate::wire::path::{NAME_BYTES_MAX, NameError};
use crate::wire::pxe::ArchType;

/// What the server knows about a request beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    /// The client's address.
    pub(super) peer: IpAddr,
    /// Our address as the client reached it.
    pub(super) local: Ipv4Addr,
    /// When it asked.
    pub(super) now: Instant,
    /// If there are too many connections: the seconds after which a client that can wait is to
    /// come back.
    pub(super) retry_after_s: Option<u32>,
}

/// What bytes at the front of a connection turned out to be.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives on the stack for the length of one call")]
pub(super) enum Outcome {
    /// A part of a head.
    Partial,
    /// A request.
    Request(Request),
    /// Nothing that can be understood; where the next request starts is unknown.
    Refused(RequestError),
}

/// A request that has been read and decided.
#[derive(Debug)]
pub(super) struct Request {
    /// Bytes of its head.
    pub(super) head_bytes: usize,
    /// Bytes of the body behind the head that have to be read before the answer is sent.
    pub(super) body_bytes: u64,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(super) expects_continue: bool,
    /// The answer.
    pub(super) answer: Answer,
    /// What is to be told about it.
    pub(super) event: Option<EventKind>,
}

/// Reads a request at the front of `bytes` and decides its answer.
pub(super) fn read(bytes: &[u8], asker: &Asker, view: &View) -> Outcome {
    match RequestHead::parse(bytes) {
        Ok(Parsed::Partial) if bytes.len() >= limits::HTTP_HEAD_BYTES_MAX => {
            Outcome::Refused(RequestError::of_full_buffer(bytes))
        }
        Ok(Parsed::Partial) => Outcome::Partial,
        Ok(Parsed::Complete { len, .. }) if len > limits::HTTP_HEAD_BYTES_MAX => {
            let head = &bytes[..limits::HTTP_HEAD_BYTES_MAX];
            Outcome::Refused(RequestError::of_full_buffer(head))
        }
        Ok(Parsed::Complete { head, len }) => Outcome::Request(decide(&head, len, asker, view)),
        Err(error) => Outcome::Refused(error),
    }
}

/// The answer to bytes that are no request, or to a request that does not come to its end.
pub(super) fn refusal(status: Status, asker: &Asker) -> Answer {
    let content = match asker.retry_after_s {
        Some(seconds) if status == Status::SERVICE_UNAVAILABLE => Content::RetryAfter(seconds),
        Some(_) | None => Content::Status(status),
    };
    Answer {
        asked_at: asker.now,
        client: Client { mac: None, address: Some(asker.peer) },
        name: EventName::EMPTY,
        persistence: Persistence::Close,
        head_only: false,
        comes_back: false,
        content,
    }
}

fn decide(head: &RequestHead<'_>, head_bytes: usize, asker: &Asker, view: &View) -> Request {
    let mut decision = Decision::of(head, asker, view);
    let body_bytes = match head.body {
        Body::None => 0,
        Body::Length(len) if len <= limits::HTTP_BODY_BYTES_MAX => len,
        // The rest of the connection is a body that nobody reads.
        Body::Length(_) => decision.refuse_body(Status::CONTENT_TOO_LARGE),
        Body::Chunked => decision.refuse_body(Status::LENGTH_REQUIRED),
    };
    let persistence = match (head.keep_alive && !decision.closes, head.version) {
        (true, Version::Http11) => Persistence::Implied,
        (true, Version::Http10) => Persistence::Announced,
        (false, _) => Persistence::Close,
    };
    let answer = Answer {
        asked_at: asker.now,
        client: Client { mac: decision.mac, address: Some(asker.peer) },
        name: decision.name,
        persistence,
        head_only: head.method == Method::Head,
        comes_back: decision.comes_back,
        content: decision.content,
    };
    // An expectation in HTTP/1.0 is ignored (RFC 9110 §10.1.1).
    let expects_continue = head.expects_continue && head.version == Version::Http11;
    Request { head_bytes, body_bytes, expects_continue, answer, event: decision.event }
}

/// An answer in the making.
struct Decision {
    mac: Option<MacAddr>,
    name: EventName,
    content: Content,
    event: Option<EventKind>,
    closes: bool,
    comes_back: bool,
}

impl Decision {
    fn of(head: &RequestHead<'_>, asker: &Asker, view: &View) -> Self {
        let mut buffer = [0; NAME_BYTES_MAX];
        let name = match head.target.name(&mut buffer) {
            Ok(name) => name,
            Err(error) => return Self::bad_name(head.target.path(), error),
        };
        let (mut client, has_facts) = claims(head);
        client.machine = view.machines.find_by_address(asker.peer);
        let resource = resource::resolve(view, name, &mut client, has_facts);
        let shown = NodePrefix::split(name).map_or(name, |(_, rest)| rest);
        let mut decision = Self {
            mac: client.mac,
            name: Text::sanitised(shown.as_bytes()),
            content: Content::Status(Status::NOT_FOUND),
            event: None,
            closes: false,
            // Only iPXE does; to other firmware 503 is the end of its boot.
            comes_back: client.firmware == Firmware::Ipxe,
        };
        // The connections kept in reserve are for those who would not come back.
        if let (Some(seconds), true) = (asker.retry_after_s, decision.comes_back) {
            decision.content = Content::RetryAfter(seconds);
            decision.closes = true;
            return decision;
        }
        match (resource, head.method) {
            (Resource::Up, Method::Get | Method::Head | Method::Other("POST")) => {
                decision.content = Content::Status(Status::NO_CONTENT);
                decision.event = Some(EventKind::Up);
            }
            (Resource::Up, Method::Other(_)) => decision.refuse_method("GET, HEAD, POST"),
            (_, Method::Other(_)) => decision.refuse_method("GET, HEAD"),
            (Resource::File(file), Method::Get | Method::Head) => {
                decision.content = file_content(head, file);
            }
            (Resource::Document(kind), Method::Get | Method::Head) => {
                let address = match asker.peer {
                    IpAddr::V4(address) => Some(address),
                    IpAddr::V6(_) => None,
                };
                let server = asker.local;
                decision.content = Content::Document(Document { kind, client, address, server });
            }
            (Resource::Missing, Method::Get | Method::Head) => {
                let name = decision.name;
                decision.event = Some(EventKind::NotFound { protocol: Protocol::Http, name });
            }
        }
        decision
    }

    /// No name that could be looked up.
    fn bad_name(path: &str, error: NameError) -> Self {
        let name = Text::sanitised(path.as_bytes());
        let status = match error {
            NameError::TooLong => Status::URI_TOO_LONG,
            NameError::Climbs | NameError::Control | NameError::NotUtf8 | NameError::BadEscape => {
                Status::BAD_REQUEST
            }
        };
        Self {
            mac: None,
            name,
            content: Content::Status(status),
            event: Some(EventKind::Refused { protocol: Protocol::Http, name }),
            closes: false,
            comes_back: false,
        }
    }

    fn refuse_method(&mut self, allow: &'static str) {
        self.content = Content::NotAllowed { allow };
        let name = self.name;
        self.event = Some(EventKind::Refused { protocol: Protocol::Http, name });
    }

    /// Answers with `status` at once and reads none of the body.
    fn refuse_body(&mut self, status: Status) -> u64 {
        let name = self.name;
        self.content = Content::Status(status);
        self.event = Some(EventKind::Refused { protocol: Protocol::Http, name });
        self.closes = true;
        0
    }
}

/// What the request's fields and query tell about the client, and whether it brings the machine's
/// facts.
fn claims(head: &RequestHead<'_>) -> (ClientIdentity, bool) {
    let mut client =
        ClientIdentity { firmware: firmware_of(head.user_agent), ..ClientIdentity::default() };
    let mut has_facts = false;
    for (name, value) in parameters(&head.target) {
        match name {
            "facts" => has_facts |= value == "1",
            "uuid" => client.uuid = parse_value(value),
            "mac" => client.mac = parse_value(value),
            "arch" => client.arch = parse_value(value).map(ArchType),
            "serial" => client.serial = fact(value),
            "product" => client.product = fact(value),
            "manufacturer" => client.manufacturer = fact(value),
            _ => {}
        }
    }
    (client, has_facts)
}

fn parameters<'b>(target: &Target<'b>) -> impl Iterator<Item = (&'b str, &'b str)> + use<'b> {
    // Seven are known; a query full of others is not worth reading to its end.
    target.parameters().take(PARAMETERS_MAX)
}

fn parse_value<T: FromStr>(encoded: &str) -> Option<T> {
    let mut buffer = [0; VALUE_BYTES_MAX];
    let value = percent_decode(encoded.as_bytes(), &mut buffer).ok()?;
    str::from_utf8(value).ok()?.parse().ok()
}

/// A fact of the firmware's tables, which may hold any bytes; nothing if it is empty.
fn fact(encoded: &str) -> Option<Fact> {
    let mut buffer = [0; VALUE_BYTES_MAX];
    let value = percent_decode(encoded.as_bytes(), &mut buffer).ok()?;
    let fact = Fact::sanitised(value);
    (!fact.is_empty()).then_some(fact)
}

fn firmware_of(user_agent: Option<&[u8]>) -> Firmware {
    match user_agent {
        Some(agent) if agent.starts_with(b"iPXE") => Firmware::Ipxe,
        Some(agent) if agent.starts_with(b"UefiHttpBoot") => Firmware::HttpBoot,
        Some(agent) if agent.starts_with(b"U-Boot") => Firmware::UBoot,
        Some(_) | None => Firmware::System,
    }
}

fn file_content(head: &RequestHead<'_>, file: &File) -> Content {
    let validators = Validators {
        etag: (!file.etag.is_empty()).then_some(&*file.etag),
        last_modified_s: dates_matter(head)
            .then(|| date::parse(file.last_modified.as_bytes()))
            .flatten(),
    };
    let extent = match head.precondition(&validators) {
        Precondition::Failed => return Content::Status(Status::PRECONDITION_FAILED),
        Precondition::NotModified => Extent::NotModified,
        Precondition::Proceed => match head.range_of(&validators, file.len) {
            RangeOutcome::Whole => Extent::Whole,
            RangeOutcome::Part { first, last } => Extent::Part { first, last },
            RangeOutcome::Unsatisfiable => Extent::Unsatisfiable,
        },
    };
    Content::File(FileContent::new(file, extent))
}

/// Whether the request compares dates: reading ours costs more than the rest of most requests.
fn dates_matter(head: &RequestHead<'_>) -> bool {
    head.if_modified_since.or(head.if_unmodified_since).or(head.if_range).is_some()
}

/// Longest value of a query parameter that is read, decoded, in bytes.
const VALUE_BYTES_MAX: usize = 512;

/// Parameters of a query that are read.
const PARAMETERS_MAX: usize = 32;
