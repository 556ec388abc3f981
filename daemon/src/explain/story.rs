//! One message and what becomes of it, put together from the engine's decisions.

use std::net::{Ipv4Addr, SocketAddr};

use reveille_core::dhcp4::{AnswerRule, Decision, Explanation, Outcome};
use reveille_core::engine::Route;
use reveille_core::view::{DhcpMode, Network, Pool, Subnet, View};
use reveille_core::wire::dhcp4::{CLIENT_PORT, Message};
use serde::Serialize;

use super::{value, words};
use crate::arch;
use crate::config::duration;

/// What would become of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Story {
    /// Who asks what.
    pub(super) title: String,
    /// The packet's number in the capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) packet: Option<u64>,
    /// Whether there is an answer.
    pub(super) answered: bool,
    /// In short.
    pub(super) verdict: String,
    /// What was decided, in order.
    pub(super) decisions: Vec<Part>,
    /// The options of the answer in their order.
    pub(super) options: Vec<Told>,
    /// What the client is not told.
    pub(super) left_out: Vec<Told>,
    /// Which leases this takes into account.
    pub(super) leases: String,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Part {
    /// About what.
    pub(super) about: &'static str,
    /// What was decided.
    pub(super) what: String,
    /// Why.
    pub(super) why: String,
}

/// An option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Told {
    /// Its code.
    pub(super) code: u8,
    /// Its name.
    pub(super) name: String,
    /// Its value, where it is sent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) value: String,
    /// Who wants it.
    pub(super) by: String,
    /// Why it is not sent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) why: String,
}

impl Story {
    /// Tells what `explanation` says about the message `asked`.
    pub(super) fn new(asked: &[u8], explanation: &Explanation, view: &View) -> Self {
        let mut story = Self { title: title(asked), ..Self::default() };
        let network = network_of(explanation, view);
        for decision in &explanation.decisions {
            story.decide(decision, network, view);
        }
        match &explanation.outcome {
            Outcome::Dropped(why) => {
                story.verdict = format!("gets no answer: {}", words::discard(*why));
            }
            Outcome::Silence => {
                let by = explanation.decisions.iter().find_map(|decision| {
                    if let Decision::Answer(by) = decision { Some(*by) } else { None }
                });
                story.verdict = format!("gets no answer: {}", words::silence(by));
            }
            Outcome::Reply { route, message } => story.reply(explanation, *route, message, view),
        }
        story
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "options are told with the reply")]
    fn decide(&mut self, decision: &Decision, network: Option<&Network>, view: &View) {
        let (about, what, why) = match *decision {
            Decision::Client { firmware, arch, by } => {
                let arch = arch.map_or_else(String::new, |arch| {
                    format!(", {} ({})", arch::label(arch), arch.0)
                });
                ("client", format!("{}{arch}", firmware.label()), words::client(by).to_owned())
            }
            Decision::Network { subnet, by } => {
                ("network", place(subnet, view), words::network(by).to_owned())
            }
            Decision::Machine { machine, by } => {
                let known = view.machines.get(machine);
                let name = known.and_then(|known| known.hostname.as_deref());
                let name = name.unwrap_or("known, without a name").to_owned();
                ("machine", name, words::machine(by).to_owned())
            }
            Decision::Class(id) => {
                let name = view.classes.find(id).map_or("?", |class| &*class.name);
                ("class", name.to_owned(), "its rule fits".to_owned())
            }
            Decision::Address { address, by } => {
                let pool = network.and_then(|network| network.pool_of(address));
                let pool = pool.map_or_else(
                    || ", outside the pools".to_owned(),
                    |Pool { first, last, .. }| format!(", in the pool {first} - {last}"),
                );
                ("address", address.to_string(), format!("{}{pool}", words::address(by)))
            }
            Decision::Boot { plan, by } => {
                let (what, why) = words::boot(&plan, by, view);
                ("boots", what, why)
            }
            Decision::Quirk(at) => {
                let Some(quirk) = view.quirks.list().get(at) else { return };
                let effects: Vec<&str> = quirk.effects.iter().map(|it| it.label()).collect();
                let what = format!("{}: {}", quirk.name, effects.join(", "));
                ("quirk", what, quirk.reason.to_string())
            }
            _ => return,
        };
        self.decisions.push(Part { about, what, why });
    }

    fn reply(&mut self, explanation: &Explanation, route: Route, bytes: &[u8], view: &View) {
        self.answered = true;
        let Ok(message) = Message::parse(bytes) else { return };
        let header = message.header();
        let mut levels = Vec::new();
        let mut way = String::new();
        let mut answer = None;
        for decision in &explanation.decisions {
            match *decision {
                Decision::Option { code, level } => levels.push((code, words::level(level, view))),
                Decision::LeftOut { code, level, why } => self.left_out.push(Told {
                    code,
                    name: value::name(code),
                    value: String::new(),
                    by: words::level(level, view),
                    why: words::left_out(why).to_owned(),
                }),
                Decision::Route(by) => words::route(by).clone_into(&mut way),
                Decision::Answer(by) => answer = Some(by),
                Decision::Client { .. }
                | Decision::Network { .. }
                | Decision::Machine { .. }
                | Decision::Class(_)
                | Decision::Address { .. }
                | Decision::Boot { .. }
                | Decision::Quirk(_) => {}
            }
        }
        for (code, data) in value::options_of(&message) {
            let by = levels.iter().find(|(known, _)| *known == code);
            self.options.push(Told {
                code,
                name: value::name(code),
                value: value::text(code, &data),
                by: by.map_or_else(|| "protocol".to_owned(), |(_, by)| by.clone()),
                why: String::new(),
            });
        }
        let kind = message.message_type().ok().flatten();
        let kind = kind.map_or("BOOTP reply".to_owned(), |it| format!("{it:?}").to_uppercase());
        let to = match route {
            Route::Datagram { destination, .. } => destination.to_string(),
            Route::Link { station, .. } => {
                let address = SocketAddr::from((header.yiaddr(), CLIENT_PORT));
                format!("{address} at {station}")
            }
            Route::Stream(_) => String::new(),
        };
        let len = bytes.len();
        self.push("reply", format!("{kind} of {len} bytes to {to}"), &way);
        let mut fields = Vec::new();
        for (name, address) in [
            ("yiaddr", header.yiaddr()),
            ("siaddr", header.siaddr()),
            ("ciaddr", header.ciaddr()),
            ("giaddr", header.giaddr()),
        ] {
            if !address.is_unspecified() {
                fields.push(format!("{name} {address}"));
            }
        }
        if !header.file_name().is_empty() {
            fields.push(format!("file {}", value::printable(header.file_name())));
        }
        if header.is_broadcast() {
            fields.push("broadcast flag".to_owned());
        }
        self.push("header", fields.join(", "), "");
        self.verdict = verdict(answer, header.yiaddr(), &kind);
    }

    fn push(&mut self, about: &'static str, what: String, why: &str) {
        if !what.is_empty() {
            self.decisions.push(Part { about, what, why: why.to_owned() });
        }
    }
}

fn verdict(answer: Option<AnswerRule>, address: Ipv4Addr, kind: &str) -> String {
    match answer {
        Some(AnswerRule::Offer) => format!("is offered {address}"),
        Some(AnswerRule::Ack) => format!("gets {address}"),
        Some(AnswerRule::Inform) => "is told the configuration of its network".to_owned(),
        Some(AnswerRule::Nak) => "is refused its address: it has to look for another".to_owned(),
        Some(AnswerRule::ProxyOffer) => {
            "is offered a boot program beside another server's address".to_owned()
        }
        Some(AnswerRule::BootAck) => "is told its boot program".to_owned(),
        Some(AnswerRule::NoAddress) => "is told that no address is left".to_owned(),
        Some(AnswerRule::Silence) | None => format!("gets a {kind}"),
    }
}

/// `DISCOVER from 52:54:00:12:34:56`
fn title(asked: &[u8]) -> String {
    let Ok(message) = Message::parse(asked) else {
        return format!("{} bytes that are no DHCP message", asked.len());
    };
    let kind = match message.message_type() {
        Ok(Some(kind)) => format!("{kind:?}").to_uppercase(),
        Ok(None) => "BOOTP request".to_owned(),
        Err(_) => "message".to_owned(),
    };
    let header = message.header();
    let who = match header.mac() {
        Some(mac) => mac.to_string(),
        None => value::bytes(header.hardware_address()),
    };
    let relay = header.giaddr();
    let relay = if relay.is_unspecified() { String::new() } else { format!(" by relay {relay}") };
    format!("{kind} from {who}{relay}")
}

/// The network that the decision is for: the last that was noted.
pub(super) fn network_of<'v>(explanation: &Explanation, view: &'v View) -> Option<&'v Network> {
    let subnet = explanation.decisions.iter().rev().find_map(|decision| {
        if let Decision::Network { subnet, .. } = decision { Some(*subnet) } else { None }
    })?;
    view.networks.iter().find(|network| network.subnet == subnet)
}

fn place(subnet: Subnet, view: &View) -> String {
    let Some(network) = view.networks.iter().find(|network| network.subnet == subnet) else {
        return subnet.to_string();
    };
    let interface = view.interface(network.interface).map_or("?", |known| &*known.name);
    let mode = match network.mode {
        DhcpMode::Server => {
            format!("DHCP server, {} by default", duration::compact(network.lease.grant(None)))
        }
        DhcpMode::Proxy => "ProxyDHCP".to_owned(),
        DhcpMode::BootServer => "boot server on port 4011".to_owned(),
        DhcpMode::Off => "no DHCP".to_owned(),
    };
    format!("{subnet} on {interface}, {mode}")
}
