//! A machine: its firmware's stages, one after the other, until its operating system runs.

mod dhcp;
mod http;
mod router;
mod tftp;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use reveille_core::mac::MacAddr;
use reveille_core::rng::Rng;
use reveille_core::time::Instant;

use super::check::Checks;
use super::host::{Down, Piece, StreamUp, Up};
use super::relay::{self, RELAY};
use super::site::{SERVER, Site};
use dhcp::Dhcp;
use http::{Http, Job};
use router::Router;
use tftp::{Fetched, Tftp};

/// What the firmware of a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    /// UEFI PXE: loads iPXE by TFTP, which takes its script from there as well.
    UefiPxe,
    /// UEFI HTTP Boot: loads iPXE by HTTP.
    UefiHttp,
    /// A BIOS ROM: loads iPXE by TFTP, which asks DHCP once more.
    BiosPxe,
    /// iPXE in the card's ROM.
    IpxeRom,
    /// No network boot: a machine that wants an address.
    System,
}

/// A machine. Between packets it is a small value; texts live only while they are needed.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) id: u32,
    pub(super) mac: MacAddr,
    model: Model,
    stage: Stage,
    pub(super) address: Ipv4Addr,
    address_until: Instant,
    ports: u16,
    serials: u32,
    /// Which timer is the current one: older ones are stale.
    pub(super) timer: u32,
}

#[derive(Debug)]
enum Stage {
    /// Switched off, or waiting to try again.
    Off,
    Dhcp(dhcp::Style, Dhcp),
    /// With the boot file from DHCP.
    Router(String, Router),
    Tftp(Tftp),
    Http(Purpose, Http),
    Up,
}

/// What is fetched by HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Program,
    Script,
    System,
    Report,
}

/// What came of an event in a stage.
#[derive(Debug)]
enum Step<T> {
    Going,
    Done(T),
    Failed,
}

/// What a machine sees and can do while it handles something.
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) site: &'a Site,
    pub(super) checks: &'a mut Checks,
    pub(super) rng: &'a mut Rng,
    pub(super) ups: &'a mut Vec<Up>,
    /// When the machine wants to be woken, if it said so.
    pub(super) wake: Option<Instant>,
    machine: u32,
    mac: MacAddr,
    address: Ipv4Addr,
    ports: u16,
    serials: u32,
}

impl Context<'_> {
    fn send(&mut self, source: SocketAddrV4, destination: SocketAddrV4, payload: Vec<u8>) {
        self.ups.push(Up::Datagram { source, destination, payload });
    }

    fn wait(&mut self, time: Duration) {
        self.wake = Some(self.now + time);
    }

    fn next_port(&mut self) -> u16 {
        self.ports = if self.ports < 60_000 { self.ports + 1 } else { 1025 };
        self.ports
    }

    fn next_serial(&mut self) -> u32 {
        self.serials += 1;
        self.serials
    }

    #[track_caller]
    fn ensure(&self, holds: bool, what: impl FnOnce() -> String) {
        let machine = self.machine;
        self.checks.ensure(holds, self.now, || format!("machine {machine}: {}", what()));
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        self.checks.fail(self.now, &format!("machine {}: {what}", self.machine))
    }
}

impl Machine {
    /// Machine number `id`, switched off.
    pub(super) fn new(id: u32) -> Self {
        let models =
            [Model::UefiPxe, Model::UefiHttp, Model::BiosPxe, Model::IpxeRom, Model::System];
        let [_, b, c, d] = id.to_be_bytes();
        Self {
            id,
            mac: MacAddr([0x52, 0x54, 0, b, c, d]),
            model: models[id as usize % models.len()],
            stage: Stage::Off,
            address: Ipv4Addr::UNSPECIFIED,
            address_until: Instant::ZERO,
            ports: 20_000,
            serials: 0,
            timer: 0,
        }
    }

    /// The machine with this link-layer address.
    pub(super) fn id_of(mac: MacAddr) -> u32 {
        let [_, _, _, b, c, d] = mac.0;
        u32::from_be_bytes([0, b, c, d])
    }

    pub(super) const fn is_up(&self) -> bool {
        matches!(self.stage, Stage::Up)
    }

    /// Something arrived.
    pub(super) fn on_arrival(&mut self, down: Down, context: &mut Context<'_>) {
        self.enter(context);
        match down {
            Down::Datagram { source, port, payload } => match &mut self.stage {
                Stage::Dhcp(_, dhcp) if port == 68 => {
                    let step = dhcp.on_datagram(&payload.head, context);
                    self.after_dhcp(step, context);
                }
                Stage::Tftp(tftp) if port != 68 => {
                    let step = tftp.on_datagram(source, port, &payload, context);
                    self.after_tftp(step, context);
                }
                // Late, or for a port that nobody listens at.
                Stage::Off
                | Stage::Dhcp(..)
                | Stage::Router(..)
                | Stage::Tftp(_)
                | Stage::Http(..)
                | Stage::Up => {}
            },
            Down::Frame { packet } => {
                router::check_advertisement(&packet, context);
                if let Stage::Router(..) = self.stage {
                    self.after_router(Step::Done(()), context);
                }
            }
            Down::Stream { serial, piece } => match &mut self.stage {
                Stage::Http(_, http) if http.serial() == serial => {
                    let step = http.on_piece(piece, context);
                    self.after_http(step, context);
                }
                Stage::Off
                | Stage::Dhcp(..)
                | Stage::Router(..)
                | Stage::Tftp(_)
                | Stage::Http(..)
                | Stage::Up => refuse(serial, &piece, context),
            },
        }
        self.leave(context);
    }

    /// The time to which the machine wanted to wait has come.
    pub(super) fn on_timer(&mut self, context: &mut Context<'_>) {
        self.enter(context);
        match &mut self.stage {
            Stage::Off => self.power_on(context),
            Stage::Dhcp(_, dhcp) => {
                let step = dhcp.on_timer(context);
                self.after_dhcp(step, context);
            }
            Stage::Router(_, router) => {
                let step = router.on_timer(context);
                self.after_router(step, context);
            }
            Stage::Tftp(tftp) => {
                let step = tftp.on_timer(context);
                self.after_tftp(step, context);
            }
            Stage::Http(_, http) => {
                let step = http.on_timer(context);
                self.after_http(step, context);
            }
            Stage::Up => {}
        }
        self.leave(context);
    }

    /// Somebody pressed the button: everything is forgotten, and nobody is told.
    pub(super) fn on_reset(&mut self, context: &mut Context<'_>) {
        self.enter(context);
        if !self.is_up() {
            self.stage = Stage::Off;
            context.wait(Duration::from_secs(1));
        }
        self.leave(context);
    }

    fn enter(&mut self, context: &mut Context<'_>) {
        context.machine = self.id;
        context.mac = self.mac;
        context.address = self.address;
        context.ports = self.ports;
        context.serials = self.serials;
        let uses_address =
            matches!(self.stage, Stage::Router(..) | Stage::Tftp(_) | Stage::Http(..));
        if uses_address && self.address_until <= context.now {
            // No firmware renews a lease. One that takes longer must not go on.
            self.fail(context);
        }
    }

    fn leave(&mut self, context: &Context<'_>) {
        self.ports = context.ports;
        self.serials = context.serials;
    }

    fn power_on(&mut self, context: &mut Context<'_>) {
        self.begin_dhcp(
            match self.model {
                Model::UefiPxe => dhcp::Style::UefiPxe,
                Model::UefiHttp => dhcp::Style::UefiHttp,
                Model::BiosPxe => dhcp::Style::BiosPxe,
                Model::IpxeRom => dhcp::Style::Ipxe,
                Model::System => dhcp::Style::System,
            },
            context,
        );
    }

    /// The firmware gave up: somebody, or a watchdog, switches it on again.
    fn fail(&mut self, context: &mut Context<'_>) {
        self.stage = Stage::Off;
        let wait = 5000 + context.rng.below(25_000);
        context.wait(Duration::from_millis(u64::from(wait)));
    }

    fn begin_dhcp(&mut self, style: dhcp::Style, context: &mut Context<'_>) {
        self.stage = Stage::Dhcp(style, Dhcp::start(style, context));
    }

    fn begin_tftp(&mut self, style: tftp::Style, name: &str, context: &mut Context<'_>) {
        self.stage = Stage::Tftp(Tftp::start(style, name, context));
    }

    fn begin_http(
        &mut self,
        purpose: Purpose,
        agent: &'static str,
        jobs: impl IntoIterator<Item = Job>,
        context: &mut Context<'_>,
    ) {
        self.stage = Stage::Http(purpose, Http::start(agent, jobs, context));
    }

    fn after_dhcp(&mut self, step: Step<dhcp::Reply>, context: &mut Context<'_>) {
        let reply = match step {
            Step::Going => return,
            Step::Failed => return self.fail(context),
            Step::Done(reply) => reply,
        };
        let Stage::Dhcp(style, _) = self.stage else { unreachable!("DHCP was going on") };
        context.ensure(self.address == reply.address || self.address_until <= context.now, || {
            format!("was {} and is {} in a later stage", self.address, reply.address)
        });
        let network = if relay::is_behind(self.id) { RELAY } else { SERVER };
        context.ensure(reply.address.octets()[0] == network.octets()[0], || {
            format!("{} is an address of another network", reply.address)
        });
        self.address = reply.address;
        self.address_until = reply.until;
        context.address = self.address;
        context.checks.take(self.id, self.address, self.address_until, context.now);
        match style {
            dhcp::Style::UefiPxe => self.begin_tftp(tftp::Style::Uefi, &reply.file, context),
            dhcp::Style::BiosPxe => self.begin_tftp(tftp::Style::Bios, &reply.file, context),
            dhcp::Style::UefiHttp => {
                let path = path_of(&reply.file, context);
                let jobs = ["HEAD", "GET"].map(|method| Job { method, path: path.clone() });
                self.begin_http(Purpose::Program, http::UEFI, jobs, context);
            }
            dhcp::Style::Ipxe => {
                self.stage = Stage::Router(reply.file, Router::start(context));
            }
            dhcp::Style::System => self.finish(context),
        }
    }

    fn after_router(&mut self, step: Step<()>, context: &mut Context<'_>) {
        let Stage::Router(url, _) = &self.stage else { unreachable!("a router was waited for") };
        match step {
            Step::Going => {}
            Step::Failed => self.fail(context),
            Step::Done(()) => {
                let jobs = [Job { method: "GET", path: path_of(url, context) }];
                self.begin_http(Purpose::Script, http::IPXE, jobs, context);
            }
        }
    }

    fn after_tftp(&mut self, step: Step<Fetched>, context: &mut Context<'_>) {
        match step {
            Step::Going => {}
            Step::Failed => self.fail(context),
            // No script there: iPXE asks DHCP.
            Step::Done(Fetched::Missing) => self.begin_dhcp(dhcp::Style::Ipxe, context),
            Step::Done(Fetched::Document(script)) => self.run_script(&script, context),
            Step::Done(Fetched::File) => match self.model {
                Model::UefiPxe => {
                    let name = format!("{}autoexec.ipxe", self.prefix());
                    self.begin_tftp(tftp::Style::Ipxe, &name, context);
                }
                Model::BiosPxe => self.begin_dhcp(dhcp::Style::Ipxe, context),
                Model::UefiHttp | Model::IpxeRom | Model::System => {
                    unreachable!("these load no program by TFTP")
                }
            },
        }
    }

    fn after_http(&mut self, step: Step<Vec<u8>>, context: &mut Context<'_>) {
        let fetched = match step {
            Step::Going => return,
            Step::Failed => return self.fail(context),
            Step::Done(fetched) => fetched,
        };
        let Stage::Http(purpose, _) = self.stage else { unreachable!("HTTP was going on") };
        match purpose {
            Purpose::Program => self.begin_dhcp(dhcp::Style::Ipxe, context),
            Purpose::Script => self.run_script(&fetched, context),
            // The kernel has started; its user space asks for an address, then reports.
            Purpose::System => self.begin_dhcp(dhcp::Style::System, context),
            Purpose::Report => self.transition_to_up(context),
        }
    }

    /// Does what a script says: load a kernel and an initramfs, or fetch the real script.
    fn run_script(&mut self, script: &[u8], context: &mut Context<'_>) {
        let script = String::from_utf8_lossy(script).into_owned();
        context.ensure(script.starts_with("#!ipxe\n"), || format!("no script: {script}"));
        if let Some(url) = script.lines().find_map(|line| line.strip_prefix("chain --replace ")) {
            let product = if self.id.is_multiple_of(2) { "PowerEdge%20R640" } else { "NUC" };
            let url = url
                .replace("${uuid}", "")
                .replace("${serial:uristring}", &format!("SN{}", self.id))
                .replace("${product:uristring}", product)
                .replace("${manufacturer:uristring}", "ACME");
            context.ensure(!url.contains('$'), || format!("unknown variables: {url}"));
            let jobs = [Job { method: "GET", path: path_of(&url, context) }];
            return self.begin_http(Purpose::Script, http::IPXE, jobs, context);
        }
        let own = format!("# script for {}\n", self.mac);
        context.ensure(script.contains(&own), || format!("not {own}: {script}"));
        let jobs: Vec<_> = script
            .lines()
            .filter_map(|line| line.strip_prefix("kernel ").or(line.strip_prefix("initrd ")))
            .map(|rest| rest.split(' ').next().expect("a text has a first part"))
            .map(|url| Job { method: "GET", path: path_of(url, context) })
            .collect();
        context.ensure(jobs.len() == 2, || format!("a kernel and an initramfs: {script}"));
        self.begin_http(Purpose::System, http::IPXE, jobs, context);
    }

    /// An operating system runs and has an address.
    fn finish(&mut self, context: &mut Context<'_>) {
        if self.model == Model::System {
            return self.transition_to_up(context);
        }
        let jobs = [Job { method: "POST", path: format!("/{}up", self.prefix()) }];
        self.begin_http(Purpose::Report, http::TOOL, jobs, context);
    }

    /// The machine runs. Where addresses are scarce it has done its work: every second one gives
    /// its address back, the others disappear and let the lease end.
    fn transition_to_up(&mut self, context: &mut Context<'_>) {
        self.stage = Stage::Up;
        if context.site.scarce_addresses && self.id.is_multiple_of(2) {
            dhcp::release(context);
            context.checks.release(self.id, self.address, context.now);
            self.address_until = context.now;
        }
    }

    /// The machine's own folder, as the server names it.
    fn prefix(&self) -> String {
        let arch = match self.model {
            Model::UefiPxe | Model::UefiHttp => ".7",
            Model::BiosPxe | Model::IpxeRom | Model::System => "",
        };
        format!("node/{}{arch}/", self.mac.to_string().replace(':', "-"))
    }
}

/// Data for a connection that a machine no longer knows: TCP resets it.
fn refuse(serial: u32, piece: &Piece, context: &mut Context<'_>) {
    match piece {
        Piece::Bytes(_) | Piece::Span(_) => {
            context.ups.push(Up::Stream { serial, event: StreamUp::Reset });
        }
        Piece::End | Piece::Refused => {}
    }
}

/// The path of a URL at our server.
fn path_of(url: &str, context: &Context<'_>) -> String {
    let base = format!("http://{SERVER}/");
    let Some(path) = url.strip_prefix(&base) else {
        context.fail(&format!("not a URL of this server: {url}"));
    };
    format!("/{path}")
}

/// A context for the machine that is entered next.
pub(super) fn context<'a>(
    now: Instant,
    site: &'a Site,
    checks: &'a mut Checks,
    rng: &'a mut Rng,
    ups: &'a mut Vec<Up>,
) -> Context<'a> {
    Context {
        now,
        site,
        checks,
        rng,
        ups,
        wake: None,
        machine: 0,
        mac: MacAddr::default(),
        address: Ipv4Addr::UNSPECIFIED,
        ports: 0,
        serials: 0,
    }
}
