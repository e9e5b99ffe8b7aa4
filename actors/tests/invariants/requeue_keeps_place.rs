//! 5. Requeue keeps place, also when a crash gives messages back.

use std::collections::BTreeSet;

use leveret_actors::fault::Fault;

use super::ring::Ring;
use super::support::{Channel, eventually};

const MESSAGES: usize = 12;

/// A queue with numbered messages, and three channels that hold three of them each, in turn.
fn held_by_three(ring: &Ring) -> (Channel, [Channel; 3]) {
    let publisher = ring.connect().channel();
    publisher.declare("q");
    for number in 0..MESSAGES {
        publisher.publish("", "q", format!("{number:02}"));
    }
    assert_eq!(publisher.ready("q") as usize, MESSAGES);
    let holders = std::array::from_fn(|_| ring.connect().channel());
    for _ in 0..3 {
        for holder in &holders {
            assert!(holder.get("q").is_some());
        }
    }
    (publisher, holders)
}

/// Takes all there is: the numbers, and which of them are marked as redelivered.
fn drain(channel: &Channel) -> (Vec<usize>, BTreeSet<usize>) {
    let mut order = Vec::new();
    let mut redelivered = BTreeSet::new();
    while let Some(got) = channel.get("q") {
        let number = str::from_utf8(&got.body).unwrap().parse().unwrap();
        order.push(number);
        if got.redelivered {
            redelivered.insert(number);
        }
    }
    (order, redelivered)
}

#[test]
fn messages_of_crashed_channels_return_to_their_places_in_whatever_order_they_crash() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let ring = Ring::with_workers(2);
        let (publisher, holders) = held_by_three(&ring);
        for holder in order.map(|at| &holders[at]) {
            let peer = holder.connection().local_address();
            ring.inject(Fault::Channel(peer, holder.number()));
            assert_eq!(holder.expect_close().reply_code, 541);
        }
        let (numbers, redelivered) = drain(&publisher);
        assert_eq!(numbers, Vec::from_iter(0..MESSAGES));
        assert_eq!(redelivered, BTreeSet::from_iter(0..9));
    }
}

#[test]
fn crashes_nacks_and_acks_leave_the_rest_in_place() {
    let ring = Ring::with_workers(2);
    let (publisher, [crashing, nacking, acking]) = held_by_three(&ring);
    acking.ack_up_to(3);
    nacking.requeue(2);
    let peer = crashing.connection().local_address();
    ring.inject(Fault::Connection(peer));
    crashing.connection().expect_end();
    let back = || (publisher.ready("q"), acking.ready("q"), nacking.ready("q"));
    eventually("all is back", || back() == (7, 7, 7));
    let (numbers, redelivered) = drain(&publisher);
    assert_eq!(numbers, [0, 3, 4, 6, 9, 10, 11]);
    assert_eq!(redelivered, BTreeSet::from([0, 3, 4, 6]));
}
