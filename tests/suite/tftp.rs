//! Stock TFTP clients fetch files of every awkward size, and every byte is right.

use std::path::PathBuf;
use std::process::Command;

use reveille_tests::lab::reveille::path;
use reveille_tests::lab::{Host, Link, Reveille, SERVER_ADDRESS, images};

use crate::site::{address, serving};

const MIB: usize = 1 << 20;

/// A server with one file, and a host to fetch it from.
struct Fetch {
    link: Link,
    daemon: Reveille,
    host: Host,
    digest: String,
}

impl Fetch {
    fn of(length: usize) -> Self {
        let link = Link::new();
        let digest = images::write(&link, "file.bin", length);
        let daemon = Reveille::serve(&link, &serving(&link, ""));
        let host = link.host();
        address(&host, 9);
        Self { link, daemon, host, digest }
    }

    fn target(&self) -> PathBuf {
        self.link.file("fetched")
    }

    /// Runs a client in a folder of its own and compares what it fetched.
    fn run(&mut self, program: &str, words: &[&str]) {
        let target = self.target();
        std::fs::remove_file(&target).ok();
        let mut command = self.host.command("timeout");
        command.arg("60").arg(program).args(words).current_dir(self.link.folder());
        let said = succeed(command, &self.daemon);
        let arrived = images::digest(&target);
        assert_eq!(arrived, self.digest, "{program} {words:?}\n{said}");
        assert!(self.daemon.lives());
    }

    fn tftp_hpa(&mut self) {
        let words = ["-m", "binary", SERVER_ADDRESS, "-c", "get", "file.bin", "fetched"];
        self.run("tftp", &words);
    }

    fn atftp(&mut self, block_bytes: usize, window_blocks: usize) {
        let (block, window) =
            (format!("blksize {block_bytes}"), format!("windowsize {window_blocks}"));
        let mut words = vec!["--get", "--remote-file", "file.bin", "--local-file", "fetched"];
        if block_bytes != 512 {
            words.extend(["--option", &block]);
        }
        if window_blocks != 1 {
            words.extend(["--option", &window]);
        }
        words.extend(["--option", "tsize", SERVER_ADDRESS, "69"]);
        self.run("atftp", &words);
    }

    fn curl(&mut self, block_bytes: usize) {
        let url = format!("tftp://{SERVER_ADDRESS}/file.bin");
        let block = block_bytes.to_string();
        let target = self.target();
        self.run("curl", &["-sS", "--tftp-blksize", &block, "-o", path(&target), &url]);
    }
}

/// Runs a command, which must succeed, and returns what it said.
fn succeed(mut command: Command, daemon: &Reveille) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{command:?}: {said}\n--- daemon ---\n{}", daemon.log());
    said
}

#[test]
fn an_empty_file() {
    let mut fetch = Fetch::of(0);
    // curl cannot: it asks for the size and takes 0 for «unknown».
    fetch.tftp_hpa();
    fetch.atftp(512, 1);
    fetch.atftp(1468, 16);
}

#[test]
fn one_byte_short_of_a_block() {
    let mut fetch = Fetch::of(511);
    fetch.tftp_hpa();
    fetch.atftp(512, 1);
    fetch.atftp(512, 16);
    fetch.curl(512);
}

#[test]
fn exactly_one_block() {
    let mut fetch = Fetch::of(512);
    fetch.tftp_hpa();
    fetch.atftp(512, 1);
    fetch.atftp(512, 16);
    fetch.curl(512);
}

#[test]
fn one_byte_more_than_a_block() {
    let mut fetch = Fetch::of(513);
    fetch.tftp_hpa();
    fetch.atftp(512, 1);
    fetch.atftp(512, 16);
    fetch.curl(512);
}

#[test]
fn a_mebibyte_in_many_shapes() {
    let mut fetch = Fetch::of(MIB);
    fetch.tftp_hpa();
    for (block_bytes, window_blocks) in [(512, 1), (512, 16), (1024, 4), (1468, 1), (1468, 16)] {
        fetch.atftp(block_bytes, window_blocks);
    }
    for block_bytes in [512, 1408, 1432, 1468] {
        fetch.curl(block_bytes);
    }
}

#[test]
fn block_numbers_wrap_at_block_size_512() {
    // 81,920 blocks: the number passes 65,535 once.
    let mut fetch = Fetch::of(40 * MIB);
    fetch.tftp_hpa();
    fetch.atftp(512, 1);
    fetch.atftp(512, 16);
    fetch.curl(512);
}

#[test]
fn a_hundred_mebibytes_at_block_size_1468() {
    let mut fetch = Fetch::of(100 * MIB);
    fetch.atftp(1468, 1);
    fetch.atftp(1468, 16);
    fetch.curl(1468);
}

#[test]
fn a_missing_file_is_an_error_at_once() {
    let mut fetch = Fetch::of(1);
    let url = format!("tftp://{SERVER_ADDRESS}/nothing.bin");
    let mut command = fetch.host.command("timeout");
    command.args(["3", "curl", "-sS", &url]);
    let output = command.output().expect("curl is installed");
    // 68 is curl's CURLE_TFTP_NOTFOUND.
    assert_eq!(output.status.code(), Some(68), "{output:?}");
    assert!(fetch.daemon.lives());
}

#[test]
fn nothing_can_be_written() {
    let mut fetch = Fetch::of(1);
    let upload = fetch.link.write("upload", "x");
    let mut command = fetch.host.command("timeout");
    let url = format!("tftp://{SERVER_ADDRESS}/file.bin");
    command.args(["3", "curl", "-sS", "-T", path(&upload), &url]);
    let output = command.output().expect("curl is installed");
    // What exactly is answered is proven among the hostile packets; `timeout` would say 124.
    assert!(!matches!(output.status.code(), Some(0 | 124)), "{output:?}");
    fetch.tftp_hpa();
}

#[test]
fn sixteen_at_once() {
    let fetch = Fetch::of(4 * MIB);
    let children: Vec<_> = (0..16)
        .map(|number| {
            let target = fetch.link.file(&format!("parallel-{number}"));
            let mut command = fetch.host.command("timeout");
            command.args(["60", "atftp", "--get", "--remote-file", "file.bin"]);
            command.args(["--option", "blksize 1468", "--option", "windowsize 8"]);
            command.arg("--local-file").arg(&target).args([SERVER_ADDRESS, "69"]);
            (command.spawn().expect("atftp is installed"), target)
        })
        .collect();
    for (mut child, target) in children {
        let status = child.wait().expect("our own child");
        assert!(status.success(), "{status}\n--- daemon ---\n{}", fetch.daemon.log());
        assert_eq!(images::digest(&target), fetch.digest);
    }
}
