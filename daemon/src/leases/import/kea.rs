//! Kea's memfile: CSV with a head that names the columns, written by appending, so that later
//! lines replace earlier ones.

use reveille_core::mac::MacAddr;

use super::{Foreign, ForeignState, Reading, hex};
use crate::store::wall::Wall;

/// An infinite lease (RFC 2131 §3.3).
const INFINITE: u64 = 0xffff_ffff;

pub(super) fn read(text: &str) -> Reading {
    let mut reading = Reading::default();
    let mut lines = text.lines().enumerate();
    let Some((_, head)) = lines.next() else { return reading };
    let names: Vec<&str> = head.split(',').map(str::trim).collect();
    let required = ["address", "hwaddr", "valid_lifetime", "expire"];
    if let Some(missing) = required.into_iter().find(|name| !names.contains(name)) {
        reading.skip(1, format!("the head of the file names no column `{missing}`"));
        return reading;
    }
    for (at, line) in lines {
        if line.trim().is_empty() {
            continue;
        }
        let values: Vec<&str> = line.split(',').collect();
        let row = Row { names: &names, values: &values };
        match lease(at + 1, &row) {
            Ok(Some(lease)) => reading.take(lease),
            Ok(None) => {
                if let Ok(address) = row.field("address").parse() {
                    reading.forget(address);
                }
            }
            Err(why) => reading.skip(at + 1, why),
        }
    }
    reading
}

struct Row<'r> {
    names: &'r [&'r str],
    values: &'r [&'r str],
}

impl<'r> Row<'r> {
    /// The value of a column; empty if the line is too short or the file has none.
    fn field(&self, name: &str) -> &'r str {
        let at = self.names.iter().position(|known| *known == name);
        at.and_then(|at| self.values.get(at)).map_or("", |value| value.trim())
    }

    fn number(&self, name: &str) -> Result<u64, String> {
        let text = self.field(name);
        text.parse().map_err(|_| format!("`{text}` is no `{name}`"))
    }
}

/// The lease of a line; nothing if the line deletes one.
fn lease(line: usize, row: &Row<'_>) -> Result<Option<Foreign>, String> {
    let address = row.field("address");
    let address = address.parse().map_err(|_| format!("`{address}` is no IPv4 address"))?;
    let (lifetime, expire) = (row.number("valid_lifetime")?, row.number("expire")?);
    if lifetime == 0 {
        return Ok(None);
    }
    let until = if lifetime == INFINITE { Wall::NEVER } else { Wall::from_seconds(expire) };
    let since = expire.checked_sub(lifetime).map(Wall::from_seconds);
    let state = match row.field("state") {
        // Files of old versions have no such column.
        "" | "0" => ForeignState::Bound { since, until },
        "1" => ForeignState::Declined { until },
        // Expired and reclaimed, released.
        "2" | "3" => ForeignState::Former { at: until },
        other => return Err(format!("the state `{other}` is not known")),
    };
    let bytes = |name: &str| match row.field(name) {
        "" => Ok(Vec::new()),
        text => hex(text).ok_or_else(|| format!("`{text}` is no `{name}`")),
    };
    let mac = <[u8; 6]>::try_from(bytes("hwaddr")?).ok().map(MacAddr);
    let hostname = row.field("hostname").replace("&#x2c", ",");
    let client_id = bytes("client_id")?;
    let hostname = hostname.trim_end_matches('.').to_owned();
    Ok(Some(Foreign { line, address, mac, client_id, hostname, state }))
}
