use super::*;

/// The bytes that the kernel would collect from a message.
fn collected<const IOVECS: usize>(message: &Message<IOVECS>) -> Vec<Vec<u8>> {
    // SAFETY: the pieces point into buffers of the test that calls.
    let pieces =
        unsafe { std::slice::from_raw_parts(message.header.msg_iov, message.header.msg_iovlen) };
    let bytes = |piece: &iovec| {
        if piece.iov_len == 0 {
            return Vec::new();
        }
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(piece.iov_base.cast::<u8>(), piece.iov_len) }.to_vec()
    };
    pieces.iter().map(bytes).collect()
}

fn slots() -> SendSlots<8> {
    SendSlots::new(2).unwrap()
}

#[test]
fn a_slot_is_free_again_only_after_its_release() {
    let mut slots = slots();
    let first = slots.next_free().unwrap();
    slots.take(first);
    let second = slots.next_free().unwrap();
    assert_ne!(first, second);
    slots.take(second);
    assert_eq!(slots.next_free(), None);
    assert_eq!(slots.in_use(), 2);
    let life = slots.life(first);
    slots.release(first);
    assert_eq!(slots.next_free(), Some(first));
    assert_ne!(slots.life(first), life);
}

#[test]
fn heads_stay_where_they_are_kept() {
    let mut slots = slots();
    let mut kept = Vec::new();
    for (slot, len) in [(0, SHORT_HEAD_BYTES), (1, SHORT_HEAD_BYTES + 1)] {
        let head = vec![slot as u8 + 1; len];
        kept.push((slots.keep_head(slot, &head), head));
        slots.take(slot);
    }
    for (place, head) in kept {
        // SAFETY: both slots are taken and keep their heads for as long.
        assert_eq!(unsafe { std::slice::from_raw_parts(place, head.len()) }, head);
    }
}

#[test]
#[should_panic(expected = "a slot is freed once")]
fn a_slot_cannot_be_freed_twice() {
    let mut slots = slots();
    let slot = slots.next_free().unwrap();
    slots.take(slot);
    slots.release(slot);
    slots.release(slot);
}

#[test]
fn a_split_takes_heads_and_bodies_in_turns() {
    let (head, body) = (*b"AABBCC", *b"abcdefgh");
    let parts = Parts {
        head: head.as_ptr(),
        head_len: head.len(),
        body: body.as_ptr(),
        body_len: body.len(),
    };
    let mut slots = slots();
    let message = slots.message_mut(0);
    message.set_route("127.0.0.1:69".parse().unwrap(), Ipv4Addr::LOCALHOST, 0);
    message.set_split(parts, Split { head_len: 2, body_len: 4, segments: 3 });
    let expected: [&[u8]; 6] = [b"AA", b"abcd", b"BB", b"efgh", b"CC", b""];
    assert_eq!(collected(message), expected);
    assert_eq!(message.control.segment, 6);
    message.narrow_to_segment(1);
    assert_eq!(collected(message), [b"BB".as_slice(), b"efgh"]);
    assert_eq!(message.header.msg_controllen, 32);
}

#[test]
fn a_partly_sent_message_goes_on_where_it_stopped() {
    let (head, body) = (*b"head", *b"body");
    let parts = Parts { head: head.as_ptr(), head_len: 4, body: body.as_ptr(), body_len: 4 };
    let mut slots = slots();
    let message = slots.message_mut(0);
    message.set_connected();
    message.set_parts(parts);
    assert_eq!(message.advance(3), 5);
    assert_eq!(collected(message), [b"d".as_slice(), b"body"]);
    assert_eq!(message.advance(3), 2);
    assert_eq!(collected(message), [b"".as_slice(), b"dy"]);
    assert_eq!(message.advance(2), 0);
}
