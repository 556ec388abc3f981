//! An engine with its counters: what the loop does to all engines alike.

use std::sync::Arc;

use reveille_core::engine::{Engine, Origin, Output, SendError, Transmit};
use reveille_core::time::Instant;
use reveille_core::view::View;

use crate::buffers::pinned::PinnedImages;
use crate::control::Shared;
use crate::counters::LiveEngineCounters;
use crate::datagrams::{Datagrams, Sent};
use crate::events::EventSender;
use crate::persist::PersistLink;
use crate::ring::Ring;
use crate::shards::EngineKind;

/// An engine and what is counted of it.
#[derive(Debug)]
pub(crate) struct Driven<E> {
    pub(crate) engine: E,
    kind: EngineKind,
    shared: Arc<Shared>,
}

impl<E: Engine> Driven<E> {
    pub(crate) fn new(engine: E, kind: EngineKind, shared: &Arc<Shared>) -> Self {
        Self { engine, kind, shared: Arc::clone(shared) }
    }

    /// Gives the engine an input that carries no payload.
    pub(crate) fn handle(&mut self, input: E::Input<'_>, now: Instant, view: &View) {
        if let Err(discard) = self.engine.handle_input(input, now, view) {
            self.counters().discards[discard.index()].add(1);
        }
    }

    /// Gives the engine an input with `bytes` bytes of payload.
    pub(crate) fn handle_packet(
        &mut self,
        input: E::Input<'_>,
        bytes: usize,
        now: Instant,
        view: &View,
    ) {
        self.counters().packets_in.add(1);
        self.counters().bytes_in.add(bytes as u64);
        self.handle(input, now, view);
    }

    /// Takes note of how a send ended.
    pub(crate) fn handle_sent(&mut self, sent: Sent, now: Instant) {
        match sent.result {
            Ok(bytes) => self.count_sent(sent.packets, bytes),
            Err(error) => self.handle_send_error(sent.origin, error, now),
        }
    }

    /// Counts a send that succeeded.
    pub(crate) fn count_sent(&self, packets: u16, bytes: u32) {
        self.counters().packets_out.add(u64::from(packets));
        self.counters().bytes_out.add(u64::from(bytes));
    }

    /// Tells the engine that a send failed.
    pub(crate) fn handle_send_error(&mut self, origin: Origin, error: SendError, now: Instant) {
        let counters = self.counters();
        match error {
            SendError::ImageUnreadable => counters.images_unreadable.add(1),
            SendError::TooLarge => counters.sends_too_large.add(1),
            SendError::Refused => counters.sends_refused.add(1),
        }
        self.engine.handle_send_error(origin, error, now);
    }

    /// Lets the engine's deadlines expire.
    pub(crate) fn expire(&mut self, now: Instant) {
        if self.engine.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.engine.handle_timeout(now);
        }
    }

    /// Lets an engine that speaks in packets send a budget of them, and persist. Whether that was
    /// all, or all until a completion frees a slot or the store has room.
    pub(crate) fn produce_packets(
        &mut self,
        ring: &mut Ring,
        datagrams: &mut Datagrams,
        images: &mut PinnedImages,
        persist: &mut Option<PersistLink>,
        now: Instant,
        view: &View,
    ) -> bool {
        let mut budget = Budget::new();
        while budget.is_left() {
            if persist.as_ref().is_some_and(|persist| !persist.has_room()) {
                return true;
            }
            let Some(slot) = datagrams.next_free(self.kind) else { return true };
            let transmit = match self.engine.poll_output(datagrams.head_mut(), now, view) {
                None => return true,
                Some(Output::Transmit(transmit)) => transmit,
                Some(Output::Persist { ticket, binding }) => {
                    let Some(persist) = persist else {
                        panic!("an engine that persists has a store")
                    };
                    persist.push(ticket, binding);
                    budget.spend_output();
                    continue;
                }
                Some(Output::Close(_)) => panic!("an engine that speaks in packets has no streams"),
            };
            budget.spend(&transmit);
            if let Err(error) = datagrams.send(ring, images, self.kind, slot, &transmit) {
                self.handle_send_error(transmit.origin, error, now);
            }
        }
        false
    }

    /// Hands over the engine's events and gauges.
    pub(crate) fn report(&mut self, events: &mut EventSender) {
        // Ends: an engine holds a fixed number of events and makes none when asked for them.
        while let Some(event) = self.engine.poll_event() {
            events.push(event);
        }
        self.counters().sessions.set(self.engine.sessions() as u64);
        self.counters().events_lost.set(self.engine.events_lost());
    }

    fn counters(&self) -> &LiveEngineCounters {
        self.shared.counters.engine(self.kind)
    }
}

/// What one engine may send in one turn, so that the others get theirs soon.
#[derive(Debug)]
pub(crate) struct Budget {
    outputs: u32,
    bytes: u32,
}

impl Budget {
    pub(crate) const fn new() -> Self {
        Self { outputs: OUTPUTS_PER_TURN, bytes: BYTES_PER_TURN }
    }

    pub(crate) const fn is_left(&self) -> bool {
        self.outputs > 0 && self.bytes > 0
    }

    pub(crate) const fn spend_output(&mut self) {
        self.outputs = self.outputs.saturating_sub(1);
    }

    pub(crate) fn spend(&mut self, transmit: &Transmit) {
        let body = transmit.body.map_or(0, |span| span.len);
        self.spend_output();
        self.bytes = self.bytes.saturating_sub(u32::from(transmit.head_len) + body);
    }
}

/// Sends of one engine in one turn.
const OUTPUTS_PER_TURN: u32 = 512;

/// Bytes of one engine in one turn: about a millisecond of copying in the kernel.
const BYTES_PER_TURN: u32 = 4 * 1024 * 1024;
