//! Where a file lies.

use core::fmt::Write;
use core::net::{Ipv4Addr, SocketAddrV4};

use super::text::Text;
use crate::wire::tftp;

/// How a file is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Tftp,
    Http,
}

/// Where a file lies: server and path, which has its query and, for HTTP, its first slash.
#[derive(Clone, Debug)]
pub(super) struct Location {
    pub(super) scheme: Scheme,
    pub(super) server: SocketAddrV4,
    pub(super) path: Text<PATH_LEN>,
}

/// Longest path that machines know.
pub(super) const PATH_LEN: usize = 240;

const NOWHERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);

impl Location {
    pub(super) const NOWHERE: Self =
        Self { scheme: Scheme::Tftp, server: NOWHERE, path: Text::EMPTY };

    /// A name that DHCP or a loader asks a TFTP server for.
    pub(super) fn set_tftp(&mut self, server: Ipv4Addr, name: &[u8]) {
        self.scheme = Scheme::Tftp;
        self.server = SocketAddrV4::new(server, tftp::PORT);
        self.path.set(name);
    }

    /// Goes to a URL, which may be relative to here. `false` if it cannot be understood.
    ///
    /// iPXE's TFTP drops the first slash of a path.
    #[must_use]
    pub(super) fn go(&mut self, url: &[u8]) -> bool {
        let absolute = [(Scheme::Http, &b"http://"[..], 80), (Scheme::Tftp, b"tftp://", 69)];
        for (scheme, prefix, port) in absolute {
            let Some(rest) = url.strip_prefix(prefix) else { continue };
            let slash = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            let (host, path) = rest.split_at(slash);
            let Some(server) = server(host, port) else { return false };
            (self.scheme, self.server) = (scheme, server);
            match (scheme, path) {
                (Scheme::Http, []) => self.path.set(b"/"),
                (Scheme::Http, path) => self.path.set(path),
                (Scheme::Tftp, path) => self.path.set(path.strip_prefix(b"/").unwrap_or(path)),
            }
            return !self.path.is_cut();
        }
        if self.server == NOWHERE || url.is_empty() || has_scheme(url) {
            return false;
        }
        if url[0] == b'/' {
            let path = if self.scheme == Scheme::Tftp { &url[1..] } else { url };
            self.path.set(path);
        } else {
            let folder = self.folder_len();
            let mut path = Text::EMPTY;
            path.extend(&self.path.as_bytes()[..folder]);
            path.extend(url);
            self.path = path;
        }
        !self.path.is_cut()
    }

    /// Goes to a file beside this one.
    #[must_use]
    pub(super) fn go_beside(&mut self, name: &str) -> bool {
        let folder = self.folder_len();
        let mut path = Text::EMPTY;
        path.extend(&self.path.as_bytes()[..folder]);
        path.extend(name.as_bytes());
        self.path = path;
        !self.path.is_cut()
    }

    /// The URL of `reference` seen from here.
    pub(super) fn resolve(&self, reference: &[u8]) -> Option<Self> {
        let mut location = self.clone();
        location.go(reference).then_some(location)
    }

    /// Writes the URL.
    pub(super) fn write<const N: usize>(&self, out: &mut Text<N>) {
        let (scheme, usual, slash) = match self.scheme {
            Scheme::Http => ("http", 80, ""),
            Scheme::Tftp => ("tftp", tftp::PORT, "/"),
        };
        // Texts take everything and remember what did not fit.
        let written = if self.server.port() == usual {
            write!(out, "{scheme}://{}{slash}", self.server.ip())
        } else {
            write!(out, "{scheme}://{}{slash}", self.server)
        };
        debug_assert!(written.is_ok());
        out.extend(self.path.as_bytes());
    }

    /// Length of the path up to its last slash, without the query.
    fn folder_len(&self) -> usize {
        let path = self.without_query();
        path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1)
    }

    fn without_query(&self) -> &[u8] {
        let path = self.path.as_bytes();
        match self.scheme {
            Scheme::Http => path.split(|byte| *byte == b'?').next().unwrap_or_default(),
            Scheme::Tftp => path,
        }
    }

    /// The last part of the path.
    pub(super) fn file_name(&self) -> &[u8] {
        &self.without_query()[self.folder_len()..]
    }

    /// The name that digests are kept under: the path behind the server's root, percent-decoded,
    /// without a machine's own prefix.
    pub(super) fn name(&self) -> Text<PATH_LEN> {
        let mut rest = self.without_query();
        while let [b'/', after @ ..] = rest {
            rest = after;
        }
        if let Some(after) = rest.strip_prefix(b"node/")
            && let Some(slash) = after.iter().position(|byte| *byte == b'/')
        {
            rest = &after[slash + 1..];
        }
        let mut name = Text::EMPTY;
        while let [byte, after @ ..] = rest {
            rest = after;
            match (byte, hex_pair(after)) {
                (b'%', Some(decoded)) if self.scheme == Scheme::Http => {
                    name.push(decoded);
                    rest = &after[2..];
                }
                _ => name.push(*byte),
            }
        }
        name
    }
}

fn server(host: &[u8], port: u16) -> Option<SocketAddrV4> {
    let host = str::from_utf8(host).ok()?;
    host.parse().ok().or_else(|| Some(SocketAddrV4::new(host.parse().ok()?, port)))
}

fn has_scheme(url: &[u8]) -> bool {
    let letters = url.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    letters > 0 && url[letters..].starts_with(b":")
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digits = str::from_utf8(bytes.get(..2)?).ok()?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(location: &Location) -> String {
        let mut text = Text::<300>::EMPTY;
        location.write(&mut text);
        text.as_str().to_owned()
    }

    #[test]
    fn references_are_resolved() {
        let mut base = Location::NOWHERE;
        assert!(!base.go(b"relative"));
        assert!(base.go(b"http://10.0.0.1:8080/a/b/boot.ipxe?x=/y"));
        for (reference, expected) in [
            ("vmlinuz", "http://10.0.0.1:8080/a/b/vmlinuz"),
            ("/vmlinuz", "http://10.0.0.1:8080/vmlinuz"),
            ("http://10.0.0.2/k", "http://10.0.0.2/k"),
            ("http://10.0.0.2", "http://10.0.0.2/"),
            ("tftp://10.0.0.3//x", "tftp://10.0.0.3//x"),
        ] {
            let found = base.resolve(reference.as_bytes()).expect(reference);
            assert_eq!(url(&found), expected);
        }
        for bad in ["http://host/x", "nfs://10.0.0.1/x", "", "http://10.0.0.1:x/"] {
            assert!(base.resolve(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(base.resolve(&[b'x'; PATH_LEN]).is_none());
    }

    #[test]
    fn names_are_the_same_on_every_way() {
        let mut location = Location::NOWHERE;
        for text in [
            "http://10.0.0.1/node/52-54-00-00-00-01.7/debian/a%20b?x",
            "http://10.0.0.1//debian/a%20b",
            "tftp://10.0.0.1/node/52-54-00-00-00-01/debian/a b",
            "tftp://10.0.0.1//debian/a b",
        ] {
            assert!(location.go(text.as_bytes()));
            assert_eq!(location.name().as_str(), "debian/a b", "{text}");
        }
        assert_eq!(location.file_name(), b"a b");
    }
}
