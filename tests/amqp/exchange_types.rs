//! Exchanges of the types that others have by plugins.

use std::collections::BTreeMap;

use leveret_protocol::method::basic::Ack;
use leveret_protocol::method::exchange::{BindOk as Bound, Declare, DeclareOk};
use leveret_protocol::method::queue::{self, BindOk};
use leveret_protocol::types::{FieldTable, FieldValue};
use leveret_protocol::{OwnedProperties, method::basic::Publish};

use crate::support::methods::{bind, bind_exchange, exchange, mandatory, passive_exchange, unbind};
use crate::support::{Broker, Channel};

fn own() -> Broker {
    Broker::adjusted(|_| ())
}

fn with<'a, const N: usize>(kind: &'a str, arguments: [(&str, FieldValue); N]) -> Declare<'a> {
    Declare {
        arguments: FieldTable::from_iter(arguments),
        ..exchange("e", kind)
    }
}

/// Queues bound to `e` by the keys given with them.
fn bound(channel: &Channel, queues: &[(&str, &str)]) {
    for (name, key) in queues {
        channel.declare(name);
        channel.call::<BindOk>(bind(name, "e", key));
    }
}

fn publish_with(channel: &Channel, key: &str, headers: &[(&str, FieldValue)], body: &str) {
    let headers = FieldTable::from_iter(headers.iter().cloned());
    let publish = Publish {
        exchange: "e",
        routing_key: key,
        ..Publish::default()
    };
    let properties = OwnedProperties::default().with_headers(headers).encode();
    channel.publish_as(publish, &properties, body);
}

/// How many messages each queue has.
fn counts(channel: &Channel, queues: &[(&str, &str)]) -> BTreeMap<String, u32> {
    let count = |(name, _): &(&str, &str)| ((*name).to_owned(), channel.ready(name));
    queues.iter().map(count).collect()
}

/// The same after a message with each of so many keys, and another with each.
fn counts_of_keys_twice(channel: &Channel, queues: &[(&str, &str)], keys: u32) -> BTreeMap<String, u32> {
    for key in (0..keys).chain(0..keys) {
        channel.publish("e", &format!("key{key}"), "x");
    }
    counts(channel, queues)
}

#[test]
fn a_consistent_hash_exchange_spreads_by_weight_and_keeps_a_key_together() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.call::<DeclareOk>(with("x-consistent-hash", []));
    let queues = [("a", "1"), ("b", "1"), ("c", "2")];
    bound(&channel, &queues);
    let found = counts_of_keys_twice(&channel, &queues, 1_000);
    assert_eq!(found.values().sum::<u32>(), 2_000);
    assert!(found.values().all(|count| count % 2 == 0), "{found:?}");
    assert!(
        (400..600).contains(&found["a"]) && (900..1_100).contains(&found["c"]),
        "{found:?}"
    );
}

#[test]
fn a_consistent_hash_exchange_hashes_what_it_is_told_to() {
    let broker = own();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.call::<DeclareOk>(with("x-consistent-hash", [("hash-header", "id".into())]));
    let queues = [("a", "1"), ("b", "1")];
    bound(&channel, &queues);
    for number in 0..100 {
        publish_with(&channel, &number.to_string(), &[("id", "same".into())], "x");
    }
    let found = counts(&channel, &queues);
    assert!(found.values().any(|count| *count == 100), "{found:?}");
    channel.fails(
        Declare {
            exchange: "other",
            ..with(
                "x-consistent-hash",
                [
                    ("hash-header", "a".into()),
                    ("hash-property", "message_id".into()),
                ],
            )
        },
        406,
        "PRECONDITION_FAILED - hash-header and hash-property are mutually exclusive",
    );
    connection.channel().fails(
        Declare {
            exchange: "other",
            ..with("x-consistent-hash", [("hash-property", "app_id".into())])
        },
        406,
        "PRECONDITION_FAILED - Unsupported property: app_id",
    );
    let missing = "NOT_FOUND - no exchange 'other' in vhost '/'";
    connection
        .channel()
        .fails(passive_exchange("other"), 404, missing);
}

#[test]
fn a_message_id_can_be_hashed() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.call::<DeclareOk>(with(
        "x-consistent-hash",
        [("hash-property", "message_id".into())],
    ));
    let queues = [("a", "1"), ("b", "1")];
    bound(&channel, &queues);
    for number in 0..200 {
        let publish = Publish {
            exchange: "e",
            routing_key: "same",
            ..Publish::default()
        };
        let properties = OwnedProperties::default()
            .with_message_id(number.to_string())
            .encode();
        channel.publish_as(publish, &properties, "x");
    }
    let found = counts(&channel, &queues);
    assert!(found.values().all(|count| *count > 50), "{found:?}");
}

#[test]
fn a_consistent_hash_binding_has_a_weight() {
    let broker = own();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.call::<DeclareOk>(with("x-consistent-hash", []));
    channel.declare("q");
    channel.fails(
        bind("q", "e", "heavy"),
        406,
        "PRECONDITION_FAILED - The binding key must be an integer: <<\"heavy\">>",
    );
    let channel = connection.channel();
    channel.fails(
        bind("q", "e", "0"),
        406,
        "PRECONDITION_FAILED - The binding key must be greater than 0",
    );
}

#[test]
fn a_modulus_hash_exchange_keeps_a_key_together() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.call::<DeclareOk>(with("x-modulus-hash", []));
    let queues = [("a", ""), ("b", ""), ("c", "")];
    bound(&channel, &queues);
    let found = counts_of_keys_twice(&channel, &queues, 300);
    assert_eq!(found.values().sum::<u32>(), 600);
    assert!(
        found.values().all(|count| count % 2 == 0 && *count > 120),
        "{found:?}"
    );
}

#[test]
fn a_reverse_topic_exchange_takes_the_routing_key_for_the_pattern() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.call::<DeclareOk>(with("x-rtopic", []));
    let queues = [
        ("a", "eu.web.info"),
        ("b", "eu.web.error"),
        ("c", "us.db.info"),
        ("d", "eu.#"),
    ];
    bound(&channel, &queues);
    channel.call::<queue::BindOk>(bind("a", "e", "eu.db.info"));
    let reached = |pattern: &str| -> String {
        channel.publish("e", pattern, "x");
        let got = queues.iter().filter(|(name, _)| channel.drain(name) == ["x"]);
        got.map(|(name, _)| *name).collect()
    };
    assert_eq!(reached("eu.web.info"), "a");
    assert_eq!(reached("*.*.info"), "ac");
    assert_eq!(reached("eu.#"), "abd");
    assert_eq!(reached("#"), "abcd");
    assert_eq!(reached("eu.*"), "d");
    assert_eq!(reached("us"), "");
}

#[test]
fn a_jms_topic_exchange_goes_by_selectors_and_not_by_keys() {
    let broker = own();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.call::<DeclareOk>(with("x-jms-topic", [("rjms_version", "3.2.0".into())]));
    let selecting = |name: &'static str, selector: &str| queue::Bind {
        arguments: FieldTable::from_iter([("rjms_erlang_selector", selector)]),
        ..bind(name, "e", "key")
    };
    let heavy = "{'>',{'ident',<<\"weight\">>},2500}.";
    let blue = "{'like',{'ident',<<\"colour\">>},<<\"bl%\">>,'no_escape'}.";
    for (queue, selector) in [("heavy", heavy), ("blue", blue)] {
        channel.declare(queue);
        channel.call::<BindOk>(selecting(queue, selector));
    }
    let publish =
        |body: &str, headers: &[(&str, FieldValue)]| publish_with(&channel, "another", headers, body);
    publish("both", &[("weight", 2501.into()), ("colour", "blue".into())]);
    publish("light", &[("weight", 2500.into())]);
    publish("plain", &[]);
    assert_eq!(channel.drain("heavy"), ["both"]);
    assert_eq!(channel.drain("blue"), ["both"]);
    channel.call::<queue::UnbindOk>(queue::Unbind {
        arguments: FieldTable::from_iter([("rjms_erlang_selector", heavy)]),
        ..unbind("heavy", "e", "key")
    });
    publish("later", &[("weight", 3000.into())]);
    assert!(channel.drain("heavy").is_empty());
    channel.fails(
        selecting("blue", "{'=', 1}."),
        406,
        "PRECONDITION_FAILED - cannot parse selector binding destination 'blue': '=' takes 2 operands, not 1: \"{'=', 1}.\"",
    );
}

#[test]
fn random_exchanges_choose_for_each_message() {
    for kind in ["x-random", "x-local-random"] {
        let broker = own();
        let channel = broker.connect().channel();
        channel.call::<DeclareOk>(with(kind, []));
        let queues = [("a", ""), ("b", "k")];
        bound(&channel, &queues);
        for _ in 0..400 {
            channel.publish("e", "same", "x");
        }
        let found = counts(&channel, &queues);
        assert_eq!(found.values().sum::<u32>(), 400);
        assert!(found.values().all(|count| *count > 120), "{kind}: {found:?}");
        for (name, key) in queues {
            channel.call::<queue::UnbindOk>(unbind(name, "e", key));
        }
        channel.publish_as(mandatory("e", "same"), &crate::support::content::NONE, "x");
        assert_eq!(channel.returned().reply_code, 312);
    }
}

#[test]
fn a_new_binding_of_a_recent_history_exchange_gets_the_last_messages() {
    let broker = own();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.call::<DeclareOk>(with("x-recent-history", [("x-recent-history-length", 2.into())]));
    bound(&channel, &[("early", "")]);
    for body in ["one", "two", "three"] {
        channel.publish("e", "any", body);
    }
    publish_with(
        &channel,
        "any",
        &[("x-recent-history-no-store", true.into())],
        "not kept",
    );
    bound(&channel, &[("late", "")]);
    channel.publish("e", "any", "four");
    assert_eq!(
        channel.drain("early"),
        ["one", "two", "three", "not kept", "four"]
    );
    assert_eq!(channel.drain("late"), ["two", "three", "four"]);
    // Binding again is no new binding.
    channel.call::<BindOk>(bind("late", "e", ""));
    assert_eq!(channel.ready("late"), 0);
    channel.declare("behind");
    channel.call::<BindOk>(bind("behind", "amq.fanout", ""));
    channel.call::<Bound>(bind_exchange("amq.fanout", "e", ""));
    assert_eq!(channel.drain("behind"), ["three", "four"]);
    channel.fails(
        Declare {
            exchange: "other",
            ..with("x-recent-history", [("x-recent-history-length", 0.into())])
        },
        406,
        "PRECONDITION_FAILED - Invalid argument 0, 'x-recent-history-length' must be a positive integer",
    );
}

#[test]
fn duplicates_are_dropped_and_confirmed() {
    let broker = own();
    let connection = broker.connect();
    let kinds = [
        with("x-message-deduplication", [("x-cache-size", "2".into())]),
        Declare {
            exchange: "e2",
            ..with(
                "fanout",
                [
                    ("x-message-deduplication", true.into()),
                    ("x-cache-size", 2.into()),
                ],
            )
        },
    ];
    for declare in kinds {
        let channel = connection.channel();
        let name = declare.exchange.to_owned();
        let queue = format!("of {name}");
        channel.call::<DeclareOk>(declare);
        channel.declare(&queue);
        channel.call::<BindOk>(bind(&queue, &name, ""));
        channel.confirm_select();
        for id in ["a", "a", "b", "c", "c", "a"] {
            let publish = Publish {
                mandatory: true,
                ..mandatory(&name, "")
            };
            let headers = FieldTable::from_iter([("x-deduplication-header", id)]);
            let properties = OwnedProperties::default().with_headers(headers).encode();
            channel.publish_as(publish, &properties, id);
            // Neither is returned.
            channel.expect::<Ack>();
        }
        channel.publish(&name, "", "nameless");
        channel.expect::<Ack>();
        assert_eq!(channel.drain(&queue), ["a", "b", "c", "a", "nameless"]);
    }
}

#[test]
fn a_queue_drops_what_it_was_given_before() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.call::<queue::DeclareOk<'_>>(queue::Declare {
        queue: "q",
        arguments: FieldTable::from_iter([
            ("x-message-deduplication", FieldValue::from(true)),
            ("x-deduplication-header", "id".into()),
        ]),
        ..Default::default()
    });
    channel.confirm_select();
    for (id, body) in [("a", "first"), ("a", "second"), ("b", "third"), ("a", "fourth")] {
        let headers = FieldTable::from_iter([("id", id)]);
        let properties = OwnedProperties::default().with_headers(headers).encode();
        channel.publish_with("q", &properties, body);
        channel.expect::<Ack>();
    }
    channel.publish("", "q", "nameless");
    channel.expect::<Ack>();
    assert_eq!(channel.drain("q"), ["first", "third", "nameless"]);
}

#[test]
fn what_a_full_queue_refused_may_come_again() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.call::<queue::DeclareOk<'_>>(queue::Declare {
        queue: "q",
        arguments: FieldTable::from_iter([
            ("x-message-deduplication", FieldValue::from(true)),
            ("x-max-length", 1.into()),
            ("x-overflow", "reject-publish".into()),
        ]),
        ..Default::default()
    });
    channel.confirm_select();
    let publish = |id: &str| {
        let headers = FieldTable::from_iter([("x-deduplication-header", id)]);
        let properties = OwnedProperties::default().with_headers(headers).encode();
        channel.publish_with("q", &properties, id);
        channel.method().name()
    };
    assert_eq!(publish("a"), "basic.ack");
    assert_eq!(publish("b"), "basic.nack");
    assert_eq!(publish("a"), "basic.ack", "it is there");
    assert_eq!(publish("b"), "basic.nack");
    assert_eq!(channel.drain("q"), ["a"]);
    assert_eq!(publish("b"), "basic.ack");
    assert_eq!(channel.drain("q"), ["b"]);
}

#[test]
fn arguments_of_deduplication_are_checked() {
    let broker = own();
    let connection = broker.connect();
    let cases: [(&str, FieldValue, &str); 4] = [
        ("x-cache-size", 0.into(), "{value_zero,0}"),
        ("x-cache-size", "many".into(), "\"expected integer, got longstr\""),
        ("x-cache-ttl", (-1).into(), "{value_negative,-1}"),
        (
            "x-deduplication-header",
            5.into(),
            "{unacceptable_type,signedint}",
        ),
    ];
    for (key, value, why) in cases {
        let text = format!("PRECONDITION_FAILED - invalid arg '{key}' for exchange 'e' in vhost '/': {why}");
        connection
            .channel()
            .fails(with("x-message-deduplication", [(key, value)]), 406, &text);
    }
    let missing = "NOT_FOUND - no exchange 'e' in vhost '/'";
    connection.channel().fails(passive_exchange("e"), 404, missing);
}
