//! The tables of the file, each with all its keys.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use ipnet::Ipv4Net;
use reveille_core::mac::MacAddr;
use reveille_core::rate::Rates;
use reveille_core::view::{
    AttachmentKey, DhcpMode, LEASE_INFINITE, LeaseTerms, Loader, MatchRule, OptionValue, Pool,
    Subnet,
};
use reveille_core::wire::pxe::{ArchType, Uuid};
use toml::de::{DeTable, DeValue};

use super::classes::class;
use super::options::{Definitions, address, octets};
use super::reader::{Fault, Item, Problems, Table};
use super::{Reading, duration, firmware, rate};
use crate::arch;
use crate::problem::{Place, Problem, choices};
use crate::site::{
    HttpConfig, ImagesConfig, LogConfig, LogFormat, ProgramOverride, ProgramsConfig, Script, Site,
    SiteMachine, SiteNetwork, SitePool, SiteProfile, StateConfig, TftpConfig,
};
use crate::templates::is_name;

/// Reads the whole file; `folder` is where relative paths start.
pub(super) fn read(entries: &DeTable<'_>, folder: &Path) -> Reading {
    let problems = Problems::default();
    let mut scripts = Vec::new();
    let top = Table::new(entries, Place::top(), "", &problems);
    let mut known = Definitions::standard();
    top.tables("option", "[[option]]").into_iter().for_each(|table| known.define(table));
    let networks = top.tables("network", "[[network]]");
    let networks = networks.into_iter().map(|table| network(table, &known)).collect();
    let classes = top.tables("class", "[[class]]");
    let classes = classes.into_iter().filter_map(|table| class(table, &known)).collect();
    let images = top.table("images", "[images]").map(|table| images(table, folder));
    let programs = top.table("programs", "[programs]").map(|table| programs(table, folder));
    let tables = top.tables("profile", "[[profile]]");
    let alone = tables.len() == 1;
    let profiles =
        tables.into_iter().map(|table| profile(table, folder, alone, &mut scripts)).collect();
    let machines = top.tables("machine", "[[machine]]");
    let machines = machines.into_iter().map(|table| machine(table, &known)).collect();
    let site = Site {
        networks,
        classes,
        options: options(&top, &known),
        images: images.unwrap_or_default(),
        programs: programs.unwrap_or_default(),
        profiles,
        machines,
        quirks: top.tables("quirk", "[[quirk]]").into_iter().filter_map(firmware::quirk).collect(),
        menu: top.table("menu", "[menu]").map(firmware::menu),
        tftp: top.table("tftp", "[tftp]").map(tftp).unwrap_or_default(),
        http: top.table("http", "[http]").map(http).unwrap_or_default(),
        shards: top.number("shards", 1, 1024),
        log: top.table("log", "[log]").map(log).unwrap_or_default(),
        state: top.table("state", "[state]").map(|table| state(table, folder)).unwrap_or_default(),
    };
    top.finish();
    Reading { site, problems: problems.into_inner(), scripts }
}

fn network(table: Table<'_>, known: &Definitions) -> SiteNetwork {
    let network = SiteNetwork {
        interface: table.text("interface").map(|text| text.text.to_owned()),
        subnet: table.read("subnet", prefix),
        server: table.read("server", address),
        dhcp: table.read("dhcp", |text| {
            one_of(
                text,
                "mode",
                &[
                    ("server", DhcpMode::Server),
                    ("proxy", DhcpMode::Proxy),
                    ("boot-server", DhcpMode::BootServer),
                    ("off", DhcpMode::Off),
                ],
            )
        }),
        shared: table.text("shared").map(|text| text.text.to_owned()),
        pools: pools(&table, known),
        exclude: table.read_all("exclude", pool),
        routers: table.read_all("router", address),
        dns: table.read_all("dns", address),
        ntp: table.read_all("ntp", address),
        domain: table.text("domain").map(|text| text.text.to_owned()),
        lease: lease_terms(&table),
        renewal_permille: table.read("renew_at", permille),
        rebinding_permille: table.read("rebind_at", permille),
        options: options(&table, known),
        relays: table.read_all("relays", relay),
        authoritative: table.flag("authoritative"),
        bootp: table.flag("bootp").unwrap_or(false),
        known_only: table.flag("known_only"),
        conflict_check: table.flag("conflict_check"),
        offers_per_port: table.number("offers_per_port", 1, u32::MAX),
        other_servers: table.read_all("other_servers", address),
        advertise: table.flag("router_advertisements"),
    };
    table.finish();
    network
}

/// Ranges alone, and tables with more to say about one.
fn pools(table: &Table<'_>, known: &Definitions) -> Vec<SitePool> {
    let items = table.items("pool", "pool").into_iter();
    items
        .filter_map(|item| match item {
            Item::Text(text) => table.read_text(&text, pool).map(SitePool::from),
            Item::Table(table) => {
                let said = table.text("range");
                if said.is_none() {
                    let what = "a pool needs a range of addresses";
                    let help = r#"{ range = "10.20.1.0 - 10.20.1.255", class = "phones" }"#;
                    table.blame(Problem::error(table.place.clone(), what).help(help));
                }
                let range = said.and_then(|text| table.read_text(&text, pool));
                let class = table.text("class").map(|text| text.text.to_owned());
                let (lease, options) = (lease_terms(&table), options(&table, known));
                table.finish();
                range.map(|range| SitePool { range, class, lease, options })
            }
        })
        .collect()
}

/// `options = { … }`.
pub(super) fn options(table: &Table<'_>, known: &Definitions) -> Vec<OptionValue> {
    table.table("options", "options").map(|table| known.read(&table)).unwrap_or_default()
}

/// `lease`, `lease_min` and `lease_max`.
pub(super) fn lease_terms(table: &Table<'_>) -> LeaseTerms {
    let read = |key| table.read(key, lease);
    LeaseTerms { lease: read("lease"), min: read("lease_min"), max: read("lease_max") }
}

fn lease(text: &str) -> Result<Duration, Fault> {
    if text.trim() == "infinite" {
        return Ok(LEASE_INFINITE);
    }
    duration::parse(text).map_err(|why| {
        let what = format!("`{text}` is no length of time: {why}");
        (what, Some("30m, 12h or 7d; \"infinite\" for no end".to_owned()))
    })
}

/// `50%` or `87.5%`, as thousandths.
fn permille(text: &str) -> Result<u16, Fault> {
    let digits = text.trim().strip_suffix('%').map(str::trim_end);
    let number = digits.and_then(|digits| {
        let (whole, tenth) = digits.split_once('.').unwrap_or((digits, "0"));
        let tenth: u16 = tenth.parse().ok().filter(|_| tenth.len() == 1)?;
        whole.parse::<u16>().ok()?.checked_mul(10)?.checked_add(tenth)
    });
    number.filter(|permille| (1..1000).contains(permille)).ok_or_else(|| {
        let what = format!("`{text}` is no part of a lease");
        (what, Some("50% or 87.5%".to_owned()))
    })
}

/// A relay agent, or a prefix of them.
pub(super) fn relay(text: &str) -> Result<Subnet, Fault> {
    if !text.contains('/') {
        return address(text).map(Subnet::from);
    }
    let net = prefix(text)?;
    Ok(Subnet { address: net.network(), prefix_len: net.prefix_len() })
}

fn images(table: Table<'_>, folder: &Path) -> ImagesConfig {
    let root = table.text("root").map(|text| {
        let root = folder.join(text.text);
        check_folder(&table, &text.place, &root);
        root
    });
    table.finish();
    ImagesConfig { root }
}

fn check_folder(table: &Table<'_>, place: &Place, path: &Path) {
    let what = match std::fs::metadata(path) {
        Ok(data) if data.is_dir() => return,
        Ok(_) => format!("{} is not a folder", path.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            format!("there is no folder {}", path.display())
        }
        Err(error) => format!("cannot read {}: {error}", path.display()),
    };
    table.blame(Problem::error(place.clone(), what));
}

fn programs(table: Table<'_>, folder: &Path) -> ProgramsConfig {
    let folders = table.texts("folders");
    let folders = folders.iter().map(|text| folder.join(text.text)).collect();
    let overrides = table.tables("override", "[[programs.override]]");
    let overrides = overrides.into_iter().filter_map(|table| program(table, folder)).collect();
    table.finish();
    ProgramsConfig { folders, overrides }
}

fn program(table: Table<'_>, folder: &Path) -> Option<ProgramOverride> {
    let loader = table.read("loader", loader).unwrap_or_default();
    let archs = table.read_all("arch", archs).concat();
    let path = table.text("path").map(|text| folder.join(text.text));
    if archs.is_empty() || path.is_none() {
        let help = r#"arch = "x86_64-uefi" and path = "/srv/ipxe/snponly.efi""#;
        let what = "an override names an architecture and a program";
        table.blame(Problem::error(table.place.clone(), what).help(help));
    }
    table.finish();
    Some(ProgramOverride { loader, archs, path: path? })
}

fn profile(
    table: Table<'_>,
    folder: &Path,
    alone: bool,
    scripts: &mut Vec<(Place, std::path::PathBuf, String)>,
) -> SiteProfile {
    let name = table.text("name").map(|text| text.text.to_owned());
    if name.is_none() && !alone {
        let help = r#"name = "compute": machines name their profile, and messages tell it"#;
        table.blame(Problem::error(table.place.clone(), "a profile needs a name").help(help));
    }
    let mut script = |key| {
        let text = table.lines(key)?;
        script(&table, text.text, &text.place, folder, scripts)
    };
    let (ipxe, pxelinux, grub) = (script("ipxe"), script("pxelinux"), script("grub"));
    let rule = table.table("match", "match").map(rule).unwrap_or_default();
    let profile = SiteProfile {
        name: name.unwrap_or_else(|| "default".to_owned()),
        rule,
        loader: table.read("loader", loader).unwrap_or_default(),
        kernel: table.text("kernel").map(|text| text.text.to_owned()),
        initrd: table.texts("initrd").iter().map(|text| text.text.to_owned()).collect(),
        cmdline: cmdline(&table),
        ipxe,
        pxelinux,
        grub,
        vars: table.table("vars", "vars").map(vars).unwrap_or_default(),
    };
    table.finish();
    profile
}

/// The command line; line ends in it are white space like any other.
fn cmdline(table: &Table<'_>) -> String {
    let Some(text) = table.lines("cmdline") else { return String::new() };
    if text.text.chars().any(|letter| letter.is_control() && !letter.is_whitespace()) {
        let what = "control characters cannot stand in a command line";
        table.blame(Problem::error(text.place, what));
        return String::new();
    }
    text.text.to_owned()
}

/// A script in the file itself, if it has several lines, or in a file of its own.
fn script(
    table: &Table<'_>,
    text: &str,
    place: &Place,
    folder: &Path,
    scripts: &mut Vec<(Place, std::path::PathBuf, String)>,
) -> Option<Script> {
    if text.contains('\n') {
        return Some(Script { text: text.to_owned(), path: None });
    }
    let path = folder.join(text);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            scripts.push((place.clone(), path.clone(), text.clone()));
            Some(Script { text, path: Some(path) })
        }
        Err(error) => {
            let what = format!("cannot read {}: {error}", path.display());
            let help = "this is the name of a file; a text of several lines is the script itself";
            table.blame(Problem::error(place.clone(), what).help(help));
            None
        }
    }
}

fn rule(table: Table<'_>) -> MatchRule {
    let boxed = |key| table.text(key).map(|text| text.text.into());
    let rule = MatchRule {
        archs: table.read_all("arch", archs).concat(),
        product: boxed("product"),
        manufacturer: boxed("manufacturer"),
        mac_prefix: table.read("mac", mac_prefix),
    };
    table.finish();
    rule
}

fn machine(table: Table<'_>, known: &Definitions) -> SiteMachine {
    let owned = |key| table.text(key).map(|text| text.text.to_owned());
    let machine = SiteMachine {
        macs: table.read_all("mac", |text| {
            text.parse::<MacAddr>()
                .map_err(|error| (format!("`{text}` is no MAC address"), Some(error.to_string())))
        }),
        uuid: table.read("uuid", |text| {
            text.parse::<Uuid>().map_err(|_| {
                let help = "32 hexadecimal digits: 4c4c4544-0039-5810-8032-b9c04f565433";
                (format!("`{text}` is no UUID"), Some(help.to_owned()))
            })
        }),
        serial: owned("serial"),
        client_id: table.read("client_id", octets),
        attachment: attachment(&table),
        hostname: owned("hostname"),
        addresses: table.read_all("address", address),
        profile: owned("profile"),
        vars: table.table("vars", "vars").map(vars).unwrap_or_default(),
        lease: lease_terms(&table),
        options: options(&table, known),
    };
    table.finish();
    machine
}

/// Where relay agents find a machine.
fn attachment(table: &Table<'_>) -> Option<AttachmentKey> {
    let read = |key| table.read(key, octets).map(Vec::into_boxed_slice);
    let key = AttachmentKey {
        circuit: read("circuit_id"),
        remote: read("remote_id"),
        relay: table.read("relay", address),
    };
    if key.circuit.is_none() && key.remote.is_none() && key.relay.is_some() {
        let what = "a relay agent alone does not tell machines apart";
        let help = "add the circuit_id or remote_id that it tells";
        table.blame(Problem::error(table.place.key("relay"), what).help(help));
    }
    (key != AttachmentKey::default()).then_some(key)
}

/// Variables: numbers and flags are texts to a template.
fn vars(table: Table<'_>) -> Vec<(String, String)> {
    let mut vars = Vec::new();
    for (name, value, place) in table.entries() {
        let text = match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                let what = "a variable is a text, a whole number, or true or false";
                table.blame(Problem::error(place, what));
                continue;
            }
        };
        if !is_name(name) {
            let what = format!("`{name}` cannot be the name of a variable");
            let help = "names of variables have letters, digits, _ and -";
            table.blame(Problem::error(place, what).help(help));
        } else if text.chars().any(char::is_control) {
            table.blame(Problem::error(place, "a variable has no control characters"));
        } else {
            vars.push((name.to_owned(), text));
        }
    }
    vars
}

fn tftp(table: Table<'_>) -> TftpConfig {
    let unsaid = TftpConfig::default();
    let config = TftpConfig {
        port: table.number("port", 1, u16::MAX).unwrap_or(unsaid.port),
        block_bytes_max: table
            .number("block_size_max", 8, 65_464)
            .unwrap_or(unsaid.block_bytes_max),
        window_blocks_max: table
            .number("window_size_max", 1, u16::MAX)
            .unwrap_or(unsaid.window_blocks_max),
        single_port: table.flag("single_port").unwrap_or(unsaid.single_port),
        rates: rates(&table),
    };
    table.finish();
    config
}

fn http(table: Table<'_>) -> HttpConfig {
    let port = table.number("port", 1, u16::MAX).unwrap_or(HttpConfig::default().port);
    let rates = rates(&table);
    table.finish();
    HttpConfig { port, rates }
}

fn rates(table: &Table<'_>) -> Rates {
    let read = |key| {
        table.read(key, |text| {
            rate::parse(text).map_err(|why| {
                let what = format!("`{text}` is no rate: {why}");
                (what, Some("10 Mbit/s, 2.5 Gbit/s or 300 MB/s".to_owned()))
            })
        })
    };
    Rates { total: read("rate"), client: read("rate_per_client") }
}

fn state(table: Table<'_>, folder: &Path) -> StateConfig {
    let unsaid = StateConfig::default();
    let config = StateConfig {
        dir: table.text("dir").map(|text| folder.join(text.text)),
        durable: table.flag("durable").unwrap_or(unsaid.durable),
    };
    table.finish();
    config
}

fn log(table: Table<'_>) -> LogConfig {
    let config = LogConfig {
        filter: table.read("level", |text| log_filter(text).map(|()| text.to_owned())),
        format: table
            .read("format", |text| {
                one_of(text, "format", &[("text", LogFormat::Text), ("json", LogFormat::Json)])
            })
            .unwrap_or_default(),
    };
    table.finish();
    config
}

/// A level, or levels of parts of the program: `info,reveille=debug`. A word that is no level
/// would be taken for a part, and silence all the others.
fn log_filter(text: &str) -> Result<(), Fault> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    for directive in text.split(',') {
        let level = directive.rsplit('=').next().unwrap_or(directive).trim();
        if !levels.contains(&level) {
            return Err((format!("there is no level `{level}`"), Some(choices(level, levels))));
        }
    }
    Ok(())
}

fn prefix(text: &str) -> Result<Ipv4Net, Fault> {
    text.trim().parse().map_err(|_| {
        let what = format!("`{text}` is no network");
        let help = match text.trim().parse::<Ipv4Addr>() {
            Ok(address) => format!("the length of its prefix is missing: {address}/24"),
            Err(_) => "an address and the length of its prefix: 10.20.0.0/16".to_owned(),
        };
        (what, Some(help))
    })
}

/// `10.0.0.1 - 10.0.0.9`, with or without blanks; a prefix; or one address.
fn pool(text: &str) -> Result<Pool, Fault> {
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (first.trim().parse().ok(), last.trim().parse().ok()),
        None => match text.trim().parse::<Ipv4Net>() {
            Ok(prefix) => (Some(prefix.network()), Some(prefix.broadcast())),
            Err(_) => {
                let alone = text.trim().parse().ok();
                (alone, alone)
            }
        },
    };
    match (first, last) {
        (Some(first), Some(last)) => Ok(Pool::new(first, last)),
        _ => {
            let what = format!("`{text}` is no range of addresses");
            Err((what, Some("10.20.1.0 - 10.20.1.255".to_owned())))
        }
    }
}

pub(super) fn archs(text: &str) -> Result<Vec<ArchType>, Fault> {
    arch::numbers(text).ok_or_else(|| {
        let help = choices(text, arch::names());
        (format!("there is no architecture `{text}`"), Some(help))
    })
}

fn loader(text: &str) -> Result<Loader, Fault> {
    one_of(
        text,
        "loader",
        &[("ipxe", Loader::Ipxe), ("pxelinux", Loader::Pxelinux), ("grub", Loader::Grub)],
    )
}

pub(super) fn one_of<T: Copy>(text: &str, kind: &str, known: &[(&str, T)]) -> Result<T, Fault> {
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names = known.iter().map(|(name, _)| *name);
    let help = choices(text, names);
    Err((format!("there is no {kind} `{text}`"), Some(help)))
}

/// From one to six octets.
pub(super) fn mac_prefix(text: &str) -> Result<Box<[u8]>, Fault> {
    let octets = text.split([':', '-']).map(|octet| match octet.len() {
        2 => u8::from_str_radix(octet, 16).ok(),
        _ => None,
    });
    let octets: Option<Vec<u8>> = octets.collect();
    octets.filter(|octets| octets.len() <= 6).map(Vec::into_boxed_slice).ok_or_else(|| {
        let what = format!("`{text}` is not the beginning of a MAC address");
        (what, Some("one to six octets in hexadecimal: 52:54:00".to_owned()))
    })
}
