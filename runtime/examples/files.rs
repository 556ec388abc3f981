//! Serves the files of a folder on loopback, by TFTP and HTTP, until its input ends:
//!
//! ```sh
//! cargo run --release -p reveille-runtime --example files -- FOLDER [TFTP-PORT [HTTP-PORT]]
//! ```

use std::error::Error;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reveille_core::dhcp4::Dhcp4Server;
use reveille_core::engine::InterfaceId;
use reveille_core::http::HttpServer;
use reveille_core::mac::MacAddr;
use reveille_core::tftp::{TftpConfig, TftpServer};
use reveille_core::view::{DhcpMode, File, Interface, LeaseTerms, Network, Subnet, View};
use reveille_runtime::{Config, Engines, ImageStore, InterfaceSpec, Setup, TftpSpec, bind};

const TRANSFER_SOCKETS: u16 = 4;
const CONNECTIONS: u32 = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder?")?;
    let mut port = || arguments.next().map_or(Ok(0), |port| port.parse::<u16>());
    let (tftp_port, http_port) = (port()?, port()?);

    let mut config = Config::new(NonZeroUsize::MIN);
    config.sockets.interfaces = vec![InterfaceSpec { name: "lo".to_owned(), index: 1 }];
    let listen = SocketAddrV4::new(Ipv4Addr::LOCALHOST, tftp_port);
    config.sockets.tftp = Some(TftpSpec { listen, transfer_sockets: TRANSFER_SOCKETS });
    config.sockets.http = vec![SocketAddrV4::new(Ipv4Addr::LOCALHOST, http_port)];
    config.connections = CONNECTIONS;
    let bound = bind(config)?;
    for feature in bound.features().iter() {
        eprintln!("{feature}");
    }
    eprintln!("TFTP {:?}, HTTP {:?}", bound.tftp(), bound.http());

    let mut store = ImageStore::new();
    let mut view = loopback();
    for entry in std::fs::read_dir(&folder)? {
        add_file(&mut view, &mut store, &entry?.path())?;
    }
    let setup = Setup { view: Arc::new(view), images: store.table() };
    let server = bound.start(setup, |shard| Engines::<Dhcp4Server, _, _> {
        dhcp: None,
        tftp: TftpServer::new(TftpConfig {
            transfer_sockets: TRANSFER_SOCKETS,
            unconfirmed_per_source: u16::MAX,
            seed: shard.0 as u64,
            ..TftpConfig::default()
        }),
        http: HttpServer::new(CONNECTIONS, shard.0 as u64),
    })?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    server.stop();
    eprintln!("{:#?}", server.counters().total());
    server.join()?;
    Ok(())
}

/// A view of the loopback network and nothing else.
fn loopback() -> View {
    let mut view = View::default();
    view.interfaces.push(Interface {
        name: "lo".into(),
        mac: MacAddr([0; 6]),
        mtu: 1500,
        link_unicast: false,
        advertise_from: None,
    });
    view.networks.push(Network {
        interface: InterfaceId(0),
        server: Ipv4Addr::LOCALHOST,
        subnet: Subnet { address: Ipv4Addr::LOCALHOST, prefix_len: 8 },
        mode: DhcpMode::Off,
        pools: Vec::new(),
        routers: Vec::new(),
        dns: Vec::new(),
        ntp: Vec::new(),
        domain: None,
        lease: LeaseTerms::fixed(Duration::ZERO),
        relays: Vec::new(),
        authoritative: false,
        ..Network::default()
    });
    view
}

fn add_file(view: &mut View, store: &mut ImageStore, path: &Path) -> Result<(), Box<dyn Error>> {
    let (image, meta) = store.open(path)?;
    let name = path.file_name().and_then(|name| name.to_str()).ok_or("a strange name")?;
    let file = File {
        image,
        len: meta.len,
        etag: format!("\"{}-{}\"", meta.inode, meta.len).into(),
        last_modified: "Sun, 22 Nov 2026 00:00:00 GMT".into(),
        content_type: "application/octet-stream",
    };
    view.catalogue.insert(name.into(), file);
    Ok(())
}
