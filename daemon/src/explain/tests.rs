use std::fs;

use clap::Parser;

use super::*;
use crate::args::{Cli, Command};
use crate::host::tests::ethernet;

const SITE: &str = r#"
[images]
root = "images"
[[network]]
subnet = "10.0.0.0/24"
pool   = ["10.0.0.100 - 10.0.0.101"]
ntp    = ["10.0.0.9"]
[[network]]
subnet = "10.8.0.0/24"
relays = ["10.8.0.1"]
pool   = ["10.8.0.100 - 10.8.0.200"]
[[profile]]
name   = "debian"
kernel = "vmlinuz"
[[machine]]
mac      = "52:54:00:77:00:01"
hostname = "web1"
address  = "10.0.0.11"
"#;

fn view() -> (tempfile::TempDir, View) {
    let folder = tempfile::tempdir().expect("a folder");
    // As much of a program for x86-64 EFI as is looked at.
    let mut program = vec![0; 0x46];
    program[..2].copy_from_slice(b"MZ");
    program[0x3c] = 0x40;
    program[0x40..].copy_from_slice(b"PE\0\0\x64\x86");
    for (name, bytes) in [
        ("usr/lib/ipxe/snponly.efi", program.as_slice()),
        ("usr/lib/ipxe/ipxe.efi", &program),
        ("images/vmlinuz", b"kernel"),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
    let path = folder.path().join("reveille.toml");
    fs::write(&path, SITE).expect("a file");
    let loaded = config::load(&path).expect("it is good");
    let host = Host { interfaces: vec![ethernet("eno1")] };
    let view = serve_view(&loaded, host, folder.path(), &Terminal::of_process());
    (folder, view.expect("it can be served"))
}

fn story(words: &str) -> Story {
    let words = format!("reveille explain {words}");
    let Command::Explain(args) = Cli::parse_from(words.split_whitespace()).command else {
        panic!("{words}")
    };
    let (_folder, view) = view();
    let question = described(&args, &view).expect("it makes sense");
    let mut known = Known::nothing("nobody keeps them here");
    explain(&[question], &view, &mut known).pop().expect("one")
}

fn part(story: &Story, about: &str) -> (String, String) {
    let part = story.decisions.iter().find(|part| part.about == about);
    let part = part.unwrap_or_else(|| panic!("nothing about {about}: {story:?}"));
    (part.what.clone(), part.why.clone())
}

#[test]
fn a_known_machine_is_told_its_own_address_and_why() {
    let story = story("--mac 52:54:00:77:00:01 --firmware uefi --ask 1,3,12");
    assert!(story.answered && story.verdict == "is offered 10.0.0.11", "{story:?}");
    let machine = ("web1".to_owned(), "by its Ethernet address".to_owned());
    assert_eq!(part(&story, "machine"), machine);
    assert!(part(&story, "address").1.starts_with("reserved"));
    assert!(part(&story, "boots").0.ends_with("snponly.efi by TFTP"), "{story:?}");
    assert!(part(&story, "boots").1.contains("profile debian"));
    assert!(story.left_out.iter().any(|told| told.code == 42 && told.why.contains("not ask")));
    let name = story.options.iter().find(|told| told.code == 12).expect("its name");
    assert_eq!((&*name.value, &*name.by), ("web1", "machine"));
}

#[test]
fn stages_relays_and_strangers_are_told() {
    let ipxe = story("--mac 52:54:00:77:00:05 --firmware ipxe");
    assert!(part(&ipxe, "boots").0.starts_with("script: http://10.0.0.1/"), "{ipxe:?}");
    let http = story("--mac 52:54:00:77:00:05 --firmware http");
    assert!(http.options.iter().any(|told| told.code == 60 && told.value == "HTTPClient"));
    let pi = story("--mac dc:a6:32:77:00:05 --firmware pi");
    assert_eq!(part(&pi, "client").0, "Raspberry Pi, x86-bios (0)");
    let relayed = story("--mac 52:54:00:77:00:05 --relay 10.8.0.1 --circuit-id ge-0/0/7");
    assert_eq!(relayed.verdict, "is offered 10.8.0.100");
    let agent = relayed.options.last().expect("options");
    assert_eq!((agent.code, &*agent.value), (82, "1 = ge-0/0/7"));
    let foreign = story("--mac 52:54:00:77:00:05 --relay 10.9.0.1");
    assert!(!foreign.answered && foreign.verdict.contains("relay agent"), "{foreign:?}");
}

#[test]
fn a_whole_capture_is_explained_in_turn_and_pools_end() {
    let (_folder, view) = view();
    let discover = |last: u8| {
        let words = format!("reveille explain --mac 52:54:00:77:00:{last:02x}");
        let Command::Explain(args) = Cli::parse_from(words.split(' ')).command else { panic!() };
        described(&args, &view).expect("it makes sense")
    };
    let questions: Vec<Question> = (5..8).map(discover).collect();
    let stories = explain(&questions, &view, &mut Known::nothing("none"));
    let answered: Vec<bool> = stories.iter().map(|story| story.answered).collect();
    assert_eq!(answered, [true, true, false]);
    assert!(stories[2].verdict.contains("no address is left"), "{:?}", stories[2]);
}

#[test]
fn lines_fit_the_terminal() {
    let story = story("--mac 52:54:00:77:00:05 --firmware uefi");
    let text = text::text(&story, 80, false);
    assert!(text.starts_with("DISCOVER from 52:54:00:77:00:05\n  is offered 10.0.0.100\n\n"));
    for line in text.lines() {
        assert!(line.chars().count() <= 80 || line.contains("node/"), "{line}");
    }
}
