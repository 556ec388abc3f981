//! The daemon under test.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;

use super::link::Link;
use super::process::{Process, Timeout};

/// How long the daemon may take until it serves: it walks its images and opens its sockets.
const START: Duration = Duration::from_secs(10);

/// The daemon on a link's server host. Dropping it kills it.
#[derive(Debug)]
pub struct Reveille {
    process: Process,
}

/// The program: `$REVEILLE_BINARY`, else what cargo built beside this program.
///
/// # Panics
/// If it has not been built.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(binary) = std::env::var_os("REVEILLE_BINARY") {
        return PathBuf::from(binary);
    }
    let binary = super::prerequisites::profile_folder().join("reveille");
    assert!(binary.exists(), "{} is missing: cargo build -p reveille", binary.display());
    binary
}

impl Reveille {
    /// Starts `reveille` with these words; does not wait.
    #[must_use]
    pub fn spawn(link: &Link, words: &[&str]) -> Self {
        let binary = binary();
        let process = link.serve(&binary.display().to_string(), |command| {
            command.args(words).env("NO_COLOR", "1").current_dir(link.folder());
        });
        Self { process }
    }

    /// Starts a program that becomes `reveille`; does not wait.
    #[must_use]
    pub fn wrapped(link: &Link, program: &str, words: &[&str]) -> Self {
        let process = link.serve(program, |command| {
            command.args(words).env("NO_COLOR", "1").current_dir(link.folder());
        });
        Self { process }
    }

    /// Starts `reveille serve` with this configuration and waits until it serves. Its state is
    /// kept in the run's folder.
    ///
    /// # Panics
    /// If it does not serve in time; shows what it said.
    #[must_use]
    pub fn serve(link: &Link, configuration: &str) -> Self {
        let mut configuration = configuration.to_owned();
        if !configuration.contains("[state]") {
            configuration.push_str("\n[state]\ndir = \"state\"\n");
        }
        let file = link.write("reveille.toml", configuration);
        let mut daemon = Self::spawn(link, &["serve", "--config", path(&file)]);
        daemon.wait_ready().unwrap_or_else(|timeout| panic!("{timeout:?}"));
        daemon
    }

    /// Starts `reveille boot` for the laboratory's kernel and waits until it serves.
    ///
    /// # Panics
    /// If it does not serve in time; shows what it said.
    #[must_use]
    pub fn boot(link: &Link, words: &[&str]) -> Self {
        let files = super::boot_files();
        let mut all = vec!["boot", path(&files.kernel), path(&files.initrd)];
        all.extend_from_slice(words);
        let mut daemon = Self::spawn(link, &all);
        daemon.wait_ready().unwrap_or_else(|timeout| panic!("{timeout:?}"));
        daemon
    }

    /// Waits until the daemon says that it serves.
    ///
    /// # Errors
    /// After ten seconds, or when the daemon has ended.
    pub fn wait_ready(&mut self) -> Result<(), Timeout> {
        self.process.wait_for("ready for machines", START).map(drop)
    }

    /// What the daemon has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Waits until the daemon says `text`, and returns the line.
    ///
    /// # Errors
    /// After `patience`, or when the daemon has ended.
    pub fn wait_for(&mut self, text: &str, patience: Duration) -> Result<String, Timeout> {
        self.process.wait_for(text, patience)
    }

    /// Sends the daemon a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for the daemon's end.
    ///
    /// # Errors
    /// After `patience`.
    pub fn wait_end(&mut self, patience: Duration) -> Result<ExitStatus, Timeout> {
        self.process.wait_end(patience)
    }

    /// Whether the daemon still runs.
    #[must_use]
    pub fn lives(&mut self) -> bool {
        self.process.has_ended().is_none()
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

/// A path as text.
///
/// # Panics
/// If it is no UTF-8, which the laboratory's paths are.
#[must_use]
pub fn path(path: &Path) -> &str {
    path.to_str().expect("the laboratory's paths are text")
}
