//! Leases outlive the server, whatever ends it, and whatever its disk does.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use reveille_tests::lab::relayed::{Relayed, mac};
use reveille_tests::lab::reveille::{binary, path};
use reveille_tests::lab::{Host, Link, Reveille};
use rustix::process::Signal;

use crate::site::address;

const AGENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 9);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// How long a machine waits for its address.
const PATIENCE: Duration = Duration::from_secs(5);

/// A site whose only machines are behind a relay agent; `state` is its table about that.
fn site(state: &str) -> String {
    format!(
        "shards = 1\n[[network]]\ninterface = \"eth0\"\nsubnet = \"10.78.0.0/16\"\n\
         relays = [\"{AGENT}\"]\npool = \"10.78.1.0 - 10.78.250.255\"\nlease = \"1h\"\n\
         [programs]\nfolders = []\n[state]\n{state}\n"
    )
}

fn agent(link: &Link) -> (Host, Relayed) {
    let host = link.host();
    address(&host, AGENT.octets()[3]);
    let agent = Relayed::new(&host, AGENT, SERVER);
    (host, agent)
}

/// A number that is the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What `reveille` says to these words, and its exit status.
fn ask(mut command: Command, words: &[&str]) -> (String, Option<i32>) {
    let output = command.args(words).env("NO_COLOR", "1").output().expect("it can run");
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    (said, output.status.code())
}

fn reveille() -> Command {
    Command::new(binary())
}

/// Who has which address, by the list of the server or of its store.
fn listed(link: &Link) -> BTreeMap<String, (Ipv4Addr, String)> {
    let file = link.file("reveille.toml");
    let words = ["leases", "--config", path(&file), "--format", "csv"];
    let (said, code) = ask(reveille(), &words);
    assert_eq!(code, Some(0), "{said}");
    let lease = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [address, _, mac, _, _, state, ..] = fields[..] else { panic!("{line}") };
        (mac.to_owned(), (address.parse().expect(line), state.to_owned()))
    };
    said.lines().skip(1).map(lease).collect()
}

/// Every machine has what it was confirmed.
fn check(link: &Link, agent: &Relayed, when: &str) {
    let listed = listed(link);
    for (machine, address) in &agent.leases {
        let [a, b, c, d, e, f] = mac(*machine);
        let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
        let found = listed.get(&mac);
        let wanted = (*address, "bound".to_owned());
        assert_eq!(found, Some(&wanted), "machine {machine} ({mac}) {when}");
    }
    assert_eq!(agent.doubles, [], "{when}");
}

/// Waits until the server serves. The kernel closes what a killed process had in its rings a moment
/// after its end, so it may have to be started again.
fn ready(mut daemon: Reveille, link: &Link, words: &[&str], when: &str) -> Reveille {
    let deadline = Instant::now() + PATIENCE;
    // Ends at the deadline.
    loop {
        match daemon.wait_ready() {
            Ok(()) => return daemon,
            Err(timeout) if timeout.shows("in use") && Instant::now() < deadline => {
                daemon = Reveille::spawn(link, words);
            }
            Err(timeout) => panic!("{when}: {timeout:?}"),
        }
    }
}

/// Fifty times the server is killed in the middle of its work, some of them while it starts, and
/// no confirmed lease is lost.
fn kill(seed: u64) {
    let mut random = Random(seed);
    let link = Link::new();
    // What a killed process has written is kept by the kernel: a disk only makes it slow.
    let state = tempfile::tempdir_in("/dev/shm").expect("it is there and ours");
    let configuration = format!("dir = \"{}\"", path(state.path()));
    let configuration = link.write("reveille.toml", site(&configuration));
    let (_host, mut agent) = agent(&link);
    let words = ["serve", "--config", path(&configuration)];
    let mut machines = 40;
    for round in 0..50 {
        let when = format!("in round {round} of seed {seed:#x}");
        let mut daemon = Reveille::spawn(&link, &words);
        if random.below(5) == 0 {
            // Before it serves, or hardly after.
            let until = Instant::now() + Duration::from_millis(random.below(120));
            agent.work(0..machines, until);
        } else {
            daemon = ready(daemon, &link, &words, &when);
            if round % 4 == 0 {
                check(&link, &agent, &when);
            }
            let until = Instant::now() + Duration::from_micros(random.below(120_000));
            agent.work(0..machines, until);
        }
        daemon.signal(Signal::KILL);
        daemon.wait_end(PATIENCE).unwrap_or_else(|timeout| panic!("{when}: {timeout:?}"));
        agent.take_rest();
        machines += u32::try_from(random.below(20)).expect("it is below 20");
    }
    // Once more without a server, by the store itself.
    check(&link, &agent, "at the end");
    assert!(agent.leases.len() > 100, "{} machines have a lease", agent.leases.len());
}

// Two hundred points in time. In four parts, because a part mostly waits.

#[test]
fn no_confirmed_lease_is_lost_when_the_server_is_killed() {
    kill(0x5eed_2131);
}

#[test]
fn no_confirmed_lease_is_lost_when_the_server_is_killed_at_other_times() {
    kill(0x5eed_0951);
}

#[test]
fn no_confirmed_lease_is_lost_when_the_server_is_killed_at_yet_other_times() {
    kill(0x5eed_1542);
}

#[test]
fn no_confirmed_lease_is_lost_when_the_server_is_killed_at_the_last_times() {
    kill(0x5eed_3315);
}

/// A server whose state lies on a small disk of its own, which nobody else sees.
struct SmallDisk {
    daemon: Reveille,
    state: PathBuf,
}

impl SmallDisk {
    fn serve(link: &Link) -> Self {
        let state = link.file("state");
        std::fs::create_dir(&state).expect("the run's folder is ours");
        let file = link.write("reveille.toml", site("dir = \"state\""));
        let script = format!(
            "mount -t tmpfs -o size=6m,mode=700 none {} && exec {} serve --config {}",
            state.display(),
            binary().display(),
            file.display()
        );
        let words = ["--mount", "--propagation", "private", "sh", "-c", &script];
        let mut daemon = Reveille::wrapped(link, "unshare", &words);
        daemon.wait_ready().unwrap_or_else(|timeout| panic!("{timeout:?}"));
        Self { daemon, state }
    }

    /// A command that sees the disk.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.daemon.id().to_string(), program]);
        command
    }

    fn status(&self, link: &Link) -> (String, Option<i32>) {
        let file = link.file("reveille.toml");
        ask(self.command(path(&binary())), &["status", "--config", path(&file)])
    }

    fn mount(&self, words: &[&str]) {
        let (said, code) = ask(self.command("mount"), words);
        assert_eq!(code, Some(0), "{said}");
    }

    /// Fills the disk to its last byte.
    fn fill(&self) {
        let filler = self.state.join("filler");
        let script = format!("cat /dev/zero > {} 2>/dev/null; true", filler.display());
        let (said, code) = ask(self.command("sh"), &["-c", &script]);
        assert_eq!(code, Some(0), "{said}");
    }

    fn make_room(&self) {
        let filler = self.state.join("filler");
        let (said, code) = ask(self.command("rm"), &[path(&filler)]);
        assert_eq!(code, Some(0), "{said}");
    }
}

/// What must hold while the disk takes nothing: known machines are answered with what is kept for
/// them, new ones get nothing, and everybody who asks is told.
fn check_failing(link: &Link, disk: &mut SmallDisk, agent: &mut Relayed, why: &str) {
    disk.daemon.wait_for("leases cannot be kept", PATIENCE).unwrap_or_else(|t| panic!("{t:?}"));
    let (said, code) = disk.status(link);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(why), "{said}");
    let before = agent.seconds[&1];
    assert!(agent.renew(1, PATIENCE), "a known machine is answered\n{}", disk.daemon.log());
    assert!(agent.seconds[&1] <= before, "it is not told more than is kept");
    assert!(!agent.obtain(9000, Duration::from_millis(700)), "a new one is not");
    assert!(disk.daemon.lives(), "{}", disk.daemon.log());
}

/// What must hold afterwards.
fn check_recovered(link: &Link, disk: &mut SmallDisk, agent: &mut Relayed, machine: u32) {
    let wanted = "leases are kept again";
    disk.daemon.wait_for(wanted, 3 * PATIENCE).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    let (said, code) = disk.status(link);
    assert_eq!(code, Some(0), "{said}");
    assert!(agent.obtain(machine, PATIENCE), "{}", disk.daemon.log());
    assert!(agent.renew(1, PATIENCE), "{}", disk.daemon.log());
    assert_eq!(agent.doubles, []);
}

#[test]
fn a_full_disk_stops_new_leases_and_nothing_else_until_there_is_room() {
    let link = Link::new();
    let (_host, mut agent) = agent(&link);
    let mut disk = SmallDisk::serve(&link);
    for machine in 0..20 {
        assert!(agent.obtain(machine, PATIENCE), "{machine}\n{}", disk.daemon.log());
    }
    disk.fill();
    // What the last page of the log has room for is still kept.
    let refused = (100..200).find(|machine| !agent.obtain(*machine, Duration::from_millis(700)));
    assert!(refused.is_some(), "a full disk has an end\n{}", disk.daemon.log());
    check_failing(&link, &mut disk, &mut agent, "No space left on device");
    disk.make_room();
    check_recovered(&link, &mut disk, &mut agent, 300);
}

#[test]
fn a_disk_that_is_made_read_only_stops_new_leases_until_it_can_be_written() {
    let link = Link::new();
    let (_host, mut agent) = agent(&link);
    let mut disk = SmallDisk::serve(&link);
    for machine in 0..20 {
        assert!(agent.obtain(machine, PATIENCE), "{machine}\n{}", disk.daemon.log());
    }
    // The kernel makes no file system read-only by request that is being written: the store has to
    // be on its way back first, and finds another view of its folder.
    disk.fill();
    let refused = (100..200).find(|machine| !agent.obtain(*machine, Duration::from_millis(700)));
    assert!(refused.is_some(), "a full disk has an end\n{}", disk.daemon.log());
    let state = path(&disk.state).to_owned();
    disk.mount(&["--bind", &state, &state]);
    disk.mount(&["-o", "remount,bind,ro", &state]);
    let wanted = "Read-only file system";
    disk.daemon.wait_for(wanted, 3 * PATIENCE).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    check_failing(&link, &mut disk, &mut agent, wanted);
    disk.mount(&["-o", "remount,bind,rw", &state]);
    disk.make_room();
    check_recovered(&link, &mut disk, &mut agent, 300);
}

/// The server's own commands, with it and without it.
#[test]
fn leases_are_listed_released_and_kept_over_a_restart() {
    let link = Link::new();
    let (_host, mut agent) = agent(&link);
    let configuration = site("dir = \"state\"");
    let mut daemon = Reveille::serve(&link, &configuration);
    for machine in 0..5 {
        assert!(agent.obtain(machine, PATIENCE), "{}", daemon.log());
    }
    check(&link, &agent, "while it runs");
    let file = link.file("reveille.toml");
    let leases = |words: &[&str]| {
        let mut command = reveille();
        command.args(["leases", "--config", path(&file)]);
        ask(command, words)
    };
    let (said, code) = ask(reveille(), &["status", "--json", "--config", path(&file)]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\"bound\": 5") && said.contains("\"running\": true"), "{said}");
    let (said, _) = leases(&["--mac", "02:4b:00:00:00:03"]);
    let address = agent.leases[&3].to_string();
    assert!(said.contains(&address) && said.ends_with("1 lease\n"), "{said}");
    let (said, code) = leases(&["release", &address]);
    assert_eq!(code, Some(0), "{said}");
    let released = agent.leases.remove(&3).expect("it has one");
    let deadline = Instant::now() + PATIENCE;
    while listed(&link)["02:4b:00:00:00:03"] != (released, "released".to_owned()) {
        assert!(Instant::now() < deadline, "{}", daemon.log());
    }
    check(&link, &agent, "after the release");
    let (said, code) = leases(&["import", "--from", "dnsmasq", path(&file)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("process {}", daemon.id())), "{said}");
    daemon.signal(Signal::TERM);
    daemon.wait_end(PATIENCE).unwrap_or_else(|timeout| panic!("{timeout:?}"));
    assert!(!link.file("state/control.sock").exists());
    check(&link, &agent, "after its end");
    let (said, code) = ask(reveille(), &["status", "--config", path(&file)]);
    assert_eq!(code, Some(1), "{said}");
    // A file that no server would have left: one lease of a machine that comes later.
    let foreign = link.write("dnsmasq.leases", "0 02:4b:00:00:00:63 10.78.9.9 * *\nrubbish\n");
    let import = ["import", "--from", "dnsmasq", path(&foreign)];
    // Networks are found on the server's host.
    let mut command = link.server().command(path(&binary()));
    command.args(["leases", "--config", path(&file)]);
    let (said, code) = ask(command, &import);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 lease and 0 former") && said.contains("line 2: "), "{said}");
    let mut daemon = Reveille::serve(&link, &configuration);
    daemon.wait_for("5 leases and 1 former ones loaded", PATIENCE).expect("all are there");
    assert!(agent.obtain(0x63, PATIENCE), "{}", daemon.log());
    assert_eq!(agent.leases[&0x63], Ipv4Addr::new(10, 78, 9, 9));
    for (machine, address) in agent.leases.clone() {
        assert!(agent.obtain(machine, PATIENCE), "{}", daemon.log());
        assert_eq!(agent.leases[&machine], address, "machine {machine}");
    }
}
