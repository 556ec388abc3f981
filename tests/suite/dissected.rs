//! Wireshark's dissector reads every reply without a complaint, and reads in it what we mean.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reveille_tests::dialogue::message::{Message, Reply, kind};
use reveille_tests::dialogue::script::{Conversation, Place, conversations, mac};
use reveille_tests::dialogue::servers::{LINK, Reservation, SERVER, prepare, site};
use reveille_tests::dialogue::station::Station;
use reveille_tests::dialogue::talk::{RESERVED, Talk};
use reveille_tests::dialogue::{firmware, servers};
use reveille_tests::lab::capture::Capture;
use reveille_tests::lab::{Link, Reveille, images};
use reveille_tests::pcap::{frames, segment};

use crate::site::profile;

const SEED: u64 = 0x7e11;
const CONVERSATIONS: u32 = 300;

#[test]
fn wireshark_reads_every_reply_of_a_server() {
    let mut all = conversations(SEED, CONVERSATIONS);
    all.extend(firmware::conversations(CONVERSATIONS));
    // Wireshark 4.0 takes sub-option 151 of option 82 for text, which RFC 6607 does not make it.
    all.retain(|conversation| match &conversation.place {
        Place::Link => true,
        Place::Relay(_, agent) => agent.iter().all(|(code, _)| *code != 151),
    });
    let reserved = all.iter().filter(|conversation| conversation.name == RESERVED);
    let reservations: Vec<_> =
        reserved.map(|conversation| Reservation::of(conversation.number)).collect();
    let link = Link::new();
    prepare(&link);
    let daemon = Reveille::serve(&link, &booting(&link, &site(&reservations)));
    let capture = Capture::whole(&link, "server.pcap", DHCP);
    let spoken = Talk::new(&link).and_then(|talk| talk.speak(&all));
    spoken.unwrap_or_else(|why| panic!("{why}\n{}", daemon.log()));
    let replies = dissect(&capture.stop_complete(&link));
    assert!(replies.len() > 1500, "{} replies", replies.len());
    for wanted in [kind::OFFER, kind::ACK, kind::NAK] {
        let count = replies.iter().filter(|reply| reply.kind() == wanted).count();
        assert!(count > 50, "{count} of kind {wanted}");
    }
    for wanted in [43, 60, 66, 67, 82, 97, 116, 118, 175] {
        assert!(replies.iter().any(|reply| reply.option(wanted).is_some()), "option {wanted}");
    }
}

#[test]
fn wireshark_reads_every_reply_of_a_proxy() {
    let link = Link::new();
    prepare(&link);
    let network = format!(
        "[[network]]\ninterface = \"eth0\"\nsubnet = \"{}/{}\"\nserver = \"{SERVER}\"\n\
         dhcp = \"proxy\"\n",
        LINK.address, LINK.prefix
    );
    let daemon = Reveille::serve(&link, &booting(&link, &network));
    let capture = Capture::whole(&link, "proxy.pcap", DHCP);
    let mut station = Station::on(&link.host());
    let (helper, helper_mac) = (servers::ROUTER, mac(u32::MAX));
    let server = station.resolve((helper, helper_mac), SERVER).expect("the server's host is up");
    let all = firmware::conversations(0);
    let mut answered = 0;
    for conversation in all.iter().filter(|conversation| boots(conversation)) {
        let number = conversation.number;
        let mac = mac(number);
        let own = Ipv4Addr::from_bits(LINK.address.to_bits() + 0x0500 + number);
        station.answer_for(own, mac);
        let mut message = Message {
            hops: 0,
            xid: 0x9e00_0000 + 2 * number,
            secs: 4,
            flags: 0x8000,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            mac,
            options: conversation.habits.options.clone(),
        };
        message.options.insert(0, (53, vec![kind::DISCOVER]));
        let anybody = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);
        let nobody = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
        station.send((mac, [0xff; 6]), nobody, anybody, &message.encode());
        assert_eq!(
            await_kind(&station, &message),
            kind::OFFER,
            "{}\n{}",
            conversation.name,
            daemon.log()
        );
        message.xid += 1;
        message.flags = 0;
        message.ciaddr = own;
        message.options[0].1 = vec![kind::REQUEST];
        let (from, to) = (SocketAddrV4::new(own, 68), SocketAddrV4::new(SERVER, 4011));
        station.send((mac, server), from, to, &message.encode());
        assert_eq!(
            await_kind(&station, &message),
            kind::ACK,
            "{}\n{}",
            conversation.name,
            daemon.log()
        );
        answered += 2;
    }
    assert_eq!(dissect(&capture.stop_complete(&link)).len(), answered);
}

/// Whether a proxy has something to say to it.
fn boots(conversation: &Conversation) -> bool {
    let option = |wanted| {
        let mut options = conversation.habits.options.iter();
        options.find(|(code, _)| *code == wanted).map(|(_, value)| value.as_slice())
    };
    let served = [0, 7, 9].map(u16::to_be_bytes);
    let is_served = option(93).is_some_and(|arch| served.iter().any(|served| arch == served));
    is_served && option(60).is_some_and(|class| class.starts_with(b"PXEClient"))
}

/// The kind of the answer to a message.
fn await_kind(station: &Station, message: &Message) -> u8 {
    let deadline = Instant::now() + Duration::from_secs(5);
    while let Some(heard) = station.hear(deadline) {
        let heard = heard.unwrap_or_else(|strange| panic!("{strange}"));
        if heard.reply.xid == message.xid {
            return heard.reply.kind();
        }
    }
    0
}

/// A site with something to boot.
fn booting(link: &Link, networks: &str) -> String {
    let root = link.file(images::FOLDER);
    std::fs::create_dir_all(&root).expect("the run's folder is ours");
    format!("{networks}[images]\nroot = \"{}\"\n\n{}", root.display(), profile(""))
}

/// Has every reply of a capture read by tshark, which must see the same options in the same order
/// as we do, and find nothing wrong. Returns the replies.
///
/// The sum of UDP is not looked at: for what goes through sockets, the kernel leaves it to the
/// network card, which there is none of.
fn dissect(capture: &Path) -> Vec<Reply> {
    let replies = format!("udp && ip.src == {SERVER}");
    let lines = tshark(
        capture,
        &[
            "-Y",
            &replies,
            "-T",
            "fields",
            "-e",
            "frame.number",
            "-e",
            "dhcp.option.dhcp",
            "-e",
            "dhcp.option.type",
            "-e",
            "_ws.expert.message",
            "-e",
            "_ws.expert.severity",
            "-e",
            "_ws.malformed",
        ],
    );
    let whole = frames(capture);
    let mut read = Vec::new();
    for line in lines.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [number, message_type, options, complaints, severities, malformed] = cells[..] else {
            panic!("tshark told {line:?}")
        };
        let fail = |why: &str| -> ! {
            let packet = tshark(capture, &["-V", "-Y", &format!("frame.number == {number}")]);
            panic!("{why}\n{packet}")
        };
        let worst = severities.split(',').filter_map(|text| text.parse::<u32>().ok()).max();
        if worst >= Some(SEVERITY_WARNING) || !malformed.is_empty() {
            fail(&format!("tshark complains: {complaints} {malformed}"));
        }
        let at: usize = number.parse().expect("frames have numbers");
        let payload = segment(&whole[at - 1]).expect("tshark has seen UDP").payload;
        let reply = Reply::parse(payload).unwrap_or_else(|why| fail(&why));
        // A BOOTP message has none.
        let kind = Some(reply.kind()).filter(|kind| *kind != 0);
        let kind = kind.map_or_else(String::new, |kind| kind.to_string());
        let codes: Vec<_> = reply.options.iter().map(|(code, _)| code.to_string()).collect();
        let theirs: Vec<_> =
            options.split(',').filter(|code| !matches!(*code, "0" | "255")).collect();
        if codes != theirs || message_type != kind {
            fail(&format!("tshark reads other options: {theirs:?}, not {codes:?}"));
        }
        read.push(reply);
    }
    read
}

fn tshark(capture: &Path, words: &[&str]) -> String {
    let mut command = Command::new("tshark");
    command.args(["-n", "-o", "ip.check_checksum:TRUE", "-r"]).arg(capture).args(words);
    let output = command.output();
    let output = output.expect("tshark is installed: run scripts/install-packages");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const DHCP: &str = "udp port 67 or udp port 68 or udp port 4011";

/// `PI_WARN` of Wireshark; notes and chats are below.
const SEVERITY_WARNING: u32 = 0x0060_0000;
