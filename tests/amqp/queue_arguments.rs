//! The arguments of `queue.declare`: what is refused, with which words, and that nothing comes to life then.

use leveret_protocol::method::queue::{Declare, DeclareOk};
use leveret_protocol::types::{FieldTable, FieldValue};

use crate::support::methods::{passive, queue};
use crate::support::{Broker, Channel};

fn durable<const N: usize>(arguments: [(&str, FieldValue); N]) -> Declare<'static> {
    Declare {
        durable: true,
        arguments: FieldTable::from_iter(arguments),
        ..queue("q")
    }
}

fn quorum() -> (&'static str, FieldValue) {
    ("x-queue-type", "quorum".into())
}

/// Expects the declaration to be refused with this text, and that there is no queue afterwards.
#[track_caller]
fn refused(channel: &Channel, declare: Declare<'_>, text: &str) {
    channel.fails(declare, 406, &format!("PRECONDITION_FAILED - {text}"));
    let missing = "NOT_FOUND - no queue 'q' in vhost '/'";
    channel.connection().channel().fails(passive("q"), 404, missing);
}

#[test]
fn a_bad_value_is_refused_and_nothing_comes_to_life() {
    let broker = Broker::adjusted(|_| ());
    let connection = broker.connect();
    let cases: [(&str, FieldValue, &str); 25] = [
        ("x-message-ttl", (-1).into(), "{value_negative,-1}"),
        ("x-message-ttl", "5".into(), "\"expected integer, got longstr\""),
        (
            "x-message-ttl",
            315_360_000_001_i64.into(),
            "{value_too_large,315360000001}",
        ),
        ("x-expires", 0.into(), "{value_zero,0}"),
        ("x-expires", (-1).into(), "{value_negative,-1}"),
        ("x-max-length", (-1).into(), "{value_negative,-1}"),
        (
            "x-max-length-bytes",
            1.5.into(),
            "\"expected integer, got double\"",
        ),
        ("x-max-priority", 256.into(), "{max_value_exceeded,256}"),
        ("x-max-priority", (-1).into(), "{value_negative,-1}"),
        ("x-overflow", "drop-tail".into(), "invalid_overflow"),
        ("x-overflow", 1.into(), "{unacceptable_type,signedint}"),
        (
            "x-dead-letter-routing-key",
            "k".into(),
            "routing_key_but_no_dlx_defined",
        ),
        (
            "x-single-active-consumer",
            "yes".into(),
            "{unacceptable_type,longstr}",
        ),
        (
            "x-queue-mode",
            "eager".into(),
            "\"unsupported queue mode 'eager'\"",
        ),
        ("x-queue-version", 3.into(), "\"unsupported queue version '3'\""),
        (
            "x-queue-leader-locator",
            "near".into(),
            "invalid_queue_locator_arg",
        ),
        (
            "x-queue-type",
            "mirrored".into(),
            "\"unsupported queue type 'mirrored'\"",
        ),
        (
            "x-queue-type",
            "stream".into(),
            "\"queue type 'stream' is not available yet\"",
        ),
        ("x-queue-type", 1.into(), "{unacceptable_type,signedint}"),
        (
            "x-delivery-limit",
            "5".into(),
            "\"expected integer, got longstr\"",
        ),
        (
            "x-delayed-retry-type",
            "some".into(),
            "invalid_delayed_retry_type",
        ),
        ("x-delayed-retry-min", (-1).into(), "{value_negative,-1}"),
        (
            "x-delayed-retry-max",
            "1s".into(),
            "\"expected integer, got longstr\"",
        ),
        ("x-consumer-timeout", (-1).into(), "{value_negative,-1}"),
        ("x-cache-size", 0.into(), "{value_zero,0}"),
    ];
    for (key, value, why) in cases {
        refused(
            &connection.channel(),
            durable([(key, value)]),
            &format!("invalid arg '{key}' for queue 'q' in vhost '/': {why}"),
        );
    }
}

#[test]
fn an_exchange_for_dead_letters_is_named_by_a_string() {
    let broker = Broker::adjusted(|_| ());
    refused(
        &broker.connect().channel(),
        durable([("x-dead-letter-exchange", 5.into())]),
        "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'",
    );
}

#[test]
fn arguments_of_another_type_of_queue_are_refused() {
    let broker = Broker::adjusted(|_| ());
    let connection = broker.connect();
    let classic = [
        "x-dead-letter-strategy",
        "x-quorum-initial-group-size",
        "x-max-age",
    ];
    for key in classic {
        refused(
            &connection.channel(),
            durable([(key, "1D".into())]),
            &format!("invalid arg '{key}' for queue 'q' in vhost '/' of queue type rabbit_classic_queue"),
        );
    }
    let quorum_cases: [(&str, FieldValue); 6] = [
        ("x-max-priority", 5.into()),
        ("x-max-priority", 256.into()),
        ("x-queue-mode", "eager".into()),
        ("x-queue-mode", "lazy".into()),
        ("x-queue-version", 2.into()),
        ("x-max-age", "1D".into()),
    ];
    for (key, value) in quorum_cases {
        refused(
            &connection.channel(),
            durable([quorum(), (key, value)]),
            &format!("invalid arg '{key}' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue"),
        );
    }
    refused(
        &connection.channel(),
        durable([quorum(), ("x-overflow", "reject-publish-dlx".into())]),
        "invalid arg 'x-overflow' with value 'reject-publish-dlx' for queue 'q' in vhost '/'",
    );
}

#[test]
fn a_quorum_queue_can_only_be_durable_shared_lasting_and_named() {
    let broker = Broker::adjusted(|_| ());
    let connection = broker.connect();
    let plain = || durable([quorum()]);
    let cases = [
        (
            Declare {
                durable: false,
                ..plain()
            },
            "non-durable",
        ),
        (
            Declare {
                exclusive: true,
                ..plain()
            },
            "exclusive-owner",
        ),
        (
            Declare {
                auto_delete: true,
                ..plain()
            },
            "auto-delete",
        ),
    ];
    for (declare, property) in cases {
        let text = format!("invalid property '{property}' for queue 'q' in vhost '/'");
        refused(&connection.channel(), declare, &text);
    }
    refused(
        &connection.channel(),
        Declare { queue: "", ..plain() },
        "Cannot declare a server-named queue for type rabbit_quorum_queue",
    );
}

#[test]
fn a_quorum_queue_does_not_know_a_prefetch_of_the_channel() {
    let broker = Broker::adjusted(|_| ());
    let channel = broker.connect().channel();
    channel.call::<DeclareOk<'_>>(durable([quorum()]));
    channel.call::<leveret_protocol::method::basic::QosOk>(leveret_protocol::method::basic::Qos {
        prefetch_size: 0,
        prefetch_count: 5,
        global: true,
    });
    channel.fails_connection(
        crate::support::methods::consume("q"),
        540,
        "NOT_IMPLEMENTED - queue 'q' in vhost '/' does not support global qos",
    );
}

#[test]
fn what_a_queue_is_compared_by_depends_on_its_type() {
    let broker = Broker::adjusted(|_| ());
    let connection = broker.connect();
    let channel = connection.channel();
    channel.call::<DeclareOk<'_>>(durable([quorum(), ("x-delivery-limit", 5.into())]));
    channel.call::<DeclareOk<'_>>(durable([
        ("x-queue-type", "rabbit_quorum_queue".into()),
        ("x-delivery-limit", 5_i64.into()),
        ("x-unknown", 1.into()),
    ]));
    let inequivalent = |arg: &str, difference: &str| {
        format!("PRECONDITION_FAILED - inequivalent arg '{arg}' for queue 'q' in vhost '/': {difference}")
    };
    channel.fails(
        durable([]),
        406,
        &inequivalent(
            "x-queue-type",
            "received none but current is the value 'quorum' of type 'longstr'",
        ),
    );
    connection.channel().fails(
        durable([("x-queue-type", "classic".into())]),
        406,
        &inequivalent("x-queue-type", "received 'classic' but current is 'quorum'"),
    );
    connection.channel().fails(
        durable([quorum(), ("x-delivery-limit", 6.into())]),
        406,
        &inequivalent("x-delivery-limit", "received '6' but current is '5'"),
    );
    connection.channel().fails(
        durable([
            quorum(),
            ("x-delivery-limit", 5.into()),
            ("x-message-ttl", 1.into()),
        ]),
        406,
        &inequivalent(
            "x-message-ttl",
            "received the value '1' of type 'signedint' but current is none",
        ),
    );
}

#[test]
fn every_compared_argument_of_a_classic_queue_is_compared() {
    let broker = Broker::adjusted(|_| ());
    let connection = broker.connect();
    connection.channel().call::<DeclareOk<'_>>(durable([]));
    let cases: [(&str, FieldValue); 15] = [
        ("x-expires", 60_000.into()),
        ("x-message-ttl", 1.into()),
        ("x-dead-letter-exchange", "dlx".into()),
        ("x-max-length", 1.into()),
        ("x-max-length-bytes", 1.into()),
        ("x-max-priority", 1.into()),
        ("x-overflow", "drop-head".into()),
        ("x-queue-mode", "lazy".into()),
        ("x-queue-version", 2.into()),
        ("x-single-active-consumer", true.into()),
        ("x-delivery-limit", 1.into()),
        ("x-delayed-retry-type", "all".into()),
        ("x-delayed-retry-min", 1.into()),
        ("x-consumer-timeout", 1.into()),
        ("x-message-deduplication", true.into()),
    ];
    for (key, value) in cases {
        let text = format!(
            "PRECONDITION_FAILED - inequivalent arg '{key}' for queue 'q' in vhost '/': \
             received the value '{value}' of type '{}' but current is none",
            value.type_name()
        );
        connection.channel().fails(durable([(key, value)]), 406, &text);
    }
}
