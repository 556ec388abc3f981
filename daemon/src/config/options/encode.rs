//! Values as the configuration writes them, to values on the wire.

use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;
use toml::de::DeValue;

use super::super::reader::Fault;
use super::table::Kind;

/// Longest value of an option: it is never split, because iPXE, shim and GRUB join nothing.
const BYTES_MAX: usize = 255;

/// The bytes of `value` for an option of this kind.
pub(super) fn encode(kind: Kind, value: &DeValue<'_>) -> Result<Vec<u8>, Fault> {
    let bytes = match kind {
        Kind::Flag => flag(value)?,
        Kind::Bool => vec![u8::from(boolean(value)?)],
        Kind::U8 => number::<u8>(value)?.to_be_bytes().to_vec(),
        Kind::U16 => number::<u16>(value)?.to_be_bytes().to_vec(),
        Kind::U32 => number::<u32>(value)?.to_be_bytes().to_vec(),
        Kind::I32 => number::<i32>(value)?.to_be_bytes().to_vec(),
        Kind::U16s => concat(value, |value| Ok(number::<u16>(value)?.to_be_bytes().to_vec()))?,
        Kind::Ip => address(text(value)?)?.octets().to_vec(),
        Kind::Ips => concat(value, |value| Ok(address(text(value)?)?.octets().to_vec()))?,
        Kind::IpPairs => concat(value, ip_pair)?,
        Kind::Text => plain_text(value)?,
        Kind::Domain => names(&[text(value)?], false)?,
        Kind::Domains => names(&texts(value)?, false)?,
        Kind::DomainSearch => names(&texts(value)?, true)?,
        Kind::Sip => sip(&texts(value)?)?,
        Kind::Routes => concat(value, route)?,
        Kind::Enterprises => enterprises(value)?,
        Kind::Suboptions => suboptions(value)?,
        Kind::Hex => raw(value)?,
    };
    if bytes.len() > BYTES_MAX {
        let what = format!("this takes {} bytes on the wire", bytes.len());
        return Err((what, Some(format!("an option holds {BYTES_MAX} at most"))));
    }
    if bytes.is_empty() && kind != Kind::Flag {
        let help = "leave the option out where there is nothing to say";
        return Err(("an option without a value is illegal".to_owned(), Some(help.to_owned())));
    }
    Ok(bytes)
}

fn wrong(wanted: &str, example: &str) -> Fault {
    (format!("{wanted} belongs here"), Some(example.to_owned()))
}

fn flag(value: &DeValue<'_>) -> Result<Vec<u8>, Fault> {
    match value.as_bool() {
        Some(true) => Ok(Vec::new()),
        Some(false) | None => Err(wrong("true", "an option without a value is there or not")),
    }
}

fn boolean(value: &DeValue<'_>) -> Result<bool, Fault> {
    value.as_bool().ok_or_else(|| wrong("true or false", "true"))
}

fn number<N: FromStr>(value: &DeValue<'_>) -> Result<N, Fault> {
    let number = value.as_integer().and_then(|number| {
        let number = i128::from_str_radix(number.as_str(), number.radix()).ok()?;
        number.to_string().parse().ok()
    });
    number.ok_or_else(|| {
        let name = std::any::type_name::<N>();
        wrong("a whole number", &format!("of the type {name}, without quotes"))
    })
}

fn text<'v>(value: &'v DeValue<'_>) -> Result<&'v str, Fault> {
    value.as_str().ok_or_else(|| wrong("a text in quotes", "\"10.20.0.1\" or the like"))
}

fn texts<'v>(value: &'v DeValue<'_>) -> Result<Vec<&'v str>, Fault> {
    match value.as_array() {
        Some(list) => list.iter().map(|value| text(value.get_ref())).collect(),
        None => Ok(vec![text(value)?]),
    }
}

fn plain_text(value: &DeValue<'_>) -> Result<Vec<u8>, Fault> {
    let text = text(value)?;
    if text.chars().any(char::is_control) {
        return Err(("control characters cannot stand here".to_owned(), None));
    }
    Ok(text.as_bytes().to_vec())
}

/// One value, or the values of a list, one behind the other.
fn concat(
    value: &DeValue<'_>,
    encode: impl Fn(&DeValue<'_>) -> Result<Vec<u8>, Fault>,
) -> Result<Vec<u8>, Fault> {
    match value.as_array() {
        Some(list) => {
            let parts: Result<Vec<Vec<u8>>, Fault> =
                list.iter().map(|value| encode(value.get_ref())).collect();
            Ok(parts?.concat())
        }
        None => encode(value),
    }
}

pub(in super::super) fn address(text: &str) -> Result<Ipv4Addr, Fault> {
    text.trim().parse().map_err(|_| {
        let what = format!("`{text}` is no IPv4 address");
        (what, Some("four numbers from 0 to 255: 10.20.0.1".to_owned()))
    })
}

/// `10.30.0.1 10.20.0.1`, with a blank or `via` between.
fn ip_pair(value: &DeValue<'_>) -> Result<Vec<u8>, Fault> {
    let words = text(value)?.replace(" via ", " ");
    let pair: Option<Vec<Ipv4Addr>> =
        words.split_whitespace().map(|word| word.parse().ok()).collect();
    match pair.as_deref() {
        Some([first, second]) => Ok([first.octets(), second.octets()].concat()),
        Some(_) | None => Err(wrong("a pair of addresses", "10.30.0.1 via 10.20.0.1")),
    }
}

/// `10.30.0.0/16 via 10.20.0.1`; `default` is `0.0.0.0/0`, `on-link` a router of zeros.
fn route(value: &DeValue<'_>) -> Result<Vec<u8>, Fault> {
    let words = text(value)?;
    let fault = || wrong("a route", "10.30.0.0/16 via 10.20.0.1, or default via 10.20.0.1");
    let (destination, router) = words.split_once(" via ").ok_or_else(fault)?;
    let destination: Ipv4Net = match destination.trim() {
        "default" => Ipv4Net::default(),
        prefix => prefix.parse().map_err(|_| fault())?,
    };
    let router: Ipv4Addr = match router.trim() {
        "on-link" => Ipv4Addr::UNSPECIFIED,
        router => router.parse().map_err(|_| fault())?,
    };
    if destination.addr() != destination.network() {
        let what = format!("{destination} is an address in a network, not a network");
        return Err((what, Some(format!("the network is {}", destination.trunc()))));
    }
    let significant = usize::from(destination.prefix_len()).div_ceil(8);
    let mut bytes = vec![destination.prefix_len()];
    bytes.extend(&destination.network().octets()[..significant]);
    bytes.extend(router.octets());
    Ok(bytes)
}

/// Names in DNS wire form; compressed, a name ends in a pointer to the same end of one before.
fn names(names: &[&str], compress: bool) -> Result<Vec<u8>, Fault> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut known: Vec<(String, u16)> = Vec::new();
    for name in names {
        let name = name.trim_end_matches('.');
        crate::view::check_name(name)
            .map_err(|why| (format!("`{name}` is no domain: {why}"), None))?;
        let mut rest = name;
        loop {
            let lower = rest.to_ascii_lowercase();
            let before = known.iter().find(|(suffix, _)| compress && *suffix == lower);
            if let Some((_, at)) = before {
                bytes.extend((0xc000 | at).to_be_bytes());
                break;
            }
            if let Ok(at) = u16::try_from(bytes.len())
                && at < 0x4000
            {
                known.push((lower, at));
            }
            let (label, tail) = rest.split_once('.').unwrap_or((rest, ""));
            bytes.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
            bytes.extend(label.as_bytes());
            if tail.is_empty() {
                bytes.push(0);
                break;
            }
            rest = tail;
        }
    }
    Ok(bytes)
}

/// RFC 3361 §3: a first byte says whether addresses follow or names.
fn sip(servers: &[&str]) -> Result<Vec<u8>, Fault> {
    let addresses: Option<Vec<Ipv4Addr>> =
        servers.iter().map(|server| server.parse().ok()).collect();
    match addresses {
        Some(addresses) => {
            let octets = addresses.iter().flat_map(|address| address.octets());
            Ok([1].into_iter().chain(octets).collect())
        }
        None => Ok([&[0][..], &names(servers, false)?].concat()),
    }
}

/// `{ 4491 = { 1 = "0x0102" } }`: data, or options within, for each enterprise.
fn enterprises(value: &DeValue<'_>) -> Result<Vec<u8>, Fault> {
    let fault = || wrong("a table by enterprise number", "{ 3561 = \"0x0102\" }");
    let mut bytes = Vec::new();
    for (enterprise, value) in value.as_table().ok_or_else(fault)? {
        let enterprise: u32 = enterprise.get_ref().parse().map_err(|_| fault())?;
        let data = suboptions(value.get_ref())?;
        let len = u8::try_from(data.len()).map_err(|_| {
            ("this is too long for an option".to_owned(), Some("255 bytes at most".to_owned()))
        })?;
        bytes.extend(enterprise.to_be_bytes());
        bytes.push(len);
        bytes.extend(data);
    }
    Ok(bytes)
}

/// A table of values by number, each told by what it looks like; or all of it in hexadecimal.
fn suboptions(value: &DeValue<'_>) -> Result<Vec<u8>, Fault> {
    let Some(table) = value.as_table() else { return raw(value) };
    let mut parts: Vec<(u8, Vec<u8>)> = Vec::new();
    for (code, value) in table {
        let code = code.get_ref().parse::<u8>().ok().filter(|code| (1..255).contains(code));
        let code = code.ok_or_else(|| {
            wrong("a table of values by number", "{ 1 = \"0x05\", 2 = \"10.20.0.1\" }")
        })?;
        let is_list = value.get_ref().as_array().is_some();
        let value = match is_list {
            true => concat(value.get_ref(), suboption)?,
            false => suboption(value.get_ref())?,
        };
        if value.len() > BYTES_MAX {
            return Err((format!("sub-option {code} is longer than {BYTES_MAX} bytes"), None));
        }
        parts.push((code, value));
    }
    parts.sort_by_key(|(code, _)| *code);
    let tlv = parts.into_iter().flat_map(|(code, value)| {
        let len = u8::try_from(value.len()).unwrap_or(u8::MAX);
        [code, len].into_iter().chain(value)
    });
    Ok(tlv.collect())
}

/// What a value without a type looks like: an address, hexadecimal digits, a number of one byte,
/// true or false, text.
fn suboption(value: &DeValue<'_>) -> Result<Vec<u8>, Fault> {
    if let Some(flag) = value.as_bool() {
        return Ok(vec![u8::from(flag)]);
    }
    if value.as_integer().is_some() {
        return number::<u8>(value)
            .map(|number| vec![number])
            .map_err(|_| wrong("a number of one byte", "others in hexadecimal: \"0x0102\""));
    }
    let text = text(value)?;
    match text.parse::<Ipv4Addr>() {
        Ok(address) => Ok(address.octets().to_vec()),
        Err(_) => octets(text),
    }
}

fn raw(value: &DeValue<'_>) -> Result<Vec<u8>, Fault> {
    let text = value.as_str().ok_or_else(|| wrong("bytes in hexadecimal", "\"0x0102\""))?;
    hex(text).ok_or_else(|| wrong("bytes in hexadecimal", "0x0102 or 01:02"))
}

/// Octets that an operator writes: `0x0102`, `01:02` (two octets or more), anything else as text.
pub(in super::super) fn octets(text: &str) -> Result<Vec<u8>, Fault> {
    let looks_like_hex = text.starts_with("0x") || (text.len() >= 5 && hex(text).is_some());
    if !looks_like_hex {
        return Ok(text.as_bytes().to_vec());
    }
    hex(text).ok_or_else(|| {
        (format!("`{text}` is not hexadecimal"), Some("0x and pairs of digits: 0x0102".to_owned()))
    })
}

/// `0x0102` or `01:02`.
fn hex(text: &str) -> Option<Vec<u8>> {
    let pairs: Vec<&str> = match text.strip_prefix("0x") {
        Some(digits) if digits.is_ascii() && digits.len().is_multiple_of(2) => {
            (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]).collect()
        }
        Some(_) => return None,
        None => text.split([':', '-']).collect(),
    };
    let is_pair = |pair: &&str| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
    if !pairs.iter().all(is_pair) {
        return None;
    }
    pairs.iter().map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::DeTable;

    /// The bytes of a value as TOML writes it.
    fn encoded(kind: Kind, value: &str) -> Result<Vec<u8>, String> {
        let text = format!("v = {value}");
        let table = DeTable::parse(&text).expect("TOML");
        encode(kind, table.get_ref().get("v").expect("a value").get_ref()).map_err(|fault| fault.0)
    }

    #[test]
    fn every_kind_has_its_form() {
        for (kind, value, bytes) in [
            (Kind::Flag, "true", &[][..]),
            (Kind::Bool, "true", &[1]),
            (Kind::U8, "8", &[8]),
            (Kind::U16, "1500", &[5, 0xdc]),
            (Kind::U32, "0xffffffff", &[255; 4]),
            (Kind::I32, "-3600", &[255, 255, 0xf1, 0xf0]),
            (Kind::U16s, "[68, 1500]", &[0, 68, 5, 0xdc]),
            (Kind::Ip, r#""10.0.0.1""#, &[10, 0, 0, 1]),
            (Kind::Ips, r#"["10.0.0.1", "10.0.0.2"]"#, &[10, 0, 0, 1, 10, 0, 0, 2]),
            (Kind::IpPairs, r#""10.1.0.1 via 10.0.0.1""#, &[10, 1, 0, 1, 10, 0, 0, 1]),
            (Kind::Text, r#""ab""#, b"ab"),
            (Kind::Domain, r#""a.bc""#, b"\x01a\x02bc\x00"),
            (Kind::Hex, r#""0x00ff""#, &[0, 255]),
            (Kind::Hex, r#""00:ff""#, &[0, 255]),
            (Kind::Sip, r#""10.0.0.1""#, &[1, 10, 0, 0, 1]),
            (Kind::Sip, r#""a.b""#, b"\x00\x01a\x01b\x00"),
            (
                Kind::Routes,
                r#"["10.128.0.0/9 via 10.0.0.1", "default via 10.0.0.2"]"#,
                &[9, 10, 128, 10, 0, 0, 1, 0, 10, 0, 0, 2],
            ),
            (
                Kind::Suboptions,
                r#"{ 2 = "10.0.0.1", 1 = 5, 3 = "x" }"#,
                &[1, 1, 5, 2, 4, 10, 0, 0, 1, 3, 1, b'x'],
            ),
            (
                Kind::Enterprises,
                r#"{ 4491 = { 1 = "0x0102" } }"#,
                &[0, 0, 0x11, 0x8b, 4, 1, 2, 1, 2],
            ),
        ] {
            assert_eq!(encoded(kind, value).as_deref(), Ok(bytes), "{kind:?} {value}");
        }
    }

    #[test]
    fn a_search_list_is_compressed() {
        // The example of RFC 3397 §2.
        let list = r#"["eng.apple.com.", "marketing.apple.com."]"#;
        let bytes = encoded(Kind::DomainSearch, list).expect("good names");
        assert_eq!(bytes, b"\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04");
        let plain = encoded(Kind::Domains, list).expect("good names");
        assert!(plain.ends_with(b"\x09marketing\x05apple\x03com\x00"));
    }

    #[test]
    fn nonsense_is_refused() {
        for (kind, value) in [
            (Kind::Flag, "false"),
            (Kind::Bool, "1"),
            (Kind::U8, "256"),
            (Kind::U8, "\"1\""),
            (Kind::Ip, "\"10.0.0\""),
            (Kind::Ips, "[]"),
            (Kind::Routes, "\"10.0.0.1/8 via 10.0.0.1\""),
            (Kind::Routes, "\"10.0.0.0/8\""),
            (Kind::Text, "\"\""),
            (Kind::Hex, "\"0x123\""),
            (Kind::Domain, "\"a..b\""),
            (Kind::Suboptions, "{ 0 = \"x\" }"),
            (Kind::Suboptions, "{ 1 = 1.5 }"),
            (Kind::Enterprises, "\"x\""),
        ] {
            assert!(encoded(kind, value).is_err(), "{kind:?} {value}");
        }
        let long = format!("\"{}\"", "x".repeat(256));
        assert!(encoded(Kind::Text, &long).expect_err("long").contains("256 bytes"));
    }
}
