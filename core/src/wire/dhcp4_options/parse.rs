//! The options of one message as typed values.

use core::net::Ipv4Addr;

use super::values::{ArchList, ClientFqdn, ParameterList, RelayAgent, VendorIdentifying};
use super::writer::{MESSAGE_BYTES_MAX, MESSAGE_BYTES_SAFE};
use super::{array, code, text};
use crate::wire::ParseError;
use crate::wire::dhcp4::{CodeSet, Message, MessageType};
use crate::wire::pxe::{IpxeOptions, MachineId, NetworkInterface, UserClass};

/// What a client said, one field an option; `None` when it is absent or malformed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// 53; `None` in BOOTP.
    pub message_type: Option<MessageType>,
    /// 1.
    pub subnet_mask: Option<Ipv4Addr>,
    /// 12. A claim: sanitise before use.
    pub host_name: Option<&'a [u8]>,
    /// 43, not interpreted: its meaning depends on 60.
    pub vendor_specific: Option<&'a [u8]>,
    /// 50.
    pub requested_address: Option<Ipv4Addr>,
    /// 51, in seconds.
    pub lease_time_s: Option<u32>,
    /// 54.
    pub server_id: Option<Ipv4Addr>,
    /// 55; empty when absent.
    pub parameter_list: ParameterList<'a>,
    /// 56.
    pub message: Option<&'a [u8]>,
    /// 57 as sent; see [`Options::message_bytes_max`].
    pub max_message_size: Option<u16>,
    /// 60.
    pub vendor_class: Option<&'a [u8]>,
    /// 61, at least one byte.
    pub client_id: Option<&'a [u8]>,
    /// 66.
    pub tftp_server_name: Option<&'a [u8]>,
    /// 67.
    pub boot_file_name: Option<&'a [u8]>,
    /// 77.
    pub user_class: Option<UserClass<'a>>,
    /// 80.
    pub rapid_commit: bool,
    /// 81.
    pub client_fqdn: Option<ClientFqdn<'a>>,
    /// 82.
    pub relay_agent: Option<RelayAgent<'a>>,
    /// 93.
    pub architectures: Option<ArchList<'a>>,
    /// 94.
    pub network_interface: Option<NetworkInterface>,
    /// 97.
    pub machine_id: Option<MachineId<'a>>,
    /// 116.
    pub auto_configure: Option<u8>,
    /// 118.
    pub subnet_selection: Option<Ipv4Addr>,
    /// 124.
    pub vendor_identifying_class: Option<VendorIdentifying<'a>>,
    /// 125.
    pub vendor_identifying: Option<VendorIdentifying<'a>>,
    /// 175.
    pub ipxe: Option<IpxeOptions<'a>>,
    /// 209.
    pub config_file: Option<&'a [u8]>,
    /// 210.
    pub path_prefix: Option<&'a [u8]>,
    /// The known options that are malformed, and therefore `None` above.
    pub malformed: CodeSet,
}

impl<'a> Options<'a> {
    /// Reads the options of `message`. The pieces of a split option (RFC 3396) are joined in
    /// `scratch`; everything else borrows the message. A scratch as long as the datagram always
    /// suffices.
    ///
    /// # Errors
    /// Malformed 50, 51, 53 and 54 fail the message, because acting without them would do
    /// something else than the client asked. Other malformed options only count as absent, because
    /// a machine should boot in spite of one bad byte of its firmware. [`ParseError::NoSpace`]
    /// when the scratch is too small.
    pub fn parse(message: &Message<'a>, scratch: &'a mut [u8]) -> Result<Self, ParseError> {
        let mut options = Self::default();
        let mut joined = CodeSet::EMPTY;
        let mut free = scratch;
        for option in message.options() {
            let mut data = option.data;
            if message.repeated().contains(option.code) {
                if !joined.insert(option.code) {
                    continue;
                }
                (data, free) = join(message, option.code, free)?;
            }
            match options.set(option.code, data) {
                Ok(()) => {}
                Err(error) if is_decisive(option.code) => return Err(error),
                Err(_) => {
                    options.malformed.insert(option.code);
                }
            }
        }
        Ok(options)
    }

    /// Reads a whole datagram in one walk: [`Message::parse`] with [`Options::parse`] behind it,
    /// whose result goes where `self` is. `self` must be [`Options::default`].
    ///
    /// # Errors
    /// The outer one is of [`Message::parse`], the inner one of [`Options::parse`].
    pub fn read(
        &mut self,
        bytes: &'a [u8],
        scratch: &'a mut [u8],
    ) -> Result<(Message<'a>, Result<(), ParseError>), ParseError> {
        let mut intact = true;
        let message = Message::parse_with(bytes, |option| {
            if self.set(option.code, option.data).is_err() {
                intact = false;
            }
        })?;
        if intact && message.repeated().is_empty() {
            return Ok((message, Ok(())));
        }
        // Something is malformed, or in pieces: both are rare, and take a closer look.
        let options = Self::parse(&message, scratch);
        Ok((message, options.map(|options| *self = options)))
    }

    /// The longest DHCP message, in bytes, to send to this client: option 57 less the IP and UDP
    /// headers, because whether it counts them is disputed; a value below 576 is illegal and
    /// counts as 576; never more than [`MESSAGE_BYTES_MAX`].
    pub fn message_bytes_max(&self) -> usize {
        let Some(size) = self.max_message_size else { return MESSAGE_BYTES_SAFE };
        usize::from(size).saturating_sub(28).clamp(MESSAGE_BYTES_SAFE, MESSAGE_BYTES_MAX)
    }

    fn set(&mut self, code: u8, data: &'a [u8]) -> Result<(), ParseError> {
        match code {
            code::MESSAGE_TYPE => self.message_type = Some(number(data)?.try_into()?),
            code::SUBNET_MASK => self.subnet_mask = Some(address(data)?),
            code::HOST_NAME => self.host_name = Some(text(data)?),
            code::VENDOR_SPECIFIC => self.vendor_specific = Some(data),
            code::REQUESTED_ADDRESS => self.requested_address = Some(address(data)?),
            code::LEASE_TIME => self.lease_time_s = Some(u32::from_be_bytes(array(data)?)),
            code::SERVER_ID => self.server_id = Some(address(data)?),
            code::PARAMETER_LIST => self.parameter_list = ParameterList(data),
            code::MESSAGE => self.message = Some(text(data)?),
            code::MAX_MESSAGE_SIZE => {
                self.max_message_size = Some(u16::from_be_bytes(array(data)?));
            }
            code::VENDOR_CLASS => self.vendor_class = Some(filled(data)?),
            code::CLIENT_ID => self.client_id = Some(filled(data)?),
            code::TFTP_SERVER_NAME => self.tftp_server_name = Some(text(data)?),
            code::BOOT_FILE_NAME => self.boot_file_name = Some(text(data)?),
            code::USER_CLASS => self.user_class = Some(UserClass::parse(data)?),
            code::RAPID_COMMIT => {
                let [] = array(data)?;
                self.rapid_commit = true;
            }
            code::CLIENT_FQDN => self.client_fqdn = Some(ClientFqdn::parse(data)?),
            code::RELAY_AGENT => self.relay_agent = Some(RelayAgent::parse(data)?),
            code::CLIENT_ARCH => self.architectures = Some(ArchList::parse(data)?),
            code::CLIENT_NDI => self.network_interface = Some(NetworkInterface::parse(data)?),
            code::CLIENT_MACHINE_ID => self.machine_id = Some(MachineId::parse(data)?),
            code::AUTO_CONFIGURE => self.auto_configure = Some(number(data)?),
            code::SUBNET_SELECTION => self.subnet_selection = Some(address(data)?),
            code::VENDOR_IDENTIFYING_CLASS => {
                self.vendor_identifying_class = Some(VendorIdentifying::parse(data)?);
            }
            code::VENDOR_IDENTIFYING => {
                self.vendor_identifying = Some(VendorIdentifying::parse(data)?);
            }
            code::IPXE => self.ipxe = Some(IpxeOptions::parse(data)?),
            code::CONFIG_FILE => self.config_file = Some(text(data)?),
            code::PATH_PREFIX => self.path_prefix = Some(text(data)?),
            _ => {}
        }
        Ok(())
    }
}

/// Concatenates the pieces of `code` at the front of `free`; gives the whole and what is left.
fn join<'a>(
    message: &Message<'_>,
    code: u8,
    free: &'a mut [u8],
) -> Result<(&'a [u8], &'a mut [u8]), ParseError> {
    let mut len = 0usize;
    for piece in message.pieces(code) {
        let end = len.checked_add(piece.len()).ok_or(ParseError::NoSpace)?;
        free.get_mut(len..end).ok_or(ParseError::NoSpace)?.copy_from_slice(piece);
        len = end;
    }
    let (whole, rest) = free.split_at_mut_checked(len).ok_or(ParseError::NoSpace)?;
    Ok((whole, rest))
}

/// Whether a message must not be acted upon when this option is malformed.
const fn is_decisive(code: u8) -> bool {
    matches!(
        code,
        code::REQUESTED_ADDRESS | code::LEASE_TIME | code::MESSAGE_TYPE | code::SERVER_ID
    )
}

fn number(data: &[u8]) -> Result<u8, ParseError> {
    array(data).map(u8::from_be_bytes)
}

fn address(data: &[u8]) -> Result<Ipv4Addr, ParseError> {
    array(data).map(Ipv4Addr::from_octets)
}

fn filled(data: &[u8]) -> Result<&[u8], ParseError> {
    if data.is_empty() { Err(ParseError::BadLength) } else { Ok(data) }
}
