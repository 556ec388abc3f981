//! Each model from power-on to «up», against the real engines.

use reveille_core::view::{Loader, MatchRule};

use super::world::{SERVER, World};
use crate::client::{Note, Options, Stage};
use crate::model::{
    BIOS_PXE, EDK2_AUTOEXEC, EDK2_HTTP, EDK2_PXE, GRUB, IPXE, MODELS, Model, RASPBERRY_PI,
};
use crate::time::Duration;

const KERNEL: u64 = 300_003;
const INITRD: u64 = 400_004;

fn boot(model: &'static Model) -> World {
    let mut world = World::new(model, Options::default());
    if model == &GRUB {
        world.view.profiles[0].loader = Loader::Grub;
    }
    let end = world.run();
    assert_eq!(end, Ok(()), "{}: {:?} {:?}", model.name, world.notes, world.requests);
    assert_eq!(world.ups, 1, "{} reports once: {:?}", model.name, world.requests);
    assert!(world.addresses.iter().all(|address| address.octets()[..3] == [10, 77, 1]));
    world
}

#[test]
fn a_bios_boots() {
    let world = boot(&BIOS_PXE);
    let stages = [
        Stage::PowerOn,
        Stage::Dhcp,
        Stage::Program,
        Stage::DhcpLoader,
        Stage::Script,
        Stage::Kernel,
        Stage::Initrd,
        Stage::Up,
    ];
    assert_eq!(world.stages(), stages);
    let (took, retries, _) = world.stage(Stage::Dhcp).expect("it asked");
    assert!((3000..=5000).contains(&took.as_millis()), "{took:?}");
    assert_eq!(retries, 0);
    assert_eq!(world.stage(Stage::Program).map(|(.., bytes)| bytes), Some(70_001));
    assert_eq!(world.stage(Stage::Kernel).map(|(.., bytes)| bytes), Some(KERNEL));
    assert_eq!(world.stage(Stage::Initrd).map(|(.., bytes)| bytes), Some(INITRD));
}

#[test]
fn uefi_boots_with_a_size_probe_and_a_window() {
    let world = boot(&EDK2_PXE);
    // It waits for its whole first window, whatever comes.
    assert_eq!(world.stage(Stage::Dhcp).expect("it asked").0, Duration::from_secs(4));
    let requests: Vec<_> = world
        .sent
        .iter()
        .filter(|(_, port, _)| *port == 69)
        .map(|(.., bytes)| String::from_utf8_lossy(bytes).replace('\0', " "))
        .collect();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(requests[0].ends_with("octet tsize 0 blksize 1468 windowsize 4 "), "{requests:?}");
    assert!(requests[1].ends_with("octet blksize 1468 windowsize 4 "), "{requests:?}");
    let transfer = world.sent.iter().filter(|(_, port, _)| *port >= 49_152);
    let (errors, acks): (Vec<_>, Vec<_>) = transfer.partition(|(.., bytes)| bytes[1] == 5);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].2.starts_with(b"\0\x05\0\x08User aborted"), "{errors:?}");
    // The OACK, and every fourth of 62 blocks and the last.
    assert_eq!(acks.len(), 1 + 90_002_usize.div_ceil(1468).div_ceil(4));
}

#[test]
fn uefi_boots_by_http() {
    let world = boot(&EDK2_HTTP);
    assert!(world.requests[0].starts_with("HEAD /node/"), "{:?}", world.requests);
    assert!(world.requests[1].starts_with("GET /node/"), "{:?}", world.requests);
    assert_eq!(world.stage(Stage::Program).map(|(.., bytes)| bytes), Some(90_002));
    assert!(world.sent.iter().all(|(_, port, _)| matches!(port, 67)));
}

#[test]
fn ipxe_of_today_runs_its_hook_and_asks_no_second_time() {
    let world = boot(&EDK2_AUTOEXEC);
    assert!(!world.stages().contains(&Stage::DhcpLoader));
    let last = world.sent.iter().rfind(|(_, port, _)| *port == 69).expect("it asked");
    let last = String::from_utf8_lossy(&last.2);
    assert!(last.contains("/autoexec.ipxe\0octet\0blksize\x001432\0tsize\x000\0"), "{last}");
}

#[test]
fn an_ipxe_rom_boots_at_once() {
    let world = boot(&IPXE);
    assert!(world.now.0 < 1_100_000_000, "{:?}", world.now);
    let stages =
        [Stage::PowerOn, Stage::Dhcp, Stage::Script, Stage::Kernel, Stage::Initrd, Stage::Up];
    assert_eq!(world.stages(), stages);
}

#[test]
fn grub_boots_over_tftp() {
    let world = boot(&GRUB);
    let names: Vec<_> = world
        .sent
        .iter()
        .filter(|(_, port, _)| *port == 69)
        .map(|(.., bytes)| {
            let name = bytes[2..].split(|byte| *byte == 0).next().expect("a name");
            String::from_utf8_lossy(name).rsplit('/').next().expect("a part").to_owned()
        })
        .collect();
    let expected = [
        "shimx64.efi",
        "shimx64.efi",
        "revocations_sku.efi",
        "revocations_sbat.efi",
        "shim_certificate_0.efi",
        "grubx64.efi",
        "command.lst",
        "fs.lst",
        "crypto.lst",
        "terminal.lst",
        "grub.cfg-12345678-9abc-def0-1234-56789abcdef0",
        "grub.cfg-01-52-54-00-11-22-33",
        "vmlinuz",
        "initrd.img",
    ];
    assert_eq!(names, expected);
    assert_eq!(world.stage(Stage::Kernel).map(|(.., bytes)| bytes), Some(KERNEL));
}

#[test]
fn a_raspberry_pi_boots_by_tftp_alone_and_reports_by_http() {
    let world = boot(&RASPBERRY_PI);
    assert_eq!(world.stage(Stage::Kernel).map(|(.., bytes)| bytes), Some(150_000));
    assert_eq!(world.stage(Stage::Initrd).map(|(.., bytes)| bytes), Some(80_000));
    assert_eq!(world.requests, ["GET /node/52-54-00-11-22-33/up HTTP/1.1"]);
}

#[test]
fn scripts_that_ask_for_facts_get_them() {
    for model in [&BIOS_PXE, &EDK2_PXE, &EDK2_HTTP, &IPXE, &EDK2_AUTOEXEC] {
        let mut world = World::new(model, Options::default());
        let product = Some("Simulated *".into());
        let rule = MatchRule { product, ..MatchRule::default() };
        world.view.profiles[0].rule = rule;
        assert_eq!(world.run(), Ok(()), "{}: {:?}", model.name, world.requests);
        let facts = "boot.ipxe?facts=1&uuid=12345678-9abc-def0-1234-56789abcdef0&serial=LG000007\
                     &product=Simulated%20";
        assert!(world.requests.iter().any(|line| line.contains(facts)), "{:?}", world.requests);
    }
}

#[test]
fn ipxe_waits_for_a_router_unless_one_advertises_itself() {
    let options = Options { ipv6: true, ..Options::default() };
    let mut world = World::new(&IPXE, options.clone());
    assert_eq!(world.run(), Ok(()));
    let quick = world.stage(Stage::Script).expect("it had one").0;
    let mut world = World::new(&IPXE, options);
    world.view.interfaces[0].advertise_from = None;
    assert_eq!(world.run(), Ok(()));
    let slow = world.stage(Stage::Script).expect("it had one").0;
    assert!(quick < Duration::from_secs(1), "{quick:?}");
    assert_eq!(slow, crate::model::ROUTER_PATIENCE + quick);
}

#[test]
fn metadata_and_report_come_from_the_options_where_no_script_names_them() {
    let options = Options {
        metadata: Some("{node_url}boot.ipxe?address={address}&server={server}".into()),
        report: Some("http://10.77.0.1/node/{mac_hyphen}/up".into()),
        system_start: Duration::from_secs(3),
        ..Options::default()
    };
    let mut world = World::new(&IPXE, options);
    world.publish("boot.ipxe", b"#!ipxe\nkernel debian/vmlinuz\nboot\n".to_vec());
    assert_eq!(world.run(), Ok(()), "{:?} {:?}", world.notes, world.requests);
    assert_eq!(world.ups, 1);
    let tail = &world.requests[world.requests.len() - 2..];
    assert!(
        tail[0].contains("/boot.ipxe?address=10.77.1.") && tail[0].contains("server=10.77.0.1")
    );
    assert_eq!(tail[1], "GET /node/52-54-00-11-22-33/up HTTP/1.1");
    let (took, ..) = world.stage(Stage::Metadata).expect("it had some");
    assert!(took >= Duration::from_secs(3), "{took:?}");
}

#[test]
fn without_a_report_a_machine_is_up_with_its_last_file() {
    let mut world = World::new(&IPXE, Options::default());
    let script = format!(
        "#!ipxe\nset base http://{SERVER}/debian\nkernel ${{base}}/vmlinuz\ninitrd ${{base}}/initrd.img\nboot\n"
    );
    world.publish("boot.ipxe", script.into_bytes());
    assert_eq!(world.run(), Ok(()), "{:?} {:?}", world.notes, world.requests);
    assert_eq!((world.ups, world.requests.len()), (0, 3));
    assert!(matches!(world.notes.last(), Some((_, Note::Up))));
}

#[test]
fn a_seed_repeats_a_life() {
    for model in MODELS {
        let life = |seed| {
            let options = Options { stragglers: 0.5, ..Options::default() };
            let mut world = World::seeded(model, options, seed);
            if model == &GRUB {
                world.view.profiles[0].loader = Loader::Grub;
            }
            assert_eq!(world.run(), Ok(()), "{}", model.name);
            (world.notes, world.sent)
        };
        assert_eq!(life(4), life(4), "{}", model.name);
        let ends: Vec<_> = (0..8).map(|seed| life(seed).0.last().expect("it ends").0).collect();
        assert!(ends.iter().any(|end| *end != ends[0]), "stragglers are slow: {ends:?}");
    }
}
