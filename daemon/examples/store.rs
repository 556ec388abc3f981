//! How fast the store is on this disk: commits while a million leases are renewed at random, and
//! the time until all of them are in the engine's table again.
//!
//! `cargo run --release -p reveille --example store -- FOLDER [LEASES] [SECONDS] [GROUP]`

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use reveille::store::Store;
use reveille::store::disk::Disk;
use reveille::store::load;
use reveille::store::record::{Record, RecordState};
use reveille::store::wall::{Clocks, Wall};
use reveille_core::binding::ClientId;
use reveille_core::dhcp4::{ClientKey, Dhcp4Config, Dhcp4Server};
use reveille_core::mac::MacAddr;
use reveille_core::text::Text;
use reveille_core::view::{Subnet, View};

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let folder =
        PathBuf::from(words.next().expect("usage: store FOLDER [LEASES] [SECONDS] [GROUP]"));
    let mut number = |unsaid| words.next().map_or(Ok(unsaid), |word| word.parse());
    let (leases, seconds, group): (u32, u32, u32) = (number(1_000_000)?, number(20)?, number(200)?);
    let mut out = std::io::stdout();
    std::fs::create_dir_all(&folder)?;
    let mut disk = Disk::open(&folder)?;
    let mut times = Vec::new();
    for first in (0..leases).step_by(500) {
        let records: Vec<Record> = (first..leases.min(first + 500)).map(record).collect();
        times.push(commit(&mut disk, &records)?);
    }
    writeln!(out, "fill, groups of 500: {}", told(&mut times))?;
    let mut seed = 1_u64;
    let begin = Instant::now();
    times.clear();
    while begin.elapsed() < Duration::from_secs(u64::from(seconds)) {
        let mut records = Vec::new();
        for _ in 0..group {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            records.push(record((seed >> 33) as u32 % leases));
        }
        times.push(commit(&mut disk, &records)?);
    }
    let rate = times.len() as f64 * f64::from(group) / begin.elapsed().as_secs_f64();
    writeln!(out, "renewals, groups of {group}: {}, {rate:.0} records/s", told(&mut times))?;
    drop(disk);
    let begin = Instant::now();
    let disk = Disk::open(&folder)?;
    let opened = begin.elapsed();
    let clocks = Clocks::read();
    let mut dhcp =
        Dhcp4Server::new(Dhcp4Config { leases_max: leases, seed: 1, ..Dhcp4Config::default() });
    let loaded = load::load(&disk.reader(), &View::default(), clocks, |binding| {
        dhcp.restore(binding, clocks.monotonic)
    })?;
    writeln!(out, "{loaded}: opened after {opened:?}, loaded after {:?}", begin.elapsed())?;
    Ok(())
}

fn commit(disk: &mut Disk, records: &[Record]) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    disk.commit(records)?;
    Ok(begin.elapsed())
}

fn told(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    format!(
        "{} commits, p50 {:?}, p99 {:?}, p99.9 {:?}, slowest {:?}",
        times.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    )
}

fn record(number: u32) -> Record {
    let [a, b, c, d] = number.to_be_bytes();
    let now = Wall::now();
    Record {
        address: Ipv4Addr::from_bits(0x0a00_0000 + number),
        subnet: Subnet { address: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 8 },
        client: Some(ClientKey::Mac(MacAddr([2, 0, a, b, c, d]))),
        client_id: ClientId::cut(&[1, 2, 0, a, b, c, d]),
        hostname: Text::sanitised(format!("n{number:07}").as_bytes()),
        state: RecordState::Bound { since: now, until: now.plus(Duration::from_secs(3600)) },
    }
}
