use std::net::Ipv4Addr;
use std::thread;

use reveille_core::binding::{BindingState, ClientId};
use reveille_core::text::Text;
use reveille_core::time::Instant;
use reveille_core::view::Subnet;

use super::*;

fn binding(number: u64) -> Binding {
    let address = Ipv4Addr::from_bits(u32::try_from(number).unwrap());
    Binding {
        address,
        subnet: Subnet { address, prefix_len: 24 },
        client: None,
        client_id: ClientId::EMPTY,
        hostname: Text::EMPTY,
        state: BindingState::Released { at: Instant::ZERO },
    }
}

fn answers(link: &PersistLink) -> Vec<StoreAnswer> {
    link.take_answers().collect()
}

const NOW: Duration = Duration::ZERO;

#[test]
fn a_store_is_woken_once_and_takes_all_in_order() {
    let (mut link, port) = pair().unwrap();
    assert!(!port.wait(NOW).unwrap());
    for number in 1..=3 {
        link.push(Ticket(number), binding(number));
    }
    assert!(!port.wait(NOW).unwrap(), "nobody is woken in the middle of a turn");
    link.wake();
    assert!(port.wait(NOW).unwrap());
    let mut taken = Vec::new();
    port.take_all(|ticket, binding| taken.push((ticket.0, binding.address.to_bits())));
    assert_eq!(taken, [(1, 1), (2, 2), (3, 3)]);
    assert!(!port.wait(NOW).unwrap());
}

#[test]
fn a_store_that_falls_behind_makes_the_shard_wait() {
    let (mut link, port) = pair().unwrap();
    for number in 1..=u64::from(limits::DHCP_PERSISTS_MAX) {
        assert!(link.has_room());
        link.push(Ticket(number), binding(number));
    }
    assert!(!link.has_room());
    let room = Wake(link.answered());
    assert!(!room.is_readable());
    port.take_all(|_, _| {});
    assert!(room.is_readable(), "there is room");
    assert_eq!(answers(&link), []);
    assert!(!room.is_readable());
    assert!(link.has_room());
    port.take_all(|_, _| {});
    assert!(!room.is_readable(), "nobody waits for room");
}

#[test]
fn answers_keep_their_order() {
    use StoreAnswer::{Failed, Recovered, Stored};
    let (link, port) = pair().unwrap();
    let say = |said: &[StoreAnswer]| {
        for answer in said {
            port.answer(*answer);
        }
        answers(&link)
    };
    assert_eq!(say(&[Stored(Ticket(1)), Stored(Ticket(5))]), [Stored(Ticket(5))]);
    assert_eq!(say(&[]), []);
    let whole = [Stored(Ticket(7)), Failed, Recovered, Stored(Ticket(9))];
    assert_eq!(say(&whole), whole);
    // Ticket 9 was asked for before the shard knew of the failure: it counts no more.
    let again = [Failed, Recovered, Stored(Ticket(9)), Failed];
    assert_eq!(say(&again), [Failed]);
    assert_eq!(say(&[Recovered]), [Recovered]);
}

#[test]
fn each_end_learns_of_the_others() {
    let (link, port) = pair().unwrap();
    drop(port);
    assert_eq!(answers(&link), [StoreAnswer::Failed]);

    let (mut link, port) = pair().unwrap();
    link.push(Ticket(1), binding(1));
    let waiting = thread::spawn(move || {
        while !port.is_closed() {
            port.wait(Duration::from_secs(60)).unwrap();
        }
        let mut taken = 0;
        port.take_all(|_, _| taken += 1);
        assert!(port.wait(NOW).unwrap(), "a shard that has ended leaves its store readable");
        taken
    });
    drop(link);
    assert_eq!(waiting.join().unwrap(), 1, "what was pushed before the end is not lost");
}

/// A descriptor that is looked at without waiting.
struct Wake<'f>(BorrowedFd<'f>);

impl Wake<'_> {
    fn is_readable(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).unwrap() > 0
    }
}
