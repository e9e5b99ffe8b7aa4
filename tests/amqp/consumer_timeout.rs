//! `x-consumer-timeout`: how long a delivery may be unsettled.

use std::time::Duration;

use leveret::Config;
use leveret_protocol::method::basic;
use leveret_protocol::method::queue::{Declare, DeclareOk};
use leveret_protocol::{FieldTable, FieldValue};

use crate::support::methods::{consume, queue};
use crate::support::{Broker, Channel};

const TEXT: &str = "PRECONDITION_FAILED - delivery acknowledgement on channel 2 timed out. Timeout value used: 300 ms. This \
                    timeout value can be configured, see consumers doc guide to learn more";

#[test]
fn what_is_unsettled_for_too_long_goes_back_and_its_consumer_is_cancelled() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (slow, other) = (connection.channel(), connection.channel());
    declare(&slow, []);
    slow.prefetch(2);
    let tag = slow.consume("q");
    slow.publish("", "q", "a");
    let stuck = slow.delivery();
    assert_eq!(slow.expect::<basic::Cancel<'_>>().consumer_tag, tag);
    assert_eq!(slow.consumers("q"), 0);
    other.consume("q");
    let again = other.delivery();
    assert_eq!((again.body.as_slice(), again.redelivered), (&b"a"[..], true));
    slow.ack(stuck.tag);
    other.ack(again.tag);
    assert_eq!(slow.ready("q"), 0, "a late ack does no harm");
    slow.consume("q");
    slow.publish("", "q", "b");
}

#[test]
fn what_is_settled_in_time_is_left_alone() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    // All together take longer than one may.
    declare(&channel, [("x-consumer-timeout", 1_500.into())]);
    channel.consume("q");
    for round in 0..8 {
        channel.publish("", "q", round.to_string());
        let delivery = channel.delivery();
        assert_eq!(delivery.body, round.to_string().as_bytes());
        std::thread::sleep(std::time::Duration::from_millis(250));
        channel.ack(delivery.tag);
    }
    channel.expect_nothing();
    assert_eq!((channel.ready("q"), channel.consumers("q")), (0, 1));
}

#[test]
fn a_consumer_may_have_a_limit_of_its_own() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (patient, hasty) = (connection.channel(), connection.channel());
    patient.declare("q");
    patient.prefetch(1);
    hasty.prefetch(1);
    patient.consume("q");
    hasty.consume_as(with_timeout(200.into()));
    patient.publish("", "q", "a");
    patient.publish("", "q", "b");
    let kept = patient.delivery();
    let lost = hasty.delivery();
    hasty.expect::<basic::Cancel<'_>>();
    patient.ack(kept.tag);
    let again = patient.delivery();
    assert_eq!((again.body, again.redelivered), (lost.body, true));
    assert_eq!(patient.consumers("q"), 1);
}

#[test]
fn the_broker_s_limit_holds_where_nobody_says_another() {
    let broker = Broker::with(Config {
        consumer_timeout: Some(Duration::from_millis(300)),
        ..Config::local()
    });
    let connection = broker.connect();
    let (plain, lifted, patient) = (connection.channel(), connection.channel(), connection.channel());
    plain.declare("plain");
    lifted.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([("x-consumer-timeout", 0)]),
        ..queue("lifted")
    });
    patient.declare("patient");
    lifted.consume("lifted");
    patient.consume_as(basic::Consume {
        queue: "patient",
        ..with_timeout(0.into())
    });
    let tag = plain.consume("plain");
    for (channel, name) in [(&lifted, "lifted"), (&patient, "patient"), (&plain, "plain")] {
        channel.publish("", name, name);
        assert_eq!(channel.delivery().body, name.as_bytes());
    }
    assert_eq!(plain.expect::<basic::Cancel<'_>>().consumer_tag, tag);
    // These were handed out before.
    for (channel, name) in [(&lifted, "lifted"), (&patient, "patient")] {
        assert_eq!((channel.ready(name), channel.consumers(name)), (0, 1), "{name}");
    }
    assert_eq!(plain.ready("plain"), 1);
}

#[test]
fn a_consumer_s_limit_goes_before_that_of_the_queue() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (unlimited, limited, by_queue) = (connection.channel(), connection.channel(), connection.channel());
    declare(&unlimited, []);
    for (channel, own) in [
        (&unlimited, Some(0)),
        (&limited, Some(3_600_000)),
        (&by_queue, None),
    ] {
        channel.prefetch(1);
        channel.consume_as(own.map_or_else(|| consume("q"), |own| with_timeout(own.into())));
        channel.publish("", "q", "a");
        channel.delivery();
    }
    by_queue.expect::<basic::Cancel<'_>>();
    assert_eq!(unlimited.consumers("q"), 2);
    unlimited.expect_nothing();
    limited.expect_nothing();
}

#[test]
fn a_consumer_s_limit_is_a_number_of_milliseconds() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.channel().declare("q");
    for (value, why) in [
        (FieldValue::from("1s"), "\"expected integer, got longstr\""),
        ((-1).into(), "{value_negative,-1}"),
    ] {
        let text = format!(
            "PRECONDITION_FAILED - invalid arg 'x-consumer-timeout' for queue 'q' in vhost '/': {why}"
        );
        connection.channel().fails(with_timeout(value), 406, &text);
    }
}

#[test]
fn it_counts_as_a_failed_attempt() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, [("x-delivery-limit", 0.into())]);
    channel.consume("q");
    channel.publish("", "q", "a");
    channel.delivery();
    channel.expect::<basic::Cancel<'_>>();
    assert_eq!(channel.ready("q"), 0);
}

#[test]
fn the_next_single_active_consumer_takes_over() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (slow, other) = (connection.channel(), connection.channel());
    declare(&slow, [("x-single-active-consumer", true.into())]);
    slow.consume("q");
    other.consume("q");
    slow.publish("", "q", "a");
    assert_eq!(slow.delivery().body, b"a");
    slow.expect::<basic::Cancel<'_>>();
    assert_eq!(other.delivery().body, b"a");
}

#[test]
fn where_there_is_no_consumer_to_cancel_the_channel_ends() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (other, channel) = (connection.channel(), connection.channel());
    declare(&other, []);
    other.publish("", "q", "a");
    assert_eq!(other.ready("q"), 1);
    channel.get("q").unwrap();
    channel.closed(406, TEXT, (0, 0));
    assert_eq!(other.drain("q"), ["a"]);
}

#[test]
fn a_client_that_cannot_take_a_cancel_loses_the_channel() {
    let broker = Broker::start();
    let connection = broker.connect_as(FieldTable::new());
    let (other, channel) = (connection.channel(), connection.channel());
    declare(&other, []);
    other.publish("", "q", "a");
    channel.consume_as(consume("q"));
    channel.delivery();
    channel.closed(406, TEXT, (0, 0));
    assert_eq!(other.drain("q"), ["a"]);
}

fn with_timeout(timeout: FieldValue) -> basic::Consume<'static> {
    basic::Consume {
        arguments: FieldTable::from_iter([("x-consumer-timeout", timeout)]),
        ..consume("q")
    }
}

/// Declares the queue; deliveries may be unsettled for 300 ms, if nothing else is said.
fn declare<const N: usize>(channel: &Channel, more: [(&str, FieldValue); N]) {
    let mut arguments = FieldTable::from_iter([("x-consumer-timeout", 300)]);
    for (key, value) in more {
        arguments.insert(key, value);
    }
    channel.call::<DeclareOk<'_>>(Declare {
        arguments,
        ..queue("q")
    });
}
