//! Lost packets, silent servers, refusals, wrong files: machines do what their firmware does.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use super::world::{MAC, SERVER, Way, World, bytes, identity};
use crate::client::{
    BUFFER_LEN, Command, Input, Journey, Machine, Note, Options, Reason, Stage, StreamError,
};
use crate::model::{BIOS_PXE, EDK2_HTTP, EDK2_PXE, GRUB, IPXE, Model, RASPBERRY_PI};
use crate::time::{Duration, Instant};

fn silent(model: &'static Model) -> (World, Result<(), (Stage, Reason)>) {
    let mut world = World::new(model, Options::default());
    world.server_lives = false;
    let end = world.run();
    (world, end)
}

#[test]
fn without_a_server_each_firmware_asks_at_its_times_and_gives_up_at_its_time() {
    let uefi: (&[u64], u64) = (&[0, 4000, 12_000, 28_000], 60_000);
    let ipxe: (&[u64], u64) = (&[0, 1000, 3000, 7000], 15_000);
    let pi: (&[u64], u64) =
        (&[0, 4000, 8000, 12_000, 16_000, 20_000, 24_000, 28_000, 32_000, 36_000, 40_000], 44_000);
    let cases = [(&EDK2_PXE, uefi), (&EDK2_HTTP, uefi), (&GRUB, uefi), (&IPXE, ipxe)];
    for (model, (times, end_ms)) in cases.into_iter().chain([(&RASPBERRY_PI, pi)]) {
        let (world, end) = silent(model);
        assert_eq!(end, Err((Stage::Dhcp, Reason::NoOffer)), "{}", model.name);
        assert_eq!(world.times_ms(67), times, "{}", model.name);
        let took = world.now.since(Instant(1_000_000_000));
        assert_eq!(took.as_millis() as u64, end_ms, "{}", model.name);
        let resent = world.notes.iter().filter(|(_, note)| *note == Note::Resent(Stage::Dhcp));
        assert_eq!(resent.count(), times.len() - 1, "{}", model.name);
    }
    let (world, end) = silent(&BIOS_PXE);
    assert_eq!(end, Err((Stage::Dhcp, Reason::NoOffer)));
    let times = world.times_ms(67);
    for (time, expected) in times.iter().zip([0, 4000, 12_000, 28_000]) {
        assert!(time.abs_diff(expected) <= 3000, "{times:?}");
    }
    assert_ne!(times, [0, 4000, 12_000, 28_000], "each wait is a little off");
}

#[test]
fn silent_file_servers_are_asked_as_often_as_the_firmware_does() {
    // Requests for a file, in milliseconds, and when it gives up.
    let grub: Vec<u64> =
        (0..40_u64).map(|at| at * 400 + 20 * (at * at.saturating_sub(1) / 2)).collect();
    let cases: [(&Model, Vec<u64>, u64); 3] = [
        (&EDK2_PXE, vec![0, 4000, 8000, 12_000, 16_000, 20_000, 24_000], 28_000),
        (&BIOS_PXE, vec![0, 2000, 6000, 14_000, 30_000], 62_000),
        (&GRUB, grub, 31_600),
    ];
    for (model, times, end_ms) in cases {
        let options = Options { script_retries_max: 0, ..Options::default() };
        let mut world = World::new(model, options);
        if model == &GRUB {
            world.view.profiles[0].loader = reveille_core::view::Loader::Grub;
            world.carries = Box::new(|_, _, bytes| {
                !(bytes.starts_with(b"\0\x01") && bytes.windows(9).any(|w| w == b"debian/vm"))
            });
        } else {
            world.carries = Box::new(|_, _, bytes| !bytes.starts_with(b"\0\x01"));
        }
        let (stage, reason) = world.run().expect_err("it cannot boot");
        assert_eq!(reason, Reason::TftpTimeout, "{}", model.name);
        let asked = |bytes: &[u8]| model != &GRUB || bytes.windows(9).any(|w| w == b"debian/vm");
        let mut requests: Vec<_> = world
            .sent
            .iter()
            .filter(|(_, port, bytes)| *port == 69 && asked(bytes))
            .map(|(at, ..)| *at)
            .collect();
        let first = requests[0];
        requests.push(world.now);
        let found: Vec<_> = requests.iter().map(|at| at.since(first).as_millis() as u64).collect();
        let expected: Vec<_> = times.into_iter().chain([end_ms]).collect();
        assert_eq!(found, expected, "{}", model.name);
        assert_eq!(stage, if model == &GRUB { Stage::Kernel } else { Stage::Program });
    }
}

#[test]
fn every_single_loss_is_repaired() {
    for model in [&BIOS_PXE, &EDK2_PXE, &IPXE, &EDK2_HTTP] {
        let mut world = World::new(model, Options::default());
        assert_eq!(world.run(), Ok(()));
        let datagrams = world.sent.len() as u64;
        for way in [Way::ToServer, Way::ToMachine] {
            // The beginning and the end of everything, and some of what is between.
            for lost in (0..datagrams).filter(|at| *at < 12 || at % 17 == 0 || *at + 5 > datagrams)
            {
                let mut world = World::new(model, Options::default());
                world.carries = Box::new(move |this, at, _| this != way || at != lost);
                assert_eq!(world.run(), Ok(()), "{} without {way:?} {lost}", model.name);
            }
        }
    }
}

#[test]
fn many_losses_are_repaired_too() {
    let mut resent = 0;
    for (model, seed) in [(&EDK2_PXE, 1), (&GRUB, 2), (&RASPBERRY_PI, 3), (&BIOS_PXE, 4)] {
        let mut world = World::new(model, Options::default());
        if model == &GRUB {
            world.view.profiles[0].loader = reveille_core::view::Loader::Grub;
        }
        let mut rng = crate::random::Random::new(seed);
        world.carries = Box::new(move |_, _, _| !rng.happens(0.05));
        assert_eq!(world.run(), Ok(()), "{}", model.name);
        resent += world.notes.iter().filter(|(_, note)| matches!(note, Note::Resent(_))).count();
    }
    assert!(resent > 0, "one loss in twenty is noticed");
}

#[test]
fn ipxe_over_tftp_doubles_its_waits_and_recovers() {
    let mut world = World::new(&IPXE, Options::default());
    world.publish("boot.ipxe", b"#!ipxe\nkernel tftp://10.77.0.1/debian/vmlinuz\nboot\n".to_vec());
    world.carries = Box::new(|_, _, bytes| !bytes.starts_with(b"\0\x01"));
    assert_eq!(world.run(), Err((Stage::Kernel, Reason::TftpTimeout)));
    assert_eq!(world.times_ms(69), [0, 250, 750, 1750, 3750, 7750]);
    let took = world.now.since(world.sent.last().expect("it asked").0);
    assert_eq!(took, Duration::from_secs(8));
}

#[test]
fn wrong_bytes_and_wrong_lengths_are_noticed() {
    for (name, stage) in [
        ("undionly.kpxe", Stage::Program),
        ("debian/vmlinuz", Stage::Kernel),
        ("debian/initrd.img", Stage::Initrd),
    ] {
        let len = match name {
            "undionly.kpxe" => 70_001,
            "debian/vmlinuz" => 300_003,
            _ => 400_004,
        };
        for (bytes, reason) in [
            (bytes(len, 99), Reason::WrongBytes),
            (bytes(len + 1, 1), Reason::WrongLength),
            (Vec::new(), Reason::WrongLength),
        ] {
            let mut world = World::new(&BIOS_PXE, Options::default());
            world.publish(name, bytes);
            assert_eq!(world.run(), Err((stage, reason)), "{name}");
        }
    }
}

#[test]
fn what_is_learned_from_one_machine_binds_the_next() {
    let journey = Journey::new(Options::default());
    let found = crate::client::Digest::of(b"one");
    assert_eq!(journey.expected("file", found), found);
    assert_eq!(journey.expected("file", crate::client::Digest::of(b"two")), found);
    assert_eq!(journey.learned(), [("file".into(), found)]);
}

#[test]
fn files_that_are_not_there_end_a_boot() {
    for (name, stage, reason) in [
        ("undionly.kpxe", Stage::Program, Reason::TftpError(1)),
        ("debian/vmlinuz", Stage::Kernel, Reason::HttpStatus(404)),
    ] {
        let options = Options { script_retries_max: 2, ..Options::default() };
        let mut world = World::new(&BIOS_PXE, options);
        let mut kept = reveille_core::view::Catalogue::default();
        std::mem::swap(&mut kept, &mut world.view.catalogue);
        for other in ["undionly.kpxe", "debian/vmlinuz", "debian/initrd.img"] {
            if other != name {
                let file = kept.get(other).expect("it is there").clone();
                world.view.catalogue.insert(other.into(), file);
            }
        }
        assert_eq!(world.run(), Err((stage, reason)), "{:?}", world.requests);
        let scripts = world.requests.iter().filter(|line| line.contains("boot.ipxe")).count();
        // The script tries again where there is one.
        assert_eq!(scripts, if stage == Stage::Kernel { 3 } else { 0 });
    }
}

/// A machine without a server, to be fed by hand.
pub(super) struct Bench {
    pub(super) machine: Machine,
    pub(super) now: Instant,
    pub(super) notes: Vec<Note>,
}

impl Bench {
    pub(super) fn new(model: &'static Model) -> Self {
        let journey = Arc::new(Journey::new(Options::default()));
        let mut bench = Self {
            machine: Machine::new(identity(), model, journey, 1),
            now: Instant(5_000_000_000),
            notes: Vec::new(),
        };
        bench.machine.power_on(bench.now);
        bench
    }

    /// What the machine sends now.
    pub(super) fn drain(&mut self) -> Vec<(Command, Vec<u8>)> {
        let mut buffer = [0; BUFFER_LEN];
        let mut commands = Vec::new();
        while let Some(command) = self.machine.poll_command(&mut buffer, self.now) {
            let len = match command {
                Command::SendDhcp { len, .. }
                | Command::SendDatagram { len, .. }
                | Command::Send { len }
                | Command::SendIpv6 { len } => len,
                Command::OpenDatagram { .. }
                | Command::CloseDatagram
                | Command::Connect { .. }
                | Command::Disconnect
                | Command::PowerOff => 0,
            };
            commands.push((command, buffer[..len].to_vec()));
        }
        self.notes.extend(std::iter::from_fn(|| self.machine.poll_note()));
        commands
    }

    pub(super) fn wait(&mut self) -> Vec<(Command, Vec<u8>)> {
        self.now = self.machine.poll_timeout().expect("it waits for something");
        self.machine.handle_timeout(self.now);
        self.drain()
    }

    pub(super) fn dhcp(&mut self, payload: &[u8]) -> Vec<(Command, Vec<u8>)> {
        self.dhcp_from(67, payload)
    }

    pub(super) fn dhcp_from(&mut self, port: u16, payload: &[u8]) -> Vec<(Command, Vec<u8>)> {
        let source = SocketAddrV4::new(SERVER, port);
        self.machine.handle(Input::Dhcp { source, destination_port: 68, payload }, self.now);
        self.drain()
    }

    pub(super) fn stream(&mut self, bytes: &[u8]) -> Vec<(Command, Vec<u8>)> {
        self.machine.handle(Input::Received(bytes), self.now);
        self.drain()
    }

    pub(super) fn ended(&self) -> Option<Note> {
        self.notes.last().copied()
    }
}

/// A server's message: type, transaction, address, next server, and options.
pub(super) fn reply(
    kind: u8,
    request: &[u8],
    address: Ipv4Addr,
    file: &[u8],
    options: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[..3].copy_from_slice(&[2, 1, 6]);
    bytes[4..8].copy_from_slice(&request[4..8]);
    bytes[16..20].copy_from_slice(&address.octets());
    bytes[20..24].copy_from_slice(&SERVER.octets());
    bytes[28..34].copy_from_slice(&MAC);
    bytes[108..108 + file.len()].copy_from_slice(file);
    bytes.extend([99, 130, 83, 99, 53, 1, kind, 54, 4, 10, 77, 0, 1]);
    bytes.extend(options);
    bytes.push(255);
    bytes
}

pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 3, 4);
const MASK: [u8; 6] = [1, 4, 255, 255, 0, 0];
/// Mask, and iPXE's option not to wait for a second server.
pub(super) const QUICK: [u8; 11] = [1, 4, 255, 255, 0, 0, 175, 3, 176, 1, 1];

fn sent(commands: &[(Command, Vec<u8>)]) -> &[u8] {
    &commands.last().expect("it sent something").1
}

#[test]
fn a_refusal_ends_uefi_and_makes_ipxe_begin_again_after_a_second() {
    let mut bench = Bench::new(&EDK2_PXE);
    let discover = bench.drain();
    let offer = reply(2, sent(&discover), ADDRESS, b"x.efi", &MASK);
    assert!(bench.dhcp(&offer).is_empty(), "it waits for its window to end");
    let request = bench.wait();
    assert_eq!(sent(&request)[242], 3);
    let nak = reply(6, sent(&request), Ipv4Addr::UNSPECIFIED, b"", &[]);
    bench.dhcp(&nak);
    assert_eq!(bench.ended(), Some(Note::Failed { stage: Stage::Dhcp, reason: Reason::Nak }));

    let mut bench = Bench::new(&IPXE);
    let discover = bench.drain();
    let offer = reply(2, sent(&discover), ADDRESS, b"http://10.77.0.1/x", &QUICK);
    let request = bench.dhcp(&offer);
    assert_eq!(request.len(), 1);
    let before = bench.now;
    let nak = reply(6, sent(&request), Ipv4Addr::UNSPECIFIED, b"", &[]);
    assert!(bench.dhcp(&nak).is_empty());
    let again = bench.wait();
    assert_eq!(bench.now.since(before), Duration::from_secs(1));
    let kind = sent(&again).windows(3).any(|option| option == [53, 1, 1]);
    assert!(kind, "a DISCOVER");
}

#[test]
fn an_acknowledgement_without_a_mask_is_declined_by_uefi() {
    let mut bench = Bench::new(&EDK2_PXE);
    let discover = bench.drain();
    bench.dhcp(&reply(2, sent(&discover), ADDRESS, b"x.efi", &MASK));
    let request = bench.wait();
    let commands = bench.dhcp(&reply(5, sent(&request), ADDRESS, b"x.efi", &[]));
    assert_eq!(commands[0].1[240..243], [53, 1, 4]);
    assert_eq!(commands[1].0, Command::PowerOff);
    assert_eq!(bench.ended(), Some(Note::Failed { stage: Stage::Dhcp, reason: Reason::BadDhcp }));
}

/// An iPXE that has asked for its script.
pub(super) fn asking() -> Bench {
    let mut bench = Bench::new(&IPXE);
    let discover = bench.drain();
    let file = b"http://10.77.0.1:8080/boot.ipxe";
    let request = bench.dhcp(&reply(2, sent(&discover), ADDRESS, file, &QUICK));
    let commands = bench.dhcp(&reply(5, sent(&request), ADDRESS, file, &QUICK));
    let server = SocketAddrV4::new(SERVER, 8080);
    assert_eq!(commands[0].0, Command::Connect { local: ADDRESS, server });
    bench.machine.handle(Input::Connected, bench.now);
    let commands = bench.drain();
    let text = String::from_utf8_lossy(sent(&commands)).into_owned();
    assert!(text.starts_with("GET /boot.ipxe HTTP/1.1\r\nHost: 10.77.0.1:8080\r\n"), "{text}");
    bench
}

#[test]
fn ipxe_obeys_retry_after_and_asks_on_the_same_connection() {
    let mut bench = asking();
    for seconds in [7, 30, 1, 12] {
        let before = bench.now;
        let busy =
            format!("HTTP/1.1 503 x\r\nContent-Length: 2\r\nRetry-After: {seconds}\r\n\r\n..");
        assert!(bench.stream(busy.as_bytes()).is_empty());
        assert_eq!(bench.ended(), Some(Note::ToldToWait(Stage::Script)));
        let again = bench.wait();
        assert_eq!(bench.now.since(before), Duration::from_secs(seconds));
        assert!(matches!(again[..], [(Command::Send { .. }, _)]), "{again:?}");
    }
    // The connection may go while it waits.
    bench.stream(b"HTTP/1.1 503 x\r\nContent-Length: 0\r\nRetry-After: 5\r\n\r\n");
    bench.machine.handle(Input::EndOfStream, bench.now);
    assert!(matches!(bench.drain()[..], [(Command::Disconnect, _)]));
    assert!(matches!(bench.wait()[..], [(Command::Connect { .. }, _)]));
}

#[test]
fn uefi_does_not_obey_retry_after() {
    let mut bench = Bench::new(&EDK2_HTTP);
    let discover = bench.drain();
    let options = [&MASK[..], b"\x3c\x0aHTTPClient"].concat();
    let file = b"http://10.77.0.1/x.efi";
    bench.dhcp(&reply(2, sent(&discover), ADDRESS, file, &options));
    let request = bench.wait();
    bench.dhcp(&reply(5, sent(&request), ADDRESS, file, &options));
    bench.machine.handle(Input::Connected, bench.now);
    assert!(sent(&bench.drain()).starts_with(b"HEAD /x.efi HTTP/1.1\r\nHost: 10.77.0.1\r\n"));
    let busy = b"HTTP/1.1 503 x\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n";
    assert!(sent(&bench.stream(busy)).starts_with(b"GET /x.efi "));
    bench.stream(busy);
    let reason = Reason::HttpStatus(503);
    assert_eq!(bench.ended(), Some(Note::Failed { stage: Stage::Program, reason }));
}

#[test]
fn uefi_tries_a_broken_download_again_and_wants_the_length_of_the_head() {
    let mut bench = Bench::new(&EDK2_HTTP);
    let discover = bench.drain();
    let options = [&MASK[..], b"\x3c\x0aHTTPClient"].concat();
    let file = b"http://10.77.0.1/x.efi";
    bench.dhcp(&reply(2, sent(&discover), ADDRESS, file, &options));
    let request = bench.wait();
    bench.dhcp(&reply(5, sent(&request), ADDRESS, file, &options));
    bench.machine.handle(Input::Connected, bench.now);
    bench.drain();
    bench.stream(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    for _ in 0..5 {
        bench.stream(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcde");
        let before = bench.now;
        bench.machine.handle(Input::StreamFailed(StreamError::Reset), bench.now);
        bench.drain();
        assert_eq!(bench.ended(), Some(Note::Resent(Stage::Program)));
        let commands = bench.wait();
        assert!(matches!(commands[0].0, Command::Connect { .. }), "{commands:?}");
        assert_eq!(bench.now.since(before), Duration::from_secs(2));
        bench.machine.handle(Input::Connected, bench.now);
        bench.drain();
    }
    bench.stream(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nabcdefgh");
    let reason = Reason::WrongLength;
    assert_eq!(bench.ended(), Some(Note::Failed { stage: Stage::Program, reason }));
}

#[test]
fn connections_that_break_fall_silent_or_never_stand_are_told_apart() {
    let failed = |reason| Some(Note::Failed { stage: Stage::Script, reason });
    let mut bench = asking();
    bench.machine.handle(Input::StreamFailed(StreamError::Reset), bench.now);
    bench.drain();
    assert_eq!(bench.ended(), failed(Reason::StreamBroken));

    let mut bench = asking();
    bench.stream(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n#!ip");
    bench.machine.handle(Input::EndOfStream, bench.now);
    bench.drain();
    assert_eq!(bench.ended(), failed(Reason::StreamBroken));

    let mut bench = asking();
    let before = bench.now;
    bench.wait();
    assert_eq!((bench.ended(), bench.now.since(before).as_secs()), (failed(Reason::Stalled), 120));

    let mut bench = asking();
    bench.stream(b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(bench.ended(), failed(Reason::HttpStatus(500)));

    let mut bench = asking();
    bench.stream(b"nonsense\r\n");
    assert_eq!(bench.ended(), failed(Reason::BadHttp));

    let mut bench = asking();
    bench.stream(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n#!ipxe\n");
    assert_eq!(bench.ended(), failed(Reason::BadScript));
}

#[test]
fn those_that_are_drawn_to_vanish_say_nothing_more() {
    let mut vanished = 0;
    for seed in 0..30 {
        let options = Options { vanish: 0.5, ..Options::default() };
        let mut world = World::seeded(&EDK2_PXE, options, seed);
        world.machine.power_on(world.now);
        let mut buffer = [0; BUFFER_LEN];
        let mut last = None;
        // Without a server all that it can do is ask and vanish.
        while let Some(next) = world.machine.poll_timeout() {
            while world.machine.poll_command(&mut buffer, next).is_some() {}
            while let Some(note) = world.machine.poll_note() {
                last = Some(note);
            }
            world.machine.handle_timeout(next);
        }
        while let Some(note) = world.machine.poll_note() {
            last = Some(note);
        }
        let commands: Vec<_> =
            std::iter::from_fn(|| world.machine.poll_command(&mut buffer, world.now)).collect();
        assert_eq!(commands.last(), Some(&Command::PowerOff));
        vanished += usize::from(last == Some(Note::Vanished(Stage::Dhcp)));
    }
    assert!((1..15).contains(&vanished), "{vanished}");
}
