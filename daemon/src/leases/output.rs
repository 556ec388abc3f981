//! Leases as people, spreadsheets and programs read them; written as they come.

use std::io::{self, Write};
use std::time::Duration;

use super::{Listed, State, csv};
use crate::args::ListFormat;
use crate::store::wall::Wall;
use crate::units::{Count, Span};

pub(super) struct Writer<W> {
    format: ListFormat,
    out: W,
    count: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(format: ListFormat, out: W) -> Self {
        Self { format, out, count: 0 }
    }

    /// Writes `leases` behind those before.
    pub(super) fn write(&mut self, leases: &[Listed], now: Wall) -> io::Result<()> {
        for lease in leases {
            if self.count == 0 {
                self.begin()?;
            }
            match self.format {
                ListFormat::Table => table(&mut self.out, lease, now)?,
                ListFormat::Csv => writeln!(self.out, "{}", csv::line(lease))?,
                ListFormat::Json => {
                    let separator = if self.count == 0 { "" } else { ",\n" };
                    let text = serde_json::to_string(lease).map_err(io::Error::other)?;
                    write!(self.out, "{separator}{text}")?;
                }
            }
            self.count += 1;
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        match self.format {
            ListFormat::Table => {
                row(&mut self.out, ["ADDRESS", "CLIENT", "NAME", "STATE", "EXPIRES IN"])
            }
            ListFormat::Csv => writeln!(self.out, "{}", csv::HEAD),
            ListFormat::Json => writeln!(self.out, "["),
        }
    }

    /// Writes what belongs to the end.
    pub(super) fn finish(mut self) -> io::Result<()> {
        match (self.format, self.count) {
            (ListFormat::Table, 0) => writeln!(self.out, "no leases")?,
            (ListFormat::Table, count) => writeln!(self.out, "{}", Count(count, "lease"))?,
            (ListFormat::Json, 0) => writeln!(self.out, "[]")?,
            (ListFormat::Json, _) => writeln!(self.out, "\n]")?,
            (ListFormat::Csv, 0) => self.begin()?,
            (ListFormat::Csv, _) => {}
        }
        self.out.flush()
    }
}

fn table(out: &mut impl Write, lease: &Listed, now: Wall) -> io::Result<()> {
    let address = lease.address.map(|address| address.to_string()).unwrap_or_default();
    let client = if lease.mac.is_empty() { &lease.client_id } else { &lease.mac };
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let expires = match (lease.state, lease.until) {
        (State::Bound | State::Declined, Some(until)) => {
            Span(Duration::from_secs(until.saturating_sub(now.as_seconds()))).to_string()
        }
        (State::Bound | State::Declined, None) => "never".to_owned(),
        (State::Expired | State::Released | State::Damaged, _) => "-".to_owned(),
    };
    let (client, name) = (or_dash(client), or_dash(&lease.hostname));
    row(out, [&address, &client, &name, lease.state.label(), &expires])
}

fn row(out: &mut impl Write, [address, client, name, state, expires]: [&str; 5]) -> io::Result<()> {
    writeln!(out, "{address:15}  {client:17}  {name:24}  {state:8}  {expires}")
}
