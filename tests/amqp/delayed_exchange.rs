//! Exchanges of the type `x-delayed-message`.

use std::time::{Duration, Instant};

use leveret_protocol::method::basic::Publish;
use leveret_protocol::method::exchange::{self, Declare, DeleteOk};
use leveret_protocol::method::queue::{self, BindOk, DeclareOk};
use leveret_protocol::types::{FieldTable, FieldValue};
use leveret_protocol::{OwnedProperties, Properties};

use crate::support::content::Delivery;
use crate::support::methods::{
    bind, bind_exchange, consume, delete, delete_exchange, exchange, get, passive, purge, queue,
};
use crate::support::{Broker, Channel};

fn delayed<'a>(name: &'a str, inner: &str) -> Declare<'a> {
    Declare {
        arguments: FieldTable::from_iter([("x-delayed-type", inner)]),
        ..exchange(name, "x-delayed-message")
    }
}

fn publish(channel: &Channel, exchange: &str, key: &str, delay: impl Into<FieldValue>, body: &str) {
    let headers = FieldTable::from_iter([("x-delay", delay.into())]);
    let properties = OwnedProperties::new().with_headers(headers).encode();
    let publish = Publish {
        exchange,
        routing_key: key,
        ..Default::default()
    };
    channel.publish_as(publish, &properties, body);
}

fn delay(delivery: &Delivery) -> Option<FieldValue> {
    let headers = Properties::parse(&delivery.properties)
        .unwrap()
        .headers()
        .unwrap();
    headers.unwrap().get("x-delay").cloned()
}

/// A channel with a queue "q" that it consumes, bound to a delayed exchange "later" by the key "k".
fn consuming(broker: &Broker) -> Channel {
    let channel = broker.connect().channel();
    channel.call::<exchange::DeclareOk>(delayed("later", "direct"));
    channel.declare("q");
    channel.call::<BindOk>(bind("q", "later", "k"));
    channel.consume("q");
    channel
}

#[test]
fn a_message_is_routed_when_its_delay_is_over() {
    let broker = Broker::start();
    let channel = consuming(&broker);
    let begun = Instant::now();
    publish(&channel, "later", "k", 400, "second");
    publish(&channel, "later", "k", 200, "first");
    publish(&channel, "later", "other", 50, "nowhere");
    let delivery = channel.delivery();
    assert_eq!(delivery.body, b"first");
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!((&*delivery.exchange, &*delivery.routing_key), ("later", "k"));
    assert_eq!(delay(&delivery), Some(FieldValue::I32(-200)));
    assert_eq!(channel.delivery().body, b"second");
    assert!(begun.elapsed() >= Duration::from_millis(400));
}

#[test]
fn without_a_positive_delay_a_message_is_routed_at_once() {
    let broker = Broker::start();
    let channel = consuming(&broker);
    publish(&channel, "later", "k", 60_000, "much later");
    channel.publish("later", "k", "no header");
    publish(&channel, "later", "k", -5, "negative");
    publish(&channel, "later", "k", 0, "zero");
    publish(&channel, "later", "k", "soon", "text");
    let expected = ["no header", "negative", "zero", "text"];
    assert_eq!(channel.delivered(4), expected);
}

#[test]
fn a_delay_may_be_written_in_digits_or_as_a_float() {
    let broker = Broker::start();
    let channel = consuming(&broker);
    publish(&channel, "later", "k", 60.5, "float");
    let first = channel.delivery();
    assert_eq!((&*first.body, delay(&first)), (&b"float"[..], Some((-60).into())));
    publish(&channel, "later", "k", "60", "digits");
    let second = channel.delivery();
    assert_eq!(
        (&*second.body, delay(&second)),
        (&b"digits"[..], Some((-60).into()))
    );
}

#[test]
fn many_that_are_due_together_come_in_order_to_all_even_to_one_that_refuses_most_at_first() {
    let broker = Broker::start();
    let channel = consuming(&broker);
    let arguments = [
        ("x-max-length", 10.into()),
        ("x-overflow", "reject-publish".into()),
    ];
    channel.call::<DeclareOk<'_>>(queue::Declare {
        arguments: FieldTable::from_iter::<[(&str, FieldValue); 2]>(arguments),
        ..queue("small")
    });
    channel.call::<BindOk>(bind("small", "later", "k"));
    let bodies: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    for body in &bodies {
        publish(&channel, "later", "k", 100, body);
    }
    for body in &bodies {
        let delivery = channel.delivery();
        assert_eq!(delivery.body, body.as_bytes());
        assert_eq!(delay(&delivery), Some(FieldValue::I32(-100)));
    }
    assert_eq!(channel.ready("small"), 10);
    let other = broker.connect().channel();
    other.consume("small");
    assert_eq!(other.delivered(200), bodies);
}

#[test]
fn bindings_count_when_the_message_is_due() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.call::<exchange::DeclareOk>(delayed("later", "topic"));
    publish(&channel, "later", "a.b", 300, "early bird");
    channel.declare("q");
    channel.call::<BindOk>(bind("q", "later", "a.*"));
    channel.consume("q");
    assert_eq!(channel.delivered(1), ["early bird"]);
}

#[test]
fn a_message_is_confirmed_when_it_waits() {
    let broker = Broker::start();
    let channel = consuming(&broker);
    channel.confirm_select();
    let begun = Instant::now();
    publish(&channel, "later", "k", 60_000, "pending");
    channel.acked(1, 1);
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_message_waits_behind_another_exchange_too() {
    let broker = Broker::start();
    let channel = consuming(&broker);
    channel.call::<exchange::DeclareOk>(exchange("front", "fanout"));
    channel.call::<exchange::BindOk>(bind_exchange("later", "front", ""));
    publish(&channel, "front", "k", 50, "through");
    let delivery = channel.delivery();
    assert_eq!((&*delivery.exchange, &*delivery.routing_key), ("front", "k"));
    assert_eq!(delay(&delivery), Some(FieldValue::I32(-50)));
}

#[test]
fn a_dead_letter_with_another_key_is_delayed_and_goes_by_that_alone() {
    let broker = Broker::start();
    let channel = consuming(&broker);
    channel.declare("copies");
    channel.call::<BindOk>(bind("copies", "later", "copy"));
    let arguments = [
        ("x-dead-letter-exchange", "later"),
        ("x-dead-letter-routing-key", "k"),
    ];
    channel.call::<DeclareOk<'_>>(queue::Declare {
        arguments: FieldTable::from_iter(arguments),
        ..queue("source")
    });
    let headers = FieldTable::from_iter([
        ("CC", FieldValue::Array(vec!["copy".into()])),
        ("x-delay", 50.into()),
    ]);
    let properties = OwnedProperties::new().with_headers(headers).encode();
    channel.publish_with("source", &properties, "x");
    channel.reject(channel.get("source").unwrap().tag, false);
    let delivery = channel.delivery();
    assert_eq!((&*delivery.routing_key, &*delivery.body), ("k", &b"x"[..]));
    assert_eq!(delay(&delivery), Some(FieldValue::I32(-50)));
    assert_eq!(channel.ready("copies"), 0);
}

#[test]
fn the_inner_type_must_exist() {
    let broker = Broker::start();
    let connection = broker.connect();
    let text = "PRECONDITION_FAILED - Invalid argument, 'x-delayed-type' must be an existing exchange type";
    for declare in [
        exchange("later", "x-delayed-message"),
        delayed("later", "sideways"),
        delayed("later", "x-delayed-message"),
    ] {
        connection.channel().fails(declare, 406, text);
    }
    let channel = connection.channel();
    channel.call::<exchange::DeclareOk>(delayed("later", "direct"));
    channel.call::<exchange::DeclareOk>(delayed("later", "direct"));
    connection.channel().fails(
        delayed("later", "fanout"),
        406,
        "PRECONDITION_FAILED - inequivalent arg 'x-delayed-type' for exchange 'later' in vhost '/': \
         received 'fanout' but current is 'direct'",
    );
    connection.channel().fails(
        exchange("later", "direct"),
        406,
        "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'later' in vhost '/': \
         received 'direct' but current is 'x-delayed-message'",
    );
}

#[test]
fn clients_can_not_touch_what_waits() {
    let broker = Broker::start();
    let channel = consuming(&broker);
    publish(&channel, "later", "k", 60_000, "pending");
    let room = "amq.delayed.later";
    let text = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'amq.delayed.later' in vhost '/'. \
                It could be originally declared on another connection or the exclusive property value does not match \
                that of the original declaration.";
    let connection = broker.connect();
    let fresh = || connection.channel();
    fresh().fails(passive(room), 405, text);
    fresh().fails(queue(room), 405, text);
    fresh().fails(consume(room), 405, text);
    fresh().fails(get(room), 405, text);
    fresh().fails(purge(room), 405, text);
    fresh().fails(delete(room), 405, text);
    fresh().fails(bind(room, "amq.fanout", ""), 405, text);
    let channel = fresh();
    let mandatory = Publish {
        routing_key: room,
        mandatory: true,
        ..Default::default()
    };
    channel.publish_as(mandatory, &[0, 0], "not by name");
    assert_eq!(channel.returned().reply_code, 312);
}

#[test]
fn what_waits_goes_with_its_exchange() {
    let broker = Broker::start();
    let channel = consuming(&broker);
    publish(&channel, "later", "k", 300, "gone");
    channel.call::<DeleteOk>(delete_exchange("later"));
    channel.call::<exchange::DeclareOk>(delayed("later", "direct"));
    channel.call::<BindOk>(bind("q", "later", "k"));
    publish(&channel, "later", "k", 500, "new");
    assert_eq!(channel.delivered(1), ["new"]);
}
