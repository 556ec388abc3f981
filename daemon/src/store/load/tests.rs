use super::*;
use crate::store::record::{Record, RecordState};
use crate::store::wall::Wall;

fn clocks() -> Clocks {
    Clocks { wall: Wall::from_seconds(1_000), monotonic: Instant::from_nanos(1_000_000_000) }
}

fn view() -> View {
    let network = reveille_core::view::Network {
        subnet: Subnet { address: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 24 },
        ..Default::default()
    };
    View { networks: vec![network].into(), ..View::default() }
}

fn damaged(address: Ipv4Addr) -> Row {
    Row { address, record: Err(Damage::NoRecord) }
}

#[test]
fn a_damaged_lease_holds_its_address_whether_or_not_its_network_is_there() {
    let (here, away) = (Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::new(10, 9, 0, 7));
    let mut loaded = Loaded::default();
    let mut taken = Vec::new();
    let mut restore = |binding: &Binding| {
        taken.push((binding.address, binding.subnet.prefix_len, binding.state));
        Ok(())
    };
    for address in [here, away] {
        loaded.take(&damaged(address), &view(), clocks(), &mut restore).expect("there is room");
    }
    let for_ever = BindingState::Declined { until: Instant::MAX };
    assert_eq!(taken, [(here, 24, for_ever), (away, 0, for_ever)]);
    assert_eq!(loaded.damaged.len(), 2);
    assert_eq!(loaded.declined, 2);
}

#[test]
fn a_lease_that_finds_no_room_keeps_the_server_from_starting() {
    let record = Record {
        address: Ipv4Addr::new(10, 0, 0, 7),
        subnet: Subnet { address: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 24 },
        client: None,
        client_id: ClientId::EMPTY,
        hostname: Text::EMPTY,
        state: RecordState::Bound {
            since: Wall::from_seconds(1),
            until: Wall::from_seconds(9_000),
        },
    };
    let row = Row { address: record.address, record: Ok(record) };
    let mut loaded = Loaded::default();
    let full =
        loaded.take(&row, &view(), clocks(), &mut |_| Err(RestoreError::TableFull { held: true }));
    assert!(matches!(full, Err(StoreError::NoRoom)));
    // One that is kept already takes nothing away.
    let known = loaded.take(&row, &view(), clocks(), &mut |_| Err(RestoreError::Known));
    known.expect("it goes on");
    assert_eq!(loaded.refusal, Some(RestoreError::Known));
}
