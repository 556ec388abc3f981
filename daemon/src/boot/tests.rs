//! Command lines with good and bad files.

use std::fs;

use clap::Parser;
use tempfile::TempDir;

use super::kernel::samples::bz_image;
use super::*;
use crate::args::{Cli, Command};

fn files() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("vmlinuz", &bz_image("6.1.0 (a@b)", true));
    write("initrd.img", b"070701");
    write("empty", b"");
    write("text", b"hello");
    folder
}

fn run(folder: &TempDir, words: &str) -> Result<Described, String> {
    let words = words.replace('@', folder.path().to_str().unwrap());
    let cli = Cli::try_parse_from(["reveille", "boot"].into_iter().chain(words.split(' ')));
    let Command::Boot(args) = cli.unwrap().command else { panic!("it is a boot") };
    describe(&args).map_err(|problems| {
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        text.join("\n").replace(folder.path().to_str().unwrap(), "@")
    })
}

#[test]
fn a_kernel_becomes_a_site_with_one_profile() {
    let folder = files();
    let described = run(&folder, "@/vmlinuz @/initrd.img --cmdline quiet").unwrap();
    let site = described.site;
    assert_eq!(site.networks[0].dhcp, Some(DhcpMode::Proxy));
    assert_eq!(site.profiles[0].cmdline, "quiet");
    assert_eq!(site.named_files().len(), 2);
    assert!(described.notes[0].ends_with("vmlinuz is Linux 6.1.0, for BIOS and UEFI"));
    assert!(described.warnings.is_empty());

    let site = run(&folder, "@/vmlinuz --dhcp 10.0.0.10-20 --http-port 8080").unwrap().site;
    assert_eq!(site.networks[0].dhcp, Some(DhcpMode::Server));
    assert_eq!(site.networks[0].pools[0].range.size(), 11);
    assert_eq!(site.http.port, 8080);
}

#[test]
fn all_bad_files_are_named_at_once() {
    let folder = files();
    insta::assert_snapshot!(run(&folder, "@/vmlinux @/empty @/nowhere/initrd @").unwrap_err());
}

#[test]
fn files_in_the_wrong_order_are_noticed() {
    let folder = files();
    insta::assert_snapshot!(run(&folder, "@/initrd.img @/vmlinuz").unwrap_err());
}

#[test]
fn what_may_be_right_is_only_warned_of() {
    let folder = files();
    let described = run(&folder, "@/text @/text").unwrap();
    let warnings: Vec<&str> = described.warnings.iter().map(|w| w.what.as_str()).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].ends_with("text does not look like a kernel"));
}

#[test]
fn advice_names_options_instead_of_keys() {
    for (help, reworded) in [
        ("say which with interface = \"…\": a, b", "say which with --interface NAME: a, b"),
        ("pool = [\"10.0.0.2 - 10.0.0.9\"]", "--dhcp 10.0.0.2-10.0.0.9"),
        ("ip link set eno1 up", "ip link set eno1 up"),
    ] {
        let problem = Problem::error(Place::top(), "what").help(help);
        assert_eq!(reword(problem).help.as_deref(), Some(reworded));
    }
}
