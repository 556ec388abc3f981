//! Instructions that a program executes, from valgrind.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::baseline::Count;

/// Builds the program whose operations are counted, as it is shipped, and tells where it is.
pub(crate) fn build() -> PathBuf {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--locked", "--profile", "counted"]);
    command.args(["--package", "reveille-bench", "--bin", "counted"]);
    // cargo leaves us a folder beside those of its profiles.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in the target");
    let status = command.arg("--target-dir").arg(target).status().expect("cargo started this");
    assert!(status.success(), "the counted program does not compile");
    target.join("counted/counted")
}

/// Runs the program's operations `set` under valgrind.
pub(crate) fn count(program: &Path, set: &str) -> Vec<Count> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("counts-{set}"));
    // What an earlier run left would be mistaken for this one's.
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("the folder is ours");
    }
    std::fs::create_dir_all(&folder).expect("cargo made the folder for us");
    let out = folder.join("out");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet", "--combine-dumps=no"]);
    for action in ["--zero-before", "--dump-after"] {
        command.arg(format!("{action}={MEASURED}"));
    }
    command.arg(format!("--callgrind-out-file={}", out.display())).arg(program).arg(set);
    let output = command.output();
    let output = output.unwrap_or_else(|error| {
        panic!("valgrind cannot be started ({error}): run scripts/install-packages test")
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "valgrind or the program failed:\n{errors}");
    let operations = String::from_utf8_lossy(&output.stdout);
    let mut counts = Vec::new();
    for (dump, line) in (1..).zip(operations.lines()) {
        let (times, name) = line.split_once(' ').expect("a number of times and a name");
        let times: u64 = times.parse().expect("a number of times and a name");
        let profile = std::fs::read_to_string(folder.join(format!("out.{dump}")));
        let profile = profile.expect("a dump for each call of the measured function");
        let instructions = own_instructions(&profile, program) / times;
        counts.push(Count { name: name.to_owned(), instructions });
    }
    assert!(!counts.is_empty(), "nothing was counted");
    counts
}

/// The instructions in a profile that belong to the program itself, not to its libraries.
fn own_instructions(profile: &str, program: &Path) -> u64 {
    let name = program.file_name().and_then(OsStr::to_str).expect("we named it");
    let mut own_number = None;
    let (mut is_own, mut is_call) = (false, false);
    let mut sum = 0;
    // https://valgrind.org/docs/manual/cl-format.html: `ob=` opens an object, by number and at
    // its first mention by name; the line after `calls=` is the inclusive cost of a call.
    for line in profile.lines() {
        let object = line.strip_prefix("ob=").or_else(|| line.strip_prefix("cob="));
        if let Some((number, path)) = object.and_then(|object| object.split_once(' '))
            && Path::new(path).file_name() == Some(OsStr::new(name))
        {
            own_number = Some(number);
        }
        if let Some(object) = line.strip_prefix("ob=") {
            is_own = object.split(' ').next() == own_number;
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok());
            if is_own && !is_call {
                sum += cost.expect("a cost behind the position");
            }
            is_call = false;
        }
    }
    assert!(own_number.is_some(), "the profile names the program");
    sum
}

const MEASURED: &str = "reveille_bench_measured";

#[test]
fn libraries_and_calls_do_not_count() {
    let profile = "\
positions: line
events: Ir
ob=(1) /lib/libc.so.6
fn=(1) memcpy
10 500
ob=(2) /target/counted
fn=(2) parse
12 30
+1 7
cob=(1)
cfn=(1)
calls=3 10
* 500
-2 3
ob=(1)
fn=(3) memset
9 100
ob=(2)
fn=(4) emit
* 2
";
    assert_eq!(own_instructions(profile, Path::new("/elsewhere/counted")), 42);
}
