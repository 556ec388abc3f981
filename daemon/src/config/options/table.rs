//! The options that have a name: RFC 2132 and what came later, with the types of their values.

/// What the value of an option is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: the option itself is the statement.
    Flag,
    /// One byte, 0 or 1.
    Bool,
    /// One byte.
    U8,
    /// Two bytes.
    U16,
    /// Four bytes.
    U32,
    /// Four bytes, perhaps negative.
    I32,
    /// A list of two-byte numbers.
    U16s,
    /// One address.
    Ip,
    /// One address or more.
    Ips,
    /// Pairs of addresses.
    IpPairs,
    /// Text.
    Text,
    /// One domain name in DNS wire form.
    Domain,
    /// Domain names in DNS wire form (RFC 1035 §3.1).
    Domains,
    /// The same, compressed (RFC 3397).
    DomainSearch,
    /// Servers by address, or by name (RFC 3361).
    Sip,
    /// Destinations and their routers (RFC 3442).
    Routes,
    /// Data by enterprise number (RFC 3925 §3 and §4).
    Enterprises,
    /// Options within the option, by their numbers.
    Suboptions,
    /// Bytes.
    Hex,
}

impl Kind {
    /// All types that a configuration can name, by their names.
    pub const NAMED: [(&'static str, Self); 18] = [
        ("flag", Self::Flag),
        ("bool", Self::Bool),
        ("u8", Self::U8),
        ("u16", Self::U16),
        ("u32", Self::U32),
        ("i32", Self::I32),
        ("u16s", Self::U16s),
        ("ip", Self::Ip),
        ("ips", Self::Ips),
        ("ip-pairs", Self::IpPairs),
        ("text", Self::Text),
        ("domain", Self::Domain),
        ("domains", Self::Domains),
        ("domain-list", Self::DomainSearch),
        ("routes", Self::Routes),
        ("enterprises", Self::Enterprises),
        ("suboptions", Self::Suboptions),
        ("hex", Self::Hex),
    ];
}

/// An option that can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its code.
    pub code: u8,
    /// What its value is.
    pub kind: Kind,
}

/// Options that the protocol itself fills in, and what says them instead.
pub(super) const OWN: [(u8, &str, &str); 22] = [
    (0, "pad", "it is no option"),
    (1, "subnet-mask", "it follows from `subnet`"),
    (50, "dhcp-requested-address", "only clients send it"),
    (51, "dhcp-lease-time", "say `lease`"),
    (52, "dhcp-option-overload", "the server never splits options"),
    (53, "dhcp-message-type", "the protocol fills it in"),
    (54, "dhcp-server-identifier", "say `server` in [[network]]"),
    (55, "dhcp-parameter-request-list", "only clients send it"),
    (56, "dhcp-message", "the protocol fills it in"),
    (57, "dhcp-max-message-size", "only clients send it"),
    (58, "dhcp-renewal-time", "say `renew_at` in [[network]]"),
    (59, "dhcp-rebinding-time", "say `rebind_at` in [[network]]"),
    (61, "dhcp-client-identifier", "clients get back their own"),
    (77, "user-class", "only clients send it"),
    (81, "fqdn", "say `hostname` in [[machine]]"),
    (82, "dhcp-agent-options", "relay agents get back their own"),
    (93, "client-system", "only clients send it"),
    (94, "client-ndi", "only clients send it"),
    (97, "uuid-guid", "clients get back their own"),
    (116, "auto-config", "the protocol fills it in"),
    (118, "subnet-selection", "only clients send it"),
    (255, "end", "it is no option"),
];

/// All others.
pub(super) const STANDARD: &[(u8, &str, Kind)] = &[
    (2, "time-offset", Kind::I32),
    (3, "routers", Kind::Ips),
    (4, "time-servers", Kind::Ips),
    (5, "name-servers", Kind::Ips),
    (6, "domain-name-servers", Kind::Ips),
    (7, "log-servers", Kind::Ips),
    (8, "cookie-servers", Kind::Ips),
    (9, "lpr-servers", Kind::Ips),
    (10, "impress-servers", Kind::Ips),
    (11, "resource-location-servers", Kind::Ips),
    (12, "host-name", Kind::Text),
    (13, "boot-size", Kind::U16),
    (14, "merit-dump", Kind::Text),
    (15, "domain-name", Kind::Text),
    (16, "swap-server", Kind::Ip),
    (17, "root-path", Kind::Text),
    (18, "extensions-path", Kind::Text),
    (19, "ip-forwarding", Kind::Bool),
    (20, "non-local-source-routing", Kind::Bool),
    (21, "policy-filter", Kind::IpPairs),
    (22, "max-dgram-reassembly", Kind::U16),
    (23, "default-ip-ttl", Kind::U8),
    (24, "path-mtu-aging-timeout", Kind::U32),
    (25, "path-mtu-plateau-table", Kind::U16s),
    (26, "interface-mtu", Kind::U16),
    (27, "all-subnets-local", Kind::Bool),
    (28, "broadcast-address", Kind::Ip),
    (29, "perform-mask-discovery", Kind::Bool),
    (30, "mask-supplier", Kind::Bool),
    (31, "router-discovery", Kind::Bool),
    (32, "router-solicitation-address", Kind::Ip),
    (33, "static-routes", Kind::IpPairs),
    (34, "trailer-encapsulation", Kind::Bool),
    (35, "arp-cache-timeout", Kind::U32),
    (36, "ieee802-3-encapsulation", Kind::Bool),
    (37, "default-tcp-ttl", Kind::U8),
    (38, "tcp-keepalive-interval", Kind::U32),
    (39, "tcp-keepalive-garbage", Kind::Bool),
    (40, "nis-domain", Kind::Text),
    (41, "nis-servers", Kind::Ips),
    (42, "ntp-servers", Kind::Ips),
    (43, "vendor-encapsulated-options", Kind::Suboptions),
    (44, "netbios-name-servers", Kind::Ips),
    (45, "netbios-dd-server", Kind::Ips),
    (46, "netbios-node-type", Kind::U8),
    (47, "netbios-scope", Kind::Text),
    (48, "font-servers", Kind::Ips),
    (49, "x-display-manager", Kind::Ips),
    (60, "vendor-class-identifier", Kind::Text),
    (62, "nwip-domain-name", Kind::Text),
    (63, "nwip-suboptions", Kind::Hex),
    (64, "nisplus-domain-name", Kind::Text),
    (65, "nisplus-servers", Kind::Ips),
    (66, "tftp-server-name", Kind::Text),
    (67, "boot-file-name", Kind::Text),
    (68, "mobile-ip-home-agent", Kind::Ips),
    (69, "smtp-server", Kind::Ips),
    (70, "pop-server", Kind::Ips),
    (71, "nntp-server", Kind::Ips),
    (72, "www-server", Kind::Ips),
    (73, "finger-server", Kind::Ips),
    (74, "irc-server", Kind::Ips),
    (75, "streettalk-server", Kind::Ips),
    (76, "streettalk-directory-assistance-server", Kind::Ips),
    (78, "slp-directory-agent", Kind::Hex),
    (79, "slp-service-scope", Kind::Hex),
    (83, "isns", Kind::Hex),
    (85, "nds-servers", Kind::Ips),
    (86, "nds-tree-name", Kind::Text),
    (87, "nds-context", Kind::Text),
    (88, "bcms-controller-names", Kind::Domains),
    (89, "bcms-controller-address", Kind::Ips),
    (98, "uap-servers", Kind::Text),
    (99, "geoconf-civic", Kind::Hex),
    (100, "pcode", Kind::Text),
    (101, "tcode", Kind::Text),
    (108, "v6-only-preferred", Kind::U32),
    (112, "netinfo-server-address", Kind::Ips),
    (113, "netinfo-server-tag", Kind::Text),
    (114, "v4-captive-portal", Kind::Text),
    (117, "name-service-search", Kind::U16s),
    (119, "domain-search", Kind::DomainSearch),
    (120, "sip-servers", Kind::Sip),
    (121, "classless-static-route", Kind::Routes),
    (122, "cablelabs-client-configuration", Kind::Suboptions),
    (123, "geoconf", Kind::Hex),
    (124, "vivco-suboptions", Kind::Enterprises),
    (125, "vivso-suboptions", Kind::Enterprises),
    (136, "pana-agent", Kind::Ips),
    (137, "v4-lost", Kind::Domain),
    (138, "capwap-ac-v4", Kind::Ips),
    (139, "mos-addresses", Kind::Suboptions),
    (140, "mos-fqdns", Kind::Suboptions),
    (141, "sip-ua-cs-domains", Kind::Domains),
    (143, "v4-sztp-redirect", Kind::Hex),
    (144, "geoloc", Kind::Hex),
    (146, "rdnss-selection", Kind::Hex),
    (147, "v4-dots-ri", Kind::Domain),
    (148, "v4-dots-address", Kind::Ips),
    (150, "tftp-server-address", Kind::Ips),
    (158, "v4-pcp-server", Kind::Hex),
    (159, "v4-portparams", Kind::Hex),
    (161, "mud-url", Kind::Text),
    (162, "v4-dnr", Kind::Hex),
    (175, "ipxe-encap-opts", Kind::Suboptions),
    (176, "ip-telephony", Kind::Text),
    (208, "pxelinux-magic", Kind::Hex),
    (209, "pxelinux-config-file", Kind::Text),
    (210, "pxelinux-path-prefix", Kind::Text),
    (211, "pxelinux-reboot-time", Kind::U32),
    (212, "option-6rd", Kind::Hex),
    (213, "v4-access-domain", Kind::Domain),
    (220, "subnet-allocation", Kind::Hex),
    (221, "vss", Kind::Hex),
    (249, "ms-classless-static-routes", Kind::Routes),
    (252, "wpad-url", Kind::Text),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_named_once_and_in_order() {
        assert!(STANDARD.is_sorted_by(|a, b| a.0 < b.0));
        let mut names: Vec<&str> = STANDARD.iter().map(|(_, name, _)| *name).collect();
        names.extend(OWN.iter().map(|(_, name, _)| *name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a name is taken twice");
        assert!(OWN.iter().all(|own| STANDARD.iter().all(|other| other.0 != own.0)));
    }
}
