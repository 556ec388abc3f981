//! Start, reload and end of the daemon, and what it says when it cannot start.

use std::process::Command;
use std::time::{Duration, Instant};

use reveille_tests::lab::reveille::{binary, path};
use reveille_tests::lab::{Host, Link, Process, Reveille, SERVER_ADDRESS, images};
use rustix::process::Signal;

use crate::site::{address, profile, serving};

/// An end that is due should not take longer.
const END: Duration = Duration::from_secs(5);

fn client(link: &Link) -> Host {
    let host = link.host();
    address(&host, 9);
    host
}

/// A download that takes several seconds.
fn slow_download(link: &Link, host: &Host, target: &str) -> Process {
    let mut command = host.command("curl");
    command.args(["-sS", "--fail", "--limit-rate", "4M", "--max-time", "60", "-o"]);
    command.arg(link.file(target)).arg(format!("http://{SERVER_ADDRESS}/large.bin"));
    Process::start(command, &link.file(&format!("{target}.log")))
}

/// Waits until a download has begun.
fn wait_begun(link: &Link, target: &str) {
    let deadline = Instant::now() + END;
    // Ends at the deadline.
    while std::fs::metadata(link.file(target)).map_or(0, |file| file.len()) == 0 {
        assert!(Instant::now() < deadline, "the download does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_first_signal_drains_and_the_daemon_ends_well() {
    let link = Link::new();
    let digest = images::write(&link, "large.bin", 16 << 20);
    let mut daemon = Reveille::serve(&link, &serving(&link, ""));
    let host = client(&link);
    let mut download = slow_download(&link, &host, "fetched");
    wait_begun(&link, "fetched");
    daemon.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    assert!(daemon.lives(), "a transfer runs: {}", daemon.log());
    let status = download.wait_end(Duration::from_secs(30)).expect("the download ends");
    assert!(status.success(), "{}\n{}", download.output(), daemon.log());
    assert_eq!(images::digest(&link.file("fetched")), digest);
    let status = daemon.wait_end(END).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    assert!(status.success(), "{status}: {}", daemon.log());
}

#[test]
fn the_second_signal_ends_at_once() {
    let link = Link::new();
    images::write(&link, "large.bin", 64 << 20);
    let mut daemon = Reveille::serve(&link, &serving(&link, ""));
    let host = client(&link);
    let _download = slow_download(&link, &host, "fetched");
    wait_begun(&link, "fetched");
    daemon.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    assert!(daemon.lives(), "a transfer runs: {}", daemon.log());
    let asked = Instant::now();
    daemon.signal(Signal::TERM);
    daemon.wait_end(END).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

#[test]
fn signals_in_one_instant_count_as_one() {
    let link = Link::new();
    images::write(&link, "large.bin", 64 << 20);
    let mut daemon = Reveille::serve(&link, &serving(&link, ""));
    let host = client(&link);
    let _download = slow_download(&link, &host, "fetched");
    wait_begun(&link, "fetched");
    // Two that cannot merge on their way: `timeout` sends its signal twice.
    daemon.signal(Signal::TERM);
    daemon.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(500));
    assert!(daemon.lives(), "a transfer runs: {}", daemon.log());
}

#[test]
fn an_idle_daemon_ends_at_the_first_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let link = Link::new();
        let mut daemon = Reveille::serve(&link, &serving(&link, ""));
        daemon.signal(signal);
        let status = daemon.wait_end(END).unwrap_or_else(|timeout| panic!("{timeout:?}"));
        assert!(status.success(), "{status}: {}", daemon.log());
    }
}

/// The status of an HTTP request.
fn status(host: &Host, name: &str) -> String {
    let mut command = host.command("curl");
    command.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10"]);
    let output = command.arg(format!("http://{SERVER_ADDRESS}/{name}")).output();
    String::from_utf8_lossy(&output.expect("curl is installed").stdout).into_owned()
}

/// Waits until a request gets this status.
fn wait_status(host: &Host, name: &str, wanted: &str, daemon: &Reveille) {
    let deadline = Instant::now() + END;
    // Ends at the deadline.
    loop {
        let found = status(host, name);
        if found == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{name}: {found}, not {wanted}\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_reload_takes_a_good_file_and_refuses_a_bad_one() {
    let link = Link::new();
    images::write(&link, "old.bin", 1000);
    let mut daemon = Reveille::serve(&link, &serving(&link, ""));
    let host = client(&link);
    assert_eq!(status(&host, "old.bin"), "200");
    // A bad file: the old configuration goes on, and the log says where the mistake is.
    let good = serving(&link, &profile("")).replace("images\"", "others\"");
    link.write("reveille.toml", format!("{good}\nnonsense = 1\n"));
    link.write("others/new.bin", "new");
    daemon.signal(Signal::HUP);
    daemon.wait_for("nonsense", END).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    assert_eq!(status(&host, "old.bin"), "200");
    assert_eq!(status(&host, "new.bin"), "404");
    // A good one is taken whole.
    link.write("reveille.toml", good);
    daemon.signal(Signal::HUP);
    wait_status(&host, "new.bin", "200", &daemon);
    wait_status(&host, "old.bin", "404", &daemon);
    assert!(daemon.lives());
}

#[test]
fn a_running_transfer_keeps_its_file_over_a_reload() {
    let link = Link::new();
    let digest = images::write(&link, "large.bin", 16 << 20);
    let daemon = Reveille::serve(&link, &serving(&link, ""));
    let host = client(&link);
    let mut download = slow_download(&link, &host, "fetched");
    wait_begun(&link, "fetched");
    // As a careful operator replaces a file: a new one is moved over the old.
    let fresh = link.write("images/fresh", "fresh");
    std::fs::rename(fresh, link.file("images/large.bin")).expect("both are ours");
    daemon.signal(Signal::HUP);
    let status = download.wait_end(Duration::from_secs(30)).expect("the download ends");
    assert!(status.success(), "{}\n{}", download.output(), daemon.log());
    assert_eq!(images::digest(&link.file("fetched")), digest);
    let mut command = host.command("curl");
    command.args(["-s", "--max-time", "10", &format!("http://{SERVER_ADDRESS}/large.bin")]);
    assert_eq!(command.output().expect("curl is installed").stdout, b"fresh");
}

#[test]
fn a_file_cut_while_it_is_sent_ends_that_transfer_only() {
    let link = Link::new();
    images::write(&link, "large.bin", 32 << 20);
    images::write(&link, "other.bin", 1 << 20);
    let mut daemon = Reveille::serve(&link, &serving(&link, ""));
    let host = client(&link);
    let mut download = slow_download(&link, &host, "fetched");
    wait_begun(&link, "fetched");
    let file = std::fs::File::options().write(true).open(link.file("images/large.bin"));
    file.expect("it is ours").set_len(0).expect("it is ours");
    let status = download.wait_end(Duration::from_secs(30)).expect("the download ends");
    assert!(!status.success(), "half a file must not look whole");
    assert!(daemon.lives(), "{}", daemon.log());
    let mut command = host.command("curl");
    command.args(["-sS", "--fail", "--max-time", "20", "-o", "/dev/null"]);
    command.arg(format!("http://{SERVER_ADDRESS}/other.bin"));
    assert!(command.status().expect("curl is installed").success());
    assert!(daemon.lives(), "{}", daemon.log());
}

/// Starts the daemon, which must end by itself with an error, and returns what it said.
fn refused(link: &Link, mut prepare: impl FnMut() -> Command) -> String {
    let mut process = Process::start(prepare(), &link.file("refused.log"));
    let status = process.wait_end(END).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    let said = process.output();
    assert!(!status.success(), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn assert_says(said: &str, words: &[&str]) {
    let lower = said.to_lowercase();
    for word in words {
        assert!(lower.contains(word), "{word:?} is not in:\n{said}");
    }
}

#[test]
fn a_second_server_is_told_what_is_taken() {
    let link = Link::new();
    let mut first = Reveille::serve(&link, &serving(&link, ""));
    let start = |configuration: &std::path::Path| {
        refused(&link, || {
            let mut command = link.server().command(path(&binary()));
            command.args(["serve", "--config", path(configuration)]);
            command
        })
    };
    let said = start(&link.file("reveille.toml"));
    assert_says(&said, &["state directory", &format!("(process {})", first.id())]);
    let apart = serving(&link, "").replace("\"state\"", "\"another\"");
    let said = start(&link.write("second.toml", apart));
    assert_says(&said, &["in use"]);
    assert!(["67", "69", "80"].iter().any(|port| said.contains(port)), "{said}");
    assert!(first.lives());
}

#[test]
fn without_permission_it_says_what_is_needed() {
    let link = Link::new();
    let configuration = link.write("reveille.toml", serving(&link, ""));
    let said = refused(&link, || {
        let mut command = link.server().command("setpriv");
        command.args(["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]);
        command.arg(binary()).args(["serve", "--config", path(&configuration)]);
        command
    });
    assert_says(&said, &["permi"]);
}

#[test]
fn without_an_interface_it_says_so() {
    let link = Link::new();
    let empty = reveille_tests::lab::Namespace::new();
    let files = reveille_tests::lab::boot_files();
    let said = refused(&link, || {
        let mut command = empty.command(path(&binary()));
        command.args(["boot", path(&files.kernel), path(&files.initrd)]);
        command
    });
    assert_says(&said, &["interface"]);
}

#[test]
fn missing_images_are_named() {
    let link = Link::new();
    let said = refused(&link, || {
        let mut command = link.server().command(path(&binary()));
        command.args(["boot", "/nowhere/vmlinuz", "/nowhere/initrd.img"]);
        command
    });
    assert_says(&said, &["/nowhere/vmlinuz"]);
    let site = serving(&link, "[[profile]]\nname = \"x\"\nkernel = \"nowhere\"\n");
    let configuration = link.write("reveille.toml", site);
    let said = refused(&link, || {
        let mut command = link.server().command(path(&binary()));
        command.args(["check", path(&configuration)]);
        command
    });
    assert_says(&said, &["nowhere"]);
}

#[test]
fn who_reads_json_gets_failures_in_json() {
    let link = Link::new();
    let site = serving(&link, "").replace("interface", "interfase");
    let configuration = link.write("reveille.toml", site);
    for words in [vec!["boot", "/nowhere/vmlinuz"], vec!["serve", "--config", path(&configuration)]]
    {
        let said = refused(&link, || {
            let mut command = link.server().command(path(&binary()));
            command.args(&words).args(["--log-format", "json"]);
            command
        });
        let line = said.trim_end();
        assert!(line.starts_with('{') && line.ends_with('}'), "{words:?}: {said}");
        assert!(!line.contains('\n') && line.contains("\"level\":\"ERROR\""), "{words:?}: {said}");
    }
}

#[test]
fn a_bad_file_is_explained_by_line_and_column() {
    let link = Link::new();
    let site = serving(&link, "").replace("interface", "interfase");
    let configuration = link.write("reveille.toml", site);
    for words in [vec!["check"], vec!["serve", "--config"]] {
        let said = refused(&link, || {
            let mut command = link.server().command(path(&binary()));
            command.args(&words).arg(&configuration);
            command
        });
        assert_says(&said, &["reveille.toml:2:1", "interfase", "interface"]);
    }
}
