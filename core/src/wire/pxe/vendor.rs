//! Option 43 as PXE uses it (PXE 2.1 table 2-1).

use core::net::Ipv4Addr;

use crate::wire::reader::Reader;
use crate::wire::tlv::{END, Framing, Tlv, Tlvs};
use crate::wire::writer::Writer;
use crate::wire::{EmitError, ParseError};

/// PXE sub-options. Only meaningful from or to a PXE client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PxeOptions<'a>(&'a [u8]);

impl<'a> PxeOptions<'a> {
    /// Checks the value of the option.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] when a sub-option leaves the option.
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        Tlvs::new(data, Framing::PadAndEnd).check()?;
        Ok(Self(data))
    }

    /// The sub-options in order.
    pub fn iter(&self) -> impl Iterator<Item = Tlv<'a>> + use<'a> {
        Tlvs::new(self.0, Framing::PadAndEnd)
    }

    /// The first sub-option with `code`.
    pub fn find(&self, code: u8) -> Option<&'a [u8]> {
        Tlvs::new(self.0, Framing::PadAndEnd).find(code)
    }

    /// Sub-option 6: how to look for boot servers.
    pub fn discovery_control(&self) -> Option<u8> {
        self.find(sub_option::DISCOVERY_CONTROL)?.first().copied()
    }

    /// Sub-option 7: where to look for boot servers by multicast.
    pub fn multicast_address(&self) -> Option<Ipv4Addr> {
        let data = self.find(sub_option::MULTICAST_ADDRESS)?;
        Reader::new(data).array().ok().map(Ipv4Addr::from_octets)
    }

    /// Sub-option 8: servers for each boot server type.
    pub fn boot_servers(&self) -> impl Iterator<Item = BootServers<'a>> + use<'a> {
        let mut reader = Reader::new(self.find(sub_option::BOOT_SERVERS).unwrap_or_default());
        core::iter::from_fn(move || BootServers::take(&mut reader).ok())
    }

    /// Sub-option 9: the menu.
    pub fn menu(&self) -> impl Iterator<Item = MenuItem<'a>> + use<'a> {
        let mut reader = Reader::new(self.find(sub_option::MENU).unwrap_or_default());
        core::iter::from_fn(move || MenuItem::take(&mut reader).ok())
    }

    /// Sub-option 10: seconds before the first item starts by itself (0 at once, 255 never), and
    /// the prompt.
    pub fn prompt(&self) -> Option<(u8, &'a [u8])> {
        self.find(sub_option::PROMPT)?.split_first().map(|(seconds, text)| (*seconds, text))
    }

    /// Sub-option 71: the boot server type and layer that the client chose.
    pub fn boot_item(&self) -> Option<BootItem> {
        let mut reader = Reader::new(self.find(sub_option::BOOT_ITEM)?);
        Some(BootItem { kind: reader.u16().ok()?, layer: reader.u16().ok()? })
    }
}

/// One entry of sub-option 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootServers<'a> {
    /// Boot server type.
    pub kind: u16,
    addresses: &'a [[u8; 4]],
}

impl<'a> BootServers<'a> {
    /// Where servers of this type are.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> + use<'a> {
        self.addresses.iter().copied().map(Ipv4Addr::from_octets)
    }

    fn take(reader: &mut Reader<'a>) -> Result<Self, ParseError> {
        let kind = reader.u16()?;
        let count = usize::from(reader.u8()?);
        let (addresses, _) = reader.bytes(count.saturating_mul(4))?.as_chunks();
        Ok(Self { kind, addresses })
    }
}

/// One entry of sub-option 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MenuItem<'a> {
    /// Boot server type; 0 boots from the local disk.
    pub kind: u16,
    /// What the menu shows.
    pub text: &'a [u8],
}

impl<'a> MenuItem<'a> {
    fn take(reader: &mut Reader<'a>) -> Result<Self, ParseError> {
        let kind = reader.u16()?;
        let len = reader.u8()?;
        Ok(Self { kind, text: reader.bytes(usize::from(len))? })
    }
}

/// Bit of [`BootItem::layer`]: the client asks for credentials, not for a file.
pub const LAYER_CREDENTIALS: u16 = 0x8000;

/// The value of sub-option 71.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootItem {
    /// Boot server type.
    pub kind: u16,
    /// Layer; bit 15 asks for credentials.
    pub layer: u16,
}

/// Writes the value of option 43 into a lent buffer; at most 255 bytes, ended by 255.
#[derive(Debug)]
pub struct PxeOptionsWriter<'b>(Writer<'b>);

impl<'b> PxeOptionsWriter<'b> {
    /// Starts in `buffer`, of which at most 255 bytes are used.
    pub fn new(buffer: &'b mut [u8]) -> Self {
        let limit = buffer.len().min(255);
        Self(Writer::new(buffer.get_mut(..limit).unwrap_or_default()))
    }

    /// Appends any sub-option.
    pub fn put(&mut self, code: u8, data: &[u8]) {
        self.put_head(code, data.len());
        self.0.put_bytes(data);
    }

    /// Appends sub-option 6. A single reply that carries address and boot file needs the value
    /// [`USE_BOOT_FILE`], or UEFI clients look for a boot server on port 4011.
    pub fn put_discovery_control(&mut self, bits: u8) {
        self.put(sub_option::DISCOVERY_CONTROL, &[bits]);
    }

    /// Appends sub-option 7.
    pub fn put_multicast_address(&mut self, address: Ipv4Addr) {
        self.put(sub_option::MULTICAST_ADDRESS, &address.octets());
    }

    /// Appends sub-option 8 with one boot server type.
    pub fn put_boot_servers(&mut self, kind: u16, addresses: &[Ipv4Addr]) {
        self.put_all_boot_servers(core::iter::once((kind, addresses)));
    }

    /// Appends sub-option 8 with several boot server types.
    pub fn put_all_boot_servers<'i>(
        &mut self,
        entries: impl Iterator<Item = (u16, &'i [Ipv4Addr])> + Clone,
    ) {
        let len = entries.clone().map(|(_, servers)| servers.len().saturating_mul(4));
        let len = len.map(|len| len.saturating_add(3)).fold(0, usize::saturating_add);
        self.put_head(sub_option::BOOT_SERVERS, len);
        for (kind, servers) in entries {
            let Ok(count) = u8::try_from(servers.len()) else {
                return self.0.fail(EmitError::TooLong);
            };
            self.0.put_u16(kind);
            self.0.put_u8(count);
            for address in servers {
                self.0.put_bytes(&address.octets());
            }
        }
    }

    /// Appends sub-option 9.
    pub fn put_menu(&mut self, items: &[MenuItem<'_>]) {
        self.put_menu_items(items.iter().copied());
    }

    /// Appends sub-option 9 with the items of an iterator.
    pub fn put_menu_items<'i>(&mut self, items: impl Iterator<Item = MenuItem<'i>> + Clone) {
        let len = items.clone().map(|item| item.text.len().saturating_add(3));
        self.put_head(sub_option::MENU, len.fold(0, usize::saturating_add));
        for item in items {
            let Ok(len) = u8::try_from(item.text.len()) else {
                return self.0.fail(EmitError::TooLong);
            };
            self.0.put_u16(item.kind);
            self.0.put_u8(len);
            self.0.put_bytes(item.text);
        }
    }

    /// Appends sub-option 10.
    pub fn put_prompt(&mut self, seconds: u8, text: &[u8]) {
        self.put_head(sub_option::PROMPT, text.len().saturating_add(1));
        self.0.put_u8(seconds);
        self.0.put_bytes(text);
    }

    /// Appends sub-option 71.
    pub fn put_boot_item(&mut self, item: BootItem) {
        self.put_head(sub_option::BOOT_ITEM, 4);
        self.0.put_u16(item.kind);
        self.0.put_u16(item.layer);
    }

    /// Ends the value and gives its length.
    ///
    /// # Errors
    /// [`EmitError::NoSpace`] above 255 bytes or the buffer, [`EmitError::TooLong`] for a part too
    /// long for its length byte.
    pub fn finish(mut self) -> Result<usize, EmitError> {
        self.0.put_u8(END);
        self.0.finish()
    }

    fn put_head(&mut self, code: u8, len: usize) {
        match u8::try_from(len) {
            Ok(len) => self.0.put_bytes(&[code, len]),
            Err(_) => self.0.fail(EmitError::TooLong),
        }
    }
}

/// Discovery control: take the boot file of this very reply (bit 3).
pub const USE_BOOT_FILE: u8 = 8;

/// PXE sub-options of option 43.
pub mod sub_option {
    /// How to look for boot servers.
    pub const DISCOVERY_CONTROL: u8 = 6;
    /// Where to look by multicast.
    pub const MULTICAST_ADDRESS: u8 = 7;
    /// Boot servers by type.
    pub const BOOT_SERVERS: u8 = 8;
    /// The menu.
    pub const MENU: u8 = 9;
    /// The prompt.
    pub const PROMPT: u8 = 10;
    /// The chosen boot server type.
    pub const BOOT_ITEM: u8 = 71;
}
