//! Queues that count how often each message comes back: `x-delivery-count` and `x-delivery-limit`.

use leveret_protocol::method::queue::{Declare, DeclareOk};
use leveret_protocol::properties::Properties;
use leveret_protocol::{FieldTable, FieldValue};

use crate::support::methods::queue;
use crate::support::{Broker, Channel};

#[test]
fn the_first_delivery_has_no_count_and_each_return_adds_one() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, [("x-queue-type", "quorum".into())]);
    channel.publish("", "q", "a");
    for count in [None, Some(1), Some(2), Some(3)] {
        let got = channel.get("q").unwrap();
        assert_eq!(
            (count_of(&got.properties), got.redelivered),
            (count, count.is_some())
        );
        match count {
            Some(1) => channel.reject(got.tag, true),
            _ => channel.requeue(got.tag),
        }
    }
    channel.consume("q");
    let delivery = channel.delivery();
    assert_eq!(count_of(&delivery.properties), Some(4));
}

#[test]
fn a_lost_channel_counts_and_a_message_that_was_not_handed_out_has_no_count() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    declare(&channel, [("x-delivery-limit", 5.into())]);
    (0..3).for_each(|n| channel.publish("", "q", n.to_string()));
    let lost = connection.channel();
    lost.get("q").unwrap();
    lost.get("q").unwrap();
    lost.close();
    let counts: Vec<Option<i64>> = (0..3)
        .map(|_| count_of(&channel.get("q").unwrap().properties))
        .collect();
    assert_eq!(counts, [Some(1), Some(1), None]);
}

#[test]
fn a_classic_queue_counts_only_when_it_has_to() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, []);
    channel.publish("", "q", "a");
    let first = channel.get("q").unwrap();
    channel.requeue(first.tag);
    let got = channel.get("q").unwrap();
    assert!(got.redelivered);
    assert_eq!(got.properties, first.properties);
}

#[test]
fn one_return_more_than_the_limit_is_the_end() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, [("x-delivery-limit", 2.into())]);
    channel.publish("", "q", "a");
    channel.publish("", "q", "b");
    for count in [None, Some(1), Some(2)] {
        let got = channel.get("q").unwrap();
        assert_eq!((got.body, count_of(&got.properties)), (b"a".to_vec(), count));
        channel.requeue(got.tag);
    }
    assert_eq!(channel.drain("q"), ["b"]);
}

#[test]
fn quorum_queues_give_up_after_twenty_returns_unless_told_otherwise() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for (limit, returns) in [(None, 20), (Some(-1), 50)] {
        let name = format!("limit {limit:?}");
        let kind = ("x-queue-type", FieldValue::from("quorum"));
        let limit = limit.map(|limit: i32| ("x-delivery-limit", limit.into()));
        channel.call::<DeclareOk<'_>>(Declare {
            durable: true,
            arguments: [kind].into_iter().chain(limit.clone()).collect(),
            ..queue(&name)
        });
        channel.publish("", &name, "a");
        for _ in 0..=returns {
            let got = channel.get(&name).unwrap();
            channel.requeue(got.tag);
        }
        assert_eq!(channel.get(&name).is_some(), limit.is_some());
    }
}

fn declare<'a>(channel: &Channel, arguments: impl IntoIterator<Item = (&'a str, FieldValue)>) {
    channel.call::<DeclareOk<'_>>(Declare {
        durable: true,
        arguments: FieldTable::from_iter(arguments),
        ..queue("q")
    });
}

fn count_of(properties: &[u8]) -> Option<i64> {
    let headers = Properties::parse(properties).unwrap().headers().unwrap()?;
    match headers.get("x-delivery-count")? {
        FieldValue::I64(count) => Some(*count),
        other => panic!("{other:?}"),
    }
}
