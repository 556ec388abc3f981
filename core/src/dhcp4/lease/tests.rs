use std::collections::BTreeMap;
use std::vec;

use proptest::prelude::*;

use super::*;
use crate::engine::InterfaceId;
use crate::rng::Rng;
use crate::view::{ClassSet, DhcpMode, LeaseTerms, Machine, MachineKey, Pool, View};

const LEASE: Duration = Duration::from_secs(300);

fn network(pools: &[(u8, u8)]) -> Network {
    let host = |last| Ipv4Addr::new(10, 0, 0, last);
    Network {
        interface: InterfaceId(0),
        server: host(1),
        subnet: Subnet { address: host(0), prefix_len: 24 },
        mode: DhcpMode::Server,
        pools: pools.iter().map(|(first, last)| Pool::new(host(*first), host(*last))).collect(),
        routers: vec![],
        dns: vec![],
        ntp: vec![],
        domain: None,
        lease: LeaseTerms::fixed(LEASE),
        relays: vec![],
        authoritative: true,
        ..Network::default()
    }
}

fn new_table(leases_max: u32) -> LeaseTable {
    LeaseTable::new(&Dhcp4Config { leases_max, ..Dhcp4Config::default() }, &mut Rng::new(1))
}

fn mac(last: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, last])
}

/// A site where some machines have addresses of their own, inside and outside the pools.
fn view(pools: &[(u8, u8)], reserved: &[(u8, u8)]) -> View {
    let mut view = View::default();
    for (client, last) in reserved {
        let address = Some(Ipv4Addr::new(10, 0, 0, *last));
        let machine = Machine { addresses: address.into_iter().collect(), ..Machine::default() };
        // A second one with the same MAC or address is no site that the daemon accepts.
        let _already_there = view.machines.insert(&[MachineKey::Mac(mac(*client))], machine);
    }
    view.networks.push(network(pools));
    view
}

fn claim(view: &View, client: u8, now: Instant) -> Claim<'_> {
    let identity = crate::identity::ClientIdentity { mac: Some(mac(client)), ..Default::default() };
    Claim {
        view,
        network: &view.networks[0],
        client: ClientKey::Mac(mac(client)),
        machine: view.machines.find(&identity).map(|(id, _)| id),
        classes: ClassSet::EMPTY,
        is_silent: false,
        now,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Discover {
        client: u8,
        wish: Option<u8>,
    },
    Request {
        client: u8,
        address: u8,
    },
    Renew {
        client: u8,
    },
    Release {
        client: u8,
    },
    Decline {
        client: u8,
    },
    Withdraw {
        client: u8,
    },
    Pass {
        seconds: u64,
    },
    /// The configuration is loaded again with these pools.
    Reload {
        first: u8,
        size: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let client = 1u8..24;
    prop_oneof![
        4 => (client.clone(), proptest::option::of(any::<u8>()))
            .prop_map(|(client, wish)| Step::Discover { client, wish }),
        2 => (client.clone(), 90u8..130).prop_map(|(client, address)| Step::Request { client, address }),
        4 => client.clone().prop_map(|client| Step::Renew { client }),
        1 => client.clone().prop_map(|client| Step::Release { client }),
        1 => client.clone().prop_map(|client| Step::Decline { client }),
        1 => client.prop_map(|client| Step::Withdraw { client }),
        2 => (1u64..400).prop_map(|seconds| Step::Pass { seconds }),
        1 => (90u8..120, 1u8..20).prop_map(|(first, size)| Step::Reload { first, size }),
    ]
}

/// What is promised to whom, and until when: the simplest possible lease table.
#[derive(Default)]
struct Model {
    promised: BTreeMap<Ipv4Addr, (u8, Instant)>,
}

impl Model {
    /// Nobody else may hold `address`; from now on `client` does.
    fn promise(&mut self, address: Ipv4Addr, client: u8, until: Instant, now: Instant) {
        if let Some((holder, end)) = self.promised.get(&address) {
            assert!(*holder == client || *end <= now, "{address} is held by {holder}");
        }
        let held = self.promised.get(&address).filter(|(holder, _)| *holder == client);
        let until = held.map_or(until, |(_, end)| until.max(*end));
        // A client has one address: what it was promised before is its own to give up.
        self.promised.retain(|_, (holder, _)| *holder != client);
        self.promised.insert(address, (client, until));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_two_clients_ever_have_one_address(
        steps in proptest::collection::vec(step(), 1..200),
        reserved in proptest::collection::vec((1u8..24, 90u8..130), 0..6),
        capacity in 4u32..40,
    ) {
        let mut view = view(&[(100, 103), (106, 112)], &reserved);
        let mut table = new_table(capacity);
        let mut model = Model::default();
        let mut now = Instant::ZERO + Duration::from_secs(1);
        for step in steps {
            match step {
                Step::Discover { client, wish } => {
                    let wish = wish.map(|last| Ipv4Addr::new(10, 0, 0, last));
                    let claim = claim(&view, client, now);
                    if let Some(address) = table.offer(&claim, wish) {
                        prop_assert!(claim.may_keep(address));
                        prop_assert!(address != view.networks[0].server);
                        model.promise(address, client, now + limits::OFFER_HOLD, now);
                    }
                }
                Step::Request { client, address } => {
                    let address = Ipv4Addr::new(10, 0, 0, address);
                    if table.bind(&claim(&view, client, now), address, LEASE, true).is_ok() {
                        model.promise(address, client, now + LEASE, now);
                    }
                }
                Step::Renew { client } => {
                    if let Some(lease) = known(&table, client, &view.networks[0])
                        && let address = lease.address
                        && table.bind(&claim(&view, client, now), address, LEASE, false).is_ok()
                    {
                        model.promise(address, client, now + LEASE, now);
                    }
                }
                Step::Release { client } => {
                    let network = &view.networks[0];
                    let Some(lease) = known(&table, client, network) else { continue };
                    prop_assert_eq!(table.release(key(client), network, lease.address), Ok(()));
                    model.promised.remove(&lease.address);
                }
                Step::Decline { client } => {
                    let network = &view.networks[0];
                    let Some(lease) = known(&table, client, network) else { continue };
                    prop_assert_eq!(table.decline(key(client), network, lease.address, now), Ok(()));
                    model.promised.remove(&lease.address);
                }
                Step::Withdraw { client } => {
                    let network = &view.networks[0];
                    let Some(lease) = known(&table, client, network) else { continue };
                    table.withdraw(key(client), network);
                    if matches!(lease.state(), LeaseState::Offered { .. }) {
                        model.promised.remove(&lease.address);
                    }
                }
                Step::Pass { seconds } => now = now + Duration::from_secs(seconds),
                Step::Reload { first, size } => {
                    view.networks.edit()[0].pools = network(&[(first, first + size)]).pools;
                }
            }
            check(&table);
        }
    }
}

fn key(client: u8) -> ClientKey {
    ClientKey::Mac(mac(client))
}

fn known(table: &LeaseTable, client: u8, network: &Network) -> Option<Lease> {
    table.find(key(client), network.subnet).copied()
}

/// What holds for the table at any time.
fn check(table: &LeaseTable) {
    let mut addresses = std::collections::BTreeSet::new();
    let mut clients = std::collections::BTreeSet::new();
    for lease in table.iter() {
        assert!(addresses.insert(lease.address), "{} twice", lease.address);
        assert_eq!(
            table.at(lease.address).map(|slot| table.lease(slot).address),
            Some(lease.address)
        );
        if let Some(client @ ClientKey::Mac(mac)) = lease.client {
            assert!(clients.insert(mac), "{mac} twice");
            let found = table.on_ground(client, lease.ground);
            assert_eq!(found.map(|slot| table.lease(slot).address), Some(lease.address));
        }
    }
    assert!(addresses.len() <= table.capacity as usize);
    let counted: u32 = (0..table.grounds.len()).map(|ground| table.grounds.at(ground).count).sum();
    assert_eq!(counted as usize, addresses.len());
}

/// Every address of a large pool is given away, then every one is found again after it ended, and
/// each search takes few steps though none but one is free.
#[test]
fn a_large_pool_is_given_away_to_the_last_address() {
    let size = 60_000u32;
    let first = Ipv4Addr::new(10, 0, 1, 0);
    let mut view = view(&[], &[]);
    view.networks.edit()[0].subnet.prefix_len = 16;
    view.networks.edit()[0].pools =
        vec![Pool::new(first, Ipv4Addr::from_bits(first.to_bits() + size - 1))];
    let mut table = new_table(size);
    let client = |number: u32| {
        let [a, b, c, d] = number.to_be_bytes();
        ClientKey::Mac(MacAddr([2, 1, a, b, c, d]))
    };
    let lease = Duration::from_secs(100_000);
    let mut now = Instant::ZERO + Duration::from_secs(1);
    let claim_of = |number, now| Claim {
        view: &view,
        network: &view.networks[0],
        client: client(number),
        machine: None,
        classes: ClassSet::EMPTY,
        is_silent: false,
        now,
    };
    for number in 0..size {
        now = now + Duration::from_millis(1);
        let claim = claim_of(number, now);
        let address = table.offer(&claim, None).expect("the pool is not used up");
        assert_eq!(table.bind(&claim, address, lease, false), Ok(()));
    }
    assert_eq!(table.offer(&claim_of(size, now), None), None);
    // The first lease ends; its address is the one that goes to a new client, at once.
    now = now + (lease - Duration::from_millis(u64::from(size) - 2));
    assert_eq!(table.offer(&claim_of(size, now), None), Some(first));
    // A known client finds its own, in whatever order clients come back.
    now = now + lease + lease;
    for number in (1..size).rev() {
        let expected = Ipv4Addr::from_bits(first.to_bits() + number);
        assert_eq!(table.offer(&claim_of(number, now), None), Some(expected));
    }
}

#[test]
fn addresses_that_a_reload_adds_are_found() {
    let mut view = view(&[(10, 11)], &[]);
    let mut table = new_table(16);
    let mut now = Instant::ZERO + Duration::from_secs(1);
    for number in 0..2 {
        assert!(table.offer(&claim(&view, number, now), None).is_some());
    }
    assert_eq!(table.offer(&claim(&view, 2, now), None), None);
    view.networks.edit()[0].pools = network(&[(10, 11), (20, 20)]).pools;
    now = now + SWEEP_PAUSE;
    assert_eq!(table.offer(&claim(&view, 2, now), None), Some(Ipv4Addr::new(10, 0, 0, 20)));
}

#[test]
fn a_long_lease_does_not_keep_shorter_ones_behind_it() {
    // A reload made leases shorter: those from before end last.
    let view = view(&[(10, 12)], &[]);
    let mut table = new_table(16);
    let mut now = Instant::ZERO + Duration::from_secs(1);
    for (number, lease) in [(0, LEASE * 100), (1, LEASE), (2, LEASE)] {
        let claim = claim(&view, number, now);
        let address = table.offer(&claim, None).unwrap();
        assert_eq!(table.bind(&claim, address, lease, false), Ok(()));
    }
    assert_eq!(table.offer(&claim(&view, 3, now), None), None);
    now = now + LEASE;
    for number in [3, 4] {
        let address = table.offer(&claim(&view, number, now), None);
        assert!(address.is_some_and(|address| address.octets()[3] > 10), "{address:?}");
    }
    assert_eq!(table.offer(&claim(&view, 5, now), None), None);
    check(&table);
}

#[test]
fn a_subnet_that_grows_keeps_its_leases() {
    let mut view = view(&[(10, 20)], &[]);
    let mut table = new_table(16);
    let now = Instant::ZERO + Duration::from_secs(1);
    let address = table.offer(&claim(&view, 1, now), None).unwrap();
    assert_eq!(table.bind(&claim(&view, 1, now), address, LEASE, false), Ok(()));
    view.networks.edit()[0].subnet.prefix_len = 16;
    // Nobody else gets it, and its client goes on with it.
    assert_ne!(table.offer(&claim(&view, 2, now), Some(address)), Some(address));
    assert_eq!(table.bind(&claim(&view, 1, now), address, LEASE, true), Ok(()));
    assert_eq!(table.offer(&claim(&view, 1, now), None), Some(address));
    check(&table);
}

#[test]
fn a_lease_is_small() {
    assert!(size_of::<Lease>() <= 64, "{}", size_of::<Lease>());
}

#[test]
fn a_lease_takes_less_than_128_bytes() {
    // As many chains as there can be for a lease: capacities round up to a power of two.
    for capacity in [1 << 19, (1 << 19) + 1, 1_000_000] {
        let config = Dhcp4Config { leases_max: capacity, durable: true, ..Dhcp4Config::default() };
        let table = LeaseTable::new(&config, &mut Rng::new(1));
        let LeaseTable { leases, capacity: _, free, by_client, by_address, links, .. } = &table;
        let bytes = leases.capacity() * size_of::<Lease>()
            + free.capacity() * size_of::<u32>()
            + by_client.bytes()
            + by_address.bytes()
            + links.bytes();
        let each = bytes.div_ceil(capacity as usize);
        assert!((64..=96).contains(&each), "{each} bytes");
    }
}
