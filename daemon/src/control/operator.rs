//! What the operator's other commands ask of the loop, and what it watches for the operator.

use std::path::Path;
use std::sync::Arc;

use reveille_core::time::Instant;
use reveille_core::view::View;
use reveille_runtime::Server;
use tokio::sync::mpsc;
use tracing::warn;

use super::message::Answer;
use super::socket::{Asked, ControlSocket, Question, Reply};
use crate::serve::Shown;
use crate::status::{self, Status, StoreStatus};
use crate::store::wall::{Clocks, Wall};
use crate::units::Span;

/// The loop's side of the control socket.
#[derive(Debug)]
pub(super) struct Operator {
    /// Nothing where there is no state directory.
    socket: Option<(ControlSocket, mpsc::Receiver<Question>)>,
    store: Option<Shown>,
    view: Arc<View>,
    since: Wall,
}

impl Operator {
    /// Opens the socket in the state directory, if there is one. Without it the server serves all
    /// the same.
    pub(super) fn new(state: Option<&Path>, store: Option<Shown>, view: Arc<View>) -> Self {
        let socket = state.and_then(|directory| {
            let reader = store.as_ref().map(|store| store.reader.clone());
            ControlSocket::open(directory, reader)
                .inspect_err(|error| {
                    warn!(
                        help = "`reveille status` and `reveille leases` cannot ask this server",
                        "there is no control socket in {}: {error}",
                        directory.display()
                    );
                })
                .ok()
        });
        Self { socket, store, view, since: Wall::now() }
    }

    /// The next question; never, where there is no socket.
    pub(super) async fn next(&mut self) -> Question {
        if let Some((_, questions)) = &mut self.socket
            && let Some(question) = questions.recv().await
        {
            return question;
        }
        std::future::pending().await
    }

    /// Answers it.
    pub(super) fn answer(&self, (asked, reply): Question, server: &Server) {
        let said = match asked {
            Asked::Status => Reply::Status(Box::new(self.status(server)), Arc::clone(&self.view)),
            Asked::Release(address) => {
                server.order_release(address);
                let note = format!("{address} is taken from whoever has it");
                Reply::Answer(Answer::Done { note })
            }
        };
        // Whoever asked may have gone.
        let _gone = reply.send(said);
    }

    fn status(&self, server: &Server) -> Status {
        let now = Clocks::read().monotonic;
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            since: self.since.as_seconds(),
            shards: server.counters().shards.len(),
            store: self.store.as_ref().map(|s| StoreStatus::of(&s.health.snapshot(now))),
            networks: status::networks(&self.view),
        }
    }

    /// The policy has changed.
    pub(super) fn set_view(&mut self, view: Arc<View>) {
        self.view = view;
    }

    /// Tells of a sync that takes too long, once.
    pub(super) fn watch(&self, now: Instant) {
        let Some(waited) = self.store.as_ref().and_then(|store| store.health.slow(now)) else {
            return;
        };
        warn!(
            help = "new leases wait for it; the disk is overloaded or failing: see dmesg",
            "the disk has not written leases for {}",
            Span(waited)
        );
    }
}
