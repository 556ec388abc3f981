use std::net::TcpStream;

use super::*;
use crate::socket::local_address;

const PORTS: LowPorts = LowPorts { udp: [67, 69, 69], tcp: [80, 80] };

fn specs() -> [SocketSpec; 8] {
    let local = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 1), 0);
    let udp = UdpOptions {
        local,
        device: NonZeroU32::new(1),
        broadcast: true,
        shared: false,
        receive_buffer_bytes: 1 << 20,
    };
    [
        SocketSpec::Udp(udp),
        SocketSpec::Udp(UdpOptions { device: None, broadcast: false, shared: true, ..udp }),
        SocketSpec::Tcp { local: "127.0.0.1:8080".parse().unwrap(), shared: true },
        frames(Watch::Routers),
        frames(Watch::RoutersAndOwn),
        frames(Watch::Arp),
        frames(Watch::DhcpReplies),
        SocketSpec::Echo,
    ]
}

fn frames(watch: Watch) -> SocketSpec {
    SocketSpec::Frames(FramesOptions { interface: 0x0102_0304, watch })
}

#[test]
fn a_request_arrives_as_it_was_made() {
    for spec in specs() {
        assert_eq!(decode(&encode(&spec)), Some(spec));
    }
    assert_eq!(decode(&[0; REQUEST_BYTES]), None);
    assert_eq!(decode(&[u8::MAX; REQUEST_BYTES]), None);
}

#[test]
fn the_helper_hands_over_what_it_opens_and_says_what_it_cannot() {
    let mut helper = Helper::start(PORTS, || Ok(())).unwrap();
    let local = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    let listener = helper.open(&SocketSpec::Tcp { local, shared: false }).unwrap();
    let address = local_address(&listener).unwrap();
    TcpStream::connect(address).expect("somebody listens");
    let taken = helper.open(&SocketSpec::Tcp { local: address, shared: false }).unwrap_err();
    assert_eq!(taken.raw_os_error(), Some(libc::EADDRINUSE));
    let elsewhere = "192.0.2.1:0".parse().unwrap();
    let absent = helper.open(&SocketSpec::Tcp { local: elsewhere, shared: false }).unwrap_err();
    assert_eq!(absent.raw_os_error(), Some(libc::EADDRNOTAVAIL));
    let udp = helper.open(&specs()[1]).unwrap();
    assert_ne!(local_address(&udp).unwrap().port(), 0);
}

#[test]
fn of_the_low_ports_only_those_agreed_upon_are_opened() {
    let at = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let tcp = |port| SocketSpec::Tcp { local: at(port), shared: false };
    let udp = |port| {
        let SocketSpec::Udp(options) = specs()[0] else { panic!("the first one is UDP") };
        SocketSpec::Udp(UdpOptions { local: at(port), ..options })
    };
    for (port, by_udp, by_tcp) in [
        (0, true, true),
        (22, false, false),
        (67, true, false),
        (69, true, false),
        (80, false, true),
        (1023, false, false),
        (1024, true, true),
        (u16::MAX, true, true),
    ] {
        assert_eq!(PORTS.allow(&udp(port)), by_udp, "UDP port {port}");
        assert_eq!(PORTS.allow(&tcp(port)), by_tcp, "TCP port {port}");
    }
    // Whoever may open anything is refused as well.
    let mut helper = Helper::start(PORTS, || Ok(())).unwrap();
    let refused = helper.open(&tcp(1)).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EACCES));
}

#[test]
fn a_helper_that_could_not_confine_itself_is_no_helper() {
    let error = Helper::start(PORTS, || Err(Errno::PERM.into())).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPERM));
}

#[test]
fn a_helper_that_is_gone_is_an_error_and_no_hang() {
    let mut helper = Helper::start(PORTS, || Ok(())).unwrap();
    rustix::process::kill_process(helper.process, rustix::process::Signal::KILL).unwrap();
    let local = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    let spec = SocketSpec::Tcp { local, shared: false };
    helper.open(&spec).unwrap_err();
    helper.open(&spec).unwrap_err();
}
