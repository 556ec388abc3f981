//! The leases that an answer depends on: those of the server that runs, or of its store.

use std::net::Ipv4Addr;
use std::path::Path;

use ipnet::Ipv4Net;
use reveille_core::binding::{Binding, BindingState, ClientId};
use reveille_core::dhcp4::{ClientKey, Dhcp4Server};
use reveille_core::mac::MacAddr;
use reveille_core::text::Text;
use reveille_core::time::Instant;
use reveille_core::view::{Network, Subnet};

use crate::leases::filter::Filter;
use crate::leases::{Listed, Source, State};
use crate::site::Site;
use crate::store::wall::{Clocks, Wall};
use crate::units::Count;

/// Whoever knows the leases, asked for each network once.
#[derive(Debug)]
pub(super) struct Known {
    source: Result<Source, String>,
    asked: Vec<Subnet>,
    count: u64,
}

impl Known {
    /// Asks nobody yet. May take the rights of the store's owner.
    pub(super) fn open(site: &Site, directory: &Path) -> Self {
        let source = if site.state.durable {
            Source::open(directory).map_err(|error| error.to_string())
        } else {
            Err("they live in the memory of the server alone".to_owned())
        };
        Self { source, asked: Vec::new(), count: 0 }
    }

    /// Nobody knows them, and why.
    #[cfg(test)]
    pub(super) fn nothing(why: &str) -> Self {
        Self { source: Err(why.to_owned()), asked: Vec::new(), count: 0 }
    }

    /// Gives the leases of `network` to the engine.
    pub(super) fn load(&mut self, network: &Network, server: &mut Dhcp4Server, clocks: Clocks) {
        if self.asked.contains(&network.subnet) {
            return;
        }
        self.asked.push(network.subnet);
        if let Err(error) = self.try_load(network.subnet, server, clocks) {
            self.source = Err(error.to_string());
        }
    }

    fn try_load(
        &mut self,
        subnet: Subnet,
        server: &mut Dhcp4Server,
        clocks: Clocks,
    ) -> anyhow::Result<()> {
        let Ok(source) = &mut self.source else { return Ok(()) };
        let prefix = Ipv4Net::new(subnet.address, subnet.prefix_len)?;
        let filter = Filter { subnet: Some(prefix), ..Filter::default() };
        let mut next = Some(Ipv4Addr::UNSPECIFIED);
        // Ends: every page begins behind the one before.
        while let Some(from) = next {
            let page = source.page(from, &filter)?;
            next = page.next;
            for listed in &page.leases {
                let Some(binding) = binding(listed, subnet, server, clocks) else { continue };
                // What it has no room for is left out here as in the server itself.
                self.count += u64::from(server.restore(&binding, clocks.monotonic).is_ok());
            }
        }
        Ok(())
    }

    /// What an answer rests on.
    pub(super) fn told(&self) -> String {
        match (&self.source, self.asked.is_empty()) {
            (_, true) => String::new(),
            (Ok(Source::Server(_)), _) => {
                format!("{} known to the server that runs", Count(self.count, "address"))
            }
            (Ok(Source::Store { .. }), _) => {
                format!("{} in the store of the server, which does not run", self.count)
            }
            (Err(why), _) => format!("unknown, all addresses are taken for free: {why}"),
        }
    }
}

/// A lease in the form that the engine takes.
fn binding(
    listed: &Listed,
    subnet: Subnet,
    server: &Dhcp4Server,
    clocks: Clocks,
) -> Option<Binding> {
    let until = |time: Option<u64>| clocks.instant(time.map_or(Wall::NEVER, Wall::from_seconds));
    let at = clocks.instant(Wall::from_seconds(listed.until.unwrap_or(0)));
    let state = match listed.state {
        State::Bound => BindingState::Bound { since: clocks.monotonic, until: until(listed.until) },
        State::Expired | State::Released => BindingState::Released { at },
        State::Declined => BindingState::Declined { until: until(listed.until) },
        State::Damaged => BindingState::Declined { until: Instant::MAX },
    };
    let id: Vec<u8> =
        listed.client_id.split(':').filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
    let client = match listed.mac.parse::<MacAddr>() {
        Ok(mac) => Some(ClientKey::Mac(mac)),
        Err(_) if !id.is_empty() => Some(server.key_of(&id)),
        // It is somebody's whom the list does not name.
        Err(_) if listed.state == State::Bound => Some(server.key_of(&listed.address?.octets())),
        Err(_) => None,
    };
    let hostname = Text::sanitised(listed.hostname.as_bytes());
    let client_id = ClientId::cut(&id);
    Some(Binding { address: listed.address?, subnet, client, client_id, hostname, state })
}
