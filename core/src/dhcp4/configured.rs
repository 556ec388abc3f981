//! Options that the configuration has for a client, in the client's order.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use super::names::{self, FQDN_BYTES_MAX, is_host_name};
use super::reply::{Form, Reply};
use super::request::Kind;
use super::sheet::Sheet;
use super::trace::{LeftOutRule, Level, Recorder};
use crate::view::OptionValue;
use crate::wire::dhcp4::CodeSet;
use crate::wire::dhcp4_options::code;

impl Reply<'_> {
    /// Writes what is to replace the server's own words: [`Sheet`] takes each code once.
    pub(super) fn put_replacements(&self, sheet: &mut Sheet<'_, '_, '_, impl Recorder>) {
        if self.policy.replaced().is_empty() {
            return;
        }
        for code in BOOT {
            if let Some((level, value)) = self.policy.replacement(code) {
                sheet.may(level, code, &value.bytes);
            }
        }
    }

    /// Writes what the client needs for its network, then what it is to have unasked, then what it
    /// asks for in its order (RFC 2132 §9.8). What does not fit any more is left out, which is
    /// what the client wants least.
    pub(super) fn put_network<R: Recorder>(&self, sheet: &mut Sheet<'_, '_, '_, R>) {
        self.put_one(sheet, code::ROUTER);
        self.put_one(sheet, code::DOMAIN_NAME_SERVER);
        self.put_fqdn(sheet);
        let always = self.policy.always();
        if !always.is_empty() {
            always.iter().for_each(|code| self.put_one(sheet, code));
        }
        let mut wanted = self.said_if_asked().common(&self.asked);
        let mut asked = self.request.options.parameter_list.iter();
        // Ends: each round takes the next code that is wanted, until none is.
        while !wanted.is_empty()
            && let Some(code) = asked.find(|code| wanted.remove(*code))
        {
            self.put_one(sheet, code);
        }
        // BOOTP has no way to ask, so its clients are told what fits.
        if self.request.kind == Kind::Bootp {
            BUILT_IN.into_iter().for_each(|code| self.put_one(sheet, code));
        }
        if R::TAKES_NOTES {
            self.note_left_out(sheet);
        }
    }

    /// Takes note of what the configuration has for the client and the client is not told. What
    /// there was no room for is noted already.
    fn note_left_out(&self, sheet: &mut Sheet<'_, '_, '_, impl Recorder>) {
        let (said, always) = (self.policy.codes(), self.policy.always());
        for code in said.iter().filter(|code| !sheet.has(*code)).collect::<Vec<_>>() {
            let Some((level, value)) = self.policy.option(code) else { continue };
            if BOOT.contains(&code) && (self.plan.boots() || value.replaces) {
                sheet.note_left_out(level, code, LeftOutRule::OwnInstead);
            } else if !self.asked.contains(code) && !always.contains(code) {
                sheet.note_left_out(level, code, LeftOutRule::NotAsked);
            }
        }
        let hostname = self.machine.is_some_and(|machine| machine.hostname.is_some());
        let keys = [
            (code::HOST_NAME, Level::Machine, hostname),
            (code::DOMAIN_NAME, Level::Network, self.network.domain.is_some()),
            (code::NTP_SERVER, Level::Network, !self.network.ntp.is_empty()),
        ];
        for (code, level, is_configured) in keys {
            let tried = self.asked.contains(code) || self.request.kind == Kind::Bootp;
            if is_configured && !tried && self.policy.option(code).is_none() {
                sheet.note_left_out(level, code, LeftOutRule::NotAsked);
            }
        }
    }

    /// The codes under which there is something to say to a client that asks.
    fn said_if_asked(&self) -> CodeSet {
        let network = self.network;
        let mut codes = self.policy.codes();
        let built_in = [
            (code::HOST_NAME, self.machine.is_some_and(|machine| machine.hostname.is_some())),
            (code::DOMAIN_NAME, network.domain.is_some()),
            (code::NTP_SERVER, !network.ntp.is_empty()),
            (code::BROADCAST_ADDRESS, network.subnet.prefix_len < 31),
        ];
        for (code, _) in built_in.into_iter().filter(|(_, is_said)| *is_said) {
            codes.insert(code);
        }
        codes
    }

    /// Option 81, for who sent it.
    fn put_fqdn(&self, sheet: &mut Sheet<'_, '_, '_, impl Recorder>) {
        let Some(asked) = self.request.options.client_fqdn else { return };
        let hostname = self.machine.and_then(|machine| machine.hostname.as_deref());
        let mut value = [0; FQDN_BYTES_MAX];
        let len = names::answer_fqdn(asked, hostname, self.network.domain.as_deref(), &mut value);
        sheet.may(Level::Echo, code::CLIENT_FQDN, &value[..len.unwrap_or(0)]);
    }

    fn put_one(&self, sheet: &mut Sheet<'_, '_, '_, impl Recorder>, code: u8) {
        match self.policy.option(code) {
            Some((level, value)) => self.put_configured(sheet, level, value),
            None => self.put_built_in(sheet, code),
        }
    }

    fn put_configured(
        &self,
        sheet: &mut Sheet<'_, '_, '_, impl Recorder>,
        level: Level,
        value: &OptionValue,
    ) {
        // Machines that boot are told by the server what they need to boot, and nothing else.
        if BOOT.contains(&value.code) && (self.plan.boots() || value.replaces) {
            return;
        }
        let routed = matches!(value.code, code::CLASSLESS_ROUTE | CLASSLESS_ROUTE_MS);
        let router = self.router().filter(|_| routed && !has_default_route(&value.bytes));
        match router {
            // Whoever reads these routes reads option 3 no more (RFC 3442).
            Some(router) => {
                let mut routes = [0; 255];
                let len = value.bytes.len();
                let whole = routes.get_mut(..len + 5).map(|routes| {
                    routes[..len].copy_from_slice(&value.bytes);
                    routes[len + 1..].copy_from_slice(&router.octets());
                    &*routes
                });
                sheet.may(level, value.code, whole.unwrap_or(&value.bytes));
            }
            None => sheet.may(level, value.code, &value.bytes),
        }
    }

    /// The first router that the client is told.
    fn router(&self) -> Option<Ipv4Addr> {
        match self.policy.option(code::ROUTER) {
            Some((_, value)) => value.bytes.first_chunk::<4>().map(|octets| (*octets).into()),
            None => self.network.routers.first().copied(),
        }
    }

    /// What keys of their own say.
    fn put_built_in(&self, sheet: &mut Sheet<'_, '_, '_, impl Recorder>, code: u8) {
        let network = self.network;
        let level = Level::Network;
        match code {
            code::ROUTER => sheet.may_addresses(level, code, &network.routers),
            code::DOMAIN_NAME_SERVER => sheet.may_addresses(level, code, &network.dns),
            code::NTP_SERVER => sheet.may_addresses(level, code, &network.ntp),
            code::HOST_NAME => {
                let hostname = self.machine.and_then(|machine| machine.hostname.as_deref());
                if let Some(name) = hostname.filter(|name| is_host_name(name)) {
                    sheet.may(Level::Machine, code, name.as_bytes());
                }
            }
            code::DOMAIN_NAME => {
                if let Some(domain) = &network.domain {
                    sheet.may(level, code, domain.as_bytes());
                }
            }
            code::BROADCAST_ADDRESS if network.subnet.prefix_len < 31 => {
                sheet.may(level, code, &network.subnet.broadcast().octets());
            }
            _ => {}
        }
    }

    /// The name of the boot file that the configuration wants in the place of ours.
    pub(super) fn replaced_file(&self, form: Form) -> Option<&[u8]> {
        let configures = matches!(form, Form::Lease { .. } | Form::Inform);
        let (_, value) = self.policy.replacement(code::BOOT_FILE_NAME).filter(|_| configures)?;
        (value.bytes.len() < FILE_BYTES).then_some(&*value.bytes)
    }
}

/// Options with configuration keys of their own that a client gets if it asks.
const BUILT_IN: [u8; 4] =
    [code::HOST_NAME, code::DOMAIN_NAME, code::NTP_SERVER, code::BROADCAST_ADDRESS];

/// Whether one of the routes of option 121 leads everywhere.
fn has_default_route(routes: &[u8]) -> bool {
    let mut rest = routes;
    // Ends: each round takes five bytes or more.
    while let [prefix_len, tail @ ..] = rest {
        if *prefix_len == 0 {
            return true;
        }
        let len = usize::from(*prefix_len).div_ceil(8) + 4;
        rest = tail.get(len..).unwrap_or_default();
    }
    false
}

/// Bytes of the header's field.
const FILE_BYTES: usize = 128;

/// Options that the server says itself to machines that boot.
const BOOT: [u8; 9] = [
    code::VENDOR_SPECIFIC,
    code::VENDOR_CLASS,
    code::TFTP_SERVER_NAME,
    code::BOOT_FILE_NAME,
    code::TFTP_SERVER_ADDRESS,
    code::IPXE,
    code::PXELINUX_MAGIC,
    code::CONFIG_FILE,
    code::PATH_PREFIX,
];

/// Option 249: what old Windows asks for in the place of 121.
const CLASSLESS_ROUTE_MS: u8 = 249;
