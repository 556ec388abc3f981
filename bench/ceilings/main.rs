//! What this kernel allows: servers that do nothing but move bytes, on one thread.
//!
//! Each speaks just enough of its protocol that a load generator cannot tell it from a real
//! server, keeps no state beyond what the kernel needs, and touches io_uring in the cheapest way
//! that we know. The distance between one of these and a real server is what the server's own
//! work costs; the distance between two real servers says little without them.
//!
//! ```text
//! ceilings tftp FILE     RRQ -> OACK, ACK n -> DATA n+1, for any name; windows by UDP_SEGMENT
//! ceilings http FILE     GET -> the file, for any path
//! ceilings dhcp          DISCOVER -> OFFER, REQUEST -> ACK, through a relay agent
//! ```

mod datagrams;
mod dhcp;
mod http;
mod provided;
mod sendfile;
mod tftp;

use std::io::{self, Write};
use std::net::SocketAddrV4;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Bare servers on one thread: the most that this kernel allows.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    ceiling: Ceiling,
}

#[derive(Debug, Subcommand)]
enum Ceiling {
    /// Answers every read request with one file.
    Tftp {
        file: PathBuf,
        #[arg(long, default_value = "0.0.0.0:69")]
        listen: SocketAddrV4,
        /// Payload bytes of a block, whatever the client asks for.
        #[arg(long, default_value_t = 1468)]
        block: u16,
        /// Blocks to each acknowledgement, sent in one call.
        #[arg(long, default_value_t = 1)]
        window: u16,
        /// Leave DF clear, as a server must for some boot ROMs; each packet costs an identifier.
        #[arg(long)]
        may_fragment: bool,
    },
    /// Answers every request on a connection with one file.
    Http {
        file: PathBuf,
        #[arg(long, default_value = "0.0.0.0:80")]
        listen: SocketAddrV4,
        /// Bytes of one send.
        #[arg(long, default_value_t = 96 << 10)]
        chunk: usize,
        /// By sendfile instead of sends from a mapping.
        #[arg(long)]
        sendfile: bool,
    },
    /// Turns each message that a relay agent brings into its answer.
    Dhcp {
        #[arg(long, default_value = "0.0.0.0:67")]
        listen: SocketAddrV4,
        /// What the answers call the server.
        #[arg(long, default_value = "10.77.0.1")]
        server: std::net::Ipv4Addr,
    },
}

fn main() -> io::Result<()> {
    match Arguments::parse().ceiling {
        Ceiling::Tftp { file, listen, block, window, may_fragment } => {
            let tftp = tftp::Tftp::new(&file, block, window)?;
            let socket = datagrams::open(listen, may_fragment)?;
            datagrams::serve(&socket, &tftp.file, |request, head| tftp.answer(request, head))
        }
        Ceiling::Http { file, listen, chunk, sendfile: true } => {
            sendfile::serve(&file, listen, chunk)
        }
        Ceiling::Http { file, listen, chunk, sendfile: false } => http::serve(&file, listen, chunk),
        Ceiling::Dhcp { listen, server } => {
            let socket = datagrams::open(listen, false)?;
            datagrams::serve(&socket, &[], |request, head| dhcp::answer(request, head, server))
        }
    }
}

/// Tells whoever waits that requests are taken now.
fn announce() -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "serving")?;
    out.flush()
}
