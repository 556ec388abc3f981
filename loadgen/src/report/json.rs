//! Records as JSON files. The keys are the fields of [`Run`].

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::record::{FORMAT, Run};

/// The record as JSON, with a line break at the end.
///
/// # Errors
/// If a number is not finite.
pub fn text(run: &Run) -> anyhow::Result<String> {
    let mut text = serde_json::to_string_pretty(run).context("the record is no JSON")?;
    text.push('\n');
    Ok(text)
}

/// Writes the record into a file, whole or not at all.
///
/// # Errors
/// If the file cannot be written.
pub fn write(run: &Run, path: &Path) -> anyhow::Result<()> {
    write_file(path, &text(run)?)
}

/// Reads a record that [`write`] wrote.
///
/// # Errors
/// If the file cannot be read, or is no record that this version understands.
pub fn read(path: &Path) -> anyhow::Result<Run> {
    let name = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    parse(&text).with_context(|| format!("{name} is no record of a run"))
}

/// Reads a record.
///
/// # Errors
/// If it is no record that this version understands.
pub fn parse(text: &str) -> anyhow::Result<Run> {
    /// What all versions of the format have.
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let head: Head = serde_json::from_str(text)?;
    if head.format != FORMAT {
        bail!("it has format {}; this version reads format {FORMAT}", head.format);
    }
    Ok(serde_json::from_str(text)?)
}

/// Writes a text into a file, whole or not at all. What is there and no file of its own (a device,
/// a pipe, a link) is written to, not replaced.
pub(super) fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let name = path.display();
    let is_special = path.symlink_metadata().is_ok_and(|there| !there.is_file());
    if is_special {
        return fs::write(path, text).with_context(|| format!("cannot write {name}"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let write = || -> anyhow::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {name}"))
}
