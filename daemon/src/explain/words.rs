//! The engine's rules in the words of an operator.

use reveille_core::boot::{Boot, Choice, Plan};
use reveille_core::dhcp4::{
    AddressRule, AnswerRule, ClientRule, LeftOutRule, Level, NetworkRule, RouteRule,
};
use reveille_core::engine::Discard;
use reveille_core::view::{Loader, MachineRule, ProfileId, View};

pub(super) const fn client(by: ClientRule) -> &'static str {
    match by {
        ClientRule::UserClass => "option 77, its user class, is iPXE",
        ClientRule::IpxeOptions => "only iPXE sends option 175",
        ClientRule::VendorClass => "option 60, its vendor class, says so",
        ClientRule::RaspberryPi => "it names itself in option 97 or 93, or has an address of them",
        ClientRule::Remembered => "it has told so before",
        ClientRule::Nothing => "it says nothing that boot firmware says",
    }
}

pub(super) const fn network(by: NetworkRule) -> &'static str {
    match by {
        NetworkRule::LinkSelection => "the relay agent chose this link by option 82.5",
        NetworkRule::SubnetSelection => "the client chose this subnet by option 118",
        NetworkRule::RelayAgent => "the relay agent's address lies in it",
        NetworkRule::ListedRelayAgent => "it is the first that lists this relay agent",
        NetworkRule::Address => "the address that the client has or wants lies in it",
        NetworkRule::RoutedAddress => "the client's address lies in it, beyond a router",
        NetworkRule::Interface => "it is the network of the interface",
        NetworkRule::SharedLink => "of those on the link, it has the client's address or room",
    }
}

pub(super) const fn machine(by: MachineRule) -> &'static str {
    match by {
        MachineRule::Known => "it was recognised before",
        MachineRule::Mac => "by its Ethernet address",
        MachineRule::Uuid => "by its UUID",
        MachineRule::Serial => "by its serial number",
        MachineRule::ClientId => "by option 61, its client identifier",
        MachineRule::Attachment => "by the port that its relay agent tells by option 82",
    }
}

pub(super) const fn address(by: AddressRule) -> &'static str {
    match by {
        AddressRule::Reserved => "reserved for this machine",
        AddressRule::Kept => "the client had it last, and keeps it",
        AddressRule::Wished => "the client wishes it, and nobody else has it",
        AddressRule::Free => "the next free one",
    }
}

pub(super) const fn route(by: RouteRule) -> &'static str {
    match by {
        RouteRule::Relay => "the relay agent passes it on",
        RouteRule::RelayPort => "the relay agent hears at the port that it asked from",
        RouteRule::ClientAddress => "the client has this address",
        RouteRule::Sender => "the message came from there",
        RouteRule::Station => "straight to the Ethernet address: the client has no address yet",
        RouteRule::BroadcastFlag => "the client says that it hears nothing but broadcasts",
        RouteRule::BroadcastQuirk => "a quirk wants broadcasts",
        RouteRule::Broadcast => "there is no address yet that it could be sent to",
    }
}

pub(super) const fn left_out(why: LeftOutRule) -> &'static str {
    match why {
        LeftOutRule::NoRoom => "no room: the client takes no longer message",
        LeftOutRule::NotAsked => "the client does not ask for it",
        LeftOutRule::OwnInstead => "the server says itself what the client needs to boot",
    }
}

pub(super) fn level(level: Level, view: &View) -> String {
    match level {
        Level::Protocol => "protocol".to_owned(),
        Level::Echo => "as the client sent it".to_owned(),
        Level::Boot => "boot".to_owned(),
        Level::Site => "everybody".to_owned(),
        Level::Network => "network".to_owned(),
        Level::Pool => "pool".to_owned(),
        Level::Class(id) => {
            let class = view.classes.find(id);
            class.map_or_else(|| "class".to_owned(), |class| format!("class {}", class.name))
        }
        Level::Machine => "machine".to_owned(),
    }
}

/// What a client loads, and why.
pub(super) fn boot(plan: &Plan, by: Choice, view: &View) -> (String, String) {
    let profile = |id: ProfileId| view.profile(id).map_or("?", |profile| &*profile.name);
    let why = match by {
        Choice::Machine(id) => format!("the machine's own profile, {}", profile(id)),
        Choice::Rule(id) => format!("profile {} is the first that fits", profile(id)),
        Choice::NeedsFacts(id) => {
            format!("iPXE is to find out whether profile {} fits", profile(id))
        }
        Choice::NeedsSerial => {
            "iPXE is to tell the serial number, by which machines are known".to_owned()
        }
        Choice::Nobody => "no profile is for it".to_owned(),
    };
    match &plan.boot {
        Boot::Nothing => {
            let why =
                if by == Choice::Nobody { why } else { "it does not boot from us".to_owned() };
            ("nothing".to_owned(), why)
        }
        Boot::NoProgram => {
            let why = format!("{why}, but there is no boot program for this architecture");
            ("nothing".to_owned(), why)
        }
        Boot::File { file, program } => {
            let what = match program {
                None => "script",
                Some(Loader::Ipxe) => "iPXE",
                Some(Loader::Pxelinux) => "PXELINUX",
                Some(Loader::Grub) => "GRUB",
            };
            let way = if file.as_str().contains("://") { "" } else { " by TFTP" };
            (format!("{what}: {}{way}", file.as_str()), why)
        }
        Boot::Tree => ("the files that a Raspberry Pi looks for, by TFTP".to_owned(), why),
        Boot::Config => ("a configuration that U-Boot reads itself".to_owned(), why),
    }
}

/// Why a message is dropped.
pub(super) const fn discard(why: Discard) -> &'static str {
    match why {
        Discard::Malformed => "the message is damaged, or names no client",
        Discard::NotForServer => "it is not a message for a server like this one",
        Discard::OtherServer => "it is for another server",
        Discard::UnknownNetwork => "no network of the configuration is where the client is",
        Discard::SwitchedOff => "DHCP is switched off on this network",
        Discard::UnknownRelay => "no network of the configuration is behind this relay agent",
        Discard::NotAllowed => {
            "the client may not be served: the network is for known machines only, a class is \
             refused, or BOOTP is not served to strangers"
        }
        Discard::Duplicate => "the same message waits already",
        Discard::Overload => "too many messages wait",
        Discard::UnknownSession => "there is nothing that it could end: the client has no lease",
        Discard::BadSource => "no client has the address that it came from",
        Discard::NoAddress => "no address is left",
        Discard::Draining => "the server is ending",
        Discard::Suspect => "its source is most likely forged",
        Discard::StoreFailing => "leases cannot be kept",
    }
}

/// Why a message that was understood gets no answer.
pub(super) const fn silence(by: Option<AnswerRule>) -> &'static str {
    match by {
        Some(AnswerRule::NoAddress) => "no address is left for this client in the pools",
        Some(
            AnswerRule::Silence
            | AnswerRule::Offer
            | AnswerRule::Ack
            | AnswerRule::Inform
            | AnswerRule::Nak
            | AnswerRule::ProxyOffer
            | AnswerRule::BootAck,
        ) => "there is nothing to boot for it, or another server may know it",
        None => "such a message gets no answer",
    }
}
