//! Queues with `x-max-priority`, and quorum queues, which need none.

use leveret_protocol::FieldTable;
use leveret_protocol::method::queue::{Declare, DeclareOk, PurgeOk};
use leveret_protocol::properties::OwnedProperties;

use crate::support::methods::{purge, queue};
use crate::support::{Broker, Channel};

#[test]
fn a_higher_priority_comes_first_and_equals_in_order() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, 10);
    let sent = [("a", 1), ("b", 9), ("c", 1), ("d", 10), ("e", 9), ("f", 0)];
    sent.iter()
        .for_each(|&(body, priority)| publish(&channel, Some(priority), body));
    assert_eq!(channel.drain("q"), ["d", "b", "e", "a", "c", "f"]);
}

#[test]
fn what_exceeds_the_maximum_counts_as_the_maximum_and_none_as_the_lowest() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, 5);
    let sent = [
        ("a", None),
        ("b", Some(0)),
        ("c", Some(5)),
        ("d", Some(255)),
        ("e", None),
    ];
    sent.iter()
        .for_each(|&(body, priority)| publish(&channel, priority, body));
    assert_eq!(channel.drain("q"), ["c", "d", "a", "b", "e"]);
}

#[test]
fn all_levels_up_to_255_are_told_apart() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, 255);
    (0..=255).for_each(|priority| publish(&channel, Some(priority), priority.to_string()));
    let expected: Vec<String> = (0..=255).rev().map(|priority: u8| priority.to_string()).collect();
    assert_eq!(channel.drain("q"), expected);
}

#[test]
fn a_queue_without_priorities_keeps_the_order_of_arrival() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for most in [None, Some(0)] {
        channel.call::<DeclareOk<'_>>(Declare {
            arguments: most.map(|most| ("x-max-priority", most)).into_iter().collect(),
            exclusive: true,
            ..queue(if most.is_some() { "q" } else { "plain" })
        });
    }
    for name in ["q", "plain"] {
        for (body, priority) in [("a", 1), ("b", 9), ("c", 5)] {
            let properties = OwnedProperties::new().with_priority(priority).encode();
            channel.publish_with(name, &properties, body);
        }
        assert_eq!(channel.drain(name), ["a", "b", "c"]);
    }
}

#[test]
fn what_comes_back_takes_its_place_in_its_own_level() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, 3);
    for (body, priority) in [("a", 1), ("b", 1), ("c", 2), ("d", 2)] {
        publish(&channel, Some(priority), body);
    }
    let tags: Vec<u64> = (0..3)
        .map(|_| {
            let got = channel.get("q").unwrap();
            assert!(!got.redelivered, "{got:?}");
            got.tag
        })
        .collect();
    channel.requeue(tags[2]);
    channel.reject(tags[1], true);
    channel.requeue(tags[0]);
    publish(&channel, Some(2), "e");
    let again: Vec<(Vec<u8>, bool)> = (0..5)
        .map(|_| channel.get("q").map(|got| (got.body, got.redelivered)).unwrap())
        .collect();
    let expected = [("c", true), ("d", true), ("e", false), ("a", true), ("b", false)];
    assert_eq!(
        again,
        expected.map(|(body, redelivered)| (body.into(), redelivered))
    );
}

#[test]
fn what_a_consumer_has_prefetched_is_not_overtaken() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, 9);
    publish(&channel, Some(0), "a");
    publish(&channel, Some(0), "b");
    channel.prefetch(1);
    channel.consume("q");
    let first = channel.delivery();
    assert_eq!(first.body, b"a");
    publish(&channel, Some(9), "c");
    assert_eq!(channel.ready("q"), 2);
    channel.ack(first.tag);
    assert_eq!(channel.delivery().body, b"c");
}

#[test]
fn a_purge_takes_all_levels_and_nothing_that_is_unacked() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, 9);
    (0..10).for_each(|priority| publish(&channel, Some(priority), priority.to_string()));
    let got = channel.get("q").unwrap();
    assert_eq!(channel.call::<PurgeOk>(purge("q")).message_count, 9);
    assert_eq!(channel.ready("q"), 0);
    channel.requeue(got.tag);
    assert_eq!(channel.drain("q"), ["9"]);
}

#[test]
fn a_quorum_queue_has_32_levels_and_none_counts_as_the_fifth() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare_quorum(&channel);
    let sent = [
        ("a", None),
        ("b", None),
        ("c", Some(0)),
        ("d", Some(5)),
        ("e", Some(4)),
        ("f", Some(31)),
        ("g", Some(255)),
        ("h", Some(30)),
        ("i", None),
        ("j", Some(3)),
        ("k", Some(32)),
    ];
    for (body, priority) in sent {
        publish(&channel, priority, body);
    }
    assert_eq!(
        channel.drain("q"),
        ["f", "g", "k", "h", "d", "a", "b", "e", "i", "j", "c"]
    );
}

#[test]
fn what_comes_back_to_a_quorum_queue_goes_before_what_is_new_in_its_level() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare_quorum(&channel);
    publish(&channel, None, "a");
    publish(&channel, None, "b");
    let (a, b) = (channel.get("q").unwrap(), channel.get("q").unwrap());
    publish(&channel, None, "c");
    publish(&channel, Some(5), "d");
    publish(&channel, Some(1), "e");
    channel.requeue(b.tag);
    channel.reject(a.tag, true);
    publish(&channel, Some(4), "f");
    assert_eq!(channel.drain("q"), ["d", "a", "b", "c", "f", "e"]);
}

fn declare_quorum(channel: &Channel) {
    channel.call::<DeclareOk<'_>>(Declare {
        durable: true,
        arguments: FieldTable::from_iter([("x-queue-type", "quorum")]),
        ..queue("q")
    });
}

fn declare(channel: &Channel, max_priority: i32) {
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([("x-max-priority", max_priority)]),
        ..queue("q")
    });
}

fn publish(channel: &Channel, priority: Option<u8>, body: impl AsRef<[u8]>) {
    let properties = OwnedProperties {
        priority,
        ..OwnedProperties::default()
    };
    channel.publish_with("q", &properties.encode(), body);
}
