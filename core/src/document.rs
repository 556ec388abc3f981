//! Generated text: boot scripts and loader configurations, one for each machine and boot.
//!
//! A template is compiled once, when the view is built; rendering puts facts between its fixed
//! parts, in bounded memory and time. Facts that a client told are made harmless when they are
//! parsed ([`crate::text::Text::sanitised`]), so they cannot break out of the text.

pub mod pool;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::net::Ipv4Addr;

use crate::digits::{self, WriteAscii};
use crate::identity::ClientIdentity;
use crate::node::{HyphenMac, NodePrefix};
use crate::view::{ProfileId, View};

/// Text with gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The pieces in order.
    pub segments: Vec<Segment>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Itself.
    Text(Box<str>),
    /// A fact about the machine or this server; empty where nobody told it.
    Field(Field),
}

/// A fact that a template can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// MAC address with colons.
    Mac,
    /// MAC address with hyphens.
    MacHyphen,
    /// SMBIOS UUID.
    Uuid,
    /// SMBIOS serial number.
    Serial,
    /// SMBIOS product name.
    Product,
    /// SMBIOS manufacturer.
    Manufacturer,
    /// The client's own address.
    Address,
    /// The machine's configured host name.
    Hostname,
    /// Name of the profile.
    Profile,
    /// `http://…/` of this server as the client reaches it, with the final slash.
    BaseUrl,
    /// [`Field::BaseUrl`] with the machine's own prefix, with the final slash.
    NodeUrl,
    /// The machine's own prefix of names, with the final slash; for loaders that speak TFTP.
    NodePath,
    /// Seconds to wait before another try. They differ from machine to machine, so that those
    /// which failed together do not come back together.
    RetrySeconds,
    /// This server's address as the client reaches it.
    Server,
    /// A value of the machine or, failing that, of its profile.
    Var(Box<str>),
}

/// Which document a client asked for, and all that it takes to render it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document {
    /// Which.
    pub kind: DocumentKind,
    /// For whom.
    pub client: ClientIdentity,
    /// The client's address.
    pub address: Option<Ipv4Addr>,
    /// Our address as the client reaches it.
    pub server: Ipv4Addr,
}

/// Kinds of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// The iPXE script of a profile.
    Ipxe(ProfileId),
    /// An iPXE script that comes back with the machine's serial number, product and so on.
    Identify,
    /// The pxelinux configuration of a profile.
    Pxelinux(ProfileId),
    /// The GRUB configuration of a profile.
    Grub(ProfileId),
    /// A GRUB configuration that goes on with the machine's own.
    GrubIdentify,
}

/// The document does not fit into its buffer, or its profile is gone since a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenderError {
    /// Longer than the buffer.
    TooLong,
    /// The profile is gone.
    NoProfile,
}

impl Document {
    /// Writes the document into `out` and tells its length in bytes.
    ///
    /// # Errors
    /// See [`RenderError`].
    pub fn render(&self, view: &View, out: &mut [u8]) -> Result<usize, RenderError> {
        let mut sink = Sink { out, len: 0 };
        let written = match self.kind {
            DocumentKind::Identify => self.write_identify(view, &mut sink),
            DocumentKind::GrubIdentify => self.write_grub_identify(&mut sink),
            DocumentKind::Ipxe(id) => {
                let profile = view.profile(id).ok_or(RenderError::NoProfile)?;
                self.write_template(&profile.ipxe, id, view, &mut sink)
            }
            DocumentKind::Pxelinux(id) => {
                let profile = view.profile(id).ok_or(RenderError::NoProfile)?;
                self.write_template(&profile.pxelinux, id, view, &mut sink)
            }
            DocumentKind::Grub(id) => {
                let profile = view.profile(id).ok_or(RenderError::NoProfile)?;
                self.write_template(&profile.grub, id, view, &mut sink)
            }
        };
        written.map_err(|fmt::Error| RenderError::TooLong)?;
        Ok(sink.len)
    }

    fn write_template(
        &self,
        template: &Template,
        profile: ProfileId,
        view: &View,
        sink: &mut Sink<'_>,
    ) -> fmt::Result {
        for segment in &template.segments {
            match segment {
                Segment::Text(text) => sink.write_str(text)?,
                Segment::Field(field) => self.write_field(field, profile, view, sink)?,
            }
        }
        Ok(())
    }

    fn write_field(
        &self,
        field: &Field,
        profile: ProfileId,
        view: &View,
        sink: &mut Sink<'_>,
    ) -> fmt::Result {
        let client = &self.client;
        let machine = view.machines.find(client).map(|(_, machine)| machine);
        let profile = view.profile(profile);
        match field {
            Field::Mac => write_some(sink, client.mac),
            Field::MacHyphen => write_some(sink, client.mac.map(HyphenMac)),
            Field::Uuid => write_some(sink, client.uuid),
            Field::Serial => write_some(sink, client.serial),
            Field::Product => write_some(sink, client.product),
            Field::Manufacturer => write_some(sink, client.manufacturer),
            Field::Address => write_some(sink, self.address),
            Field::Hostname => write_some(sink, machine.and_then(|m| m.hostname.as_deref())),
            Field::Profile => write_some(sink, profile.map(|profile| &profile.name)),
            Field::BaseUrl => self.write_base_url(view, sink),
            Field::NodeUrl => {
                self.write_base_url(view, sink)?;
                write_some(sink, NodePrefix::of(client))
            }
            Field::NodePath => write_some(sink, NodePrefix::of(client)),
            Field::RetrySeconds => write!(sink, "{}", retry_seconds(client)),
            Field::Server => write!(sink, "{}", self.server),
            Field::Var(name) => {
                let machine = machine.map(|machine| machine.vars.as_slice()).unwrap_or_default();
                let profile = profile.map(|profile| profile.vars.as_slice()).unwrap_or_default();
                let value = machine.iter().chain(profile).find(|(key, _)| key == name);
                write_some(sink, value.map(|(_, value)| value))
            }
        }
    }

    fn write_base_url(&self, view: &View, sink: &mut Sink<'_>) -> fmt::Result {
        write!(sink, "{}", BaseUrl { server: self.server, port: view.ports.http })
    }

    /// A script that fetches the real one with what iPXE read from the firmware's tables.
    fn write_identify(&self, view: &View, sink: &mut Sink<'_>) -> fmt::Result {
        sink.write_str("#!ipxe\nchain --replace ")?;
        self.write_base_url(view, sink)?;
        match NodePrefix::of(&self.client) {
            Some(prefix) => write!(sink, "{prefix}")?,
            None => sink.write_str("node/${mac:hexhyp}/")?,
        }
        sink.write_str(
            "boot.ipxe?facts=1&uuid=${uuid}&serial=${serial:uristring}\
             &product=${product:uristring}&manufacturer=${manufacturer:uristring}\n",
        )
    }

    /// GRUB images that were built with a folder of their own look for their configuration there,
    /// under a name that does not tell the machine. GRUB itself knows who it is.
    fn write_grub_identify(&self, sink: &mut Sink<'_>) -> fmt::Result {
        let server = self.server;
        for (at, (platform, arch)) in GRUB_ARCHS.into_iter().enumerate() {
            let keyword = if at == 0 { "if" } else { "elif" };
            writeln!(
                sink,
                "{keyword} [ \"${{grub_cpu}}-${{grub_platform}}\" = {platform} ]; then arch=.{arch}"
            )?;
        }
        writeln!(sink, "else arch=\nfi")?;
        writeln!(sink, "if [ -n \"$net_default_mac\" ]; then")?;
        writeln!(sink, "  configfile (tftp,{server})/node/${{net_default_mac}}${{arch}}/grub.cfg")?;
        writeln!(sink, "else\n  configfile (tftp,{server})/{GRUB_NOBODY}\nfi")
    }
}

/// The configuration for a machine of which nothing is known.
pub(crate) const GRUB_NOBODY: &str = "grub.cfg-default";

/// What GRUB calls its processor and platform, and the number that firmware sends for it.
const GRUB_ARCHS: [(&str, u16); 7] = [
    ("x86_64-efi", 7),
    ("arm64-efi", 11),
    ("i386-pc", 0),
    ("i386-efi", 6),
    ("arm-efi", 10),
    ("riscv64-efi", 27),
    ("loongarch64-efi", 39),
];

/// The URL under which clients reach the HTTP server, with the final slash.
#[derive(Clone, Copy, Debug)]
pub struct BaseUrl {
    /// Our address.
    pub server: Ipv4Addr,
    /// Our port; 80 goes without saying, and old firmware without reading.
    pub port: u16,
}

impl BaseUrl {
    /// Writes the URL as its `Display` does.
    pub(crate) fn write_to(self, out: &mut impl WriteAscii) -> fmt::Result {
        out.write_str("http://")?;
        digits::write_address(out, self.server)?;
        if self.port != 80 {
            out.write_str(":")?;
            digits::write_decimal(out, self.port)?;
        }
        out.write_str("/")
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

/// From 3 to 18 seconds. The last octets of an address are what machines of one make differ in.
fn retry_seconds(client: &ClientIdentity) -> u32 {
    let [.., b, c] = client.mac.unwrap_or_default().0;
    3 + u32::from(b ^ c) % 16
}

fn write_some(sink: &mut Sink<'_>, value: Option<impl fmt::Display>) -> fmt::Result {
    match value {
        Some(value) => write!(sink, "{value}"),
        None => Ok(()),
    }
}

/// Formatted output into a lent buffer.
struct Sink<'b> {
    out: &'b mut [u8],
    len: usize,
}

impl Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.out.get_mut(self.len..).unwrap_or_default();
        room.get_mut(..text.len()).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
