//! What a run is: which machines, when they start, and what is done to them.

mod ramp;

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::args::Words;
use crate::client::Identity;
use crate::model::{MODELS, Model, PROFILES};
use crate::random::Random;
pub use ramp::Ramp;

/// What a run is. With the same seed it is the same plan: the same machines of the same kinds that
/// start at the same times, and meet the same share of losses.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// How many machines there are.
    pub clients: u32,
    /// What kinds of machines, and in which proportions.
    pub mix: Mix,
    /// When they are switched on.
    pub ramp: Ramp,
    /// The share of frames and datagrams that get lost, on the way out and on the way in.
    pub loss: f64,
    /// What all that is random comes from.
    pub seed: u64,
    /// When to stop whatever is not done.
    pub limit: Duration,
    /// The interface that the machines are connected to.
    pub interface: String,
    /// The only DHCP server whose answers count, if it matters.
    pub server: Option<Ipv4Addr>,
    /// Processes of the server whose use of the machine is recorded.
    pub pids: Vec<u32>,
}

/// Kinds of machines and their shares.
#[derive(Clone, Debug)]
pub struct Mix {
    shares: Vec<(&'static Model, u32)>,
}

impl Mix {
    /// The mix of a profile's name, or of a kind's, or of a list such as `edk2-pxe:9,ipxe:1`.
    ///
    /// # Errors
    /// If there is no such thing.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(profile) = PROFILES.iter().find(|profile| profile.name == text) {
            return Ok(Self { shares: profile.shares.to_vec() });
        }
        let shares = text.split(',').map(|part| {
            let (name, share) = part.split_once(':').unwrap_or((part, "1"));
            let model = Model::by_name(name).ok_or_else(|| {
                let models = MODELS.iter().map(|model| model.name);
                let known: Vec<_> =
                    PROFILES.iter().map(|profile| profile.name).chain(models).collect();
                format!("{name:?} is unknown: there are {}", known.join(", "))
            })?;
            let share = share
                .parse()
                .map_err(|_| format!("{share:?} is no share: write {name}:3 for three parts"))?;
            Ok((model, share))
        });
        let shares: Vec<(&'static Model, u32)> = shares.collect::<Result<_, String>>()?;
        if shares.iter().all(|(_, share)| *share == 0) {
            return Err("no kind of machine has a share".to_owned());
        }
        Ok(Self { shares })
    }

    /// The kinds in the mix.
    pub fn models(&self) -> impl Iterator<Item = &'static Model> {
        self.shares.iter().map(|(model, _)| *model)
    }

    /// The kind of each of `count` machines as an index into [`Mix::models`]: exactly the
    /// shares, in an order that comes from `seed`.
    #[must_use]
    pub fn deal(&self, count: u32, seed: u64) -> Vec<u8> {
        let total: u64 = self.shares.iter().map(|(_, share)| u64::from(*share)).sum();
        let mut before = 0;
        let mut dealt = Vec::with_capacity(count as usize);
        for (index, (_, share)) in self.shares.iter().enumerate() {
            before += u64::from(*share);
            let end = u64::from(count) * before / total;
            dealt.resize(end as usize, index as u8);
        }
        let mut random = Random::new(seed ^ DEAL);
        for at in (1..dealt.len()).rev() {
            dealt.swap(at, random.below(at as u64 + 1) as usize);
        }
        dealt
    }
}

impl Scenario {
    /// Who machine `number` is.
    #[must_use]
    pub fn identity(&self, number: u32) -> Identity {
        let [a, b, c, d] = number.to_be_bytes();
        // Locally administered, and different for each seed.
        let mac = [0x02, self.seed_byte(), a, b, c, d];
        let mut random = Random::new(self.seed ^ IDENTITY ^ u64::from(number) << 16);
        let mut uuid = [0; 16];
        uuid[..8].copy_from_slice(&random.next().to_be_bytes());
        uuid[8..].copy_from_slice(&random.next().to_be_bytes());
        // RFC 9562 §5.4; option 97 carries it in SMBIOS's order, in which the version is byte 7.
        uuid[7] = uuid[7] & 0x0f | 0x40;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        Identity { number, mac, uuid }
    }

    /// The machine with this MAC address.
    #[must_use]
    pub fn number(&self, mac: [u8; 6]) -> Option<u32> {
        let [first, second, number @ ..] = mac;
        let number = u32::from_be_bytes(number);
        let ours = first == 0x02 && second == self.seed_byte() && number < self.clients;
        ours.then_some(number)
    }

    /// What machine `number` draws its own fate from.
    #[must_use]
    pub fn machine_seed(&self, number: u32) -> u64 {
        Random::new(self.seed ^ FATE ^ u64::from(number) << 20).next()
    }

    /// Looks for contradictions.
    ///
    /// # Errors
    /// What is wrong, and how to mend it.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.clients == 0 || self.clients > CLIENTS_MAX {
            bail!("{} machines: choose 1 to {CLIENTS_MAX}", self.clients);
        }
        let last = self.ramp.start(self.clients - 1, self.clients);
        if last >= self.limit {
            bail!(
                "the last machine starts after {}, but the run ends after {}: choose a \
                 higher --limit or a shorter --ramp",
                Words(last),
                Words(self.limit)
            );
        }
        for pid in &self.pids {
            std::fs::metadata(format!("/proc/{pid}"))
                .with_context(|| format!("--pid {pid}: there is no such process"))?;
        }
        Ok(())
    }

    fn seed_byte(&self) -> u8 {
        Random::new(self.seed ^ IDENTITY).next() as u8
    }
}

/// More machines than this would need more file descriptors than a process may have.
const CLIENTS_MAX: u32 = 1_000_000;

/// What keeps the streams of random numbers apart.
const DEAL: u64 = 0x6465_616c;
const IDENTITY: u64 = 0x6964_656e;
const FATE: u64 = 0x6661_7465;

#[cfg(test)]
mod tests;
