//! What fuzzing found once, and what real clients sent, through every codec.

use std::path::Path;

use reveille_core::fuzzing::TARGETS;

/// Whole corpora, each input cut at every length as well: truncation is the commonest fault.
#[test]
fn no_input_of_the_corpora_panics() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        let mut inputs = 0;
        for entry in std::fs::read_dir(&folder).expect("every target has a corpus") {
            let path = entry.expect("the folder can be listed").path();
            let bytes = std::fs::read(&path).expect("inputs can be read");
            for len in 0..=bytes.len() {
                target(&bytes[..len]);
            }
            inputs += 1;
        }
        assert!(inputs > 0, "{} is empty", folder.display());
    }
}
