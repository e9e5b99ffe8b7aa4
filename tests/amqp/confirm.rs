//! Class `confirm`: every publication is answered, once.

use std::collections::BTreeSet;

use leveret_protocol::OwnedProperties;
use leveret_protocol::method::queue::{BindOk, Declare, DeclareOk, DeleteOk};

use crate::support::Broker;
use crate::support::messages::Confirm;
use crate::support::methods::{bind, delete, queue};

#[test]
fn publications_are_numbered_from_the_select_on() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.publish("", "q", "before");
    channel.confirm_select();
    channel.publish("", "q", "one");
    channel.acked(1, 1);
    channel.publish("", "q", "two");
    channel.acked(2, 2);
    assert_eq!(channel.drain("q"), ["before", "one", "two"]);
}

#[test]
fn selecting_again_changes_nothing() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    for tag in 1..=3 {
        channel.confirm_select();
        channel.publish("", "q", "x");
        channel.acked(tag, tag);
    }
}

#[test]
fn without_select_nothing_is_confirmed() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.publish("", "q", "x");
    assert_eq!(channel.ready("q"), 1);
    channel.expect_nothing();
}

#[test]
fn every_publication_is_acked_exactly_once() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.confirm_select();
    for number in 0..5_000 {
        channel.publish("", "q", number.to_string());
    }
    channel.acked(1, 5_000);
    channel.expect_nothing();
    assert_eq!(channel.ready("q"), 5_000);
}

#[test]
fn persistent_and_transient_routed_and_unroutable_are_all_counted() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.call::<DeclareOk<'_>>(Declare {
        durable: true,
        ..queue("durable")
    });
    channel.declare("transient");
    channel.confirm_select();
    let persistent = OwnedProperties::new().with_delivery_mode(2).encode();
    for _ in 0..100 {
        channel.publish_with("durable", &persistent, "x");
        channel.publish("", "transient", "x");
        channel.publish("", "nowhere", "x");
        channel.publish_with("transient", &persistent, "x");
    }
    channel.acked(1, 400);
    assert_eq!((channel.ready("durable"), channel.ready("transient")), (100, 200));
}

#[test]
fn a_fanned_out_message_is_acked_once() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for queue in ["a", "b", "c"] {
        channel.declare(queue);
        channel.call::<BindOk>(bind(queue, "amq.fanout", ""));
    }
    channel.confirm_select();
    for _ in 0..500 {
        channel.publish("amq.fanout", "", "x");
        channel.publish("", "b", "x");
    }
    channel.acked(1, 1000);
    channel.expect_nothing();
}

#[test]
fn each_channel_counts_for_itself() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (one, two) = (connection.channel(), connection.channel());
    one.declare("q");
    one.confirm_select();
    two.confirm_select();
    for _ in 0..3 {
        one.publish("", "q", "x");
    }
    two.publish("", "q", "x");
    one.acked(1, 3);
    two.acked(1, 1);
}

#[test]
fn consumed_messages_are_confirmed_to_their_publisher_all_the_same() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (publisher, consumer) = (connection.channel(), connection.channel());
    publisher.declare("q");
    publisher.confirm_select();
    consumer.consume("q");
    for _ in 0..100 {
        publisher.publish("", "q", "x");
    }
    publisher.acked(1, 100);
    let last = consumer.deliveries(100).pop().unwrap().tag;
    consumer.ack_up_to(last);
    assert_eq!(consumer.ready("q"), 0);
}

#[test]
fn a_queue_deleted_meanwhile_leaves_no_publication_open() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (publisher, other) = (connection.channel(), connection.channel());
    publisher.declare("q");
    publisher.confirm_select();
    for number in 0..2_000 {
        publisher.publish("", "q", "x");
        if number == 1_000 {
            other.send(delete("q"));
        }
    }
    publisher.acked(1, 2_000);
    other.expect::<DeleteOk>();
}

#[test]
fn a_publisher_that_is_also_the_consumer_gets_both_streams() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.confirm_select();
    channel.consume("q");
    for _ in 0..200 {
        channel.publish("", "q", "x");
    }
    let (mut open, mut delivered) = ((1..=200).collect::<BTreeSet<u64>>(), 0);
    while !open.is_empty() || delivered < 200 {
        match channel.method() {
            leveret_protocol::Method::Basic(leveret_protocol::method::basic::Method::Deliver(deliver)) => {
                crate::support::content::read(&channel);
                delivered += 1;
                assert_eq!(deliver.delivery_tag, delivered);
            }
            leveret_protocol::Method::Basic(leveret_protocol::method::basic::Method::Ack(ack)) => {
                assert!(open.contains(&ack.delivery_tag), "{ack:?}");
                match ack.multiple {
                    true => open = open.split_off(&(ack.delivery_tag + 1)),
                    false => drop(open.remove(&ack.delivery_tag)),
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn waiting_after_each_publication_works_too() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.confirm_select();
    for tag in 1..=200 {
        channel.publish("", "q", "x");
        assert!(matches!(channel.confirm(), Confirm::Ack { tag: acked, .. } if acked == tag));
    }
}
