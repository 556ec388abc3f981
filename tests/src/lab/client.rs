//! Stock DHCP clients, each on a host of its own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::link::{Host, Link};
use super::process::{Process, Timeout};

/// How long a client may take for one exchange: dhclient alone waits up to 5 s before it asks.
pub const EXCHANGE: Duration = Duration::from_secs(25);

/// How long a client may take over one request to renew before it is asked again.
const RENEWAL_REPEAT: Duration = Duration::from_secs(5);

/// A DHCP client that distributions install.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stock {
    /// busybox udhcpc.
    Udhcpc,
    /// ISC dhclient.
    Dhclient,
    /// dhcpcd.
    Dhcpcd,
    /// systemd-networkd.
    Networkd,
}

/// What a client calls itself in option 61.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// What it does by itself.
    Usual,
    /// Something else.
    Other,
}

/// A client in the foreground on a host.
#[derive(Debug)]
pub struct Client<'link> {
    kind: Stock,
    host: &'link Host,
    process: Process,
    folder: PathBuf,
    events: PathBuf,
}

/// What a client told its script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `bound`, `renew`, `release`: one word for the words of the three clients.
    pub reason: String,
    /// The client's address.
    pub address: String,
    /// The server identifier.
    pub server: String,
    /// The lease time in seconds.
    pub lease_seconds: String,
}

impl<'link> Client<'link> {
    /// Starts the client on the host's `eth0`.
    ///
    /// It sees private `/run` and `/var/lib` folders, so that nothing of this machine's own
    /// clients is touched and several can run side by side.
    #[must_use]
    pub fn start(kind: Stock, link: &Link, host: &'link Host, name: &str) -> Self {
        Self::start_as(Name::Usual, kind, link, host, name)
    }

    /// The same, under a name of its own.
    #[must_use]
    pub fn start_as(
        identity: Name,
        kind: Stock,
        link: &Link,
        host: &'link Host,
        name: &str,
    ) -> Self {
        let folder = link.file(name);
        std::fs::create_dir_all(&folder).expect("the run's folder is ours");
        let events = folder.join("events");
        let script = folder.join("script");
        std::fs::write(&script, hook(&events)).expect("the run's folder is ours");
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755))
            .expect("the run's folder is ours");
        let mut command = isolated(host, kind);
        let is_other = identity == Name::Other;
        let configuration = folder.join("configuration");
        std::fs::write(&configuration, configured(kind, identity)).expect("the folder is ours");
        let script = script.display();
        match kind {
            Stock::Udhcpc => {
                command.args(["busybox", "udhcpc", "-f", "-i", "eth0", "-R", "-s"]);
                command.arg(script.to_string()).args(["-t", "5", "-T", "2"]);
                // Without any name.
                command.args(is_other.then_some("-C"));
            }
            Stock::Dhclient => {
                command.args(["dhclient", "-4", "-d", "-v", "-cf"]).arg(&configuration);
                command.arg("-lf").arg(folder.join("leases"));
                command.arg("-pf").arg(folder.join("pid"));
                command.args(["-sf", &script.to_string(), "eth0"]);
            }
            Stock::Dhcpcd => {
                command.args(["dhcpcd", "-4", "-B", "-d", "--noipv4ll", "--noarp", "-f"]);
                command.args(["/dev/null", "--vendorclassid=dhcpcd-9.4.1"]);
                command.args(["--option", "dhcp_lease_time,dhcp_server_identifier"]);
                command.args(is_other.then_some("--clientid=another name"));
                command.args(["--script", &script.to_string(), "eth0"]);
            }
            Stock::Networkd => {
                command.args(["sh", "-c", NETWORKD, "sh"]).arg(&configuration).arg(&events);
            }
        }
        let process = Process::start(command, &folder.join("log"));
        Self { kind, host, process, folder, events }
    }

    /// Waits for the `count`th report with this reason (the first is 1).
    ///
    /// # Errors
    /// After `patience`, with what the client said.
    pub fn wait_for(
        &mut self,
        reason: &str,
        count: usize,
        patience: Duration,
    ) -> Result<Report, Timeout> {
        let events = self.events.clone();
        let text = format!("{reason}#{count} ");
        let line = self.process.wait_for_in(&events, &text, patience)?;
        let mut words = line.split(' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        word();
        Ok(Report {
            reason: reason.to_owned(),
            address: word(),
            server: word(),
            lease_seconds: word(),
        })
    }

    /// Has the client renew its lease, and waits for its report. dhclient has no such request, and
    /// networkd takes it by D-Bus only: they renew at T1.
    ///
    /// dhcpcd does nothing on the request while it still settles what it told as bound, so it is
    /// asked again until it obeys.
    ///
    /// # Errors
    /// After `patience`, with what the client said.
    pub fn renew(&mut self, patience: Duration) -> Result<Report, Timeout> {
        if matches!(self.kind, Stock::Dhclient | Stock::Networkd) {
            return self.wait_for("renew", 1, patience);
        }
        let deadline = Instant::now() + patience;
        loop {
            // dhcpcd and udhcpc both read USR1 as «renew».
            self.process.signal(Signal::USR1);
            let left = deadline.saturating_duration_since(Instant::now());
            match self.wait_for("renew", 1, left.min(RENEWAL_REPEAT)) {
                Err(_) if left > RENEWAL_REPEAT => {}
                result => return result,
            }
        }
    }

    /// Asks the client to give its lease back and to end.
    ///
    /// # Errors
    /// After [`EXCHANGE`], with what the client said.
    pub fn release(mut self) -> Result<(), Timeout> {
        match self.kind {
            // With -R, udhcpc releases when it is ended; networkd always does.
            Stock::Udhcpc | Stock::Networkd => self.process.signal(Signal::TERM),
            // ALRM is dhcpcd's «release and exit».
            Stock::Dhcpcd => self.process.signal(Signal::ALARM),
            Stock::Dhclient => {
                let mut command = isolated(self.host, self.kind);
                command.args(["dhclient", "-4", "-d", "-v", "-r", "-cf", "/dev/null"]);
                command.arg("-lf").arg(self.folder.join("leases"));
                command.arg("-pf").arg(self.folder.join("pid"));
                command.arg("-sf").arg(self.folder.join("script")).arg("eth0");
                let mut releasing = Process::start(command, &self.folder.join("release.log"));
                releasing.wait_end(EXCHANGE)?;
            }
        }
        self.process.wait_end(EXCHANGE)?;
        Ok(())
    }

    /// All that the client wrote.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }
}

/// A command that continues with the client's words, in a mount namespace of its own.
fn isolated(host: &Host, kind: Stock) -> Command {
    let program = match kind {
        Stock::Udhcpc => "/bin/busybox",
        Stock::Dhclient => "/sbin/dhclient",
        Stock::Dhcpcd => "/sbin/dhcpcd",
        Stock::Networkd => "/lib/systemd/systemd-networkd",
    };
    assert!(Path::new(program).exists(), "{program} is missing: {}", super::prerequisites::HINT);
    let mut command = host.command("unshare");
    command.args([
        "--mount",
        "--propagation=private",
        "sh",
        "-c",
        "mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib && mkdir -p /var/lib/dhcpcd \
         /var/lib/dhcp && exec \"$@\"",
        "sh",
    ]);
    command
}

/// A client's configuration file, if it reads one.
fn configured(kind: Stock, identity: Name) -> &'static str {
    match (kind, identity) {
        (Stock::Dhclient, Name::Other) => "send dhcp-client-identifier \"another name\";\n",
        (Stock::Networkd, Name::Usual) => {
            "[Match]\nName=eth0\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\n\
             IPv6AcceptRA=no\n[DHCPv4]\nClientIdentifier=duid\nDUIDType=link-layer\n"
        }
        (Stock::Networkd, Name::Other) => {
            "[Match]\nName=eth0\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\n\
             IPv6AcceptRA=no\n[DHCPv4]\nClientIdentifier=mac\n"
        }
        (Stock::Udhcpc | Stock::Dhcpcd, _) | (Stock::Dhclient, Name::Usual) => "",
    }
}

/// Runs networkd with the configuration `$1`, and notes in `$2` what it tells in its log.
///
/// It needs neither systemd nor D-Bus, but would wait for udev if it could write to `/sys`, and it
/// becomes the user `systemd-network`, who need not exist here, nor in a user namespace.
const NETWORKD: &str = r##"
printf 'root:x:0:0::/:/bin/sh
systemd-network:x:0:0::/:/bin/false
' >/run/passwd
printf 'root:x:0:
systemd-network:x:0:
' >/run/group
mount --bind /run/passwd /etc/passwd && mount --bind /run/group /etc/group || exit 1
mount -t sysfs -o ro sysfs /sys || exit 1
mkdir -p /run/systemd/network /run/systemd/netif && cp "$1" /run/systemd/network/eth0.network
mkfifo /run/log
busybox awk -v events="$2" '
    function note(event) {
        line = event "#" ++count[event] " " address " " server " -"
        print line >>events; fflush(events)
    }
    { print; fflush() }
    / DHCPv4 address .* acquired from / {
        address = $4; sub("/.*", "", address); server = $NF
        note("bound"); bound = 1
    }
    /DHCPv4 client: ACK/ && bound { note("renew") }
    /DHCPv4 client: RELEASE/ && bound { note("release"); bound = 0 }
' /run/log &
export SYSTEMD_LOG_LEVEL=debug SYSTEMD_LOG_TARGET=console SYSTEMD_LOG_COLOR=0
exec /lib/systemd/systemd-networkd >/run/log 2>&1
"##;

/// The script the other clients call: it counts and notes the event and sets the address.
fn hook(events: &Path) -> String {
    format!(
        r#"#!/bin/sh
case "${{reason:-$1}}" in
    bound | BOUND | REBOOT) event=bound ;;
    renew | RENEW | REBIND) event=renew ;;
    RELEASE | STOP | STOPPED) event=release ;;
    deconfig) event=deconfig ;;
    *) exit 0 ;;
esac
ip="${{ip:-$new_ip_address}}"
case "$event" in
    bound) busybox ip address add "$ip/24" dev eth0 2>/dev/null ;;
    release | deconfig) busybox ip address flush dev eth0 scope global ;;
esac
count=$(( $(grep -c "^$event#" '{events}' 2>/dev/null) + 1 ))
echo "$event#$count $ip ${{serverid:-$new_dhcp_server_identifier}}" \
    "${{lease:-$new_dhcp_lease_time}} $filename$boot_file" >>'{events}'
exit 0
"#,
        events = events.display()
    )
}
