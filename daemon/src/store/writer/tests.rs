use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::mem;
use std::net::Ipv4Addr;
use std::rc::Rc;

use reveille_core::binding::{BindingState, ClientId};
use reveille_core::dhcp4::ClientKey;
use reveille_core::mac::MacAddr;
use reveille_core::text::Text;
use reveille_core::view::Subnet;

use super::super::faulty::{Fault, Faulty};
use super::super::wall::Wall;
use super::*;

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

fn clocks() -> Clocks {
    let now = NOW.get();
    Clocks { wall: Wall::from_seconds(2_000_000_000).plus(now), monotonic: Instant::ZERO + now }
}

/// Both ends of the way to the engine; waiting lets time pass.
#[derive(Clone, Debug, Default)]
struct Desk(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    requests: VecDeque<(Ticket, Binding)>,
    answers: Vec<StoreAnswer>,
    waited: Vec<Duration>,
}

impl Port for Desk {
    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        if state.requests.is_empty() {
            NOW.set(NOW.get() + timeout);
            state.waited.push(timeout);
        }
        Ok(())
    }

    fn take_all(&mut self, mut take: impl FnMut(Ticket, Binding)) {
        for (ticket, binding) in self.0.borrow_mut().requests.drain(..) {
            take(ticket, binding);
        }
    }

    fn answer(&mut self, answer: StoreAnswer) {
        self.0.borrow_mut().answers.push(answer);
    }

    fn is_closed(&self) -> bool {
        false
    }
}

impl Desk {
    fn ask(&self, ticket: u64, address: u8, client: u8) {
        let binding = Binding {
            address: Ipv4Addr::new(10, 0, 0, address),
            subnet: Subnet { address: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 24 },
            client: Some(ClientKey::Mac(MacAddr([2, 0, 0, 0, 0, client]))),
            client_id: ClientId::EMPTY,
            hostname: Text::EMPTY,
            state: BindingState::Bound { since: clocks().monotonic, until: Instant::MAX },
        };
        self.0.borrow_mut().requests.push_back((Ticket(ticket), binding));
    }

    fn answers(&self) -> Vec<StoreAnswer> {
        mem::take(&mut self.0.borrow_mut().answers)
    }
}

fn work(faults: &[Fault]) -> (Work<Faulty, Desk>, Desk) {
    NOW.set(Duration::from_secs(100));
    let desk = Desk::default();
    let store = Faulty { faults: faults.iter().copied().collect(), ..Faulty::default() };
    let health = Arc::new(Health::default());
    (Work::new(store, desk.clone(), health, PathBuf::from("/state"), clocks), desk)
}

#[test]
fn all_that_waits_is_one_group_with_one_answer() {
    let (mut work, desk) = work(&[]);
    for ticket in 1..=5 {
        desk.ask(ticket, ticket as u8, 1);
    }
    work.turn().expect("the desk never fails");
    assert_eq!(desk.answers(), [StoreAnswer::Stored(Ticket(5))]);
    desk.ask(6, 6, 1);
    work.turn().expect("the desk never fails");
    assert_eq!(desk.answers(), [StoreAnswer::Stored(Ticket(6))]);
    assert_eq!(work.store.groups, [5, 1]);
    let numbers = work.health.snapshot(clocks().monotonic);
    assert_eq!((numbers.commits, numbers.records, numbers.largest_group), (2, 6, 5));
}

#[test]
fn after_a_failure_nothing_is_written_until_the_store_is_open_again() {
    let full = Fault::Fails(ErrorKind::StorageFull);
    let (mut work, desk) = work(&[Fault::None, full, full, full, Fault::None]);
    desk.ask(1, 1, 1);
    work.turn().expect("the desk never fails");
    desk.ask(2, 2, 2);
    work.turn().expect("the desk never fails");
    assert_eq!(desk.answers(), [StoreAnswer::Stored(Ticket(1)), StoreAnswer::Failed]);
    assert!(work.health.snapshot(clocks().monotonic).failing.is_some());
    // What the engine had asked for before it heard of the failure goes nowhere.
    desk.ask(3, 3, 3);
    work.turn().expect("the desk never fails");
    assert_eq!(desk.answers(), []);
    for _ in 0..3 {
        work.turn().expect("the desk never fails");
    }
    assert_eq!(desk.answers(), [StoreAnswer::Recovered]);
    let pauses: Vec<u64> =
        desk.0.borrow().waited.iter().map(|pause| pause.as_millis() as u64).collect();
    assert_eq!(pauses, [250, 500, 1000], "each pause is longer");
    assert_eq!(work.health.snapshot(clocks().monotonic).failing, None);
    desk.ask(4, 4, 4);
    work.turn().expect("the desk never fails");
    assert_eq!(desk.answers(), [StoreAnswer::Stored(Ticket(4))]);
    let kept: Vec<u8> = work.store.rows.keys().map(|address| address.octets()[3]).collect();
    assert_eq!(kept, [1, 4]);
}

#[test]
fn the_pause_between_attempts_is_bounded() {
    let (mut work, desk) = work(&[Fault::Fails(ErrorKind::ReadOnlyFilesystem); 20]);
    desk.ask(1, 1, 1);
    for _ in 0..15 {
        work.turn().expect("the desk never fails");
    }
    assert_eq!(desk.0.borrow().waited.last(), Some(&RETRY_MAX));
    assert_eq!(desk.answers(), [StoreAnswer::Failed]);
}

/// Whatever of a failed group reached the disk: the engine asks anew, and its last word stays.
#[test]
fn torn_and_late_groups_are_overwritten() {
    for fault in [Fault::Torn, Fault::FailsLate(ErrorKind::Other)] {
        let (mut work, desk) = work(&[fault]);
        for ticket in 1..=4 {
            desk.ask(ticket, ticket as u8, 1);
        }
        work.turn().expect("the desk never fails");
        work.turn().expect("the desk never fails");
        assert_eq!(desk.answers(), [StoreAnswer::Failed, StoreAnswer::Recovered]);
        desk.ask(5, 1, 9);
        work.turn().expect("the desk never fails");
        assert_eq!(desk.answers(), [StoreAnswer::Stored(Ticket(5))]);
        let first = work.store.rows[&Ipv4Addr::new(10, 0, 0, 1)];
        assert_eq!(first.client, Some(ClientKey::Mac(MacAddr([2, 0, 0, 0, 0, 9]))));
    }
}
