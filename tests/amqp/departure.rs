//! What was dead in a queue before its end comes to where dead letters go, however the queue ends.

use leveret_protocol::method::basic::{Cancel, Nack};
use leveret_protocol::method::queue::{Declare, DeclareOk, DeleteOk};
use leveret_protocol::types::{FieldTable, FieldValue};

use crate::support::methods::{delete, queue};
use crate::support::{Broker, Channel};

/// More than a queue gives away at once.
const DEAD: usize = 1_500;

/// A channel on which there is a queue "dead" that takes nothing before it is consumed.
fn channel(broker: &Broker) -> Channel {
    let channel = broker.connect().channel();
    let arguments = [
        ("x-max-length", FieldValue::from(1)),
        ("x-overflow", "reject-publish".into()),
    ];
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter(arguments),
        ..queue("dead")
    });
    channel.publish("", "dead", "full");
    channel
}

/// A declaration of a queue "source" whose dead letters go to "dead".
fn source() -> Declare<'static> {
    let arguments = [
        ("x-dead-letter-exchange", FieldValue::from("")),
        ("x-dead-letter-routing-key", "dead".into()),
    ];
    Declare {
        arguments: FieldTable::from_iter(arguments),
        ..queue("source")
    }
}

/// Rejects many messages of "source", and leaves one unsettled and one ready.
fn reject(channel: &Channel) {
    channel.prefetch(DEAD as u16 + 1);
    channel.consume_as(leveret_protocol::method::basic::Consume {
        consumer_tag: "taker",
        ..crate::support::methods::consume("source")
    });
    for number in 0..DEAD + 2 {
        channel.publish("", "source", number.to_string());
    }
    let last = channel.deliveries(DEAD + 1)[DEAD - 1].tag;
    channel.send(Nack {
        delivery_tag: last,
        multiple: true,
        requeue: false,
    });
}

/// Those that were rejected come, in order, and nothing else.
#[track_caller]
fn all_come(broker: &Broker) {
    let channel = broker.connect().channel();
    channel.consume("dead");
    assert_eq!(channel.delivery().body, b"full");
    let mut come = Vec::new();
    for _ in 0..DEAD {
        let delivery = channel.delivery();
        come.push(
            String::from_utf8(delivery.body)
                .unwrap()
                .parse::<usize>()
                .unwrap(),
        );
    }
    come.sort_unstable();
    assert!(come.into_iter().eq(0..DEAD));
    channel.expect_nothing();
}

#[test]
fn a_deleted_queue() {
    let broker = Broker::start();
    let channel = channel(&broker);
    channel.call::<DeclareOk<'_>>(source());
    reject(&channel);
    let deleted = channel.connection().channel();
    deleted.call::<DeleteOk>(delete("source"));
    // Another one of that name has nothing to do with it.
    deleted.call::<DeclareOk<'_>>(source());
    assert_eq!(deleted.ready("source"), 0);
    all_come(&broker);
}

#[test]
fn a_queue_whose_last_consumer_leaves() {
    let broker = Broker::start();
    let channel = channel(&broker);
    channel.call::<DeclareOk<'_>>(Declare {
        auto_delete: true,
        ..source()
    });
    reject(&channel);
    channel.send(Cancel {
        consumer_tag: "taker",
        nowait: true,
    });
    all_come(&broker);
}

#[test]
fn an_exclusive_queue() {
    let broker = Broker::start();
    drop(channel(&broker));
    let owner = broker.connect();
    let channel = owner.channel();
    channel.call::<DeclareOk<'_>>(Declare {
        exclusive: true,
        ..source()
    });
    reject(&channel);
    channel.close();
    drop((channel, owner));
    all_come(&broker);
}

#[test]
fn a_queue_that_expires() {
    let broker = Broker::start();
    let channel = channel(&broker);
    let mut arguments = source().arguments;
    arguments.insert("x-expires", 50);
    channel.call::<DeclareOk<'_>>(Declare {
        arguments,
        ..source()
    });
    reject(&channel);
    channel.close();
    all_come(&broker);
}
