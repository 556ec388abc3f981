//! What a machine tells about its life.

use crate::time::Duration;

/// Something for the record. It happened at the `now` of the call that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A stage began.
    StageBegan(Stage),
    /// A stage ended well.
    StageEnded {
        /// Which.
        stage: Stage,
        /// How long it took.
        took: Duration,
        /// How often something had to be sent again or fetched anew in it.
        retries: u16,
        /// Bytes of files and texts that came in it.
        bytes: u64,
    },
    /// Something was sent again because no answer came, or fetched anew.
    Resent(Stage),
    /// The server asked to come back later (503 with `Retry-After`).
    ToldToWait(Stage),
    /// The machine gave up. Nothing follows.
    Failed {
        /// Where.
        stage: Stage,
        /// Why.
        reason: Reason,
    },
    /// The machine went silent because it was drawn to. Nothing follows.
    Vanished(Stage),
    /// The machine is up. Nothing follows.
    Up,
}

/// Where a machine is between power-on and the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The firmware starts.
    PowerOn,
    /// The firmware asks for an address.
    Dhcp,
    /// The boot program and what it looks for, by TFTP or HTTP Boot.
    Program,
    /// The boot program (iPXE) asks for an address.
    DhcpLoader,
    /// The script, or the configuration of the loader.
    Script,
    /// The kernel.
    Kernel,
    /// Initial RAM disks and other images.
    Initrd,
    /// What the started system fetches to know its task.
    Metadata,
    /// The system reports that it runs.
    Up,
}

impl Stage {
    /// All, in the order in which machines go through them.
    pub const ALL: [Self; 9] = [
        Self::PowerOn,
        Self::Dhcp,
        Self::Program,
        Self::DhcpLoader,
        Self::Script,
        Self::Kernel,
        Self::Initrd,
        Self::Metadata,
        Self::Up,
    ];

    /// A short name for people and files.
    pub const fn label(self) -> &'static str {
        match self {
            Self::PowerOn => "power-on",
            Self::Dhcp => "dhcp",
            Self::Program => "program",
            Self::DhcpLoader => "dhcp-loader",
            Self::Script => "script",
            Self::Kernel => "kernel",
            Self::Initrd => "initrd",
            Self::Metadata => "metadata",
            Self::Up => "up",
        }
    }
}

/// Why a machine gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Nobody offered an address.
    NoOffer,
    /// Nobody acknowledged the request.
    NoAck,
    /// The server refused the address.
    Nak,
    /// The answers lacked what the firmware needs (mask, boot file, server).
    BadDhcp,
    /// An address, but nothing to boot.
    NoBootFile,
    /// The server for port 4011 did not answer.
    NoBootServer,
    /// The TFTP server fell silent.
    TftpTimeout,
    /// The TFTP server sent this error.
    TftpError(u16),
    /// The TFTP server broke the protocol.
    BadTftp,
    /// The HTTP server answered with this status.
    HttpStatus(u16),
    /// The HTTP server broke the protocol.
    BadHttp,
    /// No connection.
    ConnectFailed,
    /// The connection ended too early.
    StreamBroken,
    /// The HTTP server fell silent.
    Stalled,
    /// The digest of a file is not the expected one.
    WrongBytes,
    /// The length of a file is not the expected or announced one.
    WrongLength,
    /// The script or configuration leads nowhere.
    BadScript,
    /// A URL or name that the firmware cannot use.
    BadUrl,
}

impl Reason {
    /// A short name for people and files; [`Self::code`] tells the number that belongs to it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NoOffer => "no offer",
            Self::NoAck => "no acknowledgement",
            Self::Nak => "address refused",
            Self::BadDhcp => "unusable DHCP answer",
            Self::NoBootFile => "no boot file",
            Self::NoBootServer => "no boot server",
            Self::TftpTimeout => "TFTP timeout",
            Self::TftpError(_) => "TFTP error",
            Self::BadTftp => "TFTP protocol error",
            Self::HttpStatus(_) => "HTTP status",
            Self::BadHttp => "HTTP protocol error",
            Self::ConnectFailed => "connection failed",
            Self::StreamBroken => "connection broken",
            Self::Stalled => "stalled",
            Self::WrongBytes => "wrong bytes",
            Self::WrongLength => "wrong length",
            Self::BadScript => "unusable script",
            Self::BadUrl => "unusable URL",
        }
    }

    /// The server's own number for it.
    pub const fn code(self) -> Option<u16> {
        match self {
            Self::TftpError(code) | Self::HttpStatus(code) => Some(code),
            Self::NoOffer
            | Self::NoAck
            | Self::Nak
            | Self::BadDhcp
            | Self::NoBootFile
            | Self::NoBootServer
            | Self::TftpTimeout
            | Self::BadTftp
            | Self::BadHttp
            | Self::ConnectFailed
            | Self::StreamBroken
            | Self::Stalled
            | Self::WrongBytes
            | Self::WrongLength
            | Self::BadScript
            | Self::BadUrl => None,
        }
    }
}

/// Notes that wait for the driver, oldest first.
#[derive(Debug, Default)]
pub(super) struct Notes {
    notes: [Option<Kept>; Self::LEN],
    first: u8,
    len: u8,
}

/// A note in less room.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Ended { stage: Stage, nanos: u64, retries: u16, bytes: u64 },
    Began(Stage),
    Resent(Stage),
    ToldToWait(Stage),
    Failed(Stage, Reason),
    Vanished(Stage),
    Up,
}

impl Notes {
    /// The most that one call makes: a stage ends, another one passes, the last one begins and
    /// ends, and the machine is up; or something was sent again before that.
    const LEN: usize = 7;

    pub(super) fn push(&mut self, note: Note) {
        debug_assert!(usize::from(self.len) < Self::LEN, "notes are drained after each call");
        let at = (usize::from(self.first) + usize::from(self.len)) % Self::LEN;
        self.notes[at] = Some(match note {
            Note::StageBegan(stage) => Kept::Began(stage),
            Note::StageEnded { stage, took, retries, bytes } => {
                let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
                Kept::Ended { stage, nanos, retries, bytes }
            }
            Note::Resent(stage) => Kept::Resent(stage),
            Note::ToldToWait(stage) => Kept::ToldToWait(stage),
            Note::Failed { stage, reason } => Kept::Failed(stage, reason),
            Note::Vanished(stage) => Kept::Vanished(stage),
            Note::Up => Kept::Up,
        });
        self.len = (self.len + 1).min(Self::LEN as u8);
    }

    pub(super) fn pop(&mut self) -> Option<Note> {
        let kept = self.notes[usize::from(self.first)].take()?;
        self.first = (self.first + 1) % Self::LEN as u8;
        self.len -= 1;
        Some(match kept {
            Kept::Ended { stage, nanos, retries, bytes } => {
                let took = Duration::from_nanos(nanos);
                Note::StageEnded { stage, took, retries, bytes }
            }
            Kept::Began(stage) => Note::StageBegan(stage),
            Kept::Resent(stage) => Note::Resent(stage),
            Kept::ToldToWait(stage) => Note::ToldToWait(stage),
            Kept::Failed(stage, reason) => Note::Failed { stage, reason },
            Kept::Vanished(stage) => Note::Vanished(stage),
            Kept::Up => Note::Up,
        })
    }
}
