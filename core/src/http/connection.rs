//! One connection and the states it goes through.

use core::mem;
use core::net::{IpAddr, Ipv4Addr};

use super::answer::{Answer, Persistence};
use super::buffers::BufferId;
use super::response::{Response, Span};
use crate::event::{Client, EventKind, EventName, Outcome, Protocol};
use crate::image::{ImageId, ImageSpan};
use crate::time::Instant;

/// What the server knows about the connection in one of the driver's slots.
#[derive(Debug)]
pub(super) struct Connection {
    /// Which of the connections that have lived in this slot.
    pub(super) generation: u32,
    /// The client's address.
    pub(super) peer: IpAddr,
    /// Our address as the client reached it.
    pub(super) local: Ipv4Addr,
    /// Bytes that arrived and were not looked at yet: a part of a head, or pipelined requests.
    pub(super) unread: Option<BufferId>,
    /// Nothing that arrives from now on is looked at, and the connection closes when what was
    /// kept before is answered.
    pub(super) deaf: bool,
    /// The client will send no more.
    pub(super) half_closed: bool,
    /// Was accepted when there were too many.
    pub(super) crowds: bool,
    /// Holds one of the places for downloads.
    pub(super) has_place: bool,
    /// A transmit was handed out and [`crate::engine::StreamEvent::Sent`] has not come yet.
    pub(super) outstanding: bool,
    /// Where it stands.
    pub(super) state: State,
}

/// Where a connection stands. Each state that waits for the peer has one deadline, which the
/// server's timer wheel holds under the connection's slot.
#[derive(Debug)]
pub(super) enum State {
    /// There is no connection in this slot.
    Free,
    /// Nothing of a request has arrived; until [`crate::limits::HTTP_IDLE`].
    Idle,
    /// A part of a head is in [`Connection::unread`]; until [`crate::limits::HTTP_REQUEST`] after its
    /// first byte.
    ReceivingHead,
    /// A body arrives and is thrown away; until [`crate::limits::HTTP_REQUEST`] after the head.
    DrainingBody {
        /// Bytes that have not arrived.
        left: u64,
        /// Whether the client has to be invited to send it.
        invitation: Invitation,
        /// What to answer then.
        answer: Answer,
    },
    /// The answer waits for others to be served, until [`crate::limits::HTTP_TURN_MAX`] after the
    /// request.
    Waiting {
        /// The answer.
        answer: Answer,
    },
    /// The answer waits for a buffer: our turn, no deadline.
    Responding {
        /// The answer.
        answer: Answer,
    },
    /// The response is on its way; until [`crate::limits::HTTP_STALL`] after the last progress, or until
    /// the rate allows more of it.
    Sending {
        /// How far it is.
        transfer: Transfer,
    },
    /// The connection is to be closed, by the driver and without a deadline.
    Closing {
        /// Whether the driver knows.
        told: bool,
    },
}

/// Whether a client that sent `Expect: 100-continue` has been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invitation {
    /// It needs none, or has it.
    Done,
    /// It waits for `100 Continue`.
    Due,
    /// The invitation is the outstanding transmit.
    Sent,
}

/// A response on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    asked_at: Instant,
    client: Client,
    name: EventName,
    persistence: Persistence,
    /// Whether this is a file or document, of which events tell.
    counts: bool,
    /// The image that stays pinned until the end.
    image: Option<ImageId>,
    /// What has not been handed out.
    rest: Option<Span>,
    /// Bytes of the file in the outstanding transmit.
    in_flight: u64,
    /// Bytes of the file that were sent.
    sent: u64,
}

impl Connection {
    /// A slot without a connection.
    pub(super) const FREE: Self = Self {
        generation: 0,
        peer: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        local: Ipv4Addr::UNSPECIFIED,
        unread: None,
        deaf: false,
        half_closed: false,
        crowds: false,
        has_place: false,
        outstanding: false,
        state: State::Free,
    };
}

impl Transfer {
    /// The response to `answer`, of which nothing has been handed out.
    pub(super) fn new(answer: &Answer, response: &Response) -> Self {
        let document_bytes = match response.span {
            Some(_) => 0,
            None => response.transfer.unwrap_or(0),
        };
        Self {
            asked_at: answer.asked_at,
            client: answer.client,
            name: answer.name,
            persistence: answer.persistence,
            counts: response.transfer.is_some(),
            image: answer.image(),
            rest: response.span,
            in_flight: document_bytes,
            sent: 0,
        }
    }

    /// The next part of the image, at most `bytes_max`, to be handed out now.
    pub(super) fn next_chunk(&mut self, bytes_max: u32) -> Option<ImageSpan> {
        let rest = self.rest.as_mut()?;
        let len = (rest.end - rest.next).min(u64::from(bytes_max));
        let len = u32::try_from(len).expect("a chunk is small");
        let chunk = ImageSpan { image: rest.image, offset: rest.next, len };
        rest.next += u64::from(len);
        if rest.next == rest.end {
            self.rest = None;
        }
        assert!(self.in_flight == 0, "one chunk is handed out at a time");
        self.in_flight = u64::from(len);
        Some(chunk)
    }

    /// The outstanding transmit was sent; tells whether it was the last.
    pub(super) fn on_sent(&mut self) -> bool {
        self.sent += mem::take(&mut self.in_flight);
        self.rest.is_none()
    }

    /// Whether the connection stays open afterwards.
    pub(super) fn is_persistent(&self) -> bool {
        self.persistence != Persistence::Close
    }

    /// The image that was pinned for it.
    pub(super) const fn image(&self) -> Option<ImageId> {
        self.image
    }

    /// Whom it is for.
    pub(super) const fn client(&self) -> Client {
        self.client
    }

    /// What to tell at its end, if anything.
    pub(super) fn ended(&self, outcome: Outcome, now: Instant) -> Option<EventKind> {
        self.counts.then(|| EventKind::TransferEnded {
            protocol: Protocol::Http,
            name: self.name,
            bytes: self.sent,
            took: now - self.asked_at,
            retransmits: 0,
            outcome,
        })
    }
}

const _: () = assert!(size_of::<Connection>() <= 1024);
