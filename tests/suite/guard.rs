//! Addresses that others use, other servers, and floods, on a real link.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use reveille_core::mac::MacAddr;
use reveille_core::wire::dhcp4::{Header, Message, MessageType};
use reveille_core::wire::dhcp4_options::MessageWriter;
use reveille_tests::lab::client::{Client, EXCHANGE, Stock};
use reveille_tests::lab::peer::Dnsmasq;
use reveille_tests::lab::{Host, Link, Reveille};

use crate::site::{address, serving};

/// How long an answer on a link without distance may take.
const ANSWER: Duration = Duration::from_secs(5);

/// Somebody who asks for addresses by hand. Answers come by broadcast.
struct Asker {
    host: Host,
    socket: UdpSocket,
}

impl Asker {
    fn new(link: &Link) -> Self {
        let host = link.host();
        address(&host, 9);
        host.namespace().ip("route add default dev eth0");
        let socket = host.namespace().run(|| UdpSocket::bind("0.0.0.0:68").expect("it is free"));
        socket.set_broadcast(true).expect("an option of ours");
        socket.set_read_timeout(Some(ANSWER)).expect("an option of ours");
        Self { host, socket }
    }

    fn send(&self, number: u32) {
        let [_, b, c, d] = number.to_be_bytes();
        let mut header = Header::request(number, MacAddr([2, 9, 9, b, c, d]));
        header.set_broadcast(true);
        let mut buffer = [0; 400];
        let mut writer = MessageWriter::new(&mut buffer, &header, MessageType::Discover);
        writer.put(55, &[1, 3, 6]);
        let length = writer.finish().expect("it fits");
        self.socket.send_to(&buffer[..length], "255.255.255.255:67").expect("the link is up");
    }

    /// Reads for a while whatever comes.
    fn take_answers(&self, span: Duration) {
        let end = Instant::now() + span;
        let mut buffer = [0; 1500];
        self.socket.set_read_timeout(Some(span)).expect("an option of ours");
        // Ends with the span.
        while Instant::now() < end {
            self.socket.recv(&mut buffer).ok();
        }
        self.socket.set_read_timeout(Some(ANSWER)).expect("an option of ours");
    }

    /// The address that a client is offered.
    fn discover(&self, number: u32) -> Ipv4Addr {
        self.send(number);
        let mut buffer = [0; 1500];
        // Ends: a read ends after a while.
        loop {
            let length = self.socket.recv(&mut buffer).expect("an offer");
            let message = Message::parse(&buffer[..length]).expect("a DHCP message");
            if message.header().xid() == number {
                return message.header().yiaddr();
            }
        }
    }
}

#[test]
fn an_address_that_a_host_took_for_itself_is_given_to_nobody() {
    let link = Link::new();
    let squatter = link.host();
    squatter.namespace().ip("address add 10.77.0.100/24 dev eth0");
    let mut daemon = Reveille::serve(&link, &serving(&link, ""));
    let asker = Asker::new(&link);
    let taken = Ipv4Addr::new(10, 77, 0, 100);
    assert_eq!(asker.discover(1), taken, "the first of the pool");
    daemon
        .wait_for("10.77.0.100 is used by", ANSWER)
        .unwrap_or_else(|timeout| panic!("{timeout:?}"));
    for number in 1..20 {
        assert_ne!(asker.discover(number), taken);
    }
    let mut client = Client::start(Stock::Udhcpc, &link, &asker.host, "client");
    let report =
        client.wait_for("bound", 1, EXCHANGE).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    assert_ne!(report.address, "10.77.0.100");
}

#[test]
fn another_dhcp_server_is_reported_with_its_address_and_station() {
    let link = Link::new();
    let other = link.host();
    address(&other, 2);
    let _dnsmasq = Dnsmasq::plain().start(&link, &other);
    let mut daemon = Reveille::serve(&link, &serving(&link, ""));
    let asker = Asker::new(&link);
    asker.discover(1);
    let line = daemon
        .wait_for("answers clients of 10.77.0.0/24 on eth0", ANSWER)
        .unwrap_or_else(|timeout| panic!("{timeout:?}"));
    let station = other
        .namespace()
        .run(|| std::fs::read_to_string("/sys/class/net/eth0/address"))
        .unwrap_or_default();
    assert!(line.contains("10.77.0.2"), "{line}");
    if !station.is_empty() {
        assert!(line.contains("10.77.0.2 ("), "{line}");
    }
}

#[test]
fn beside_a_proxy_the_other_server_is_no_news() {
    let link = Link::new();
    let other = link.host();
    address(&other, 2);
    let _dnsmasq = Dnsmasq::plain().start(&link, &other);
    let configuration = "[[network]]\ninterface = \"eth0\"\ndhcp = \"proxy\"\n";
    let daemon = Reveille::serve(&link, configuration);
    let asker = Asker::new(&link);
    asker.discover(1);
    asker.discover(2);
    assert!(!daemon.log().contains("answers clients"), "{}", daemon.log());
}

#[test]
fn a_flood_of_made_up_clients_keeps_no_machine_out() {
    let link = Link::new();
    let more = serving(&link, "").replace("10.77.0.200", "10.77.0.119");
    let mut daemon = Reveille::serve(&link, &more);
    let asker = Asker::new(&link);
    let host = link.host();
    let mut client = Client::start(Stock::Udhcpc, &link, &host, "client");
    let first = client.wait_for("bound", 1, EXCHANGE).unwrap_or_else(|t| panic!("{t:?}"));
    let late_host = link.host();
    let mut late = None;
    let begin = Instant::now();
    let mut number = 100;
    // Ends with the flood.
    while begin.elapsed() < Duration::from_secs(9) {
        for _ in 0..50 {
            asker.send(number);
            number += 1;
        }
        asker.take_answers(Duration::from_millis(10));
        if late.is_none() && begin.elapsed() > Duration::from_secs(2) {
            late = Some(Client::start(Stock::Udhcpc, &link, &late_host, "late"));
            client.renew(EXCHANGE).unwrap_or_else(|timeout| panic!("{timeout:?}"));
        }
    }
    let mut late = late.expect("it was started");
    let second = late.wait_for("bound", 1, EXCHANGE).unwrap_or_else(|timeout| {
        panic!("{timeout:?}\n--- daemon ---\n{}", daemon.log());
    });
    assert_ne!(first.address, second.address);
    let line = daemon.wait_for("of 20 addresses", ANSWER).unwrap_or_else(|t| panic!("{t:?}"));
    assert!(line.contains("10.77.0.0/24"), "{line}");
    assert!(daemon.lives());
}
