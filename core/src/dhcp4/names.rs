//! Names that clients want and get (RFC 1123 §2.1, RFC 4702).

use crate::wire::dhcp4_options::ClientFqdn;

/// Bytes of option 81 in an answer: flags, two result codes, a name.
pub(super) const FQDN_BYTES_MAX: usize = 3 + NAME_BYTES_MAX;

/// Whether clients can take `name` for theirs: labels of letters, digits and hyphens, each of at
/// most 63 bytes (RFC 1123 §2.1).
pub(super) fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Writes the value of option 81 for a client that sent it, and gives its length; `None` if there
/// is no name to tell.
///
/// We never touch the DNS, so N is set and S is not; O tells a client that wanted us to (S) that
/// this was overridden. The name keeps the form in which the client wrote its own (RFC 4702 §4).
/// It is the machine's `hostname`, else what of the client's name is harmless, in our `domain`.
pub(super) fn answer_fqdn(
    asked: ClientFqdn<'_>,
    hostname: Option<&str>,
    domain: Option<&str>,
    value: &mut [u8; FQDN_BYTES_MAX],
) -> Option<usize> {
    let overridden = if asked.flags & FLAG_SERVER_UPDATES != 0 { FLAG_OVERRIDDEN } else { 0 };
    let is_wire = asked.flags & FLAG_WIRE_FORM != 0;
    let flags = FLAG_NO_UPDATES | overridden | asked.flags & FLAG_WIRE_FORM;
    let (head, name) = value.split_first_chunk_mut::<3>()?;
    *head = [flags, RESULT_CODE, RESULT_CODE];
    let mut name = Name { bytes: name, len: 0, is_wire };
    match hostname.filter(|name| is_host_name(name)) {
        Some(hostname) => name.put_all(hostname.as_bytes())?,
        None if is_wire => {
            for label in WireLabels(asked.name).take(if domain.is_some() { 1 } else { 127 }) {
                name.put_label(label)?;
            }
        }
        None => {
            let end = asked.name.iter().position(|byte| *byte == b'.' && domain.is_some());
            name.put_all(asked.name.get(..end.unwrap_or(asked.name.len()))?)?;
        }
    }
    if name.len == 0 {
        return None;
    }
    if let Some(domain) = domain.filter(|domain| is_host_name(domain)) {
        name.put_all(domain.as_bytes())?;
        if is_wire {
            name.put(0)?;
        }
    }
    Some(3 + name.len)
}

/// A name that is being written.
struct Name<'b> {
    bytes: &'b mut [u8],
    len: usize,
    is_wire: bool,
}

impl Name<'_> {
    fn put(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(self.len)? = byte;
        self.len += 1;
        Some(())
    }

    fn put_all(&mut self, dotted: &[u8]) -> Option<()> {
        dotted.split(|byte| *byte == b'.').try_for_each(|label| self.put_label(label))
    }

    /// Writes what of a label may stand in a name; nothing if that is nothing.
    fn put_label(&mut self, label: &[u8]) -> Option<()> {
        let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        let kept = || label.iter().copied().filter(harmless).take(LABEL_BYTES_MAX);
        let len = u8::try_from(kept().count()).ok().filter(|len| *len > 0);
        let Some(len) = len else { return Some(()) };
        match (self.is_wire, self.len) {
            (true, _) => self.put(len)?,
            (false, 0) => {}
            (false, _) => self.put(b'.')?,
        }
        kept().try_for_each(|byte| self.put(byte))
    }
}

/// The labels of a name in DNS wire form, up to its end or the first fault.
struct WireLabels<'a>(&'a [u8]);

impl<'a> Iterator for WireLabels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (len @ 1..=63, rest) = self.0.split_first()? else { return None };
        let (label, rest) = rest.split_at_checked(usize::from(*len))?;
        self.0 = rest;
        Some(label)
    }
}

const NAME_BYTES_MAX: usize = 252;
const LABEL_BYTES_MAX: usize = 63;

/// Flags of option 81 (RFC 4702 §2.1).
const FLAG_SERVER_UPDATES: u8 = 1;
const FLAG_OVERRIDDEN: u8 = 2;
const FLAG_WIRE_FORM: u8 = 4;
const FLAG_NO_UPDATES: u8 = 8;

/// What servers put into the two result codes (RFC 4702 §2.2).
const RESULT_CODE: u8 = 255;

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn answer(
        flags: u8,
        name: &[u8],
        hostname: Option<&str>,
        domain: Option<&str>,
    ) -> Option<Vec<u8>> {
        let mut value = [0; FQDN_BYTES_MAX];
        let len = answer_fqdn(ClientFqdn { flags, name }, hostname, domain, &mut value)?;
        Some(value[..len].to_vec())
    }

    #[test]
    fn flags_of_an_answer() {
        // (client's S O E N, ours)
        for (asked, told) in [(0, 8), (1, 10), (8, 8), (5, 14), (4, 12), (9, 10)] {
            let name: &[u8] = if asked & 4 == 0 { b"a" } else { b"\x01a" };
            let answer = answer(asked, name, None, None).unwrap();
            assert_eq!(answer[..3], [told, 255, 255], "{asked}");
        }
    }

    #[test]
    fn names_in_both_forms() {
        /// Flags and name as sent, the machine's name, the network's domain, and what is told.
        type Row<'t> = (u8, &'t [u8], Option<&'t str>, Option<&'t str>, Option<&'t [u8]>);
        let table: &[Row<'_>] = &[
            (0, b"pc", None, Some("example.org"), Some(b"pc.example.org")),
            (0, b"pc.elsewhere", None, Some("example.org"), Some(b"pc.example.org")),
            (0, b"pc.elsewhere", None, None, Some(b"pc.elsewhere")),
            (0, b"pc", Some("n0017"), Some("example.org"), Some(b"n0017.example.org")),
            (0, b"p c;$(x)\n", None, None, Some(b"pcx")),
            (0, b"..", None, None, None),
            (0, b"", None, None, None),
            (0, b"$%", None, Some("example.org"), None),
            (4, b"\x02pc\0", None, Some("a.b"), Some(b"\x02pc\x01a\x01b\0")),
            (4, b"\x02pc\x01x\0", None, None, Some(b"\x02pc\x01x")),
            (4, b"\x02p$", None, None, Some(b"\x01p")),
            // A length that leaves the option, and a pointer.
            (4, b"\x09pc", None, None, None),
            (4, b"\xc0\x00", None, None, None),
        ];
        for (flags, name, hostname, domain, expected) in table {
            let told = answer(*flags, name, *hostname, *domain);
            assert_eq!(told.as_deref().map(|told| &told[3..]), *expected, "{name:?}");
        }
    }

    #[test]
    fn no_name_is_too_long() {
        for flags in [0, 4] {
            for len in 0..256 {
                let name: Vec<u8> = (0..len).map(|at| if at % 9 == 0 { 8 } else { b'a' }).collect();
                let told = answer(flags, &name, None, Some("example.org"));
                assert!(told.is_none_or(|told| told.len() <= 255));
            }
        }
    }
}
