//! What every test needs: a server with the toy engines, and files to serve.

use std::io::Write;
use std::net::SocketAddrV4;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use reveille_core::engine::SocketId;
use reveille_core::image::{ImageId, ImageSpan};
use reveille_runtime::{
    Bound, Config, Engines, ImageStore, InterfaceSpec, Server, Setup, TftpSpec, UdpSpec, bind,
};

use crate::packets::Replier;
use crate::streamer::{Note, Streamer};

/// No single step of a test takes longer, unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server, where to find it, and what its stream engine saw.
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) dhcp: Vec<SocketAddrV4>,
    pub(crate) tftp: SocketAddrV4,
    pub(crate) http: SocketAddrV4,
    pub(crate) notes: Receiver<Note>,
}

pub(crate) fn config(shards: usize) -> Config {
    let mut config = Config::new(NonZeroUsize::new(shards).unwrap());
    let loopback = "127.0.0.1:0".parse().unwrap();
    config.sockets.interfaces = vec![InterfaceSpec { name: "lo".to_owned(), index: 1 }];
    config.sockets.dhcp = vec![UdpSpec {
        id: SocketId(0),
        local: loopback,
        device: None,
        broadcast: true,
        group: None,
    }];
    config.sockets.tftp = Some(TftpSpec { listen: loopback, transfer_sockets: 2 });
    config.sockets.http = vec![loopback];
    config.connections = 2048;
    config
}

pub(crate) fn start(config: Config, store: &ImageStore) -> Running {
    start_bound(bind(config).unwrap(), store)
}

pub(crate) fn start_bound(bound: Bound, store: &ImageStore) -> Running {
    let (sender, notes): (Sender<Note>, _) = channel();
    let (dhcp, tftp, http) = (bound.dhcp().to_vec(), bound.tftp().unwrap(), bound.http()[0]);
    let server = bound.start(setup(store), |_| Engines {
        dhcp: Some(Replier::default().into_packets()),
        tftp: Replier::default(),
        http: Streamer::new(sender.clone()),
    });
    Running { server: server.unwrap(), dhcp, tftp, http, notes }
}

pub(crate) fn setup(store: &ImageStore) -> Setup {
    Setup { view: Arc::default(), images: store.table() }
}

/// Bytes that differ at every place that matters: no block equals its neighbour.
pub(crate) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for (index, word) in bytes.chunks_mut(8).enumerate() {
        let value = (index as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        word.copy_from_slice(&value[..word.len()]);
    }
    bytes
}

pub(crate) fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
    path
}

pub(crate) fn span(image: ImageId, offset: u64, len: usize) -> ImageSpan {
    ImageSpan { image, offset, len: u32::try_from(len).unwrap() }
}

/// Looks again and again until `condition` holds.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::yield_now();
    }
}

impl Running {
    /// The next thing that the stream engine saw.
    pub(crate) fn note(&self) -> Note {
        self.notes.recv_timeout(PATIENCE).expect("the engine was told nothing")
    }

    /// What the stream engine saw, up to and including `last`.
    pub(crate) fn notes_until(&self, is_last: impl Fn(&Note) -> bool) -> Vec<Note> {
        let mut notes = vec![self.note()];
        while !is_last(notes.last().unwrap()) {
            notes.push(self.note());
        }
        notes
    }

    pub(crate) fn stop(self) {
        self.server.stop();
        self.server.join().unwrap();
    }
}
