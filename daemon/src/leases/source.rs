//! Where leases come from: the server that runs, or the store that nobody uses.

use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};

use super::filter::Filter;
use super::{Listed, PAGE};
use crate::control::message::{Answer, Page, Request, SOCKET};
use crate::serve::Explained;
use crate::store::directory::{StateDirectory, holder};
use crate::store::disk::{Disk, Reader};
use crate::store::load::following;
use crate::store::record::{Record, RecordState};
use crate::store::wall::Wall;
use crate::store::{Store, StoreError};
use crate::units::Reason;

/// Rows looked at for one page, however few of them fit.
const SCANNED_MAX: usize = 4 * PAGE;

/// How long a server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whoever knows the leases.
#[derive(Debug)]
pub(crate) enum Source {
    /// A server that runs.
    Server(Client),
    /// The store itself, in a directory that nobody else uses meanwhile.
    Store {
        /// The store.
        disk: Disk,
        /// Keeps others out.
        _held: StateDirectory,
    },
}

impl Source {
    /// Whoever knows the leases of this state directory.
    pub(crate) fn open(directory: &Path) -> anyhow::Result<Self> {
        if let Some(client) = Client::connect(directory)? {
            return Ok(Self::Server(client));
        }
        if !Disk::exists(directory) {
            bail!(Explained {
                what: format!("there are no leases in {}", directory.display()),
                help: Some(
                    "name the configuration of the server with --config FILE, or its state \
                     directory with --state-dir FOLDER"
                        .to_owned()
                ),
            });
        }
        let state = hold(directory)?;
        Ok(Self::Store { disk: open_store(state.path())?, _held: state })
    }

    /// The leases from `from` on that `filter` takes, or some of them.
    pub(crate) fn page(&mut self, from: Ipv4Addr, filter: &Filter) -> anyhow::Result<Page> {
        match self.ask(&Request::Leases { from, filter: filter.clone() })? {
            Answer::Leases(page) => Ok(page),
            Answer::Error { what, help } => Err(Explained { what, help }.into()),
            other @ (Answer::Status(_) | Answer::Done { .. }) => {
                bail!("the server answered {other:?}")
            }
        }
    }

    /// Asks a question that the leases answer.
    pub(crate) fn ask(&mut self, request: &Request) -> anyhow::Result<Answer> {
        match self {
            Self::Server(client) => client.ask(request),
            Self::Store { disk, .. } => match request {
                Request::Leases { from, filter } => {
                    Ok(Answer::Leases(page(&disk.reader(), *from, filter, Wall::now())?))
                }
                Request::Release { address } => Ok(release(disk, *address)?),
                Request::Status => bail!("no server runs"),
            },
        }
    }
}

/// Holds the state directory for a moment.
pub(crate) fn hold(directory: &Path) -> anyhow::Result<StateDirectory> {
    Ok(StateDirectory::borrow(directory)?)
}

/// Opens the store of a state directory that is held.
pub(crate) fn open_store(directory: &Path) -> anyhow::Result<Disk> {
    Disk::open(directory).map_err(|error| opening(directory, &error).into())
}

/// Why a store does not open.
pub(crate) fn opening(directory: &Path, error: &StoreError) -> Explained {
    Explained {
        what: format!("cannot open the store in {}: {error}", directory.display()),
        help: error.help().map(str::to_owned),
    }
}

/// Leases of the store from `from` on that `filter` takes.
///
/// # Errors
/// What the store says.
pub(crate) fn page(
    reader: &Reader,
    from: Ipv4Addr,
    filter: &Filter,
    now: Wall,
) -> Result<Page, StoreError> {
    let first = filter.subnet.map_or(Ipv4Addr::UNSPECIFIED, |subnet| subnet.network());
    let last = filter.subnet.map_or(Ipv4Addr::BROADCAST, |subnet| subnet.broadcast());
    let mut page = Page { leases: Vec::new(), next: Some(from.max(first)) };
    // Ends: each round looks at rows behind those before, and at no more than `SCANNED_MAX`.
    for _ in 0..SCANNED_MAX / PAGE {
        let Some(from) = page.next.filter(|from| *from <= last) else { break };
        let rows = reader.page(from, PAGE)?;
        page.next = following(&rows, PAGE);
        let listed = rows.iter().map(|row| Listed::of(row, now));
        page.leases.extend(listed.filter(|lease| filter.takes(lease, now)));
        if page.leases.len() >= PAGE {
            break;
        }
    }
    page.next = page.next.filter(|next| *next <= last);
    Ok(page)
}

/// Takes an address from its client where no server runs.
fn release(disk: &mut Disk, address: Ipv4Addr) -> Result<Answer, StoreError> {
    let row = disk.page(address, 1)?.into_iter().find(|row| row.address == address);
    let now = Wall::now();
    match row.map(|row| row.record) {
        None => Ok(Answer::error(format!("{address} is not lent to anybody"))),
        Some(Ok(record)) if Listed::of_record(&record, now).state.is_free() => {
            Ok(Answer::error(format!("{address} is not lent to anybody")))
        }
        Some(Ok(record)) => {
            let state = RecordState::Released { at: now };
            disk.commit(&[Record { state, ..record }])?;
            Ok(Answer::Done { note: format!("{address} is released") })
        }
        Some(Err(_)) => {
            disk.forget(&[address])?;
            disk.reopen()?;
            Ok(Answer::Done { note: format!("the damaged lease of {address} is forgotten") })
        }
    }
}

/// A conversation with a server.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Speaks to the server that uses this state directory; nothing if there is none.
    pub(crate) fn connect(directory: &Path) -> anyhow::Result<Option<Self>> {
        let path = directory.join(SOCKET);
        match UnixStream::connect(&path) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Ok(Some(Self { stream: BufReader::new(stream) }))
            }
            Err(error) => match (error.kind(), holder(directory)) {
                (std::io::ErrorKind::PermissionDenied, _) => Err(Explained {
                    what: format!("cannot look into {}: {}", directory.display(), Reason(&error)),
                    help: Some("only root and the user that the server runs as may".to_owned()),
                }
                .into()),
                (_, Some(pid)) => Err(Explained {
                    what: format!("process {pid} uses {} and does not answer", directory.display()),
                    help: Some(
                        "it is starting or ending, or another `reveille leases` is at work"
                            .to_owned(),
                    ),
                }
                .into()),
                (_, None) => Ok(None),
            },
        }
    }

    /// Asks and waits for the answer.
    pub(crate) fn ask(&mut self, request: &Request) -> anyhow::Result<Answer> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes()).context("cannot ask the server")?;
        let mut answer = String::new();
        self.stream.read_line(&mut answer).context("the server does not answer")?;
        if answer.is_empty() {
            bail!("the server has hung up");
        }
        serde_json::from_str(&answer).context("the server's answer makes no sense")
    }
}
