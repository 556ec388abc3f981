//! What must outlive the server: the bindings of addresses to clients, as a store keeps them.
//!
//! A server that keeps bindings asks for each change of one with [`crate::engine::Output::Persist`]
//! and learns of the outcome by [`crate::engine::StoreAnswer`]. A change replaces whatever the
//! store has about its address.

use core::fmt;
use core::net::Ipv4Addr;

use crate::dhcp4::ClientKey;
use crate::text::Text;
use crate::time::Instant;
use crate::view::Subnet;

/// What must outlive the server about one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The address.
    pub address: Ipv4Addr,
    /// The network that it is of.
    pub subnet: Subnet,
    /// Whose it is, or was last; `None` if it is nobody's: its last client got another address
    /// since, or found this one in use by somebody else.
    pub client: Option<ClientKey>,
    /// Option 61 as the client sent it, for people and exports. Empty where no message of the
    /// client says it, as in a release by the operator.
    pub client_id: ClientId,
    /// The client's name: the configured one of its machine, else what it calls itself. Empty where
    /// nobody said it.
    pub hostname: Text<64>,
    /// What holds the address.
    pub state: BindingState,
}

/// What holds an address, as far as it must outlive the server. Offers need not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingState {
    /// Lent.
    Bound {
        /// When it was lent, or last renewed.
        since: Instant,
        /// When it is nobody's any more, not before the client's lease ends; [`Instant::MAX`] if
        /// that is never.
        until: Instant,
    },
    /// Nothing any more.
    Released {
        /// When that was.
        at: Instant,
    },
    /// A host that we do not know uses it: it is given to nobody.
    Declined {
        /// When it may be tried again.
        until: Instant,
    },
}

/// Numbers requests to persist, upwards, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A client identifier as it was sent, cut to 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientId {
    len: u8,
    bytes: [u8; Self::BYTES_MAX],
}

impl ClientId {
    /// Bytes that are kept of one.
    pub const BYTES_MAX: usize = 64;

    /// None.
    pub const EMPTY: Self = Self { len: 0, bytes: [0; Self::BYTES_MAX] };

    /// What fits of `identifier`.
    pub fn cut(identifier: &[u8]) -> Self {
        let mut id = Self::EMPTY;
        for (place, byte) in id.bytes.iter_mut().zip(identifier) {
            *place = *byte;
            id.len += 1;
        }
        id
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Default for ClientId {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_bytes(), f)
    }
}

/// Why a binding could not be [restored](crate::dhcp4::Dhcp4Server::restore).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// The table is full: it was made for fewer leases.
    TableFull {
        /// Whether the binding holds its address, which may be given to somebody else now.
        held: bool,
    },
    /// There are more networks with bindings than [`crate::limits::DHCP_GROUNDS_MAX`].
    TooManyNetworks {
        /// As for a full table.
        held: bool,
    },
    /// There is a binding of the address already.
    Known,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TableFull { .. } => "there is no room for so many leases",
            Self::TooManyNetworks { .. } => "the leases are of too many networks",
            Self::Known => "there are two leases of one address",
        })
    }
}

impl core::error::Error for RestoreError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_identifier_is_cut() {
        assert_eq!(ClientId::cut(&[7; 3]).as_bytes(), [7; 3]);
        assert_eq!(ClientId::cut(&[7; 255]).as_bytes(), [7; ClientId::BYTES_MAX]);
        assert!(ClientId::EMPTY.as_bytes().is_empty());
    }
}
