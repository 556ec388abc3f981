//! What a server used while it was measured.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::contest::Round;
use crate::pair::Server;

/// A measurement that runs.
pub(crate) struct Meter {
    began: Instant,
    is_over: Arc<AtomicBool>,
    watch: JoinHandle<Watch>,
    system_calls: Option<Child>,
}

/// What the server and all its children used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) seconds: f64,
    /// User and system time.
    pub(crate) cpu_seconds: f64,
    /// Most memory at one time that belongs to no file, in MiB, looked at ten times a second.
    pub(crate) memory_mib: f64,
    /// In a counted round, else not a number: counting makes each call dearer.
    pub(crate) system_calls: f64,
}

impl Meter {
    /// Starts to look at a server.
    pub(crate) fn start(server: &Server, round: Round) -> Self {
        let processes = server.ids();
        let system_calls = match round {
            Round::Counted => Some(start_counting(&processes)),
            Round::Timed => None,
        };
        let mut watch = Watch::new(processes);
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let watch = std::thread::spawn(move || {
            // Ends with the measurement.
            while !ends.load(Ordering::Relaxed) {
                std::thread::park_timeout(INTERVAL);
                watch.look();
            }
            watch
        });
        Self { began: Instant::now(), is_over, watch, system_calls }
    }

    /// Tells what was used since.
    pub(crate) fn stop(self) -> Used {
        let seconds = self.began.elapsed().as_secs_f64();
        self.is_over.store(true, Ordering::Relaxed);
        self.watch.thread().unpark();
        let watch = self.watch.join().expect("looking at processes does not panic");
        let ticks = watch.ticks.values().sum::<u64>() - watch.ticks_before;
        let cpu_seconds = ticks as f64 / TICKS_PER_SECOND;
        let system_calls = self.system_calls.map_or(f64::NAN, stop_counting);
        Used { seconds, cpu_seconds, memory_mib: watch.memory_kib / 1024.0, system_calls }
    }
}

/// Processes and their children, looked at now and then: what a child has used is lost with it if
/// its parent does not wait for it.
struct Watch {
    processes: Vec<u32>,
    ticks_before: u64,
    /// CPU time of each process when it was seen last.
    ticks: BTreeMap<u32, u64>,
    /// Most memory at one time.
    memory_kib: f64,
}

impl Watch {
    fn new(processes: Vec<u32>) -> Self {
        let ticks = BTreeMap::new();
        let mut watch = Self { processes, ticks_before: 0, ticks, memory_kib: 0.0 };
        watch.look();
        watch.ticks_before = watch.ticks.values().sum();
        watch
    }

    fn look(&mut self) {
        let family = family(&self.processes);
        for id in &family {
            if let Some(ticks) = cpu_ticks(*id) {
                self.ticks.insert(*id, ticks);
            }
        }
        let kib = family.iter().map(|id| memory_kib(*id)).sum();
        self.memory_kib = self.memory_kib.max(kib);
    }
}

/// Processes and all their descendants.
fn family(processes: &[u32]) -> Vec<u32> {
    let mut members = processes.to_vec();
    let mut next = 0;
    // Ends: processes have no cycles, and none forks without end.
    while let Some(id) = members.get(next).copied() {
        next += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{id}/task")) else { continue };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            members.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
        }
    }
    members
}

/// User and system time of a process.
fn cpu_ticks(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows is numbers.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields = rest.split_whitespace().skip(11).take(2);
    Some(fields.filter_map(|field| field.parse::<u64>().ok()).sum())
}

/// Resident memory of a process that is not a file's.
fn memory_kib(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let is_own = |line: &&str| line.starts_with("RssAnon:") || line.starts_with("RssShmem:");
    let lines = status.lines().filter(is_own);
    lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).sum()
}

/// Counts what processes, their threads and their children call from now on.
fn start_counting(processes: &[u32]) -> Child {
    let processes: Vec<_> = processes.iter().map(u32::to_string).collect();
    let mut command = Command::new("perf");
    command.args(["stat", "-x", ",", "-e", EVENT, "-p", &processes.join(",")]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().expect("perf is installed (scripts/install-packages bench)");
    // It opens its counters first and then waits: when it waits, it counts.
    let deadline = Instant::now() + Duration::from_secs(5);
    while !is_waiting(child.id()) && Instant::now() < deadline {
        std::thread::yield_now();
    }
    child
}

/// Whether perf has opened its counter and sleeps.
fn is_waiting(perf: u32) -> bool {
    let has_counter = fs::read_dir(format!("/proc/{perf}/fd")).is_ok_and(|files| {
        let links = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        links.into_iter().any(|link| link.to_string_lossy().contains("perf_event"))
    });
    let status = fs::read_to_string(format!("/proc/{perf}/status")).unwrap_or_default();
    has_counter && status.lines().any(|line| line.starts_with("State:\tS"))
}

/// The number of calls; not a number where the kernel cannot count them.
fn stop_counting(child: Child) -> f64 {
    if let Some(id) = Pid::from_raw(child.id() as i32) {
        kill_process(id, Signal::INT).expect("perf runs until it is told to stop");
    }
    let output = child.wait_with_output().expect("perf ends when it is interrupted");
    let table = String::from_utf8_lossy(&output.stderr);
    let line = table.lines().find(|line| line.contains(EVENT));
    line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(f64::NAN)
}

const EVENT: &str = "raw_syscalls:sys_enter";

/// How often the server is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// `USER_HZ`, in which Linux counts for programs.
const TICKS_PER_SECOND: f64 = 100.0;
