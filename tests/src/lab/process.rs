//! A child process that ends with its guard.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// How often files and children are looked at while something is awaited.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A running program with its output in a file. Dropping it kills it and waits for its end.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
    started: Instant,
}

/// Something awaited did not happen in time; shows the end of the program's output.
pub struct Timeout(String);

impl Timeout {
    /// Whether the end of the output holds `text`.
    #[must_use]
    pub fn shows(&self, text: &str) -> bool {
        self.0.contains(text)
    }
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Process {
    /// Starts the command with standard output and error going to the file `log`.
    ///
    /// # Panics
    /// If the program cannot be started, with a hint how to install it.
    pub fn start(mut command: Command, log: &Path) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = File::create(log).expect("the log file can be written");
        let errors = output.try_clone().expect("a descriptor can be duplicated");
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("{name} cannot be started ({error}): {}", super::prerequisites::HINT)
        });
        Self { child, name, log: log.to_owned(), started: Instant::now() }
    }

    /// When the process was started.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the program has written so far.
    #[must_use]
    pub fn output(&self) -> String {
        read_lossy(&self.log)
    }

    /// Waits until the output holds `text`, and returns the line with it.
    ///
    /// # Errors
    /// After `patience`, or when the program has ended without writing it.
    pub fn wait_for(&mut self, text: &str, patience: Duration) -> Result<String, Timeout> {
        let log = self.log.clone();
        self.wait_for_in(&log, text, patience)
    }

    /// Waits until the file holds `text` (as [`Process::wait_for`]).
    ///
    /// # Errors
    /// After `patience`, or when the program has ended without writing it.
    pub fn wait_for_in(
        &mut self,
        file: &Path,
        text: &str,
        patience: Duration,
    ) -> Result<String, Timeout> {
        let deadline = Instant::now() + patience;
        loop {
            // The program's end is looked at first: what it wrote before is then all in the file.
            let ended = self.has_ended();
            if let Some(line) = line_with(&read_lossy(file), text) {
                return Ok(line);
            }
            if let Some(status) = ended {
                return Err(self.timeout(&format!("ended ({status}) without {text:?}"), file));
            }
            if Instant::now() > deadline {
                return Err(self.timeout(&format!("did not write {text:?} in {patience:?}"), file));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Waits for the program's own end.
    ///
    /// # Errors
    /// After `patience`; the program runs on then.
    pub fn wait_end(&mut self, patience: Duration) -> Result<ExitStatus, Timeout> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.has_ended() {
                return Ok(status);
            }
            if Instant::now() > deadline {
                let log = self.log.clone();
                return Err(self.timeout(&format!("still runs after {patience:?}"), &log));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// The exit status if the program has ended.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child can be waited for")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let raw = i32::try_from(self.child.id()).expect("process ids are positive");
        let pid = Pid::from_raw(raw).expect("process ids are positive");
        // A program that has just ended is not an error here.
        rustix::process::kill_process(pid, signal).ok();
    }

    fn timeout(&self, what: &str, file: &Path) -> Timeout {
        Timeout(format!(
            "{} {what}\n--- {} ---\n{}",
            self.name,
            file.display(),
            tail(&read_lossy(file), 60)
        ))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the child has ended and was waited for.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn read_lossy(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn line_with(content: &str, text: &str) -> Option<String> {
    // A line that is still being written does not count.
    let complete = &content[..=content.rfind('\n')?];
    complete.lines().find(|line| line.contains(text)).map(|line| line.trim_end().to_owned())
}

fn tail(content: &str, count: usize) -> String {
    let lines: Vec<&str> = content.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
