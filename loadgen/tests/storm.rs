//! Storms against the real daemon, in namespaces of their own. They need root, `ip`, and the
//! daemon beside the load generator (`cargo build -p reveille`), and say so if something is missing.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use reveille_loadgen::record::Run;
use tempfile::TempDir;

/// The daemon: `$REVEILLE_BINARY`, else what cargo built beside the load generator.
fn daemon() -> PathBuf {
    if let Some(binary) = std::env::var_os("REVEILLE_BINARY") {
        return binary.into();
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_loadgen")).with_file_name("reveille");
    assert!(binary.exists(), "{} is missing: cargo build -p reveille", binary.display());
    binary
}

/// A site that boots every kind of machine, with small files.
fn site() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let root = folder.path().join("boot");
    std::fs::create_dir(&root).expect("the folder is ours");
    for (name, len) in
        [("vmlinuz", 300_000), ("initrd.img", 700_000), ("start4.elf", 9000), ("kernel8.img", 9000)]
    {
        let bytes: Vec<u8> = (0..len).map(|at: u32| (at * 7 + at / 251) as u8).collect();
        std::fs::write(root.join(name), bytes).expect("the folder is ours");
    }
    let configuration = format!(
        "shards = 1\n[[network]]\ninterface = \"eth0\"\nsubnet = \"10.77.0.0/16\"\n\
         server = \"10.77.0.1\"\ndhcp = \"server\"\npool = \"10.77.16.0 - 10.77.31.255\"\n\
         router = \"10.77.0.1\"\n[images]\nroot = {root:?}\n[[profile]]\nkernel = \"vmlinuz\"\n\
         initrd = \"initrd.img\"\ncmdline = \"report={{{{ node_url }}}}up\"\n\
         [state]\ndir = \"state\"\n"
    );
    std::fs::write(folder.path().join("reveille.toml"), configuration).expect("it is ours");
    folder
}

/// Runs `loadgen lab` with these words against the daemon.
fn lab(site: &TempDir, words: &str) -> (Output, Option<Run>) {
    let record = site.path().join("record.json");
    let log = site.path().join("server.log");
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .arg("lab")
        .args(words.split_whitespace())
        .arg("--json")
        .arg(&record)
        .arg("--log")
        .arg(&log)
        .arg("--")
        .arg(daemon())
        .args(["serve", "--config"])
        .arg(site.path().join("reveille.toml"))
        .output()
        .expect("the load generator can be started");
    let run = reveille_loadgen::report::json::read(&record).ok();
    (output, run)
}

/// What both sides said, for a test that fails.
fn said(site: &TempDir, output: &Output) -> String {
    let mut text = String::new();
    for bytes in [&output.stderr, &output.stdout] {
        text.push_str(&String::from_utf8_lossy(bytes));
    }
    let log = std::fs::read_to_string(site.path().join("server.log")).unwrap_or_default();
    write!(text, "--- the server ---\n{log}").expect("text grows");
    text
}

#[test]
fn machines_of_all_kinds_boot_from_the_daemon() {
    let site = site();
    let (output, run) = lab(&site, "--clients 50 --profile mixed --seed 3 --limit 120s");
    assert!(output.status.success(), "{}", said(&site, &output));
    let run = run.expect("it was written");
    assert_eq!(run.machines.all.total, 50);
    assert_eq!(run.machines.all.up, 50);
    assert!(run.machines.models.len() >= 6, "all kinds took part");
    assert!(run.server.is_some_and(|server| server.rss_peak_bytes > 0), "the server was watched");
}

#[test]
fn loss_costs_repetitions_and_no_machine() {
    let site = site();
    let (output, run) = lab(&site, "--clients 30 --profile edk2-pxe --loss 2% --limit 120s");
    let run = run.unwrap_or_else(|| panic!("{}", said(&site, &output)));
    assert_eq!(run.machines.all.up, 30, "{}", said(&site, &output));
    let resent: u64 = run.stages.iter().map(|stage| stage.resent).sum();
    assert!(resent > 0, "something was lost, so something was sent again");
}

#[test]
fn whoever_vanishes_was_meant_to() {
    let site = site();
    let (output, run) = lab(
        &site,
        "--clients 30 --profile bios-pxe --vanish 100% --ramp rack:10/200ms --limit 120s",
    );
    assert!(output.status.success(), "{}", said(&site, &output));
    let outcomes = run.expect("it was written").machines.all;
    // Most are up before the moment at which they were to vanish.
    assert!(outcomes.vanished > 0, "{outcomes:?}");
    assert_eq!((outcomes.vanished + outcomes.up, outcomes.failed), (30, 0), "{outcomes:?}");
}

#[test]
fn a_server_without_boot_files_fails_the_run() {
    let site = site();
    std::fs::write(
        site.path().join("reveille.toml"),
        "[[network]]\ninterface = \"eth0\"\ndhcp = \"off\"\n[images]\nroot = \"boot\"\n\
         [state]\ndir = \"state\"\n",
    )
    .expect("the folder is ours");
    let (output, run) = lab(&site, "--clients 3 --profile ipxe --limit 30s");
    assert_eq!(output.status.code(), Some(1), "{}", said(&site, &output));
    assert_eq!(run.expect("it was written").machines.all.failed, 3);
}

#[test]
fn a_server_that_ends_is_told_with_its_words() {
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["lab", "--log"])
        .arg(tempfile::NamedTempFile::new().expect("a temporary file can be made").path())
        .args(["--", "sh", "-c", "echo no configuration; exit 3"])
        .output()
        .expect("the load generator can be started");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("no configuration") && error.contains("exit status: 3"), "{error}");
}
