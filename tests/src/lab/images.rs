//! Files to serve, and digests to compare what arrives with.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::link::Link;

/// The folder of a run that is served, relative to [`Link::folder`].
pub const FOLDER: &str = "images";

/// Writes a file of `length` bytes that do not repeat in a block's length, and returns its digest.
///
/// # Panics
/// If the disk is full.
pub fn write(link: &Link, name: &str, length: usize) -> String {
    let path = link.file(FOLDER).join(name);
    std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("it is ours");
    let mut file = BufWriter::new(File::create(&path).expect("the run's folder is ours"));
    let mut digest = Sha256::new();
    // A small generator (xorshift): every block differs, so a block out of place shows.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::try_from(length).unwrap_or(0);
    let mut left = length;
    let mut chunk = [0_u8; 4096];
    while left > 0 {
        for word in chunk.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let part = &chunk[..left.min(chunk.len())];
        file.write_all(part).expect("the disk has room");
        digest.update(part);
        left -= part.len();
    }
    file.flush().expect("the disk has room");
    hex(&digest.finalize())
}

/// The SHA-256 digest of a file.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn digest(path: &Path) -> String {
    let mut file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut digest = Sha256::new();
    let mut chunk = vec![0_u8; 1 << 16];
    loop {
        match file.read(&mut chunk).expect("the file can be read") {
            0 => return hex(&digest.finalize()),
            length => digest.update(&chunk[..length]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
