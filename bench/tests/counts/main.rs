//! A change of what operations cost is a change of `bench/baselines`.
//!
//! Counted are instructions of our own program, compiled as it is shipped; those of the C library
//! depend on the processor. The same compiler gives the same counts on every machine.
//!
//! ```sh
//! REVEILLE_ACCEPT_COUNTS=1 cargo test -p reveille-bench --test counts                # accept
//! cargo test -p reveille-bench --test counts -- --ignored                  # with a crowd, too
//! ```
#![cfg(target_arch = "x86_64")]

mod baseline;
mod callgrind;

use std::path::{Path, PathBuf};

use baseline::Baseline;

#[test]
fn operations_cost_what_they_did() {
    check("short");
}

#[test]
fn operations_cost_what_they_did_with_a_crowd() {
    // A minute: `make bench` asks for it.
    if std::env::var_os("REVEILLE_COUNT_CROWDS").is_some() {
        check("crowd");
    }
}

fn check(set: &str) {
    let counts = callgrind::count(&callgrind::build(), set);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("baselines/{set}.txt"));
    let compiler = compiler();
    if std::env::var_os("REVEILLE_ACCEPT_COUNTS").is_some() {
        let accepted = Baseline { compiler, counts };
        std::fs::write(&path, accepted.to_string()).expect("a checkout can be written to");
        return;
    }
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}\n{HOW_TO_ACCEPT}", path.display()));
    let accepted = Baseline::parse(&text).unwrap_or_else(|line| panic!("{path:?}: {line:?}"));
    let report = accepted.compare(&Baseline { compiler, counts });
    assert!(
        report.is_empty(),
        "operations cost other than {path:?} says:\n{report}{HOW_TO_ACCEPT}"
    );
}

/// The compiler that the program was built with, as it calls itself.
fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
    let output = std::process::Command::new(rustc).arg("--version").output();
    let output = output.expect("whoever compiles this has a compiler");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

const HOW_TO_ACCEPT: &str = "\
If that is what the change is worth, accept it and commit the difference:
    REVEILLE_ACCEPT_COUNTS=1 cargo test -p reveille-bench --test counts
What costs so much, by function:
    cargo build --profile counted -p reveille-bench --bin counted
    valgrind --tool=callgrind --toggle-collect=reveille_bench_measured target/counted/counted
    callgrind_annotate callgrind.out.*
";
