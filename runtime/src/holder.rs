//! Who has a port: what an operator asks first when a server does not start.

use std::fs;
use std::path::Path;

use crate::error::{Endpoint, Holder};

/// The process that has the port of `endpoint`, as far as `/proc` shows it to us.
pub(crate) fn find(endpoint: &Endpoint) -> Option<Holder> {
    let (tables, port) = match endpoint {
        Endpoint::Udp { local, .. } => (["udp", "udp6"], local.port()),
        Endpoint::Tcp { local } => (["tcp", "tcp6"], local.port()),
        Endpoint::Frames { .. } | Endpoint::Echo | Endpoint::Ring => return None,
    };
    let inodes: Vec<String> = tables
        .into_iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/thread-self/net/{table}")).ok())
        .flat_map(|table| {
            let inodes = sockets_on(&table, port);
            inodes.map(|inode| format!("socket:[{inode}]")).collect::<Vec<_>>()
        })
        .collect();
    fs::read_dir("/proc").ok()?.filter_map(Result::ok).find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let holds = descriptors(&entry.path()).any(|descriptor| inodes.contains(&descriptor));
        let name = || fs::read_to_string(entry.path().join("comm")).ok();
        holds.then(name)?.map(|name| Holder { pid, name: name.trim_end().to_owned() })
    })
}

/// The inodes of sockets on `port` in one of the kernel's tables. Connections are left out: it is
/// the listener who is in the way.
fn sockets_on(table: &str, port: u16) -> impl Iterator<Item = &str> {
    table.lines().skip(1).filter_map(move |line| {
        let mut fields = line.split_ascii_whitespace();
        let (_, local_port) = fields.nth(1)?.rsplit_once(':')?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?;
        // Unconnected UDP sockets show 7 and listeners 0A.
        let is_bound = matches!(state, "07" | "0A");
        (u16::from_str_radix(local_port, 16) == Ok(port) && is_bound).then_some(inode)
    })
}

fn descriptors(process: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(process.join("fd")).into_iter().flatten();
    entries.filter_map(|entry| {
        fs::read_link(entry.ok()?.path()).ok()?.into_os_string().into_string().ok()
    })
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn we_hold_what_we_bound() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(local) = udp.local_addr().unwrap() else { panic!("bound to IPv4") };
        let holder = find(&Endpoint::Udp { local, device: None }).unwrap();
        assert_eq!(holder.pid, std::process::id());
        let SocketAddr::V4(local) = tcp.local_addr().unwrap() else { panic!("bound to IPv4") };
        let holder = find(&Endpoint::Tcp { local }).unwrap();
        assert_eq!(holder.pid, std::process::id());
        drop(tcp);
        assert_eq!(find(&Endpoint::Tcp { local }), None);
    }

    #[test]
    fn only_bound_sockets_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                     uid  timeout inode\n\
                     0: 0100007F:0045 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 \
                     4711 2 0000\n\
                     1: 0100007F:0045 00000000:0000 01 00000000:00000000 00:00000000 00000000 0 0 \
                     4712 2 0000\n";
        assert_eq!(sockets_on(table, 69).collect::<Vec<_>>(), ["4711"]);
        assert_eq!(sockets_on(table, 70).count(), 0);
    }
}
