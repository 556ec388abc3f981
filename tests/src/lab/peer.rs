//! The peer that Reveille is measured against: dnsmasq for DHCP and TFTP, nginx for HTTP.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::link::{Host, Link, SERVER_ADDRESS};
use super::process::Process;
use super::program::{BootFiles, boot_files};

/// How long a daemon may take to say that it is ready.
const START: Duration = Duration::from_secs(10);

/// What dnsmasq hands out.
#[derive(Clone, Debug)]
pub struct Dnsmasq {
    name: &'static str,
    options: Vec<String>,
}

const ETH0: &str = "interface=eth0";
const TFTP: &str = "enable-tftp";

/// Addresses for ten minutes.
const ADDRESSES: &str = "dhcp-authoritative\ndhcp-range=10.77.0.100,10.77.0.200,255.255.255.0,10m";

impl Dnsmasq {
    /// A DHCP server for the link that knows nothing of booting.
    #[must_use]
    pub fn plain() -> Self {
        Self { name: "dnsmasq-plain", options: [ETH0, ADDRESSES].map(str::to_owned).to_vec() }
    }

    /// A DHCP and TFTP server; how to boot is added by [`Dnsmasq::option`].
    #[must_use]
    pub fn booting() -> Self {
        Self { name: "dnsmasq", options: [ETH0, TFTP, ADDRESSES].map(str::to_owned).to_vec() }
    }

    /// A ProxyDHCP and TFTP server, which gives no addresses.
    #[must_use]
    pub fn proxy() -> Self {
        let range = "dhcp-range=10.77.0.0,proxy";
        Self { name: "dnsmasq-proxy", options: [ETH0, TFTP, range].map(str::to_owned).to_vec() }
    }

    /// A DHCP relay agent between the interfaces with these addresses, and nothing else.
    #[must_use]
    pub fn relay(own: &str, server: &str) -> Self {
        Self { name: "dnsmasq-relay", options: vec![format!("dhcp-relay={own},{server}")] }
    }

    /// Adds a line of dnsmasq's configuration.
    #[must_use]
    pub fn option(mut self, line: impl Into<String>) -> Self {
        self.options.push(line.into());
        self
    }

    /// Starts it on a host of the link.
    ///
    /// # Panics
    /// If dnsmasq is not installed or does not start.
    #[must_use]
    pub fn start(&self, link: &Link, host: &Host) -> Process {
        let name = self.name;
        let root = link.file("boot");
        std::fs::create_dir_all(&root).expect("the run's folder is ours");
        let mut configuration = format!(
            "port=0\nuser=root\ngroup=root\nno-ping\nlog-dhcp\nlog-facility=-\n\
             bind-interfaces\nleasefile-ro\ntftp-root={}\n",
            root.display()
        );
        for line in &self.options {
            writeln!(configuration, "{line}").expect("a string takes text");
        }
        let file = link.write(&format!("{name}.conf"), configuration);
        let mut command = host.command("dnsmasq");
        command.arg("--no-daemon").arg(format!("--conf-file={}", file.display()));
        let mut process = Process::start(command, &link.file(&format!("{name}.log")));
        process.wait_for(": DHCP", START).expect("dnsmasq starts");
        process
    }
}

/// Starts ISC's DHCP relay agent on a host, with these words; `name` tells several apart.
///
/// # Panics
/// If it is not installed or does not start.
#[must_use]
pub fn dhcrelay(link: &Link, host: &Host, name: &str, words: &[&str]) -> Process {
    let mut command = host.command("dhcrelay");
    command.args(["-4", "-d", "--no-pid"]).args(words);
    let mut process = Process::start(command, &link.file(&format!("{name}.log")));
    process.wait_for("Socket/fallback", START).expect("dhcrelay starts");
    process
}

/// Starts nginx for the folder `boot` of the run on the server's host, port 80.
///
/// # Panics
/// If nginx is not installed or does not start.
#[must_use]
pub fn nginx(link: &Link) -> Process {
    let root = link.file("boot");
    let run = link.file("nginx");
    std::fs::create_dir_all(&root).expect("the run's folder is ours");
    std::fs::create_dir_all(&run).expect("the run's folder is ours");
    let run_folder = run.display();
    let configuration = format!(
        "daemon off;\nmaster_process off;\npid {run_folder}/pid;\n\
         error_log stderr notice;\nevents {{ worker_connections 1024; }}\n\
         http {{\n  access_log {run_folder}/access.log;\n  sendfile on;\n  tcp_nopush on;\n\
         \x20 types {{ application/efi efi; text/plain ipxe; }}\n\
         \x20 default_type application/octet-stream;\n\
         \x20 client_body_temp_path {run_folder}/body;\n  proxy_temp_path {run_folder}/proxy;\n\
         \x20 fastcgi_temp_path {run_folder}/fastcgi;\n  uwsgi_temp_path {run_folder}/uwsgi;\n\
         \x20 scgi_temp_path {run_folder}/scgi;\n\
         \x20 server {{ listen 80; root {}; }}\n}}\n",
        root.display()
    );
    let file = link.write("nginx.conf", configuration);
    let mut process = link.serve("nginx", |command| {
        command.arg("-p").arg(&run).arg("-c").arg(&file).args(["-e", "stderr"]);
    });
    process.wait_for("getrlimit", START).expect("nginx starts");
    process
}

/// Puts kernel, initrd and an iPXE script into the folder `boot`, and returns the files.
pub fn serve_boot_files(link: &Link, cmdline: &str) -> BootFiles {
    let files = boot_files();
    place(link, &files.kernel, "vmlinuz");
    place(link, &files.initrd, "initrd.img");
    link.write(
        "boot/boot.ipxe",
        format!(
            "#!ipxe\nkernel http://{SERVER_ADDRESS}/vmlinuz initrd=initrd.img {cmdline}\n\
             initrd http://{SERVER_ADDRESS}/initrd.img\nboot\n"
        ),
    );
    files
}

/// Puts a copy of a file into the folder `boot` under a name and returns its path.
///
/// # Panics
/// If the file does not exist.
pub fn place(link: &Link, file: &Path, name: &str) -> PathBuf {
    let target = link.file("boot").join(name);
    std::fs::create_dir_all(target.parent().expect("a file has a folder"))
        .expect("the run's folder is ours");
    std::fs::copy(super::prerequisites::require(file), &target).expect("the run's folder is ours");
    target
}
