//! What scripts make a machine do.

use super::faults::asking;
use super::world::World;
use crate::client::{Command, Note, Options, Reason, Stage};
use crate::model::IPXE;

/// The requests of an iPXE machine that gets this script.
fn requests(script: &str) -> (Result<(), (Stage, Reason)>, Vec<String>) {
    let mut world = World::new(&IPXE, Options::default());
    world.publish("boot.ipxe", script.as_bytes().to_vec());
    let end = world.run();
    let paths = world.requests.iter().skip(1).map(|line| {
        let path = line.split(' ').nth(1).expect("a path");
        path.rsplit_once("node/").map_or(path, |(_, rest)| rest).to_owned()
    });
    let paths =
        paths.map(|path| path.split_once('/').map_or(path.clone(), |(_, rest)| rest.into()));
    (end, paths.collect())
}

#[test]
fn conditions_jumps_and_variables_are_followed() {
    let script = "#!ipxe\n\
        # a comment\n\
        set what vmlinuz\n\
        isset ${nothing} && goto nowhere || echo go on\n\
        isset ${mac} || goto nowhere\n\
        iseq ${platform} pcbios && goto bios ||\n\
        kernel http://10.77.0.1/wrong\n\
        :bios\n\
        imgfetch --name x --timeout 5000 \\\n   debian/initrd.img || shell\n\
        kernel -n y debian/${what} quiet ; initrd debian/initrd.img\n\
        boot y || goto failed\n\
        :failed\n\
        kernel http://10.77.0.1/wrong\n";
    let (end, paths) = requests(script);
    assert_eq!(end, Ok(()), "{paths:?}");
    assert_eq!(paths, ["debian/initrd.img", "debian/vmlinuz", "debian/initrd.img"]);
}

#[test]
fn chains_are_followed_and_endless_ones_end() {
    let mut world = World::new(&IPXE, Options::default());
    world.publish("boot.ipxe", b"#!ipxe\nchain --autofree next.ipxe || shell\n".to_vec());
    world.publish("next.ipxe", b"#!ipxe\nkernel /debian/vmlinuz\nboot\n".to_vec());
    assert_eq!(world.run(), Ok(()), "{:?}", world.requests);
    assert_eq!(world.requests.last().map(String::as_str), Some("GET /debian/vmlinuz HTTP/1.1"));
}

#[test]
fn scripts_that_lead_nowhere_end_a_boot() {
    for script in [
        "#!ipxe\n",
        "#!ipxe\nexit\nkernel debian/vmlinuz\n",
        "#!ipxe\nisset ${nothing}\nkernel debian/vmlinuz\n",
        "#!ipxe\ngoto missing\nkernel debian/vmlinuz\n",
        "#!ipxe\nboot\nkernel debian/vmlinuz\n",
    ] {
        assert_eq!(requests(script).0, Err((Stage::Script, Reason::BadScript)), "{script}");
    }
    let (end, _) = requests("#!ipxe\nkernel nfs://10.77.0.1/x\n");
    assert_eq!(end, Err((Stage::Script, Reason::BadUrl)));
}

#[test]
fn a_program_in_the_place_of_a_script_is_ipxe_again() {
    let mut world = World::new(&IPXE, Options::default());
    world.publish("boot.ipxe", b"\x7fELF no script".to_vec());
    assert_eq!(world.run(), Err((Stage::Script, Reason::BadScript)));
    assert_eq!(world.requests.len(), 3);
    assert!(world.stages().contains(&Stage::DhcpLoader));
}

#[test]
fn a_failed_image_makes_the_script_try_again_after_its_wait() {
    let mut bench = asking();
    let script = "#!ipxe\nkernel k || goto r\nboot\n:r\nsleep 9\nchain again.ipxe || goto r\n";
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{script}", script.len());
    bench.stream(head.as_bytes());
    let before = bench.now;
    bench.stream(b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(bench.ended(), Some(Note::Resent(Stage::Kernel)));
    let commands = bench.wait();
    assert_eq!(bench.now.since(before).as_secs(), 9);
    let (Command::Send { .. }, bytes) = &commands[0] else { panic!("{commands:?}") };
    assert!(bytes.starts_with(b"GET /again.ipxe "), "{}", String::from_utf8_lossy(bytes));
}
