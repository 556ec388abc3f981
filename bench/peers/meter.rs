//! What a server used while it was measured.

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
    process: u32,
    began: Instant,
    cpu_before: f64,
    is_over: Arc<AtomicBool>,
    memory: JoinHandle<f64>,
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
        let process = server.id();
        let system_calls = match round {
            Round::Counted => Some(start_counting(process)),
            Round::Timed => None,
        };
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let memory = std::thread::spawn(move || {
            let mut most = memory_mib(process);
            // Ends with the measurement.
            while !ends.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_millis(100));
                most = memory_mib(process).max(most);
            }
            most
        });
        let (began, cpu_before) = (Instant::now(), cpu_seconds(process));
        Self { process, began, cpu_before, is_over, memory, system_calls }
    }

    /// Tells what was used since.
    pub(crate) fn stop(self) -> Used {
        let seconds = self.began.elapsed().as_secs_f64();
        let cpu_seconds = cpu_seconds(self.process) - self.cpu_before;
        self.is_over.store(true, Ordering::Relaxed);
        self.memory.thread().unpark();
        let memory_mib = self.memory.join().expect("looking at memory does not panic");
        let system_calls = self.system_calls.map_or(f64::NAN, stop_counting);
        Used { seconds, cpu_seconds, memory_mib, system_calls }
    }
}

/// A process and all its descendants.
fn family(process: u32) -> Vec<u32> {
    let mut members = vec![process];
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

/// CPU seconds of a process and of all its children, also of those that have ended.
fn cpu_seconds(process: u32) -> f64 {
    let mut ticks = 0;
    for id in family(process) {
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        // The name in parentheses may hold anything; what follows is numbers.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields = rest.split_whitespace().skip(11).take(4);
        ticks += fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    }
    ticks as f64 / TICKS_PER_SECOND
}

/// Resident memory of a process and its children that is not a file's, in MiB.
fn memory_mib(process: u32) -> f64 {
    let mut kib = 0.0;
    for id in family(process) {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let lines = status
            .lines()
            .filter(|line| line.starts_with("RssAnon:") || line.starts_with("RssShmem:"));
        let values = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        kib += values.sum::<f64>();
    }
    kib / 1024.0
}

/// Counts what a process, its threads and their children call from now on.
fn start_counting(process: u32) -> Child {
    let mut command = Command::new("perf");
    command.args(["stat", "-x", ",", "-e", EVENT, "-p", &process.to_string()]);
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

/// `USER_HZ`, in which Linux counts for programs.
const TICKS_PER_SECOND: f64 = 100.0;
