//! The same conversations with Reveille, Kea, ISC dhcpd and dnsmasq: every difference is explained
//! in `tests/data/differences.toml`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use reveille_tests::dialogue::differences::{Difference, Table, differences, digest, tell};
use reveille_tests::dialogue::script::{Conversation, conversations};
use reveille_tests::dialogue::servers::{Reservation, Server};
use reveille_tests::dialogue::talk::{Outcome, RESERVED, Talk};
use reveille_tests::lab::Link;

const SEED: u64 = 0x7e11;
const CONVERSATIONS: u32 = 1000;

/// Lines of a server's output that are shown when it fails.
const SHOWN: usize = 60;

/// Unexplained differences that are told in full.
const TOLD: usize = 12;

#[test]
fn every_difference_to_other_servers_is_explained() {
    let seed = std::env::var("REVEILLE_DIALOGUE_SEED").ok();
    let seed = seed.map_or(SEED, |seed| seed.parse().expect("a seed is a number"));
    let all = conversations(seed, CONVERSATIONS);
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/data/differences.toml");
    let table = std::fs::read_to_string(table).expect("the table is there");
    let table = Table::read(&table).unwrap_or_else(|error| panic!("{error}"));
    let servers = [&[Server::Reveille][..], &Server::PEERS].concat();
    let all = &all;
    let (ours, peers) = std::thread::scope(|scope| {
        let speak = |server| scope.spawn(move || speak(server, all));
        let talks: Vec<_> = servers.into_iter().map(speak).collect();
        let talks = talks.into_iter().map(|talk| talk.join().expect("it told why"));
        let mut talks = talks.collect::<Vec<_>>().into_iter();
        (talks.next().expect("Reveille is the first"), talks.collect::<Vec<_>>())
    });
    let (mut unexplained, mut used) = (Vec::new(), BTreeSet::new());
    tell_chosen(all, &ours, &peers);
    let (mut told, mut told_count) = (String::new(), 0);
    for (server, theirs) in Server::PEERS.into_iter().zip(&peers) {
        for ((conversation, ours), theirs) in all.iter().zip(&ours).zip(theirs) {
            for difference in differences(server.name(), conversation, ours, theirs) {
                if let Some(rule) = table.explains(&difference) {
                    used.insert(rule);
                    continue;
                }
                if is_new(&unexplained, &difference) && told_count < TOLD {
                    let answers = [("reveille", ours.as_slice()), (server.name(), theirs)];
                    let steps = difference.step + 1;
                    let text = tell(conversation, &answers, steps);
                    writeln!(told, "{}: {text}", difference.field).expect("a string takes text");
                    told_count += 1;
                }
                unexplained.push(difference);
            }
        }
    }
    assert!(unexplained.is_empty(), "{told}\nnot explained:\n{}", digest(&unexplained));
    let rules = table.rules().iter().enumerate();
    let idle = rules.filter(|(at, rule)| !used.contains(at) && !rule.seldom);
    let idle: Vec<_> = idle.map(|(_, rule)| &rule.name).collect();
    assert!(idle.is_empty(), "no difference needs these explanations: {idle:#?}");
}

/// Shows the conversations whose numbers stand in `$REVEILLE_DIALOGUE_TELL`.
fn tell_chosen(all: &[Conversation], ours: &[Vec<Outcome>], peers: &[Vec<Vec<Outcome>>]) {
    let chosen = std::env::var("REVEILLE_DIALOGUE_TELL").unwrap_or_default();
    for number in chosen.split(',').filter_map(|number| number.parse::<usize>().ok()) {
        let peers = Server::PEERS.iter().zip(peers);
        let peers = peers.map(|(server, theirs)| (server.name(), theirs[number].as_slice()));
        let mut answers = vec![("reveille", ours[number].as_slice())];
        answers.extend(peers);
        eprintln!("{}", tell(&all[number], &answers, usize::MAX));
    }
}

fn is_new(known: &[Difference<'_>], difference: &Difference<'_>) -> bool {
    !known.iter().any(|known| {
        (known.server, &known.field, &known.ours, &known.theirs)
            == (difference.server, &difference.field, &difference.ours, &difference.theirs)
    })
}

/// Speaks all conversations with a server on a link of its own.
fn speak(server: Server, all: &[Conversation]) -> Vec<Vec<Outcome>> {
    let reserved = all.iter().filter(|conversation| conversation.name == RESERVED);
    let reservations: Vec<_> =
        reserved.map(|conversation| Reservation::of(conversation.number)).collect();
    let link = Link::new();
    let mut process = server.start(&link, &reservations);
    let outcomes = Talk::new(&link).and_then(|talk| talk.speak(all));
    let outcomes = outcomes.unwrap_or_else(|why| {
        let output = process.output();
        let end = output.lines().rev().take(SHOWN).collect::<Vec<_>>();
        let end = end.into_iter().rev().collect::<Vec<_>>().join("\n");
        panic!("{}: {why}\n{end}", server.name())
    });
    assert!(process.has_ended().is_none(), "{} ended:\n{}", server.name(), process.output());
    outcomes
}
