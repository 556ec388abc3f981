//! What a server can and cannot do without privileges: a thread gives some away, and the sockets
//! that it opens feel it.

use std::net::{Ipv4Addr, SocketAddrV4};

use reveille_core::engine::InterfaceId;
use reveille_runtime::{BindReason, Feature, FeatureState, ImageStore, bind};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use crate::kit;
use crate::namespace::in_namespace;
use crate::streams::{connect, read_answer};

/// Gives capabilities away, for this thread and those that it starts.
fn give_up(unwanted: CapabilitySet) {
    let mut sets = capabilities(None).unwrap();
    sets.effective.remove(unwanted);
    sets.permitted.remove(unwanted);
    set_capabilities(None, sets).unwrap();
}

#[test]
fn without_packet_sockets_there_is_a_fallback_with_advice() {
    in_namespace(|| {
        give_up(CapabilitySet::NET_RAW);
        let mut config = kit::config(1);
        config.sockets.frames = vec![InterfaceId(0)];
        let bound = bind(config).unwrap();
        assert!(!bound.features().link_unicast);
        let hint = |feature: &Feature| match &feature.state {
            FeatureState::Used => None,
            FeatureState::Fallback { hint, .. } => Some(hint.clone()),
        };
        let hints: Vec<_> = bound.features().iter().filter_map(hint).collect();
        assert_eq!(hints.len(), 1);
        assert!(hints[0].contains("CAP_NET_RAW"), "{hints:?}");
    });
}

#[test]
fn without_large_buffers_there_is_advice() {
    in_namespace(|| {
        give_up(CapabilitySet::NET_ADMIN);
        let bound = bind(kit::config(1)).unwrap();
        let all: Vec<_> = bound.features().iter().map(ToString::to_string).collect();
        assert!(all.iter().any(|text| text.contains("net.core.rmem_max=")), "{all:?}");
    });
}

#[test]
fn a_low_port_takes_a_capability() {
    in_namespace(|| {
        give_up(CapabilitySet::NET_BIND_SERVICE);
        let mut config = kit::config(1);
        config.sockets.http = vec![SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80)];
        let error = bind(config).unwrap_err();
        let BindReason::NoPermission { capability } = error.reason else { panic!("{error}") };
        assert_eq!(capability, "CAP_NET_BIND_SERVICE");
    });
}

#[test]
fn what_was_opened_with_privileges_runs_without() {
    in_namespace(|| {
        let mut config = kit::config(1);
        config.sockets.http = vec![SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80)];
        config.sockets.frames = vec![InterfaceId(0)];
        let bound = bind(config).unwrap();
        give_up(CapabilitySet::all());
        let mut store = ImageStore::new();
        let image = store.from_bytes(kit::pattern(40, 1000)).unwrap();
        let running = kit::start_bound(bound, &store);
        let mut stream = connect(&running);
        let request = crate::streamer::request(image, 0, 1000, true);
        std::io::Write::write_all(&mut stream, &request).unwrap();
        assert_eq!(read_answer(&mut stream, 1000), kit::pattern(40, 1000));
        running.stop();
    });
}
