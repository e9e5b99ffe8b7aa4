//! `kill -9` while messages are dead-lettered or delayed: none is lost.

use std::collections::BTreeSet;

use leveret_protocol::method::basic::Publish;
use leveret_protocol::method::exchange;
use leveret_protocol::method::queue::{BindOk, Declare, DeclareOk};
use leveret_protocol::{FieldTable, FieldValue, OwnedProperties};

use super::support::methods::bind;
use super::support::process::BrokerProcess;
use super::support::{Channel, PATIENCE};
use super::{PERSISTENT, durable, durable_exchange};

fn kill(mut broker: BrokerProcess) {
    broker.signal("KILL");
    broker.ended(PATIENCE);
}

/// Declares a durable queue "source" whose dead letters go to a durable queue "dead".
fn declare(channel: &Channel) {
    channel.call::<DeclareOk<'_>>(durable("dead"));
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([
            ("x-dead-letter-exchange", ""),
            ("x-dead-letter-routing-key", "dead"),
        ]),
        ..durable("source")
    });
}

/// Publishes persistent messages with these numbers and waits until all are confirmed.
fn publish(channel: &Channel, queue: &str, numbers: std::ops::Range<u32>) {
    channel.confirm_select();
    let count = u64::from(numbers.end - numbers.start);
    numbers.for_each(|number| channel.publish_with(queue, &PERSISTENT, number.to_string()));
    channel.acked(1, count);
}

/// Takes and acknowledges everything in a queue.
fn drain(channel: &Channel, queue: &str) -> Vec<u32> {
    let bodies = channel.drain(queue);
    bodies.iter().map(|body| body.parse().unwrap()).collect()
}

#[test]
fn a_kill_among_rejections_loses_none_of_the_rejected() {
    const MESSAGES: u32 = 3_000;
    let data = tempfile::tempdir().unwrap();
    let mut broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    declare(&channel);
    publish(&channel, "source", 0..MESSAGES);
    let mut dead = BTreeSet::new();
    // Each round ends in the middle of what it rejects.
    for round in 1..=3 {
        let channel = broker.connect().channel();
        channel.consume("source");
        for _ in 0..MESSAGES / 5 * round / 2 {
            channel.reject(channel.delivery().tag, false);
        }
        let witness = broker.connect().channel();
        witness.consume("dead");
        for _ in 0..MESSAGES / 20 {
            let delivery = witness.delivery();
            let number: u32 = String::from_utf8(delivery.body).unwrap().parse().unwrap();
            dead.insert(number);
        }
        kill(broker);
        broker = BrokerProcess::start_in(data.path());
    }
    let channel = broker.connect().channel();
    let left = drain(&channel, "source");
    let mut all: BTreeSet<u32> = drain(&channel, "dead").into_iter().collect();
    assert!(all.is_superset(&dead), "what was seen and not settled is there");
    assert!(all.len() >= MESSAGES as usize / 20, "something was dead-lettered");
    all.extend(left);
    assert!(all.into_iter().eq(0..MESSAGES));
}

#[test]
fn a_clean_stop_among_rejections_loses_none_either() {
    const MESSAGES: u32 = 1_000;
    let data = tempfile::tempdir().unwrap();
    let mut broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    declare(&channel);
    publish(&channel, "source", 0..MESSAGES);
    channel.consume("source");
    for _ in 0..MESSAGES {
        channel.reject(channel.delivery().tag, false);
    }
    broker.signal("TERM");
    broker.ended(PATIENCE);
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    let mut all: BTreeSet<u32> = drain(&channel, "source").into_iter().collect();
    all.extend(drain(&channel, "dead"));
    assert!(all.into_iter().eq(0..MESSAGES));
}

#[test]
fn blind_copies_are_remembered_and_hidden_across_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    for name in ["dead", "blind"] {
        channel.call::<DeclareOk<'_>>(durable(name));
        channel.call::<BindOk>(bind(name, "amq.direct", name));
    }
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([("x-dead-letter-exchange", "amq.direct")]),
        ..durable("source")
    });
    channel.confirm_select();
    let keys = FieldValue::Array(vec!["elsewhere".into(), "blind".into()]);
    let headers = FieldTable::from_iter([("BCC", keys)]);
    let properties = OwnedProperties::new().with_headers(headers).with_delivery_mode(2);
    channel.publish_with("source", &properties.encode(), "1");
    channel.acked(1, 1);
    assert_eq!(drain(&channel, "blind"), [1]);
    kill(broker);
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    channel.consume("source");
    let delivery = channel.delivery();
    let needle = |window: &[u8]| window == b"BCC";
    assert!(!delivery.properties.windows(3).any(needle));
    channel.reject(delivery.tag, false);
    channel.consume("blind");
    assert_eq!(channel.delivery().body, b"1");
}

#[test]
fn delayed_messages_keep_their_time_across_a_kill() {
    const MESSAGES: u32 = 500;
    let data = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    channel.call::<exchange::DeclareOk>(exchange::Declare {
        arguments: FieldTable::from_iter([("x-delayed-type", "direct")]),
        ..durable_exchange("later", "x-delayed-message")
    });
    channel.call::<DeclareOk<'_>>(durable("q"));
    channel.call::<BindOk>(bind("q", "later", "k"));
    channel.confirm_select();
    for number in 0..MESSAGES {
        let headers = FieldTable::from_iter([("x-delay", 1_500 - number)]);
        let properties = OwnedProperties::new().with_headers(headers).with_delivery_mode(2);
        let publish = Publish {
            exchange: "later",
            routing_key: "k",
            ..Default::default()
        };
        channel.publish_as(publish, &properties.encode(), number.to_string());
    }
    channel.acked(1, MESSAGES.into());
    kill(broker);
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    channel.consume("q");
    let mut got = BTreeSet::new();
    while got.len() < MESSAGES as usize {
        let delivery = channel.delivery();
        let number: u32 = String::from_utf8(delivery.body).unwrap().parse().unwrap();
        got.insert(number);
        channel.ack(delivery.tag);
    }
    assert!(got.into_iter().eq(0..MESSAGES));
}
