//! Timelines of hand-made events.

use std::fmt::Write;
use std::net::Ipv4Addr;

use reveille_core::event::{
    Client, EventName, ForeignServer, LinkName, Outcome as Transfer, PoolLevel, PoolUsage, Protocol,
};
use reveille_core::identity::Firmware;
use reveille_core::view::Subnet;
use reveille_core::wire::pxe::ArchType;

use super::*;

const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);

/// Feeds events at chosen times and writes down what is told.
struct Story {
    timelines: Timelines,
    client: Client,
    told: String,
}

impl Story {
    fn new() -> Self {
        let mut roles = Roles::new();
        roles.insert("ipxe/snponly.efi", Stage::BootProgram);
        roles.insert("vmlinuz", Stage::Kernel);
        roles.insert("initrd.img", Stage::Initrd);
        Self {
            timelines: Timelines::new(NonZeroUsize::new(4).unwrap(), roles),
            client: Client { mac: Some(MAC), address: None },
            told: String::new(),
        }
    }

    /// From now on, this is who speaks.
    fn client(&mut self, mac: Option<MacAddr>, address: Option<Ipv4Addr>) -> &mut Self {
        self.client = Client { mac, address: address.map(IpAddr::V4) };
        self
    }

    fn at(&mut self, millis: u64, kind: EventKind) -> &mut Self {
        let event = Event { at: instant(millis), client: self.client, kind };
        if let Some(entry) = self.timelines.record(&event) {
            self.tell(&entry);
        }
        self
    }

    fn look(&mut self, millis: u64) -> &mut Self {
        for entry in self.timelines.overdue(instant(millis)) {
            self.tell(&entry);
        }
        self
    }

    fn tell(&mut self, entry: &Entry) {
        let mark = match entry.what.weight() {
            Weight::Detail => '.',
            Weight::Stage => ' ',
            Weight::Warning => '!',
        };
        writeln!(self.told, "{mark} {entry}").unwrap();
    }

    fn lease(&mut self, start: u64, firmware: Firmware, boot_file: &str) -> &mut Self {
        self.at(start, discover(firmware))
            .at(start + 1, offer(boot_file))
            .at(start + 1000, request(firmware))
            .at(start + 1001, ack(firmware, boot_file))
    }

    fn fetch(&mut self, start: u64, name: &str, bytes: u64, millis: u64) -> &mut Self {
        self.at(start, started(name, bytes))
            .at(start + millis, ended(name, bytes, millis, Transfer::Completed))
    }
}

fn instant(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn name(text: &str) -> EventName {
    EventName::sanitised(text.as_bytes())
}

fn discover(firmware: Firmware) -> EventKind {
    EventKind::Discover { firmware, arch: Some(ArchType(7)), uuid: None }
}

fn offer(boot_file: &str) -> EventKind {
    EventKind::Offer { address: ADDRESS, boot_file: name(boot_file) }
}

fn request(firmware: Firmware) -> EventKind {
    EventKind::Request { firmware, address: ADDRESS }
}

fn ack(firmware: Firmware, boot_file: &str) -> EventKind {
    let lease = Duration::from_secs(1800);
    EventKind::Ack { firmware, address: ADDRESS, lease, boot_file: name(boot_file) }
}

fn started(file: &str, bytes: u64) -> EventKind {
    EventKind::TransferStarted { protocol: Protocol::Http, name: name(file), bytes }
}

fn ended(file: &str, bytes: u64, millis: u64, outcome: Transfer) -> EventKind {
    EventKind::TransferEnded {
        protocol: Protocol::Http,
        name: name(file),
        bytes,
        took: Duration::from_millis(millis),
        retransmits: 0,
        outcome,
    }
}

#[test]
fn a_whole_boot_is_told_once_from_power_on_to_user_space() {
    let mut story = Story::new();
    story
        .lease(0, Firmware::Pxe, "node/52-54-00-12-34-56.7/ipxe/snponly.efi")
        // The size is asked for first.
        .at(1100, started("node/52-54-00-12-34-56.7/ipxe/snponly.efi", 300_000))
        .at(1101, ended("node/52-54-00-12-34-56.7/ipxe/snponly.efi", 0, 1, Transfer::Aborted))
        .fetch(1102, "node/52-54-00-12-34-56.7/ipxe/snponly.efi", 300_000, 200)
        .lease(3000, Firmware::Ipxe, "http://10.0.0.1/node/52-54-00-12-34-56.7/boot.ipxe")
        // iPXE asks twice whatever it hears.
        .at(4002, discover(Firmware::Ipxe))
        .at(4003, offer(""))
        .client(None, Some(ADDRESS))
        .fetch(4100, "node/52-54-00-12-34-56.7/boot.ipxe", 400, 0)
        .fetch(4200, "vmlinuz", 8_000_000, 900)
        .fetch(5200, "initrd.img", 40_000_000, 4000)
        .client(Some(MAC), None)
        .lease(12_000, Firmware::System, "")
        .at(14_000, EventKind::Up)
        .at(15_000, EventKind::Up)
        .look(200_000);
    insta::assert_snapshot!(format!("{}---\n{}", story.told, story.timelines.summary()));
    assert_eq!(story.timelines.up(), 1);
}

#[test]
fn a_machine_that_resets_begins_anew() {
    let mut story = Story::new();
    story
        .lease(0, Firmware::Pxe, "ipxe/snponly.efi")
        .fetch(1100, "ipxe/snponly.efi", 300_000, 200)
        .lease(3000, Firmware::Ipxe, "boot.ipxe")
        .lease(20_000, Firmware::Pxe, "ipxe/snponly.efi");
    let line = story.told.lines().last().unwrap().to_owned();
    assert!(line.contains("1.001 s  ACK"), "{line}");
    assert!(story.told.contains("(boot 2)"), "{}", story.told);
    assert_eq!(story.timelines.summary().lines[0].boot, 2);

    // The BIOS' own iPXE comes again after its kernel was loaded: a reset, too.
    let mut story = Story::new();
    story.lease(0, Firmware::Ipxe, "boot.ipxe").fetch(2000, "vmlinuz", 10, 1);
    story.lease(9000, Firmware::System, "").lease(60_000, Firmware::Ipxe, "boot.ipxe");
    assert!(story.told.contains("(boot 2)"), "{}", story.told);
}

#[test]
fn silence_is_noticed_once_and_only_where_it_means_something() {
    let mut story = Story::new();
    story
        .at(0, discover(Firmware::Pxe))
        .at(1, EventKind::ProxyOffer { boot_file: name("") })
        .at(900, request(Firmware::Pxe))
        .look(20_000)
        .look(36_000)
        .look(37_000)
        .at(60_000, EventKind::ProxyOffer { boot_file: name("") })
        .look(100_000);
    insta::assert_snapshot!(story.told);

    // Without a server that gives addresses, firmware asks again and again.
    let mut story = Story::new();
    for second in [0, 4, 12] {
        story
            .at(second * 1000, discover(Firmware::Pxe))
            .at(second * 1000 + 1, EventKind::ProxyOffer { boot_file: name("") })
            .look(second * 1000 + 500);
    }
    story.look(14_001).look(60_000);
    assert_eq!(story.told.matches('!').count(), 1, "{}", story.told);
    assert!(story.told.contains("14.001 s  no server"), "{}", story.told);

    // A script of the operator's own need not load a kernel.
    let mut story = Story::new();
    story.timelines.set_roles(Roles::new());
    story.lease(0, Firmware::Ipxe, "boot.ipxe").fetch(1100, "boot.ipxe", 300, 5).look(90_000);
    assert!(!story.told.contains('!'), "{}", story.told);

    // A laptop that took another server's address is none of our business.
    let mut story = Story::new();
    story.at(0, discover(Firmware::System)).at(1, offer("")).look(60_000);
    assert!(!story.told.contains('!'), "{}", story.told);
}

#[test]
fn every_stage_that_can_go_silent_has_its_finding() {
    let program = "ipxe/snponly.efi";
    let findings = |prepare: &dyn Fn(&mut Story)| {
        let mut story = Story::new();
        prepare(&mut story);
        story.look(80_000);
        story.told.lines().last().unwrap().split_once("  no ").map_or_else(
            || story.told.lines().last().unwrap().to_owned(),
            |(_, rest)| format!("no {rest}"),
        )
    };
    assert!(
        findings(&|story| {
            story.at(0, discover(Firmware::Pxe)).at(1, offer(program));
        })
        .contains("did not ask for it")
    );
    assert!(
        findings(&|story| {
            story.lease(0, Firmware::Pxe, program);
        })
        .contains("does not fetch it")
    );
    assert!(
        findings(&|story| {
            story.lease(0, Firmware::Pxe, program).fetch(1100, program, 300_000, 5);
        })
        .contains("fell silent")
    );
    assert!(
        findings(&|story| {
            story.lease(0, Firmware::Ipxe, "boot.ipxe").fetch(1100, "boot.ipxe", 300, 5);
        })
        .contains("fetches nothing it names")
    );
    assert!(
        findings(&|story| {
            story.at(0, discover(Firmware::Pxe)).at(1, EventKind::NoAddress);
        })
        .contains("no address is left")
    );
    assert!(
        findings(&|story| {
            let arch = Some(ArchType(0x1b));
            story.at(0, discover(Firmware::Pxe)).at(1, EventKind::NoBootProgram { arch });
        })
        .contains("no boot program for riscv64-uefi")
    );
    let help = |arch| Diagnosis::NoBootProgram { arch: Some(arch) }.help();
    assert!(help(ArchType::X64_UEFI).starts_with("install the package ipxe"));
    assert!(help(ArchType::ARM64_UEFI).starts_with("Debian's package ipxe has none"));
}

#[test]
fn what_concerns_a_whole_network_is_told_with_what_to_do() {
    let mut story = Story::new();
    let subnet = Subnet { address: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 24 };
    let found = ForeignServer {
        server: Ipv4Addr::new(10, 0, 0, 9),
        station: Some(MAC),
        subnet,
        link: LinkName::sanitised(b"eth0"),
        beside: None,
    };
    let second = ForeignServer { station: None, beside: Some(ADDRESS), ..found };
    let usage = |bound, offered, level, is_news| {
        let resting = 1;
        EventKind::Pool(PoolUsage { subnet, size: 50, bound, offered, resting, level, is_news })
    };
    let in_use = |station| EventKind::AddressInUse { address: ADDRESS, station };
    story.at(0, discover(Firmware::Pxe)).at(1, in_use(Some(MAC))).at(2, in_use(None));
    story.client(None, None);
    story.at(3, EventKind::ForeignServer(found)).at(4, EventKind::ForeignServer(second));
    story.at(5, usage(39, 1, PoolLevel::High, true)).at(6, usage(40, 1, PoolLevel::High, false));
    story.at(7, usage(9, 40, PoolLevel::Full, true)).at(8, usage(9, 0, PoolLevel::Normal, true));
    let expected = "  52:54:00:12:34:56      0.000 s  DISCOVER      PXE, x86_64-uefi
! 52:54:00:12:34:56      0.001 s  conflict      10.0.0.100 is used by 52:54:00:12:34:56
! 52:54:00:12:34:56      0.002 s  conflict      10.0.0.100 is used by another host
! 10.0.0.9                        other DHCP    10.0.0.9 (52:54:00:12:34:56) answers clients of \
         10.0.0.0/24 on eth0
! 10.0.0.9                        other DHCP    10.0.0.9 answers clients of 10.0.0.0/24 on eth0, \
         as 10.0.0.100 does
! 10.0.0.0                        pool          fills up: 41 of 50 addresses of 10.0.0.0/24 in \
         use (39 lent, 1 offered, 1 resting)
! 10.0.0.0                        pool          empty: 50 of 50 addresses of 10.0.0.0/24 in use \
         (9 lent, 40 offered, 1 resting)
  10.0.0.0                        pool          room again: 10 of 50 addresses of 10.0.0.0/24 in \
         use (9 lent, 0 offered, 1 resting)
";
    assert_eq!(story.told, expected);
    let help = |kind| describe(&kind, &Roles::new(), None).unwrap().help();
    assert!(help(usage(9, 40, PoolLevel::Full, true)).unwrap().contains("made-up"));
    assert!(help(usage(40, 1, PoolLevel::Full, true)).unwrap().contains("shorten the lease"));
    assert_eq!(help(usage(1, 0, PoolLevel::Normal, true)), None);
    let help = help(EventKind::ForeignServer(found)).unwrap();
    assert!(help.contains("other_servers = [\"10.0.0.9\"]"), "{help}");
}

#[test]
fn failures_and_probes_weigh_differently() {
    let mut story = Story::new();
    let missing = |file| EventKind::NotFound { protocol: Protocol::Tftp, name: name(file) };
    story
        .at(0, missing("node/52-54-00-12-34-56.7/ipxe/autoexec.ipxe"))
        .at(1, missing("vmlinux"))
        .at(2, missing("vmlinux"))
        .at(3, EventKind::Refused { protocol: Protocol::Tftp, name: name("../etc/passwd") })
        .at(4, started("vmlinuz", 8_000_000))
        .at(5000, ended("vmlinuz", 1_000_000, 4996, Transfer::TimedOut))
        .at(5001, EventKind::Decline { address: ADDRESS })
        .client(None, Some(Ipv4Addr::new(10, 0, 0, 7)))
        .fetch(6000, "initrd.img", 1000, 10);
    insta::assert_snapshot!(story.told);
}

#[test]
fn machines_beyond_the_bound_make_room() {
    let mut story = Story::new();
    for last in 0..10 {
        let mac = MacAddr([2, 0, 0, 0, 0, last]);
        story
            .client(Some(mac), Some(Ipv4Addr::new(10, 0, 0, last)))
            .at(u64::from(last), request(Firmware::System));
    }
    assert_eq!(story.timelines.summary().lines.len(), 4);
    assert_eq!(story.timelines.by_address.len(), 4);
}

#[test]
fn an_address_follows_its_latest_owner() {
    let other = MacAddr([2, 0, 0, 0, 0, 9]);
    let mut story = Story::new();
    story.client(Some(MAC), None).at(0, ack(Firmware::Pxe, ""));
    story.client(Some(other), None).at(1, ack(Firmware::Pxe, ""));
    story.client(None, Some(ADDRESS)).fetch(2, "vmlinuz", 10, 1);
    assert!(story.told.lines().last().unwrap().contains(&other.to_string()), "{}", story.told);
}

#[test]
fn machines_under_way_are_listed_until_they_have_loaded() {
    let mut story = Story::new();
    story.lease(0, Firmware::Ipxe, "boot.ipxe").at(2000, started("vmlinuz", 8_000_000));
    let under_way: Vec<UnderWay> = story.timelines.under_way(instant(3000)).collect();
    assert_eq!(
        under_way,
        [UnderWay {
            mac: MAC,
            since_start: Duration::from_secs(3),
            stage: Stage::Kernel,
            fetching: Some(("vmlinuz".into(), 8_000_000, Duration::from_secs(1))),
        }]
    );
    story.at(4000, ended("vmlinuz", 8_000_000, 2000, Transfer::Completed));
    assert_eq!(story.timelines.under_way(instant(4001)).count(), 0);
    assert_eq!(story.timelines.summary().lines[0].outcome, Outcome::Loaded);
}

#[test]
fn waits_are_told_and_those_we_ask_for_are_no_silence() {
    let (protocol, waited) = (Protocol::Tftp, Duration::from_millis(3100));
    let mut story = Story::new();
    story
        .lease(0, Firmware::Pxe, "ipxe/snponly.efi")
        .at(4200, EventKind::Waited { protocol, name: name("ipxe/snponly.efi"), waited })
        .fetch(4200, "ipxe/snponly.efi", 300_000, 20)
        .lease(5000, Firmware::Ipxe, "boot.ipxe")
        .fetch(6100, "boot.ipxe", 500, 1);
    let (protocol, wait) = (Protocol::Http, Duration::from_secs(17));
    story.at(6200, EventKind::SentAway { protocol, name: name("vmlinuz"), wait }).look(600_000);
    let lines: Vec<_> = story.told.lines().filter(|line| line.contains("  waits  ")).collect();
    assert!(lines[0].ends_with("ipxe/snponly.efi: waited 3.10 s for a place"), "{}", story.told);
    assert!(lines[1].ends_with("vmlinuz: told to come back in 17 s"), "{}", story.told);
    assert!(story.told.ends_with("in 17 s\n"), "no finding follows: {}", story.told);
}
