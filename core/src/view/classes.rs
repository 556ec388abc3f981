//! Client classes: which groups a client belongs to, by what its message says.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use super::{LeaseTerms, OptionSet, Subnet};
use crate::identity::{ClientIdentity, Firmware};
use crate::wire::dhcp4::Message;
use crate::wire::dhcp4_options::{Options, RelayAgent};
use crate::wire::pxe::ArchType;

/// Most classes of a site: membership is one word.
pub const CLASSES_MAX: usize = 64;

/// Index into the classes of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(pub u8);

/// A group of clients, told by what their messages say.
#[derive(Clone, Debug)]
pub struct ClientClass {
    /// Its name.
    pub name: Box<str>,
    /// Who belongs to it.
    pub rule: Condition,
    /// Whether its members get no answer at all.
    pub denied: bool,
    /// How long addresses are lent to its members.
    pub lease: LeaseTerms,
    /// Options for its members.
    pub options: OptionSet,
}

/// What must be so for a client to belong to a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All of these; none at all is everybody.
    All(Vec<Self>),
    /// One of these.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// A member of another class.
    Class(ClassId),
    /// The program that speaks.
    Firmware(Firmware),
    /// Whether the site knows the machine.
    Known,
    /// An architecture that the client can boot (option 93).
    Arch(ArchType),
    /// How the Ethernet address begins.
    MacPrefix(Box<[u8]>),
    /// One of the user classes (option 77).
    UserClass(Box<[u8]>),
    /// The relay agent (`giaddr`).
    Relay(Subnet),
    /// A sub-option of the relay agent (option 82).
    RelayOption(u8, Pattern),
    /// An option of the client.
    Option(u8, Pattern),
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Anything, but there.
    Present,
    /// These bytes.
    Exactly(Box<[u8]>),
    /// Anything that begins with these bytes.
    Prefix(Box<[u8]>),
}

impl Pattern {
    /// Whether the value that `pieces` join to fits (RFC 3396); `None` if there is no value.
    fn matches<'p>(&self, pieces: impl Iterator<Item = &'p [u8]>) -> bool {
        let mut pieces = pieces.peekable();
        if pieces.peek().is_none() {
            return false;
        }
        let (wanted, whole) = match self {
            Self::Present => return true,
            Self::Exactly(wanted) => (wanted, true),
            Self::Prefix(wanted) => (wanted, false),
        };
        let mut rest: &[u8] = wanted;
        for piece in pieces {
            if rest.len() < piece.len() {
                return !whole && piece.starts_with(rest);
            }
            let Some(more) = rest.strip_prefix(piece) else { return false };
            rest = more;
        }
        rest.is_empty()
    }
}

/// What a message says about its sender.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// Who it is.
    pub client: &'a ClientIdentity,
    /// The options that are understood.
    pub options: &'a Options<'a>,
    /// All of the message.
    pub message: &'a Message<'a>,
    /// Whether the site knows the machine.
    pub known: bool,
}

impl Claims<'_> {
    fn relay_option(&self, code: u8) -> Option<&[u8]> {
        // Only what a relay agent put there is believed (RFC 3046 §2.1): anybody can send it.
        if self.giaddr().is_unspecified() {
            return None;
        }
        self.options.relay_agent.as_ref().and_then(|relay: &RelayAgent<'_>| relay.find(code))
    }

    fn giaddr(&self) -> Ipv4Addr {
        self.message.header().giaddr()
    }
}

/// The classes that a client belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassSet(u64);

impl ClassSet {
    /// No class.
    pub const EMPTY: Self = Self(0);

    /// Whether the client belongs to `class`.
    pub fn contains(self, class: ClassId) -> bool {
        self.0 & bit(class) != 0
    }

    /// Adds a class.
    pub fn insert(&mut self, class: ClassId) {
        self.0 |= bit(class);
    }

    /// Whether both have a class in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The classes, those configured first at the front.
    pub fn iter(self) -> impl Iterator<Item = ClassId> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let lowest = u8::try_from(rest.trailing_zeros()).ok()?;
            if rest == 0 {
                return None;
            }
            rest &= rest - 1;
            Some(ClassId(lowest))
        })
    }
}

fn bit(class: ClassId) -> u64 {
    1_u64.checked_shl(u32::from(class.0)).unwrap_or(0)
}

/// The classes of a site in the order of their configuration: where two say something, the first
/// is right.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    list: Vec<ClientClass>,
    /// All classes, each behind those that it refers to.
    order: Vec<ClassId>,
    denied: ClassSet,
}

/// Why classes cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassError {
    /// There are more than [`CLASSES_MAX`].
    TooMany,
    /// This class refers to one that there is not.
    Unknown(ClassId),
    /// This class refers to itself, perhaps by way of others.
    Circular(ClassId),
}

impl Classes {
    /// Orders classes by what they refer to.
    ///
    /// # Errors
    /// [`ClassError`].
    pub fn new(list: Vec<ClientClass>) -> Result<Self, ClassError> {
        if list.len() > CLASSES_MAX {
            return Err(ClassError::TooMany);
        }
        let ids: Vec<ClassId> = (0..=u8::MAX).map(ClassId).take(list.len()).collect();
        let mut refers = Vec::with_capacity(list.len());
        for (class, id) in list.iter().zip(&ids) {
            let mut to = ClassSet::EMPTY;
            class.rule.collect_classes(&mut to);
            if to.iter().any(|other| usize::from(other.0) >= list.len()) {
                return Err(ClassError::Unknown(*id));
            }
            refers.push(to);
        }
        let mut order = Vec::with_capacity(list.len());
        let mut placed = ClassSet::EMPTY;
        // Ends: each round places a class or gives up.
        while order.len() < list.len() {
            let ready = ids
                .iter()
                .zip(&refers)
                .find(|(id, refers)| !placed.contains(**id) && refers.0 & !placed.0 == 0);
            let Some((id, _)) = ready else {
                let stuck = ids.iter().find(|id| Self::reaches_itself(&refers, **id));
                return Err(ClassError::Circular(stuck.copied().unwrap_or(ClassId(0))));
            };
            placed.insert(*id);
            order.push(*id);
        }
        let mut denied = ClassSet::EMPTY;
        for (class, id) in list.iter().zip(&ids) {
            if class.denied {
                denied.insert(*id);
            }
        }
        Ok(Self { list, order, denied })
    }

    fn reaches_itself(refers: &[ClassSet], id: ClassId) -> bool {
        let mut reached = ClassSet::EMPTY;
        // Ends: with each round at least one class is reached that was not before.
        loop {
            let before = reached;
            let from = if reached == ClassSet::EMPTY {
                refers[usize::from(id.0)]
            } else {
                reached
                    .iter()
                    .fold(reached, |set, id| ClassSet(set.0 | refers[usize::from(id.0)].0))
            };
            reached = from;
            if reached.contains(id) {
                return true;
            }
            if reached == before {
                return false;
            }
        }
    }

    /// The classes that the sender of a message belongs to.
    pub fn of(&self, claims: &Claims<'_>) -> ClassSet {
        let mut set = ClassSet::EMPTY;
        for id in &self.order {
            if self.list[usize::from(id.0)].rule.holds(claims, set) {
                set.insert(*id);
            }
        }
        set
    }

    /// The classes whose members get no answer.
    pub const fn denied(&self) -> ClassSet {
        self.denied
    }

    /// The class.
    pub fn find(&self, id: ClassId) -> Option<&ClientClass> {
        self.list.get(usize::from(id.0))
    }

    /// All classes, in the order of their configuration.
    pub fn iter(&self) -> impl Iterator<Item = (ClassId, &ClientClass)> {
        (0..=u8::MAX).map(ClassId).zip(&self.list)
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Number of classes.
    pub const fn len(&self) -> usize {
        self.list.len()
    }
}

impl Condition {
    fn holds(&self, claims: &Claims<'_>, so_far: ClassSet) -> bool {
        match self {
            Self::All(all) => all.iter().all(|one| one.holds(claims, so_far)),
            Self::Any(any) => any.iter().any(|one| one.holds(claims, so_far)),
            Self::Not(not) => !not.holds(claims, so_far),
            Self::Class(class) => so_far.contains(*class),
            Self::Firmware(firmware) => claims.client.firmware == *firmware,
            Self::Known => claims.known,
            Self::Arch(arch) => {
                claims.client.arch == Some(*arch)
                    || claims
                        .options
                        .architectures
                        .is_some_and(|all| all.iter().any(|a| a == *arch))
            }
            Self::MacPrefix(prefix) => {
                claims.client.mac.is_some_and(|mac| mac.0.starts_with(prefix))
            }
            Self::UserClass(name) => {
                claims.options.user_class.is_some_and(|classes| classes.contains(name))
            }
            Self::Relay(subnet) => {
                let giaddr = claims.giaddr();
                !giaddr.is_unspecified() && subnet.contains(giaddr)
            }
            Self::RelayOption(code, pattern) => {
                pattern.matches(claims.relay_option(*code).into_iter())
            }
            Self::Option(code, pattern) => pattern.matches(claims.message.pieces(*code)),
        }
    }

    fn collect_classes(&self, set: &mut ClassSet) {
        match self {
            Self::All(list) | Self::Any(list) => {
                list.iter().for_each(|one| one.collect_classes(set));
            }
            Self::Not(not) => not.collect_classes(set),
            Self::Class(class) => set.insert(*class),
            Self::Firmware(_)
            | Self::Known
            | Self::Arch(_)
            | Self::MacPrefix(_)
            | Self::UserClass(_)
            | Self::Relay(_)
            | Self::RelayOption(..)
            | Self::Option(..) => {}
        }
    }
}
