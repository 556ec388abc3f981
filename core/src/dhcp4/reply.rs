//! Replies as bytes, in the order and form that real clients need.
//!
//! What a client cannot do without is written first; whatever follows is left out when the
//! client's message size is used up. Options are never split nor moved into header fields: iPXE,
//! shim and GRUB understand neither.

use core::net::Ipv4Addr;
use core::time::Duration;

use super::policy::Policy;
use super::proxy;
use super::request::Request;
use super::sheet::Sheet;
use super::trace::{Level, Recorder};
use crate::boot::{Boot, BootFile, ConfigName, Plan};
use crate::digits;
use crate::identity::Firmware;
use crate::rng::Rng;
use crate::view::{Effect, Effects, Loader, Machine, Menu, Network};
use crate::wire::EmitError;
use crate::wire::dhcp4::{CodeSet, Header, MessageType};
use crate::wire::dhcp4_options::{MESSAGE_BYTES_MIN, MESSAGE_BYTES_SAFE, code};
use crate::wire::pxe::{
    HTTP_CLIENT, MenuItem, PXE_CLIENT, PxeOptionsWriter, USE_BOOT_FILE, ipxe_option,
};

/// What a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// OFFER or ACK with an address.
    Lease {
        /// Which of the two.
        message_type: MessageType,
        /// The address.
        address: Ipv4Addr,
        /// Options 51, 58, 59.
        times: Times,
    },
    /// ACK to INFORM.
    Inform,
    /// A proxy's OFFER.
    ProxyOffer,
    /// ACK from port 4011.
    BootAck,
    /// The answer to BOOTP.
    Bootp {
        /// The address.
        address: Ipv4Addr,
        /// Whether the file that the client names is here, so that it is told to load it.
        names_file: bool,
    },
}

/// How long a lease runs, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    lease: u32,
    renewal: u32,
    rebinding: u32,
}

impl Times {
    /// T1 and T2 are parts of `lease` (RFC 2131 §4.4.5), less up to a tenth of T1: machines that
    /// were started together do not renew together.
    pub(super) fn of(lease: Duration, network: &Network, rng: &mut Rng) -> Self {
        let lease = u32::try_from(lease.as_secs()).unwrap_or(u32::MAX);
        if lease == u32::MAX {
            // What never ends is never renewed (RFC 2131 §3.3).
            return Self { lease, renewal: lease, rebinding: lease };
        }
        let part = |permille: u16| {
            let seconds = u64::from(lease) * u64::from(permille.min(1000)) / 1000;
            u32::try_from(seconds).unwrap_or(lease)
        };
        let renewal = part(network.renewal_permille);
        let jitter = if renewal >= 10 { rng.below(renewal / 10 + 1) } else { 0 };
        let rebinding = part(network.rebinding_permille).max(renewal);
        Self { lease, renewal: renewal - jitter, rebinding: rebinding - jitter }
    }
}

/// A reply to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply<'r> {
    pub(super) request: &'r Request<'r>,
    pub(super) network: &'r Network,
    pub(super) machine: Option<&'r Machine>,
    pub(super) policy: Policy<'r>,
    pub(super) plan: &'r Plan,
    /// What is done differently for the client's firmware.
    pub(super) effects: Effects,
    /// The menu of the site.
    pub(super) menu: Option<&'r Menu>,
    /// What the client asks for: option 55.
    pub(super) asked: CodeSet,
}

impl Reply<'_> {
    /// Writes the reply and gives its length.
    ///
    /// # Errors
    /// When even what the client cannot do without does not fit.
    pub(super) fn write(
        &self,
        form: Form,
        buffer: &mut [u8],
        recorder: &mut impl Recorder,
    ) -> Result<usize, EmitError> {
        let header = self.header(form)?;
        let message_type = match form {
            Form::Lease { message_type, .. } => message_type,
            Form::ProxyOffer => MessageType::Offer,
            Form::Inform | Form::BootAck => MessageType::Ack,
            Form::Bootp { .. } => return self.write_bootp(&header, buffer, recorder),
        };
        let Self { request, network, .. } = *self;
        let room = if self.has(Effect::ShortMessages) { MESSAGE_BYTES_SAFE } else { buffer.len() };
        let buffer = &mut buffer[..room];
        let mut sheet = Sheet::new(request, network, &header, message_type, buffer, recorder);
        if let Form::Lease { times, .. } = form {
            sheet.must_u32(Level::Protocol, code::LEASE_TIME, times.lease);
            sheet.must_u32(Level::Protocol, code::RENEWAL_TIME, times.renewal);
            sheet.must_u32(Level::Protocol, code::REBINDING_TIME, times.rebinding);
        }
        let configures = matches!(form, Form::Lease { .. } | Form::Inform);
        if configures {
            let mask = self.network.subnet.mask();
            sheet.must(Level::Network, code::SUBNET_MASK, &mask.octets());
        }
        if configures {
            self.put_replacements(&mut sheet);
        }
        if self.plan.boots() {
            self.put_boot(form, &mut sheet)?;
        }
        self.put_echoes(&mut sheet);
        if configures {
            self.put_network(&mut sheet);
        }
        if self.plan.boots() {
            self.put_loader(&mut sheet)?;
        }
        sheet.finish()
    }

    /// The answer to BOOTP: no option of DHCP's, and no more room than the client's message has
    /// itself, which is 64 bytes for options in old ones (RFC 951 §3, RFC 1542 §2.1).
    fn write_bootp(
        &self,
        header: &Header,
        buffer: &mut [u8],
        recorder: &mut impl Recorder,
    ) -> Result<usize, EmitError> {
        let room = self.request.len.clamp(MESSAGE_BYTES_MIN, MESSAGE_BYTES_SAFE);
        let room = room.min(buffer.len());
        let mut sheet = Sheet::bootp(self.request, header, &mut buffer[..room], recorder);
        let mask = self.network.subnet.mask();
        sheet.must(Level::Network, code::SUBNET_MASK, &mask.octets());
        self.put_network(&mut sheet);
        sheet.finish()
    }

    fn header(&self, form: Form) -> Result<Header, EmitError> {
        let mut header = Header::reply(self.request.header);
        match form {
            Form::Lease { message_type, address, .. } => {
                header.set_yiaddr(address);
                if message_type == MessageType::Ack {
                    header.set_ciaddr(self.request.header.ciaddr());
                }
            }
            Form::Inform | Form::BootAck => header.set_ciaddr(self.request.header.ciaddr()),
            Form::ProxyOffer => {}
            Form::Bootp { address, names_file } => {
                header.set_yiaddr(address);
                header.set_ciaddr(self.request.header.ciaddr());
                header.set_siaddr(self.network.server);
                if names_file {
                    header.set_file(self.request.header.file_name())?;
                }
                return Ok(header);
            }
        }
        if self.plan.boots() {
            header.set_siaddr(self.network.server);
        }
        if let Some(file) = self.replaced_file(form) {
            header.set_file(file)?;
        } else if let Some(file) = self.file(form).filter(|_| !self.has(Effect::FileOptionOnly)) {
            header.set_file(file.as_bytes())?;
        }
        Ok(header)
    }

    const fn has(&self, effect: Effect) -> bool {
        self.effects.has(effect)
    }

    /// Whether the boot file is told on port 4011, and not by this reply.
    fn tells_file_later(&self, form: Form) -> bool {
        form == Form::ProxyOffer && proxy::tells_file_later(self.effects)
    }

    /// The menu to show, if this reply shows it: PXE firmware asks a boot server for what is
    /// chosen, and gets its file from there.
    fn menu(&self, form: Form) -> Option<&Menu> {
        let shown = self.request.client.firmware == Firmware::Pxe
            && !matches!(form, Form::BootAck | Form::Inform)
            && !self.has(Effect::NoMenu)
            && !self.tells_file_later(form);
        self.menu.filter(|_| shown)
    }

    /// The boot file to name, if this reply names it.
    fn file(&self, form: Form) -> Option<&BootFile> {
        match &self.plan.boot {
            Boot::File { .. } if self.tells_file_later(form) || self.menu(form).is_some() => None,
            Boot::File { file, .. } => Some(file),
            Boot::Nothing | Boot::NoProgram | Boot::Tree | Boot::Config => None,
        }
    }

    /// What firmware decides by: options 60, 43, 67, 175.
    fn put_boot(
        &self,
        form: Form,
        sheet: &mut Sheet<'_, '_, '_, impl Recorder>,
    ) -> Result<(), EmitError> {
        let is_proxy = matches!(form, Form::ProxyOffer | Form::BootAck);
        let pxe = self.has(Effect::PxeClass) || is_proxy && self.has(Effect::PxeClassFromProxy);
        let class = match (self.has(Effect::NoClass), self.has(Effect::HttpClass), pxe) {
            (true, _, _) | (false, false, false) => None,
            (false, true, _) => Some(HTTP_CLIENT),
            (false, false, true) => Some(PXE_CLIENT),
        };
        if let Some(class) = class {
            sheet.may_then_pad(Level::Boot, code::VENDOR_CLASS, class);
        }
        if !self.has(Effect::NoVendorOptions) {
            self.put_vendor_specific(form, sheet)?;
        }
        if let Some(file) = self.file(form).filter(|_| !self.has(Effect::FileFieldOnly)) {
            if self.has(Effect::NulEndsFile) {
                sheet.may_with_nul(Level::Boot, code::BOOT_FILE_NAME, file.as_bytes());
            } else {
                sheet.may_then_pad(Level::Boot, code::BOOT_FILE_NAME, file.as_bytes());
            }
        }
        if self.has(Effect::NoProxyWait) && !is_proxy {
            sheet.may(Level::Boot, code::IPXE, &NO_PXE_DHCP);
        }
        Ok(())
    }

    /// Option 43, in PXE's form and only to PXE clients.
    fn put_vendor_specific(
        &self,
        form: Form,
        sheet: &mut Sheet<'_, '_, '_, impl Recorder>,
    ) -> Result<(), EmitError> {
        if let Some(menu) = self.menu(form) {
            return put_pxe(sheet, &mut [0; 255], |pxe| menu.write(self.network.server, pxe));
        }
        if self.has(Effect::RaspberryPiMenu) {
            return put_pxe(sheet, &mut [0; 64], |pxe| {
                pxe.put_discovery_control(PI_DISCOVERY);
                pxe.put_prompt(0, b"PXE");
                pxe.put_menu(&[MenuItem { kind: 0, text: PI_MENU }]);
            });
        }
        let is_proxy = matches!(form, Form::ProxyOffer | Form::BootAck);
        let item = if form == Form::BootAck { self.request.boot_item() } else { None };
        // Who asks on port 4011 without a menu has been told the file in no offer, and takes this.
        let plain = is_proxy && proxy::tells_file_later(self.effects);
        let direct = self.has(Effect::LoadThisFile) && (item.is_some() || !plain);
        if !direct && item.is_none() {
            return Ok(());
        }
        put_pxe(sheet, &mut [0; 64], |pxe| {
            if direct {
                pxe.put_discovery_control(USE_BOOT_FILE);
            }
            if let Some(item) = item {
                pxe.put_boot_item(item);
            }
        })
    }

    /// What the client wants to see again: its identifier (RFC 6842) and, from PXE on, its
    /// machine identifier (RFC 4578 §2.3).
    fn put_echoes(&self, sheet: &mut Sheet<'_, '_, '_, impl Recorder>) {
        let options = &self.request.options;
        if let Some(id) = options.client_id.filter(|_| !self.has(Effect::NoClientId)) {
            sheet.may(Level::Echo, code::CLIENT_ID, id);
        }
        if let Some(id) = options.machine_id.filter(|_| !self.has(Effect::NoMachineId)) {
            sheet.may(Level::Echo, code::CLIENT_MACHINE_ID, id.as_bytes());
        }
        // A client that chose its subnet knows by this that it was heard (RFC 3011 §2).
        if let Some(subnet) = options.subnet_selection {
            sheet.may(Level::Echo, code::SUBNET_SELECTION, &subnet.octets());
        }
    }

    /// What the boot program itself reads: where its configuration is.
    fn put_loader(&self, sheet: &mut Sheet<'_, '_, '_, impl Recorder>) -> Result<(), EmitError> {
        let asked = |code| self.asked.contains(code);
        let server = self.network.server;
        if asked(code::TFTP_SERVER_NAME) {
            let mut name = BootFile::default();
            if digits::write_address(&mut name, server).is_ok() {
                sheet.may(Level::Boot, code::TFTP_SERVER_NAME, name.as_bytes());
            }
        }
        if asked(code::TFTP_SERVER_ADDRESS) {
            sheet.may(Level::Boot, code::TFTP_SERVER_ADDRESS, &server.octets());
        }
        let Some(prefix) = self.plan.prefix else { return Ok(()) };
        let mut config = BootFile::default();
        match &self.plan.boot {
            Boot::File { program: Some(Loader::Pxelinux), file } => {
                ConfigName(prefix).write_to(&mut config).map_err(|_| EmitError::TooLong)?;
                sheet.may(Level::Boot, code::PXELINUX_MAGIC, &PXELINUX_MAGIC);
                sheet.may(Level::Boot, code::CONFIG_FILE, config.as_bytes());
                sheet.may(Level::Boot, code::PATH_PREFIX, file.directory());
            }
            // U-Boot knows no path prefix: the name is whole.
            Boot::Config => {
                let written = prefix
                    .write_to(&mut config)
                    .and_then(|()| ConfigName(prefix).write_to(&mut config));
                written.map_err(|_| EmitError::TooLong)?;
                sheet.may(Level::Boot, code::CONFIG_FILE, config.as_bytes());
            }
            Boot::File { .. } | Boot::Nothing | Boot::NoProgram | Boot::Tree => {}
        }
        Ok(())
    }
}

/// Writes option 43 of PXE's form.
fn put_pxe(
    sheet: &mut Sheet<'_, '_, '_, impl Recorder>,
    value: &mut [u8],
    write: impl FnOnce(&mut PxeOptionsWriter<'_>),
) -> Result<(), EmitError> {
    let mut pxe = PxeOptionsWriter::new(value);
    write(&mut pxe);
    let len = pxe.finish()?;
    sheet.may(Level::Boot, code::VENDOR_SPECIFIC, &value[..len]);
    Ok(())
}

/// Writes the OFFER of no address, for a client that would choose one by itself otherwise
/// (RFC 2563 §3), and gives its length.
///
/// # Errors
/// When it does not fit.
pub(super) fn write_refusal(
    request: &Request<'_>,
    network: &Network,
    buffer: &mut [u8],
    recorder: &mut impl Recorder,
) -> Result<usize, EmitError> {
    let header = Header::reply(request.header);
    let mut sheet = Sheet::new(request, network, &header, MessageType::Offer, buffer, recorder);
    sheet.may(Level::Echo, code::CLIENT_ID, request.options.client_id.unwrap_or_default());
    sheet.must(Level::Protocol, code::AUTO_CONFIGURE, &[DO_NOT_AUTO_CONFIGURE]);
    sheet.finish()
}

/// Writes a NAK and gives its length. iPXE ignores one without the server's identifier.
///
/// # Errors
/// When it does not fit.
pub(super) fn write_nak(
    request: &Request<'_>,
    network: &Network,
    buffer: &mut [u8],
    recorder: &mut impl Recorder,
) -> Result<usize, EmitError> {
    let mut header = Header::reply(request.header);
    if !header.giaddr().is_unspecified() {
        // The relay must not look for the client at an address that is not its own.
        header.set_broadcast(true);
    }
    let mut sheet = Sheet::new(request, network, &header, MessageType::Nak, buffer, recorder);
    sheet.may(Level::Echo, code::CLIENT_ID, request.options.client_id.unwrap_or_default());
    sheet.may(Level::Protocol, code::MESSAGE, b"this address is not yours here");
    sheet.finish()
}

/// Option 175: do not wait for a ProxyDHCP.
const NO_PXE_DHCP: [u8; 3] = [ipxe_option::NO_PXE_DHCP, 1, 1];

/// Option 116 (RFC 2563 §2).
const DO_NOT_AUTO_CONFIGURE: u8 = 0;

/// Option 208 (RFC 5071 §2).
const PXELINUX_MAGIC: [u8; 4] = [0xf1, 0x00, 0x74, 0x7e];

/// Discovery control for a Pi: no broadcast, no multicast, so that it comes to us.
const PI_DISCOVERY: u8 = 3;

/// The Pi 3B wants the three spaces.
const PI_MENU: &[u8] = b"Raspberry Pi Boot   ";
