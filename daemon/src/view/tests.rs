use std::time::Duration;

use reveille_core::image::ImageId;
use reveille_core::rate::{ByteRate, Rates};
use reveille_core::view::{DhcpMode, File, LeaseTerms, MatchRule, Pool};

use super::*;
use crate::host::HostInterface;
use crate::site::{Script, SiteMachine, SiteNetwork, SitePool, SiteProfile};

fn interface(name: &str, index: u32, addresses: &[&str]) -> HostInterface {
    HostInterface {
        name: name.to_owned(),
        index,
        mac: Some(MacAddr([2, 0, 0, 0, 0, u8::try_from(index).expect("few")])),
        mtu: 1500,
        up: true,
        loopback: false,
        addresses: addresses.iter().map(|text| text.parse().expect("an address")).collect(),
        link_local: Some("fe80::1".parse().expect("an address")),
        link_unicast: true,
        internal: false,
        forwards_ipv6: false,
        part_of: None,
    }
}

fn host() -> Host {
    let loopback = HostInterface { loopback: true, ..interface("lo", 1, &["127.0.0.1/8"]) };
    Host { interfaces: vec![loopback, interface("eno1", 2, &["10.20.0.2/16"])] }
}

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::with_seed(1);
    for name in ["debian/vmlinuz", "debian/initrd.img"] {
        let file = File {
            image: ImageId { slot: 0, generation: 0 },
            len: 1,
            etag: "\"1\"".into(),
            last_modified: "Thu, 01 Jan 1970 00:00:00 GMT".into(),
            content_type: "application/octet-stream",
        };
        assert!(catalogue.insert(name.into(), file).is_none());
    }
    catalogue
}

/// iPXE for BIOS and x64 UEFI.
fn programs() -> Found {
    let mut found = Found::default();
    for arch in [0, 7, 9, 16] {
        found.programs.insert(Loader::Ipxe, ArchType(arch), "ipxe".into());
    }
    found
}

fn pool(first: &str, last: &str) -> SitePool {
    Pool::new(first.parse().expect("an address"), last.parse().expect("an address")).into()
}

fn profile(name: &str) -> SiteProfile {
    SiteProfile {
        name: name.to_owned(),
        kernel: Some("debian/vmlinuz".to_owned()),
        initrd: vec!["debian/initrd.img".to_owned()],
        ..SiteProfile::default()
    }
}

fn machine(last: u8) -> SiteMachine {
    SiteMachine { macs: vec![MacAddr([2, 0, 0, 1, 0, last])], ..SiteMachine::default() }
}

fn site(network: SiteNetwork) -> Site {
    Site { networks: vec![network], profiles: vec![profile("all")], ..Site::default() }
}

fn build_on(site: &Site, host: &Host) -> Result<Built, Vec<Problem>> {
    build_in(site, Circumstances { host, before: None, absent: Absent::Refuse })
}

fn build_in(site: &Site, circumstances: Circumstances<'_>) -> Result<Built, Vec<Problem>> {
    build(site, circumstances, catalogue(), &programs(), 1)
}

/// All problems, one a line, advice below.
fn problems(site: &Site) -> String {
    let problems = match build_on(site, &host()) {
        Ok(built) => built.warnings,
        Err(problems) => problems,
    };
    let line = |problem: &Problem| {
        let mut line = format!("{}: {problem}", problem.place);
        if let Some((place, why)) = &problem.related {
            line += &format!("\n  {place}: {why}");
        }
        line
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_said_is_proxy_on_the_only_interface() {
    let site = Site { profiles: vec![profile("all")], ..Site::default() };
    let built = build_on(&site, &host()).expect("it is enough");
    assert_eq!(
        built.notes,
        ["eno1: 10.20.0.0/16, our address 10.20.0.2, ProxyDHCP beside another DHCP server"]
    );
    assert_eq!(built.ifindexes, [2]);
    let network = &built.view.networks[0];
    assert_eq!(network.mode, DhcpMode::Proxy);
    assert_eq!(network.lease.grant(None), Duration::from_secs(1800));
    assert!(!network.authoritative);
    assert_eq!(built.view.interfaces[0].advertise_from, Some("fe80::1".parse().expect("one")));
    assert!(built.warnings.is_empty());
}

#[test]
fn a_pool_makes_a_server_of_the_network_it_is_in() {
    let network =
        SiteNetwork { pools: vec![pool("10.20.1.0", "10.20.1.255")], ..SiteNetwork::default() };
    let built = build_on(&site(network), &host()).expect("it is enough");
    let network = &built.view.networks[0];
    assert_eq!(network.mode, DhcpMode::Server);
    assert!(network.authoritative);
    assert_eq!(network.server, Ipv4Addr::new(10, 20, 0, 2));
    assert_eq!(network.subnet.prefix_len, 16);
}

#[test]
fn several_networks_are_a_question() {
    let mut host = host();
    host.interfaces.push(interface("eno2", 3, &["10.30.0.2/16"]));
    let site = Site { profiles: vec![profile("all")], ..Site::default() };
    let problems = build_on(&site, &host).expect_err("which?");
    assert_eq!(
        problems[0].to_string(),
        "error: this host has several networks: which one is it?\n  \
         help: say which with interface = \"…\": eno1 (10.20.0.2/16), eno2 (10.30.0.2/16)"
    );
    // Anything that only one of them fits is an answer.
    let answers = [
        SiteNetwork { interface: Some("eno2".to_owned()), ..SiteNetwork::default() },
        SiteNetwork { subnet: Some("10.30.0.0/16".parse().expect("one")), ..Default::default() },
        SiteNetwork { server: Some(Ipv4Addr::new(10, 30, 0, 2)), ..SiteNetwork::default() },
        SiteNetwork { pools: vec![pool("10.30.1.0", "10.30.2.0")], ..SiteNetwork::default() },
    ];
    for answer in answers {
        let built = build_on(&Site { networks: vec![answer], ..site.clone() }, &host);
        assert_eq!(built.expect("an answer").ifindexes, [3]);
    }
}

#[test]
fn a_relayed_network_is_served_from_our_own() {
    let relayed = SiteNetwork {
        subnet: Some("10.99.0.0/24".parse().expect("one")),
        pools: vec![pool("10.99.0.10", "10.99.0.20")],
        relays: vec![Ipv4Addr::new(10, 99, 0, 1).into()],
        ..SiteNetwork::default()
    };
    let mut site = site(SiteNetwork::default());
    site.networks.push(relayed);
    let built = build_on(&site, &host()).expect("fine");
    assert_eq!(built.view.networks[1].server, Ipv4Addr::new(10, 20, 0, 2));
    assert_eq!(built.view.networks[1].interface, built.view.networks[0].interface);
    assert_eq!(built.ifindexes, [2]);
}

#[test]
fn interfaces_that_cannot_serve() {
    let with = |name: &str| SiteNetwork { interface: Some(name.to_owned()), ..Default::default() };
    insta::assert_snapshot!(problems(&site(with("eno7"))), @r"
    network[0].interface: error: this host has no interface `eno7`
      help: did you mean `eno1`?
    ");
    let mut bare = host();
    bare.interfaces[1].addresses.clear();
    let problems = build_on(&site(with("eno1")), &bare).expect_err("no address");
    assert_eq!(problems[0].what, "interface `eno1` has no IPv4 address");
    let problems = build_on(&site(SiteNetwork::default()), &bare).expect_err("no interface");
    assert_eq!(problems[0].what, "this host has no interface to serve");
    assert!(problems[0].help.as_ref().expect("one").ends_with("eno1 has no IPv4 address"));
}

#[test]
fn pools_that_cannot_be_given() {
    let network = SiteNetwork {
        pools: vec![
            pool("10.20.0.0", "10.20.0.255"),
            pool("10.20.0.200", "10.20.2.0"),
            pool("10.20.9.0", "10.20.8.0"),
            pool("10.21.0.1", "10.21.0.2"),
        ],
        routers: vec![Ipv4Addr::new(10, 20, 2, 0), Ipv4Addr::new(10, 1, 0, 1)],
        subnet: Some("10.20.0.2/16".parse().expect("one")),
        lease: LeaseTerms::fixed(Duration::from_secs(5)),
        domain: Some("boot_lan.example".to_owned()),
        ..SiteNetwork::default()
    };
    insta::assert_snapshot!(problems(&site(network)));
}

#[test]
fn networks_in_each_others_way() {
    let mut host = host();
    host.interfaces[1].addresses.push("10.30.0.2/16".parse().expect("one"));
    let network = |subnet: &str| SiteNetwork {
        subnet: Some(subnet.parse().expect("one")),
        ..SiteNetwork::default()
    };
    let mut both = site(network("10.20.0.0/16"));
    both.networks.push(network("10.30.0.0/16"));
    let problems = build_on(&both, &host).expect_err("one interface");
    assert!(problems[0].what.starts_with("its interface has another network"), "{problems:?}");
    both.networks[1] = network("10.20.0.0/24");
    let problems = build_on(&both, &host).expect_err("overlap");
    assert_eq!(problems[0].what, "this network overlaps another one");
}

#[test]
fn a_relay_agent_of_several_networks_lies_in_one_of_them() {
    let network = |subnet: &str, relay| SiteNetwork {
        subnet: Some(subnet.parse().expect("one")),
        relays: vec![relay],
        ..SiteNetwork::default()
    };
    let build = |relay: [u8; 4]| {
        let relay = Ipv4Addr::from_octets(relay).into();
        let mut both = site(network("10.40.0.0/16", relay));
        both.networks.push(network("10.50.0.0/16", relay));
        build_on(&both, &host())
    };
    assert!(build([10, 50, 0, 1]).is_ok());
    let problems = build([10, 60, 0, 1]).expect_err("it may mean either");
    assert_eq!(problems[0].what, "relay agent 10.60.0.1 has another network");
}

#[test]
fn machines_that_are_not_one() {
    let network =
        SiteNetwork { pools: vec![pool("10.20.1.0", "10.20.1.255")], ..SiteNetwork::default() };
    let mut site = site(network);
    let address = |text: &str| vec![text.parse().expect("an address")];
    site.machines = vec![
        SiteMachine { hostname: Some("n1".to_owned()), ..machine(1) },
        SiteMachine { hostname: Some("N1".to_owned()), ..machine(1) },
        SiteMachine::default(),
        SiteMachine { macs: vec![MacAddr::BROADCAST], ..SiteMachine::default() },
        SiteMachine { addresses: address("10.20.0.2"), ..machine(4) },
        SiteMachine { addresses: address("10.21.0.1"), ..machine(5) },
        SiteMachine { profile: Some("al".to_owned()), ..machine(6) },
        SiteMachine { hostname: Some("-x".to_owned()), ..machine(7) },
        SiteMachine { serial: Some("a$b".to_owned()), ..SiteMachine::default() },
    ];
    insta::assert_snapshot!(problems(&site));
}

#[test]
fn profiles_that_cannot_boot() {
    let mut site = site(SiteNetwork::default());
    let script = |text: &str| Some(Script { text: text.to_owned(), path: None });
    site.profiles = vec![
        SiteProfile { kernel: Some("debian/vmlinux".to_owned()), ..profile("gone") },
        SiteProfile { kernel: None, ..profile("empty") },
        SiteProfile { cmdline: "a=${mac} {{ macc }}".to_owned(), ..profile("gap") },
        SiteProfile { cmdline: "a=${mac}".to_owned(), ..profile("dollar") },
        SiteProfile { loader: Loader::Grub, ..profile("grub") },
        SiteProfile {
            loader: Loader::Pxelinux,
            rule: MatchRule {
                archs: crate::arch::numbers("x86_64-uefi").expect("known"),
                ..MatchRule::default()
            },
            ..profile("pxelinux")
        },
        SiteProfile { ipxe: script("exit"), kernel: None, ..profile("script") },
        profile("gone"),
        SiteProfile { cmdline: "x".repeat(2048), ..profile("long") },
        SiteProfile { cmdline: "x".repeat(5000), ..profile("longer") },
    ];
    insta::assert_snapshot!(problems(&site));
}

#[test]
fn a_document_that_some_machine_cannot_get_is_found() {
    let mut site = site(SiteNetwork::default());
    site.profiles[0].cmdline = "{{ vars.a }}".repeat(40);
    site.machines = vec![
        SiteMachine { vars: vec![("a".to_owned(), "short".to_owned())], ..machine(1) },
        SiteMachine { vars: vec![("a".to_owned(), "l".repeat(100))], ..machine(2) },
    ];
    let told = problems(&site);
    assert!(told.starts_with("profile[0].cmdline: error: the iPXE script"), "{told}");
}

#[test]
fn variables_have_a_value_or_a_place_to_put_it() {
    let mut site = site(SiteNetwork::default());
    site.profiles[0].cmdline = "role={{ vars.role }} zone={{ vars.zone }}".to_owned();
    site.profiles[0].vars = vec![("zona".to_owned(), "a".to_owned())];
    site.machines = vec![
        SiteMachine {
            profile: Some("all".to_owned()),
            vars: vec![("role".to_owned(), "a || b".to_owned())],
            ..machine(1)
        },
        SiteMachine { profile: Some("all".to_owned()), ..machine(2) },
    ];
    insta::assert_snapshot!(problems(&site));
}

#[test]
fn profiles_behind_a_profile_for_all_are_told() {
    let mut site = site(SiteNetwork::default());
    site.profiles.push(profile("never"));
    site.profiles.push(profile("named"));
    site.machines = vec![SiteMachine { profile: Some("named".to_owned()), ..machine(1) }];
    insta::assert_snapshot!(problems(&site));
}

#[test]
fn ports_and_blocks_have_bounds() {
    let mut site = site(SiteNetwork::default());
    site.tftp.port = 6969;
    assert!(problems(&site).starts_with("tftp.port: warning: "));
    site.tftp.block_bytes_max = 7;
    site.tftp.window_blocks_max = 0;
    site.http.port = 0;
    site.shards = Some(0);
    assert_eq!(build_on(&site, &host()).expect_err("bounds").len(), 5);
}

#[test]
fn a_total_rate_is_shared_by_the_event_loops() {
    let mut site = site(SiteNetwork::default());
    site.shards = Some(4);
    site.http.rates.total = ByteRate::new(1_000_000);
    site.http.rates.client = ByteRate::new(600_000);
    let built = build_on(&site, &host()).expect("it is fine");
    assert_eq!(built.view.http.total, ByteRate::new(250_000));
    assert_eq!(built.view.http.client, ByteRate::new(600_000));
    assert_eq!(built.view.tftp.rates, Rates::default());
    site.http.rates.client = ByteRate::new(2_000_000);
    assert!(problems(&site).starts_with("http.rate_per_client: warning: one client"));
    // 128 kbit/s would be enough for two.
    site.tftp.rates.total = ByteRate::new(16_000);
    assert!(problems(&site).contains("tftp.rate: error: each of 4 event loops would send less"));
    site.tftp.rates.total = ByteRate::new(32_000);
    assert!(!problems(&site).contains("tftp.rate"));
}

#[test]
fn what_only_ipxe_tells_is_of_no_use_before_it() {
    let network =
        SiteNetwork { pools: vec![pool("10.20.1.0", "10.20.1.255")], ..SiteNetwork::default() };
    let mut site = site(network);
    let rule = MatchRule { product: Some("R6*".into()), ..MatchRule::default() };
    site.profiles.push(SiteProfile { loader: Loader::Grub, rule, ..profile("grub") });
    let serial = SiteMachine { serial: Some("9XK2TV3".to_owned()), ..SiteMachine::default() };
    let addresses = vec!["10.20.0.17".parse().expect("an address")];
    let hostname = Some("n17".to_owned());
    site.machines = vec![
        SiteMachine {
            addresses: addresses.clone(),
            hostname,
            profile: Some("all".to_owned()),
            ..serial.clone()
        },
        SiteMachine {
            serial: Some("X".to_owned()),
            profile: Some("grub".to_owned()),
            ..serial.clone()
        },
        SiteMachine { serial: Some("Y".to_owned()), addresses, ..machine(3) },
    ];
    insta::assert_snapshot!(problems(&site));
}

#[test]
fn a_network_that_is_not_there_is_awaited() {
    let named =
        |name: &str| SiteNetwork { interface: Some(name.to_owned()), ..SiteNetwork::default() };
    let relayed =
        SiteNetwork { relays: vec![Ipv4Addr::new(10, 9, 0, 1).into()], ..SiteNetwork::default() };
    let mut site = site(named("eno7"));
    site.networks.push(named("eno1"));
    // Its network may be the one that is not there.
    site.machines = vec![SiteMachine {
        addresses: vec!["10.99.0.17".parse().expect("an address")],
        ..machine(1)
    }];
    let host = host();
    let circumstances = Circumstances { host: &host, before: None, absent: Absent::Await };
    let built = build_in(&site, circumstances).expect("the other is served");
    assert_eq!(built.view.networks.len(), 1);
    assert_eq!(built.warnings.len(), 1);
    assert_eq!(built.warnings[0].severity, Severity::Warning);
    assert_eq!(built.warnings[0].what, "this host has no interface `eno7`");
    let help = built.warnings[0].help.as_deref().expect("advice");
    assert!(help.ends_with("this network is served as soon as that changes"), "{help}");
    // What can never be served is an error all the same.
    site.networks.push(relayed);
    let problems = build_in(&site, circumstances).expect_err("a subnet is missing");
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    assert_eq!(errors.count(), 1);
}

#[test]
fn interfaces_keep_their_places_and_networks_their_addresses() {
    let network = |subnet: &str| SiteNetwork {
        subnet: Some(subnet.parse().expect("a subnet")),
        ..SiteNetwork::default()
    };
    let mut site = site(network("10.20.0.0/16"));
    site.networks.push(network("10.30.0.0/16"));
    let mut host = host();
    host.interfaces.push(interface("eno2", 3, &["10.30.0.2/16"]));
    let circumstances = Circumstances { host: &host, before: None, absent: Absent::Await };
    let first = build_in(&site, circumstances).expect("both are there").view;

    // The first goes away; the second has an address more.
    let second = interface("eno2", 3, &["10.30.0.1/16", "10.30.0.2/16"]);
    let host = Host { interfaces: vec![second.clone()] };
    let circumstances = Circumstances { host: &host, before: Some(&first), ..circumstances };
    let built = build_in(&site, circumstances).expect("one is left");
    assert_eq!(built.ifindexes, [0, 3]);
    let left = &built.view.networks[0];
    assert_eq!((left.interface.0, left.server), (1, "10.30.0.2".parse().expect("an address")));
    let away = &built.view.interfaces[0];
    assert_eq!((&*away.name, away.link_unicast, away.advertise_from), ("eno1", false, None));

    // It comes back as another device, and one more has come.
    let back = interface("eno1", 9, &["10.20.0.2/16"]);
    let third = interface("eno3", 4, &["10.40.0.2/16"]);
    site.networks.push(network("10.40.0.0/16"));
    let host = Host { interfaces: vec![second, third, back] };
    let before = built.view;
    let circumstances = Circumstances { host: &host, before: Some(&before), ..circumstances };
    let built = build_in(&site, circumstances).expect("all are there");
    assert_eq!(built.ifindexes, [9, 3, 4]);
    assert!(built.view.interfaces[0].link_unicast);
}

#[test]
fn too_many_addresses_at_the_start_are_an_error_and_later_a_warning() {
    let site = site(SiteNetwork::default());
    let two = Host { interfaces: vec![interface("eno1", 2, &["10.20.0.2/16", "10.30.0.2/16"])] };
    let circumstances = Circumstances { host: &two, before: None, absent: Absent::Await };
    build_in(&site, circumstances).expect_err("which one is it?");
    let nothing = View::default();
    let circumstances = Circumstances { before: Some(&nothing), ..circumstances };
    let built = build_in(&site, circumstances).expect("it is not served");
    assert!(built.view.networks.is_empty());
    assert!(built.warnings[0].what.contains("several addresses"), "{:?}", built.warnings);
}

#[test]
fn a_port_of_a_bridge_is_served_by_its_bridge() {
    let port = HostInterface { part_of: Some("br0".to_owned()), ..interface("eno1", 2, &[]) };
    let host = Host { interfaces: vec![port, interface("br0", 3, &["10.20.0.2/16"])] };
    let named =
        |name: &str| SiteNetwork { interface: Some(name.to_owned()), ..SiteNetwork::default() };
    let problems = build_on(&site(named("eno1")), &host).expect_err("it has no packets");
    assert_eq!(problems[0].what, "interface `eno1` is a port of another interface");
    assert_eq!(problems[0].help.as_deref(), Some("interface = \"br0\" has its packets"));
    let built = build_on(&site(SiteNetwork::default()), &host).expect("the bridge");
    assert_eq!(built.ifindexes, [3]);
}
