use super::*;

fn address(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

fn mac(text: &str) -> Option<MacAddr> {
    Some(text.parse().expect("a MAC address"))
}

fn bound(since: u64, until: u64) -> ForeignState {
    ForeignState::Bound { since: Some(Wall::from_seconds(since)), until: Wall::from_seconds(until) }
}

fn skipped(reading: &Reading) -> Vec<(usize, &str)> {
    reading.skipped.iter().map(|skipped| (skipped.line, skipped.why.as_str())).collect()
}

#[test]
fn isc_blocks_are_read_and_later_ones_count() {
    let text = r#"# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;

server-duid "\000\001\000\0010\3142\211RT\000\0224V";

lease 10.0.0.5 {
  starts 3 2026/11/25 20:00:00;
  ends 3 2026/11/25 20:30:00;
  tstp 3 2026/11/25 20:30:00;
  cltt 3 2026/11/25 20:00:00;
  binding state active;
  next binding state free;
  rewind binding state free;
  hardware ethernet 52:54:00:12:34:56;
  uid "\001RT\000\0224V";
  set vendor-class-identifier = "PXEClient:Arch:00007";
  client-hostname "a\"b";
  on expiry or release { set x = "}"; }
}
lease 10.0.0.6 { starts 3 2026/11/25 20:00:00; ends never; hardware ethernet 2:0:0:0:0:6; }
lease 10.0.0.7 {
  starts epoch 1764100800; # Tue Nov 25 20:00:00 2025
  ends epoch 1764102600;
  binding state abandoned;
  client-hostname "x";
}
failover peer "other" state {
  my state normal at 3 2026/11/25 20:00:00;
}
ia-na "x" { iaaddr 2001:db8::1 { binding state active; } }
lease 10.0.0.5 {
  starts 3 2026/11/25 20:15:00 +0100;
  ends 3 2026/11/25 20:45:00;
  binding state free;
  hardware ethernet 52:54:00:12:34:56;
}
lease 10.0.0.8 {
  starts 3 2026/11/25 noon;
  ends never;
}
lease 10.0.0.9 {
  ends never;
  binding state lost;
}
lease 10.0.0.10 {
  ends never;
"#;
    let reading = read(Format::Isc, text);
    assert_eq!(reading.overridden, 1);
    let leases: Vec<&Foreign> = reading.leases.values().collect();
    assert_eq!(leases.len(), 3);
    assert_eq!(leases[0].line, 31);
    assert_eq!(leases[0].mac, mac("52:54:00:12:34:56"));
    assert_eq!(leases[0].state, ForeignState::Former { at: Wall::from_seconds(1_795_639_500) });
    assert_eq!(
        *leases[1],
        Foreign {
            line: 20,
            address: address("10.0.0.6"),
            mac: mac("02:00:00:00:00:06"),
            client_id: Vec::new(),
            hostname: String::new(),
            state: ForeignState::Bound {
                since: Some(Wall::from_seconds(1_795_636_800)),
                until: Wall::NEVER
            },
        }
    );
    assert_eq!(
        leases[2].state,
        ForeignState::Declined { until: Wall::from_seconds(1_764_102_600) }
    );
    assert_eq!(
        skipped(&reading),
        [
            (30, "it is a lease of DHCPv6"),
            (37, "`3 2026/11/25 noon` is no time"),
            (41, "the binding state `lost` is not known"),
            (45, "the block is not closed: the file was cut"),
        ]
    );
}

#[test]
fn isc_escapes_are_undone() {
    let text = r#"lease 10.0.0.5 {
  starts 3 2026/11/25 20:00:00 +0100;
  ends 3 2026/11/25 20:30:00;
  uid "\001RT\000\0224V\\\"";
  hardware ethernet 52:54:00:12:34:56;
  client-hostname "caf\303\251";
}
lease 10.0.0.6 { ends never; uid 1:52:54; }"#;
    let reading = read(Format::Isc, text);
    assert_eq!(skipped(&reading), []);
    let lease = &reading.leases[&address("10.0.0.5")];
    assert_eq!(lease.client_id, b"\x01RT\x00\x124V\\\"");
    assert_eq!(lease.hostname, "café");
    assert_eq!(lease.state, bound(1_795_633_200, 1_795_638_600));
    assert_eq!(reading.leases[&address("10.0.0.6")].client_id, [1, 0x52, 0x54]);
}

#[test]
fn dnsmasq_lines_are_read() {
    let text = "\
1764102600 52:54:00:12:34:56 10.0.0.5 n17 01:52:54:00:12:34:56
0 52:54:00:12:34:57 10.0.0.6 * *
1764102600 06-01:02:03 10.0.0.7 * ff:00:01
1764102600 52:54:00:12:34 10.0.0.8 * *
soon 52:54:00:12:34:58 10.0.0.8 * *
1764102600 52:54:00:12:34:58 10.0.0 * *
1764102600 52:54:00:12:34:58 10.0.0.8 *
duid 00:01:00:01:30
1764102600 1234 2001:db8::1 * 00:01
";
    let reading = read(Format::Dnsmasq, text);
    let leases: Vec<&Foreign> = reading.leases.values().collect();
    assert_eq!(
        *leases[0],
        Foreign {
            line: 1,
            address: address("10.0.0.5"),
            mac: mac("52:54:00:12:34:56"),
            client_id: vec![1, 0x52, 0x54, 0, 0x12, 0x34, 0x56],
            hostname: "n17".to_owned(),
            state: ForeignState::Bound { since: None, until: Wall::from_seconds(1_764_102_600) },
        }
    );
    assert_eq!(leases[1].state, ForeignState::Bound { since: None, until: Wall::NEVER });
    assert_eq!(leases[1].hostname, "");
    assert_eq!((leases[2].mac, leases[2].client_id.len()), (None, 3));
    assert_eq!(
        skipped(&reading),
        [
            (4, "`52:54:00:12:34` is no MAC address"),
            (5, "`soon` is no time of expiry"),
            (6, "`10.0.0` is no IPv4 address"),
            (7, "a lease has five fields"),
            (9, "it is a lease of DHCPv6"),
        ]
    );
}

#[test]
fn kea_lines_replace_each_other() {
    let text = "\
address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id
10.0.0.5,52:54:00:12:34:56,01:52:54:00:12:34:56,1800,1764102600,1,0,0,n17.example.,0,,0
10.0.0.6,52:54:00:12:34:57,,4294967295,1764102600,1,0,0,,0,,0
10.0.0.7,,,86400,1764102600,1,0,0,,1,,0
10.0.0.8,52:54:00:12:34:58,,1800,1764102600,1,0,0,a&#x2cb,0,,0
10.0.0.5,52:54:00:12:34:56,01:52:54:00:12:34:56,1800,1764103600,1,0,0,n17.example.,0,,0
10.0.0.8,52:54:00:12:34:58,,0,1764102600,1,0,0,,0,,0
10.0.0.9,52:54:00:12:34:59,,1800,1764102600,1,0,0,,2,,0
10.0.0.10,52:54:00:12:34:59,,1800,never,1,0,0,,0,,0
10.0.0.11,52:54:00:12:34:59,,1800,1764102600,1,0,0,,7,,0
10.0.0.12,52:54:zz,,1800,1764102600,1,0,0,,0,,0
10.0.0.13
";
    let reading = read(Format::Kea, text);
    let leases: Vec<&Foreign> = reading.leases.values().collect();
    assert_eq!(reading.overridden, 2);
    assert_eq!(leases.len(), 4);
    assert_eq!((leases[0].line, leases[0].hostname.as_str()), (6, "n17.example"));
    assert_eq!(leases[0].state, bound(1_764_101_800, 1_764_103_600));
    assert_eq!(leases[1].state.until(), Wall::NEVER);
    assert!(matches!(leases[2].state, ForeignState::Declined { .. }));
    assert!(matches!(leases[3].state, ForeignState::Former { .. }));
    assert_eq!(
        skipped(&reading),
        [
            (9, "`never` is no `expire`"),
            (10, "the state `7` is not known"),
            (11, "`52:54:zz` is no `hwaddr`"),
            (12, "`` is no `valid_lifetime`"),
        ]
    );
}

#[test]
fn a_kea_file_without_its_head_is_not_guessed_at() {
    let reading = read(Format::Kea, "10.0.0.5,52:54:00:12:34:56,,1800,1764102600,1,0,0,,0\n");
    assert_eq!(skipped(&reading), [(1, "the head of the file names no column `address`")]);
}

/// Files of others may hold anything.
#[test]
fn no_text_makes_a_reader_stumble() {
    let mut seed = 7_u64;
    let pieces = [
        "lease ",
        "10.0.0.5",
        " { ",
        "}",
        ";",
        "\"",
        "\\",
        "\\00",
        "ends ",
        "never",
        "starts 3 ",
        "2026/13/45",
        " 99:99:99",
        "epoch 99999999999999999999",
        "epoch 99999999999",
        "uid ",
        "hardware ethernet ",
        "1764102600 ",
        ",",
        "\n",
        "address,hwaddr,valid_lifetime,expire\n",
        "18446744073709551615",
        "ff:ff:ff:ff:ff:ff",
        " * ",
        "#",
        "é",
        "\0",
        "+0130",
        "-9999",
    ];
    for _ in 0..5000 {
        let mut text = String::new();
        for _ in 0..40 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
        }
        for format in [Format::Isc, Format::Dnsmasq, Format::Kea, Format::Reveille] {
            let reading = read(format, &text);
            assert!(reading.leases.len() + reading.skipped.len() <= 200, "{text}");
        }
    }
}

impl ForeignState {
    fn until(self) -> Wall {
        match self {
            Self::Bound { until, .. } | Self::Declined { until } | Self::Former { at: until } => {
                until
            }
        }
    }
}

/// What the servers themselves wrote for the same five machines: with a name, with an identifier
/// that repeats the address, with one full of odd bytes, one that gave its address back, one that
/// declined it; then the first once more, under another name.
#[test]
fn files_of_real_servers_are_read() {
    let machine = |number: u8| Some(MacAddr([0x52, 0x54, 0, 0, 0, number]));
    let odd = b"\xff\x00\"quo\\te;{}#\x80\xfe";
    for (format, text, first, tells_declined) in [
        (Format::Isc, include_str!("samples/dhcpd.leases"), "10.77.0.100", true),
        (Format::Kea, include_str!("samples/kea-leases4.csv"), "10.77.0.100", true),
        (Format::Dnsmasq, include_str!("samples/dnsmasq.leases"), "10.77.0.109", false),
    ] {
        let reading = read(format, text);
        assert_eq!(skipped(&reading), [], "{format:?}");
        let first = address(first).to_bits();
        let lease = |number: u32| reading.leases.get(&Ipv4Addr::from_bits(first + number - 1));
        let is_bound = |number| {
            lease(number).is_some_and(|lease| matches!(lease.state, ForeignState::Bound { .. }))
        };
        assert!(is_bound(1) && is_bound(2) && is_bound(3), "{format:?}: {reading:?}");
        let [one, two, three] = [1, 2, 3].map(|number| lease(number).expect("it is bound"));
        assert_eq!((one.mac, one.hostname.as_str()), (machine(1), "n17-new"), "{format:?}");
        assert_eq!((two.mac, two.hostname.as_str()), (machine(2), "with-id"), "{format:?}");
        assert_eq!(two.client_id, [1, 0x52, 0x54, 0, 0, 0, 2], "{format:?}");
        assert_eq!((three.mac, &three.client_id[..]), (machine(3), &odd[..]), "{format:?}");
        // Kea deletes what is given back, dnsmasq forgets that and what is declined.
        let former = lease(4).map(|lease| lease.state);
        assert!(former.is_none_or(|state| matches!(state, ForeignState::Former { .. })));
        assert_eq!(former.is_some(), format == Format::Isc, "{format:?}");
        let declined = lease(5).map(|lease| lease.state);
        assert!(declined.is_none_or(|state| matches!(state, ForeignState::Declined { .. })));
        assert_eq!(declined.is_some(), tells_declined, "{format:?}");
    }
}
