//! Rules of the house that no compiler checks.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Rust files below `folder`, each with its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut pending = vec![root().join(folder)];
    let mut files = Vec::new();
    // Ends: a tree of folders has no cycle.
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("sources are text");
                let name = path.strip_prefix(root()).expect("it lies below the root");
                files.push((name.display().to_string(), text));
            }
        }
    }
    assert!(!files.is_empty(), "{folder} has sources");
    files
}

fn offenders(folder: &str, is_offence: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in sources(folder) {
        for (number, line) in text.lines().enumerate() {
            if !line.trim_start().starts_with("//") && is_offence(&file, line) {
                found.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn the_core_stays_without_the_standard_library() {
    let manifest = std::fs::read_to_string(root().join("core/Cargo.toml")).expect("it is there");
    let dependencies = manifest.split("[dependencies]").nth(1).expect("the section is there");
    for line in dependencies.lines().skip(1).take_while(|line| !line.starts_with('[')) {
        let Some((name, _)) = line.split_once(['.', ' ']) else { continue };
        let allowed = ["zerocopy", "hashbrown", "httparse", "siphasher"];
        assert!(allowed.contains(&name), "{name}: the core depends on as little as it can");
    }
    let crates = offenders("core/src", |_, line| line.contains("extern crate std"));
    assert!(crates.is_empty(), "{crates:#?}");
}

#[test]
fn unsafe_code_lives_where_the_kernel_is_spoken_to() {
    let is_unsafe = |line: &str| line.contains("unsafe ") && !line.contains("unsafe_");
    // `datagrams` and `streams` own the memory that an operation borrows until it completes, so
    // only they can promise that it lives long enough.
    let places = ["ring", "op", "socket", "buffers", "probe", "datagrams", "streams"];
    let found = offenders("runtime/src", |file, line| {
        let place = file.trim_start_matches("runtime/src/").split(['/', '.']).next();
        is_unsafe(line) && !place.is_some_and(|place| places.contains(&place))
    });
    assert!(found.is_empty(), "{found:#?}");
    // The generator speaks to the kernel in its ring, its packet sockets and namespaces, and where a
    // socket option or a signal has no safe call.
    let places = ["ring", "frames", "lab", "stop", "parts/tftp/client", "fleet/commands"];
    let found = offenders("loadgen/src", |file, line| {
        let file = file.trim_start_matches("loadgen/src/").trim_end_matches(".rs");
        let is_place = |place: &str| file == place || file.starts_with(&format!("{place}/"));
        is_unsafe(line) && !places.iter().any(|place| is_place(place))
    });
    assert!(found.is_empty(), "{found:#?}");
    let found = offenders("daemon/src", |_, line| is_unsafe(line));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn nothing_is_left_for_later() {
    let words = [concat!("FIX", "ME"), concat!("XX", "X"), concat!("#[", "ignore")];
    for folder in ["core/src", "runtime/src", "daemon/src", "bench", "tests"] {
        let found = offenders(folder, |_, line| words.iter().any(|word| line.contains(word)));
        assert!(found.is_empty(), "{found:#?}");
    }
}

/// Each rule of the page on protocols has a file that keeps it and a test that proves it.
#[test]
fn every_rule_of_firmware_has_its_file_and_its_test() {
    let page = std::fs::read_to_string(root().join("docs/PROTOCOLS.md")).expect("it is there");
    let tests: String = ["core/src", "daemon/src", "runtime/src", "tests/suite"]
        .into_iter()
        .flat_map(sources)
        .map(|(_, text)| text)
        .collect();
    let mut rules = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let [rule, places, proofs] = cells[..] else { panic!("a row has three cells: {row}") };
        let quoted = |cell: &str| -> Vec<String> {
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let (places, proofs) = (quoted(places), quoted(proofs));
        assert!(!places.is_empty() && !proofs.is_empty(), "{rule}");
        for place in places {
            let exists = [root().join(&place), root().join("core/src").join(&place)];
            assert!(exists.iter().any(|path| path.is_file()), "{place} keeps no rule:{rule}");
        }
        for proof in proofs {
            assert!(tests.contains(&format!("fn {proof}(")), "{proof} proves no rule:{rule}");
        }
        rules += 1;
    }
    assert!(rules > 100, "{rules} rules");
}
