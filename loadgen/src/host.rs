//! The machine that a run is made on.

use std::fs;

use anyhow::Context;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::record::Host;

/// What is known about it.
pub(crate) fn describe() -> Host {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let memory = value(&read("/proc/meminfo"), "MemTotal");
    let kib = memory.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    Host {
        cpu: value(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
        cores: read("/proc/cpuinfo").matches("processor\t").count() as u32,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        memory_bytes: kib.unwrap_or(0) * 1024,
    }
}

/// Processors that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The set of these processors.
///
/// # Errors
/// If there is no such processor.
pub(crate) fn processors(cores: &[usize]) -> anyhow::Result<CpuSet> {
    let ours = sched_getaffinity(None).context("our processors are not known")?;
    let mut set = CpuSet::new();
    for core in cores {
        let is_there = *core < CpuSet::MAX_CPU && ours.is_set(*core);
        anyhow::ensure!(is_there, "there is no processor {core} for us");
        set.set(*core);
    }
    Ok(set)
}

/// Keeps the calling thread on one processor.
///
/// # Errors
/// If there is no such processor.
pub(crate) fn pin(core: usize) -> anyhow::Result<()> {
    sched_setaffinity(None, &processors(&[core])?)
        .with_context(|| format!("there is no processor {core} for us"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processors_that_are_there_are_taken() {
        let error = processors(&[CpuSet::MAX_CPU - 1]).expect_err("no machine has that many");
        assert_eq!(error.to_string(), "there is no processor 1023 for us");
        assert!(processors(&[CpuSet::MAX_CPU]).is_err());
        assert!(processors(&[]).is_ok());
    }
}
