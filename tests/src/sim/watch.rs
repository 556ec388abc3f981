//! An engine whose calls can be told from what happens around them.

use reveille_core::engine::{Discard, Engine, Origin, Output, SendError};
use reveille_core::event::Event;
use reveille_core::image::ImageId;
use reveille_core::time::Instant;
use reveille_core::view::View;

/// An engine, and whom to tell when a call of it begins (`true`) and ends (`false`).
#[derive(Debug)]
pub(super) struct Watched<E> {
    engine: E,
    inside: fn(bool),
}

impl<E> Watched<E> {
    pub(super) const fn new(engine: E, inside: fn(bool)) -> Self {
        Self { engine, inside }
    }

    /// Another engine takes the place of this one, which is gone.
    pub(super) fn replace(&mut self, engine: E) {
        self.engine = engine;
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut E) -> T) -> T {
        (self.inside)(true);
        let result = call(&mut self.engine);
        (self.inside)(false);
        result
    }
}

impl<E: Engine> Engine for Watched<E> {
    type Input<'i> = E::Input<'i>;

    fn handle_input(
        &mut self,
        input: Self::Input<'_>,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard> {
        self.call(|engine| engine.handle_input(input, now, view))
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.call(|engine| engine.handle_timeout(now));
    }

    fn poll_output(&mut self, head: &mut [u8], now: Instant, view: &View) -> Option<Output> {
        self.call(|engine| engine.poll_output(head, now, view))
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.call(E::poll_event)
    }

    fn events_lost(&self) -> u64 {
        self.engine.events_lost()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.engine.poll_timeout()
    }

    fn handle_send_error(&mut self, origin: Origin, error: SendError, now: Instant) {
        self.call(|engine| engine.handle_send_error(origin, error, now));
    }

    fn uses_image(&self, image: ImageId) -> bool {
        self.engine.uses_image(image)
    }

    fn drain(&mut self) {
        self.call(E::drain);
    }

    fn sessions(&self) -> usize {
        self.engine.sessions()
    }
}
