//! What dies in a queue leaves it when its targets have it, whoever crashes meanwhile.

use std::collections::BTreeSet;

use leveret_actors::fault::{Fault, POISON};
use leveret_protocol::method::queue::{Declare, DeclareOk};
use leveret_protocol::{FieldTable, FieldValue};

use super::ring::Ring;
use super::support::Channel;
use super::support::methods::queue;

#[track_caller]
fn declare<const N: usize>(channel: &Channel, name: &str, arguments: [(&str, FieldValue); N]) {
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter(arguments),
        ..queue(name)
    });
}

/// A channel that has rejected messages 1 to 5 of "source", whose target "full" has one message, takes no more, and is
/// consumed one by one.
fn rejected(ring: &Ring) -> Channel {
    let channel = ring.connect().channel();
    let full = [
        ("x-max-length", 1.into()),
        ("x-overflow", "reject-publish".into()),
    ];
    declare(&channel, "full", full);
    let dying = [
        ("x-dead-letter-exchange", "".into()),
        ("x-dead-letter-routing-key", "full".into()),
    ];
    declare(&channel, "source", dying);
    channel.publish("", "full", "0");
    (1..=5).for_each(|n| channel.publish("", "source", n.to_string()));
    for _ in 1..=5 {
        let got = channel.get("source").expect("a message");
        channel.reject(got.tag, false);
    }
    assert_eq!(channel.ready("source"), 0);
    channel
}

/// The messages that come, until all have.
#[track_caller]
fn all_come(channel: &Channel) {
    channel.consume("full");
    let mut come = BTreeSet::new();
    while come.len() < 6 {
        let delivery = channel.delivery();
        come.insert(String::from_utf8(delivery.body).unwrap());
        channel.ack(delivery.tag);
    }
}

#[test]
fn a_lost_forwarder_gives_the_dead_back_to_their_queue() {
    for workers in [1, 2] {
        let ring = Ring::with_workers(workers);
        let channel = rejected(&ring);
        ring.inject(Fault::Forwarder("/", "source"));
        channel.connection().channel();
        all_come(&channel);
    }
}

#[test]
fn a_target_that_crashes_is_sent_again_what_it_has_not_confirmed() {
    let ring = Ring::with_workers(2);
    let channel = rejected(&ring);
    ring.inject(Fault::Queue("/", "full"));
    let witness = ring.connect().channel();
    // What was in it is lost with it: it is in memory alone.
    witness.consume("full");
    let mut come = BTreeSet::new();
    while (1..=5).any(|n| !come.contains(&n.to_string())) {
        let delivery = witness.delivery();
        come.insert(String::from_utf8(delivery.body).unwrap());
        witness.ack(delivery.tag);
    }
    drop(channel);
}

#[test]
fn a_message_that_no_forwarder_can_carry_holds_no_other_up_and_stays() {
    let ring = Ring::with_workers(1);
    let channel = ring.connect().channel();
    declare(&channel, "dead", []);
    let dying = [
        ("x-dead-letter-exchange", "".into()),
        ("x-dead-letter-routing-key", "dead".into()),
    ];
    declare(&channel, "source", dying);
    let bodies = ["1", "2", POISON, "3", "4"];
    bodies.iter().for_each(|body| channel.publish("", "source", body));
    for _ in bodies {
        let got = channel.get("source").expect("a message");
        channel.reject(got.tag, false);
    }
    channel.consume("dead");
    assert_eq!(channel.delivered(4), ["1", "2", "3", "4"]);
    channel.expect_nothing();
    // What comes later is not held up either.
    channel.publish("", "source", "5");
    let got = channel.get("source").expect("a message");
    channel.reject(got.tag, false);
    assert_eq!(channel.delivered(1), ["5"]);
}
