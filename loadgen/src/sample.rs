//! What the server uses: processor time and memory of its processes.

use std::fs;

/// A server's use of its machine, so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Processor seconds of all processes and their children, also of those that have ended.
    pub cpu_seconds: f64,
    /// Bytes that are resident now, in all processes.
    pub resident_bytes: u64,
    /// The largest number of resident bytes of each process, added up.
    pub resident_peak_bytes: u64,
    /// Processes that run.
    pub processes: usize,
}

/// Looks at processes and all their descendants. Those that do not exist are left out.
#[must_use]
pub fn sample(pids: &[u32]) -> Sample {
    let mut sample = Sample::default();
    let mut pending: Vec<u32> = pids.to_vec();
    // Ends: processes have no cycles, and none forks without end.
    while let Some(pid) = pending.pop() {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        sample.processes += 1;
        sample.cpu_seconds += ticks(&stat) as f64 / TICKS_PER_SECOND;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        sample.resident_bytes += kib(&status, "VmRSS:") * 1024;
        sample.resident_peak_bytes += kib(&status, "VmHWM:") * 1024;
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for thread in threads.flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            pending.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    sample
}

/// User and system time of a process's threads and of its children that have ended.
fn ticks(stat: &str) -> u64 {
    // The name in parentheses may hold anything; what follows is numbers (proc_pid_stat(5)).
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = rest.split_whitespace().skip(11).take(4);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn kib(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// `USER_HZ`, in which Linux counts for programs.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there() {
        let ours = sample(&[std::process::id()]);
        assert!(ours.processes >= 1 && ours.resident_bytes > 100_000, "{ours:?}");
        assert!(ours.resident_peak_bytes >= ours.resident_bytes, "{ours:?}");
        assert_eq!(sample(&[u32::MAX]), Sample::default());
    }

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 5 0 0 0 11 22 33 44 20 0 1 0";
        assert_eq!(ticks(stat), 11 + 22 + 33 + 44);
    }
}
