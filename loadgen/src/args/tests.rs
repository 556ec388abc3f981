use std::time::Duration;

use clap::error::ErrorKind;

use super::*;
use crate::scenario::Ramp;

fn parse(words: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(words.split_whitespace())
}

fn refused(words: &str) -> ErrorKind {
    parse(words).expect_err("it is wrong").kind()
}

#[test]
fn the_command_line_is_consistent() {
    <Args as clap::CommandFactory>::command().debug_assert();
}

#[test]
fn a_storm_is_described() {
    let words = "loadgen storm --interface eth0 --server 10.77.0.1 --clients 10000 --ramp \
                 rack:40/2s --loss 1% --vanish 0.005 --pid 1 --pid 2 --limit 5m";
    let Command::Storm(args) = parse(words).expect("it is right").command else {
        panic!("a storm")
    };
    let scenario = args.fleet.scenario(&args.interface, args.server, &args.pid);
    assert_eq!(scenario.clients, 10_000);
    assert_eq!(scenario.ramp, Ramp::Racks { machines: 40, gap: Duration::from_secs(2) });
    assert_eq!(scenario.loss, 0.01);
    assert_eq!(scenario.pids, [1, 2]);
    assert_eq!(scenario.limit, Duration::from_secs(300));
    assert_eq!(args.fleet.journey().options.vanish, 0.005);
    let settings = args.fleet.settings();
    assert!(settings.iter().any(|setting| setting.name == "seed" && setting.value == "1"));
}

#[test]
fn a_lab_ends_with_the_server() {
    let words = "loadgen lab --clients 7 -- reveille serve --config x.toml";
    let Command::Lab(args) = parse(words).expect("it is right").command else { panic!("a lab") };
    assert_eq!(args.command, ["reveille", "serve", "--config", "x.toml"]);
    assert_eq!(refused("loadgen lab --clients 7"), ErrorKind::MissingRequiredArgument);
}

#[test]
fn what_makes_no_sense_is_refused() {
    for words in [
        "loadgen storm --interface eth0 --loss 2",
        "loadgen storm --interface eth0 --ramp soon",
        "loadgen storm --interface eth0 --profile toaster",
        "loadgen tftp --server localhost --file x",
        "loadgen tftp --server 10.0.0.1 --file x --block-size 7",
        "loadgen tftp --server 10.0.0.1 --file x --window 0",
    ] {
        assert_eq!(refused(words), ErrorKind::ValueValidation, "{words}");
    }
    assert_eq!(refused("loadgen dhcp --server 10.0.0.1"), ErrorKind::MissingRequiredArgument);
    assert_eq!(
        refused("loadgen dhcp --interface e --server 10.0.0.1 --giaddr 10.0.0.2"),
        ErrorKind::ArgumentConflict
    );
}

#[test]
fn a_server_has_a_port_of_its_protocol() {
    let port = |words| match parse(words).expect("it is right").command {
        Command::Tftp(args) => args.server.port(),
        Command::Http(args) => args.server.port(),
        Command::Storm(_) | Command::Lab(_) | Command::Compare(_) | Command::Dhcp(_) => {
            panic!("another command")
        }
    };
    assert_eq!(port("loadgen tftp --server 10.0.0.1 --file x"), 69);
    assert_eq!(port("loadgen http --server 10.0.0.1 --path /"), 80);
    assert_eq!(port("loadgen http --server 10.0.0.1:8080 --path /"), 8080);
}
