//! `reveille explain`: what a client would get, and which rule decides each part of it.
//!
//! The engine itself is asked, with the leases that the server has: nothing here knows a rule.

mod ask;
mod capture;
mod frame;
mod leases;
mod story;
mod text;
mod value;
mod words;

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use reveille_core::dhcp4::{Dhcp4Config, Dhcp4Server, Outcome};
use reveille_core::engine::{Datagram, InterfaceId, SocketId};
use reveille_core::view::View;
use reveille_core::wire::dhcp4::Message;

pub use self::ask::{Asking, Bytes, ExplainArgs, Preset};

use self::capture::Capture;
use self::leases::Known;
use self::story::Story;
use crate::config::{self, Configuration};
use crate::host::Host;
use crate::images::{self, Sources};
use crate::problem::Severity;
use crate::programs;
use crate::serve::{Explained, Refused};
use crate::store::wall::Clocks;
use crate::terminal::Terminal;
use crate::view::{self, Absent, Circumstances};

/// Nobody would be answered.
const UNANSWERED: u8 = 1;

/// Explains what `args` ask for; the exit status says whether there would be an answer.
///
/// # Errors
/// If the question, the configuration or the capture makes no sense.
pub fn run(args: &ExplainArgs, terminal: &Terminal) -> anyhow::Result<ExitCode> {
    let capture = args.pcap.as_deref().map(read).transpose()?;
    let loaded = config::load(&args.place.config)
        .map_err(|failure| Refused::report(failure.report(terminal.traits().colour_err)))?;
    let host = Host::read().context("cannot list the interfaces of this host")?;
    let view = serve_view(&loaded, host, Path::new("/"), terminal)?;
    let mut known = Known::open(&loaded.site, args.place.directory(&loaded.site));
    let messages = match &capture {
        None => vec![described(args, &view)?],
        Some(file) => captured(args, file, &view)?,
    };
    let mut answered = false;
    for (at, story) in explain(&messages, &view, &mut known).into_iter().enumerate() {
        answered |= story.answered;
        if args.json {
            terminal.line(&serde_json::to_string(&story)?);
            continue;
        }
        if at > 0 {
            terminal.line("");
        }
        let width = usize::from(terminal.columns()).clamp(60, 100);
        terminal.line(&text::text(&story, width, terminal.traits().colour_out));
    }
    Ok(if answered { ExitCode::SUCCESS } else { ExitCode::from(UNANSWERED) })
}

/// The view that the server would have on this host.
fn serve_view(
    loaded: &Configuration,
    mut host: Host,
    system: &Path,
    terminal: &Terminal,
) -> anyhow::Result<View> {
    let Configuration { site, source } = loaded;
    for interface in &mut host.interfaces {
        interface.link_unicast = interface.mac.is_some();
    }
    let refuse = |problems: &[_]| Refused::new(problems, Some(source), terminal);
    let programs =
        programs::find_below(&site.programs, system).map_err(|problems| refuse(&problems))?;
    let mut named = site.named_files();
    named.extend(programs.files.iter().cloned());
    let (catalogue, mut problems) =
        images::survey(&Sources { root: site.images.root.clone(), named });
    problems.retain(|problem| problem.severity == Severity::Error);
    if !problems.is_empty() {
        return Err(refuse(&problems).into());
    }
    let circumstances = Circumstances { host: &host, before: None, absent: Absent::Await };
    let built = view::build(site, circumstances, catalogue, &programs, 0);
    let built = built.map_err(|problems| refuse(&problems))?;
    if built.view.networks.is_empty() {
        // Warnings say why.
        return Err(refuse(&built.warnings).into());
    }
    Ok(built.view)
}

/// A message to be explained.
#[derive(Debug)]
struct Question {
    packet: Option<u64>,
    notes: Vec<String>,
    interface: InterfaceId,
    source: SocketAddrV4,
    destination: SocketAddrV4,
    payload: Vec<u8>,
}

/// The message of the client that the command line describes.
fn described(args: &ExplainArgs, view: &View) -> anyhow::Result<Question> {
    let giaddr = args.relay.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let interface = interface(args.interface.as_deref(), None, giaddr, view)?;
    let ask::Asked { source, destination, payload } = args.message();
    Ok(Question { packet: None, notes: Vec::new(), interface, source, destination, payload })
}

/// The messages of clients in a capture.
fn captured(args: &ExplainArgs, file: &[u8], view: &View) -> anyhow::Result<Vec<Question>> {
    let mut questions = Vec::new();
    let mut last = 0;
    for packet in Capture::new(file)? {
        let packet = packet?;
        last = packet.number;
        if args.packet.is_some_and(|wanted| wanted != packet.number) {
            continue;
        }
        let sent = frame::message(&packet).map_err(|link| Explained {
            what: format!("packet {last} has a link layer that is not understood ({link})"),
            help: Some("Ethernet, Linux' \"any\" and bare IP packets are".to_owned()),
        })?;
        let Some(sent) = sent else { continue };
        let giaddr = Message::parse(sent.payload)
            .map_or(Ipv4Addr::UNSPECIFIED, |message| message.header().giaddr());
        let mut notes: Vec<String> =
            sent.vlans.iter().map(|vlan| format!("in virtual network {vlan}")).collect();
        if !packet.whole {
            notes.push("cut short when it was captured".to_owned());
        }
        questions.push(Question {
            packet: Some(packet.number),
            notes,
            interface: interface(args.interface.as_deref(), packet.interface, giaddr, view)?,
            source: sent.source,
            destination: sent.destination,
            payload: sent.payload.to_vec(),
        });
    }
    match (questions.is_empty(), args.packet) {
        (false, _) => Ok(questions),
        (true, Some(number)) if number > last => bail!("the capture has {last} packets only"),
        (true, Some(number)) => bail!("packet {number} is no message to a DHCP server"),
        (true, None) => bail!("none of the {last} packets is a message to a DHCP server"),
    }
}

/// Asks the engine about each message. It takes each one after it was explained, so that later
/// messages find what earlier ones brought about.
fn explain(questions: &[Question], view: &View, known: &mut Known) -> Vec<Story> {
    let clocks = Clocks::read();
    let pools: u64 = view.networks.iter().map(|network| network.pools_size()).sum();
    let leases_max = u32::try_from(pools + view.machines.len() as u64 + ROOM).unwrap_or(ROOM_MAX);
    let config = Dhcp4Config { leases_max: leases_max.min(ROOM_MAX), ..Dhcp4Config::default() };
    let mut server = Dhcp4Server::new(config);
    let now = clocks.monotonic;
    let mut stories = Vec::with_capacity(questions.len());
    for question in questions {
        let datagram = Datagram {
            socket: SocketId(0),
            interface: question.interface,
            source: SocketAddr::V4(question.source),
            destination: SocketAddr::V4(question.destination),
            payload: &question.payload,
        };
        let first = server.explain(&datagram, now, view);
        if let Some(network) = story::network_of(&first, view) {
            for other in view.networks.iter().filter(|other| {
                other.subnet == network.subnet
                    || network.shared.is_some() && other.shared == network.shared
            }) {
                known.load(other, &mut server, clocks);
            }
        }
        let explanation = server.explain(&datagram, now, view);
        let mut story = Story::new(&question.payload, &explanation, view);
        story.packet = question.packet;
        for note in &question.notes {
            story.title.push_str(", ");
            story.title.push_str(note);
        }
        story.leases = known.told();
        stories.push(story);
        if questions.len() > 1 && !matches!(explanation.outcome, Outcome::Dropped(_)) {
            take(&mut server, &datagram, now, view);
        }
    }
    stories
}

/// Lets the engine take a message, and answer it to nobody.
fn take(
    server: &mut Dhcp4Server,
    datagram: &Datagram<'_>,
    now: reveille_core::time::Instant,
    view: &View,
) {
    use reveille_core::engine::{Engine, Packet};
    // It was explained already why it is not taken, if it is not.
    let _explained = server.handle_input(Packet::Datagram(*datagram), now, view);
    let mut head = vec![0; reveille_core::limits::HEAD_BYTES];
    // Ends: one message was taken, and each brings about a bounded number of outputs.
    while server.poll_output(&mut head, now, view).is_some() {}
    while server.poll_event().is_some() {}
}

/// The interface that a message came in by: the named one, that of the capture if it is served,
/// that of the relay agent's network, or the only one.
fn interface(
    named: Option<&str>,
    seen: Option<&str>,
    giaddr: Ipv4Addr,
    view: &View,
) -> anyhow::Result<InterfaceId> {
    let ids = || (0..=u16::MAX).map(InterfaceId).zip(&view.interfaces);
    let find = |name: &str| ids().find(|(_, known)| *known.name == *name).map(|(id, _)| id);
    let names: Vec<&str> = view.interfaces.iter().map(|known| &*known.name).collect();
    if let Some(name) = named {
        return find(name).ok_or_else(|| {
            let what = format!("no network is served on an interface `{name}`");
            Explained { what, help: Some(format!("there is {}", names.join(", "))) }.into()
        });
    }
    let behind = || view.networks.behind(giaddr).next().map(|(_, network)| network.interface);
    let relayed = if giaddr.is_unspecified() { None } else { behind() };
    let only = || match view.interfaces.as_slice() {
        [_] => Some(InterfaceId(0)),
        // A relay agent that nobody knows is unknown wherever it comes from.
        [_, ..] if !giaddr.is_unspecified() => Some(InterfaceId(0)),
        _ => None,
    };
    seen.and_then(find).or(relayed).or_else(only).ok_or_else(|| {
        let what = "several interfaces are served, and nothing tells which one it is".to_owned();
        let help = format!("say --interface with one of {}", names.join(", "));
        Explained { what, help: Some(help) }.into()
    })
}

/// The whole file, if it is one that a person looks at.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let read = file.take(CAPTURE_MAX + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.len() as u64 > CAPTURE_MAX {
        let what = format!("{} has more than 256 MiB", path.display());
        let help =
            "take the DHCP packets out of it: tcpdump -r FILE -w SMALL 'port 67 or port 4011'";
        return Err(Explained { what, help: Some(help.to_owned()) }.into());
    }
    Ok(bytes)
}

const CAPTURE_MAX: u64 = 256 << 20;

/// Leases besides those of pools and machines, and the most of all.
const ROOM: u64 = 1024;
const ROOM_MAX: u32 = 4 << 20;

#[cfg(test)]
mod tests;
