//! `basic.publish` and `basic.return`: what is checked, what comes back.

use std::collections::BTreeSet;

use leveret_protocol::OwnedProperties;
use leveret_protocol::method::basic::Publish;
use leveret_protocol::method::exchange::{Declare, DeclareOk};
use leveret_protocol::method::queue::BindOk;
use leveret_protocol::types::{FieldTable, FieldValue};

use crate::support::Broker;
use crate::support::content::NONE;
use crate::support::methods::{bind, exchange, mandatory, queue};

#[test]
fn publishing_to_a_missing_exchange_closes_the_channel() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.publish("missing", "", "x");
    channel.publish("missing", "", "ignored");
    channel.send(queue("ignored"));
    channel.closed(
        404,
        "NOT_FOUND - no exchange 'missing' in vhost '/'",
        Publish::IDS,
    );
    channel.expect_nothing();
}

#[test]
fn an_unroutable_message_is_dropped() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.publish("", "nowhere", "x");
    channel.publish("amq.topic", "nowhere", "x");
    channel.expect_nothing();
}

#[test]
fn an_unroutable_mandatory_message_comes_back_as_it_was() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let properties = OwnedProperties::new()
        .with_message_id("m")
        .with_delivery_mode(2)
        .encode();
    channel.publish_as(mandatory("amq.direct", "nowhere"), &properties, "body");
    let returned = channel.returned();
    assert_eq!(
        (returned.reply_code, returned.reply_text.as_str()),
        (312, "NO_ROUTE")
    );
    assert_eq!(
        (returned.exchange.as_str(), returned.routing_key.as_str()),
        ("amq.direct", "nowhere")
    );
    assert_eq!(
        (returned.properties, returned.body),
        (properties.to_vec(), b"body".to_vec())
    );
}

#[test]
fn a_routed_mandatory_message_does_not_come_back() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.publish_as(mandatory("", "q"), &NONE, "x");
    assert_eq!(channel.drain("q"), ["x"]);
}

#[test]
fn a_large_returned_message_comes_back_whole() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let body = vec![7; 500_000];
    channel.publish_as(mandatory("", "nowhere"), &NONE, &body);
    assert_eq!(channel.returned().body, body);
}

#[test]
fn the_return_comes_before_the_ack() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.confirm_select();
    for tag in 1..=20 {
        channel.publish_as(mandatory("", "nowhere"), &NONE, "x");
        assert_eq!(channel.returned().reply_code, 312);
        channel.acked(tag, tag);
    }
}

#[test]
fn returns_and_acks_keep_their_order_in_a_batch() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.confirm_select();
    for number in 0..100u64 {
        let queue = if number % 2 == 0 { "q" } else { "nowhere" };
        channel.publish_as(mandatory("", queue), &NONE, number.to_string());
    }
    let (mut returned, mut open) = (0, (1..=100).collect::<BTreeSet<u64>>());
    while !open.is_empty() {
        match channel.method() {
            leveret_protocol::Method::Basic(leveret_protocol::method::basic::Method::Return(_)) => {
                let (_, body) = crate::support::content::read(&channel);
                let number: u64 = String::from_utf8(body).unwrap().parse().unwrap();
                assert_eq!(
                    number,
                    2 * returned + 1,
                    "returns come in the order of publication"
                );
                returned += 1;
            }
            leveret_protocol::Method::Basic(leveret_protocol::method::basic::Method::Ack(ack)) => {
                let left = if ack.multiple {
                    open.split_off(&(ack.delivery_tag + 1))
                } else {
                    open.clone()
                };
                let answered = if ack.multiple {
                    open
                } else {
                    BTreeSet::from([ack.delivery_tag])
                };
                let unroutable = answered.iter().filter(|&tag| tag % 2 == 0).max();
                assert!(
                    unroutable.is_none_or(|tag| returned >= tag / 2),
                    "{ack:?} with {returned} returned"
                );
                open = left.difference(&answered).copied().collect();
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(returned, 50);
}

#[test]
fn bcc_is_gone_from_a_returned_message() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let list = FieldValue::from(vec![FieldValue::from("nobody")]);
    let headers = FieldTable::from_iter([("BCC", list), ("x", 1.into())]);
    let raw = OwnedProperties::new().with_headers(headers).encode();
    channel.publish_as(mandatory("", "nowhere"), &raw, "");
    let left = OwnedProperties::new()
        .with_headers(FieldTable::from_iter([("x", 1)]))
        .encode();
    assert_eq!(channel.returned().properties, left.to_vec());
}

#[test]
fn an_expiration_must_be_a_number_of_milliseconds() {
    let broker = Broker::start();
    let connection = broker.connect();
    for (expiration, reason) in [
        ("abc", "no_integer"),
        ("", "no_integer"),
        ("12x", "{leftover_string,\"x\"}"),
        ("-1", "{value_negative,-1}"),
        ("315360000001", "{value_too_large,315360000001}"),
    ] {
        let channel = connection.channel();
        channel.declare("q");
        channel.publish_with(
            "q",
            &OwnedProperties::new().with_expiration(expiration).encode(),
            "",
        );
        let close = channel.expect_close();
        assert_eq!(
            (close.reply_code, close.ids),
            (406, Publish::IDS),
            "'{expiration}'"
        );
        let text = format!("PRECONDITION_FAILED - invalid expiration '{expiration}'");
        assert!(close.reply_text.starts_with(&text), "{close:?}");
        assert!(close.reply_text.contains(reason), "{close:?}");
    }
    let channel = connection.channel();
    for good in ["0", "1", "315360000000"] {
        channel.publish_with("q", &OwnedProperties::new().with_expiration(good).encode(), "");
    }
    channel.declare("q");
}

#[test]
fn a_user_id_must_be_one_s_own() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.declare("q");
    channel.publish_with(
        "q",
        &OwnedProperties::new().with_user_id("guest").encode(),
        "mine",
    );
    assert_eq!(channel.drain("q"), ["mine"]);
    channel.publish_with(
        "q",
        &OwnedProperties::new().with_user_id("other").encode(),
        "forged",
    );
    let text = "PRECONDITION_FAILED - user_id property set to 'other' but authenticated user was 'guest'";
    channel.closed(406, text, Publish::IDS);
}

#[test]
fn the_exchange_is_checked_before_the_message() {
    let broker = Broker::start();
    let connection = broker.connect();
    let bad = OwnedProperties::new()
        .with_expiration("abc")
        .with_user_id("other")
        .encode();
    let channel = connection.channel();
    channel.publish_as(
        Publish {
            exchange: "missing",
            ..Default::default()
        },
        &bad,
        "",
    );
    channel.closed(
        404,
        "NOT_FOUND - no exchange 'missing' in vhost '/'",
        Publish::IDS,
    );

    let channel = connection.channel();
    channel.call::<DeclareOk>(Declare {
        internal: true,
        ..exchange("inner", "fanout")
    });
    channel.publish_as(
        Publish {
            exchange: "inner",
            ..Default::default()
        },
        &bad,
        "",
    );
    let text = "ACCESS_REFUSED - cannot publish to internal exchange 'inner' in vhost '/'";
    channel.closed(403, text, Publish::IDS);
}

#[test]
fn a_message_keeps_exchange_and_key_it_was_published_with() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.call::<BindOk>(bind("q", "amq.topic", "#"));
    channel.publish("amq.topic", "the.key", "x");
    let got = channel.get("q").unwrap();
    assert_eq!(
        (got.exchange.as_str(), got.routing_key.as_str()),
        ("amq.topic", "the.key")
    );
}

#[test]
fn properties_that_were_absent_stay_absent() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.publish("", "q", "x");
    assert_eq!(channel.get("q").unwrap().properties, NONE);
}

#[test]
fn a_delivery_mode_of_any_value_is_taken() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    for mode in [0, 1, 2, 3, 255] {
        let raw = OwnedProperties::new().with_delivery_mode(mode).encode();
        channel.publish_with("q", &raw, "x");
        assert_eq!(channel.get("q").unwrap().properties, raw.to_vec());
    }
}

#[test]
fn a_fan_of_many_queues_gets_everything() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let queues: Vec<_> = (0..200).map(|n| format!("q{n}")).collect();
    for queue in &queues {
        channel.declare(queue);
        channel.call::<BindOk>(bind(queue, "amq.fanout", ""));
    }
    channel.confirm_select();
    for number in 0..5 {
        channel.publish("amq.fanout", "", number.to_string());
    }
    channel.acked(1, 5);
    for queue in &queues {
        assert_eq!(channel.drain(queue), ["0", "1", "2", "3", "4"]);
    }
}
