//! A store of leases, as the server's thread for it does it: answers come late, and sometimes it
//! fails. And the server that loses all it knows, and takes it up from there.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use reveille_core::binding::{Binding, Ticket};
use reveille_core::dhcp4::{Dhcp4Config, Dhcp4Server};
use reveille_core::engine::{Engine, Packet, StoreAnswer};
use reveille_core::rng::Rng;
use reveille_core::time::Instant;
use reveille_core::view::View;

use super::options::Options;
use super::watch::Watched;

#[derive(Debug)]
pub(super) struct Store {
    written: BTreeMap<Ipv4Addr, Binding>,
    /// What is not written yet, and when it is.
    asked: VecDeque<(Instant, Ticket, Binding)>,
    sync_us: (u32, u32),
    /// What goes wrong, and when, in this order.
    faults: VecDeque<(Instant, Fault)>,
    fails: bool,
    /// What a server that takes up the leases is made of.
    config: Dhcp4Config,
    rng: Rng,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Fails,
    Recovers,
    ServerCrashes,
}

impl Store {
    pub(super) fn new(options: &Options, config: Dhcp4Config, rng: &mut Rng) -> Option<Self> {
        let sync_us = options.store_sync_us?;
        let mut rng = Rng::new(rng.next_u64());
        let faults_ms = u32::try_from(options.faults_for.as_millis()).expect("minutes");
        let mut times: Vec<_> =
            (0..3).map(|_| Duration::from_millis(u64::from(rng.below(faults_ms + 1)))).collect();
        times.sort_unstable();
        let kinds = [Fault::Fails, Fault::Recovers, Fault::ServerCrashes];
        let faults = times.into_iter().zip(kinds).map(|(at, fault)| (Instant::ZERO + at, fault));
        let faults = if faults_ms == 0 { VecDeque::new() } else { faults.collect() };
        let (written, asked) = (BTreeMap::new(), VecDeque::new());
        Some(Self { written, asked, sync_us, faults, fails: false, config, rng })
    }

    /// The server asks to keep something.
    pub(super) fn ask(&mut self, ticket: Ticket, binding: Binding, now: Instant) {
        assert!(!self.fails, "nothing is asked of a store that fails");
        let (min, max) = self.sync_us;
        let sync = Duration::from_micros(u64::from(min + self.rng.below(max - min + 1)));
        let last = self.asked.back().map_or(now, |(at, ..)| *at);
        self.asked.push_back((last.max(now + sync), ticket, binding));
    }

    /// What happens by now to the store and the server that it belongs to.
    pub(super) fn turn(&mut self, server: &mut Watched<Dhcp4Server>, now: Instant, view: &View) {
        self.write(now, server, view);
        let Some((_, fault)) = self.faults.pop_front_if(|(at, _)| *at <= now) else { return };
        match fault {
            Fault::Fails => {
                self.fails = true;
                self.asked.clear();
                tell(server, StoreAnswer::Failed, now, view);
            }
            Fault::Recovers => {
                self.fails = false;
                tell(server, StoreAnswer::Recovered, now, view);
            }
            Fault::ServerCrashes => {
                self.asked.clear();
                let seed = self.rng.next_u64();
                let mut restored = Dhcp4Server::new(Dhcp4Config { seed, ..self.config });
                for binding in self.written.values() {
                    restored.restore(binding, now).expect("as many as there were");
                }
                server.replace(restored);
            }
        }
    }

    /// When the next turn is due.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let sync = self.asked.front().map(|(at, ..)| *at);
        let fault = self.faults.front().map(|(at, _)| *at);
        sync.into_iter().chain(fault).min()
    }

    fn write(&mut self, now: Instant, server: &mut Watched<Dhcp4Server>, view: &View) {
        let mut last = None;
        while let Some((_, ticket, binding)) = self.asked.pop_front_if(|(at, ..)| *at <= now) {
            self.written.insert(binding.address, binding);
            last = Some(ticket);
        }
        if let Some(ticket) = last {
            tell(server, StoreAnswer::Stored(ticket), now, view);
        }
    }
}

fn tell(server: &mut Watched<Dhcp4Server>, answer: StoreAnswer, now: Instant, view: &View) {
    let told = server.handle_input(Packet::Store(answer), now, view);
    told.expect("a store is heard");
}
