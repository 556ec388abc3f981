//! Requests: who gets a transfer, who gets an ERROR, and who gets silence.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use super::content::{Content, Source};
use super::guard::check_addresses;
use super::options::{Bounds, negotiate};
use super::server::{LISTENER, TftpServer};
use super::session::{Repetition, Session, Subject};
use crate::document::{Document, DocumentKind};
use crate::engine::{Datagram, Discard};
use crate::event::{EventKind, EventName, Outcome, Protocol};
use crate::identity::ClientIdentity;
use crate::limits::NAME_BYTES_MAX;
use crate::mac::MacAddr;
use crate::node::NodePrefix;
use crate::resource::{Resource, resolve};
use crate::time::Instant;
use crate::view::View;
use crate::wire::path::normalise;
use crate::wire::tftp::{ErrorCode, Mode, Request};

impl TftpServer {
    pub(super) fn on_read_request(
        &mut self,
        datagram: &Datagram<'_>,
        request: &Request<'_>,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        self.check_request(datagram, view)?;
        let digest = self.request_digest(datagram);
        if self.make_way(datagram, digest, now)? == Way::Answered {
            return Ok(());
        }
        if self.draining {
            return Err(Discard::Draining);
        }
        if request.mode == Mode::Mail {
            let name = EventName::sanitised(request.file_name);
            return self.deny(datagram, name, ErrorCode::ILLEGAL_OPERATION, "no mail here", now);
        }
        let mut buffer = [0; NAME_BYTES_MAX];
        let Ok(name) = normalise(request.file_name, &mut buffer) else {
            let name = EventName::sanitised(request.file_name);
            return self.deny(datagram, name, ErrorCode::ACCESS_VIOLATION, "not allowed", now);
        };
        self.serve(datagram, request, name, digest, now, view)
    }

    /// WRQ: nothing is ever written here.
    pub(super) fn on_write_request(
        &mut self,
        datagram: &Datagram<'_>,
        request: &Request<'_>,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        self.check_request(datagram, view)?;
        let name = EventName::sanitised(request.file_name);
        self.deny(datagram, name, ErrorCode::ACCESS_VIOLATION, "read only", now)
    }

    fn check_request(&self, datagram: &Datagram<'_>, view: &View) -> Result<(), Discard> {
        if datagram.socket != LISTENER {
            return Err(Discard::NotForServer);
        }
        check_addresses(datagram, view)
    }

    /// Decides what becomes of the transfer that the client's port has already: the same request
    /// again is a retransmission, another one replaces it.
    fn make_way(
        &mut self,
        datagram: &Datagram<'_>,
        digest: u64,
        now: Instant,
    ) -> Result<Way, Discard> {
        let Some(slot) = self.find(datagram.source) else { return Ok(Way::Free) };
        let session = self.sessions.at_mut(slot).expect("the index names sessions that live");
        if session.subject.digest == digest {
            match session.on_request_again(now) {
                Repetition::Answered => {
                    self.settle(slot, now);
                    return Ok(Way::Answered);
                }
                Repetition::Ignored if self.retry_held(slot, now) => return Ok(Way::Answered),
                Repetition::Ignored => return Err(Discard::Duplicate),
                Repetition::Restarts => {}
            }
        } else if self.guard.remembers(digest) && now - session.heard() < LATE_COPY {
            // A copy of a request whose transfer has ended, delivered behind the next request.
            return Err(Discard::Duplicate);
        }
        self.end(slot, Outcome::Aborted, now);
        Ok(Way::Free)
    }

    fn serve(
        &mut self,
        datagram: &Datagram<'_>,
        request: &Request<'_>,
        name: &str,
        digest: u64,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        let interface = view.interface(datagram.interface).ok_or(Discard::UnknownNetwork)?;
        let machine = view.machines.find_by_address(datagram.source.ip());
        let mut claims = ClientIdentity { machine, ..ClientIdentity::default() };
        let resource = resolve(view, name, &mut claims, false);
        let (mac, shown) = (claims.mac, shown_name(name));
        let bounds = Bounds::new(&view.tftp, interface, datagram.source);
        let content = match resource {
            Resource::Missing | Resource::Up => {
                return self.not_found(datagram, mac, shown, now);
            }
            Resource::File(file) => {
                self.make_place(datagram.source.ip(), now)?;
                Content { source: Source::Image(file.image), len: file.len }
            }
            Resource::Document(kind) => {
                self.make_place(datagram.source.ip(), now)?;
                let document = document(datagram, kind, claims, view);
                let asked = self.documents.ask(document).ok_or(Discard::Overload)?;
                Content { source: Source::Asked(asked), len: 0 }
            }
        };
        let subject = Subject { digest, name: shown, mac };
        let granted = negotiate(&request.options, bounds);
        let path = self.new_path(datagram);
        self.take_in(Session::new(path, subject, content, granted, now), now);
        Ok(())
    }

    /// Makes sure that there is a place for one more transfer. If not, silence is the best answer:
    /// the client comes back in a second or four.
    fn make_place(&mut self, source: IpAddr, now: Instant) -> Result<(), Discard> {
        if self.sessions.is_full() && !self.make_room(source, now) {
            return Err(Discard::Overload);
        }
        Ok(())
    }

    /// Firmware tries many names; each that is missing has to be answered at once.
    fn not_found(
        &mut self,
        datagram: &Datagram<'_>,
        mac: Option<MacAddr>,
        name: EventName,
        now: Instant,
    ) -> Result<(), Discard> {
        self.refuse(datagram, ErrorCode::FILE_NOT_FOUND, "file not found")?;
        let kind = EventKind::NotFound { protocol: Protocol::Tftp, name };
        self.tell(mac, datagram.source.ip(), kind, now);
        Ok(())
    }

    fn deny(
        &mut self,
        datagram: &Datagram<'_>,
        name: EventName,
        code: ErrorCode,
        message: &'static str,
        now: Instant,
    ) -> Result<(), Discard> {
        self.refuse(datagram, code, message)?;
        let kind = EventKind::Refused { protocol: Protocol::Tftp, name };
        self.tell(None, datagram.source.ip(), kind, now);
        Ok(())
    }
}

/// What [`TftpServer::make_way`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The client's port has no transfer (any more).
    Free,
    /// It has, and what it missed will be sent again.
    Answered,
}

/// What it takes to render a document for whoever asks.
fn document(
    datagram: &Datagram<'_>,
    kind: DocumentKind,
    client: ClientIdentity,
    view: &View,
) -> Document {
    let address = match datagram.source.ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    };
    let server = match datagram.destination.ip() {
        IpAddr::V4(address) => address,
        // Documents lead to HTTP over IPv4.
        IpAddr::V6(_) => view
            .attached_network(datagram.interface)
            .map_or(Ipv4Addr::UNSPECIFIED, |(_, network)| network.server),
    };
    Document { kind, client, address, server }
}

/// The name as people know the file: without the prefix, which would fill all the room.
fn shown_name(name: &str) -> EventName {
    let name = NodePrefix::split(name).map_or(name, |(_, rest)| rest);
    EventName::sanitised(name.as_bytes())
}

/// As for copies of the same request: the network is slow by less than this.
const LATE_COPY: Duration = Duration::from_secs(1);
