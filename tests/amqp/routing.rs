//! Which queues a message reaches: the kinds of exchanges, bindings, CC and BCC.

use leveret_protocol::method::queue::{Bind, BindOk, UnbindOk};
use leveret_protocol::types::{FieldTable, FieldValue};
use leveret_protocol::{OwnedProperties, Properties};

use crate::support::methods::{bind, exclusive, unbind};
use crate::support::{Broker, Channel};

#[test]
fn the_default_exchange_goes_by_queue_name() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("a");
    channel.declare("b");
    channel.publish("", "b", "for b");
    assert_eq!(
        (channel.drain("a"), channel.drain("b")),
        (vec![], vec!["for b".to_owned()])
    );
}

#[test]
fn a_direct_exchange_goes_by_the_exact_key() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    assert_eq!(
        routed(&channel, "amq.direct", &["key", "KEY", "key.", ""], "key"),
        ["key"]
    );
    assert_eq!(routed(&channel, "amq.direct", &["key", ""], ""), [""]);
}

#[test]
fn a_fanout_exchange_ignores_the_key() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    assert_eq!(routed(&channel, "amq.fanout", &["a", "b"], "c"), ["a", "b"]);
}

#[test]
fn a_topic_exchange_matches_word_by_word() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let patterns = [
        "", "#", "*", "*.*", "a.b", "a.*", "*.b", "a.#", "#.b", "a.#.b", "#.#", "a.*.#", "*.#.*", "a..b",
        "a.b.#", "b",
    ];
    for (key, matching) in [
        ("", &["", "#", "#.#"][..]),
        ("a", &["#", "*", "a.#", "#.#"]),
        (
            "a.b",
            &[
                "#", "*.*", "a.b", "a.*", "*.b", "a.#", "#.b", "a.#.b", "#.#", "a.*.#", "*.#.*", "a.b.#",
            ],
        ),
        ("a.b.c", &["#", "a.#", "#.#", "a.*.#", "*.#.*", "a.b.#"]),
        (
            "a..b",
            &["#", "a.#", "#.b", "a.#.b", "#.#", "a.*.#", "*.#.*", "a..b"],
        ),
        ("b", &["#", "*", "#.b", "#.#", "b"]),
        (".", &["#", "*.*", "#.#", "*.#.*"]),
        ("x.y.b", &["#", "#.b", "#.#", "*.#.*"]),
    ] {
        let mut matching = matching.to_vec();
        matching.sort_unstable();
        assert_eq!(
            routed(&channel, "amq.topic", &patterns, key),
            matching,
            "key '{key}'"
        );
    }
}

#[test]
fn a_topic_with_many_hashes_is_matched_in_reasonable_time() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let pattern = ["#.a"; 12].join(".");
    let missed = ["a"; 100].join(".") + ".b";
    let begun = std::time::Instant::now();
    assert_eq!(routed(&channel, "amq.topic", &[&pattern], &missed), [""; 0]);
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_headers_exchange_matches_all_by_default() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let two = [("format", "pdf".into()), ("pages", 3.into())];
    bind_headers(&channel, "default", None, &two);
    bind_headers(&channel, "all", Some("all"), &two);
    bind_headers(&channel, "any", Some("any"), &two);
    assert_eq!(by_headers(&channel, &two), ["all", "any", "default"]);
    assert_eq!(
        by_headers(&channel, &[("pages", 3.into()), ("x", 1.into())]),
        ["any"]
    );
    assert_eq!(by_headers(&channel, &[("pages", 4.into())]), [""; 0]);
    assert_eq!(by_headers(&channel, &[]), [""; 0]);
}

#[test]
fn a_headers_binding_without_criteria_matches_all_or_nothing() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    bind_headers(&channel, "all", Some("all"), &[]);
    bind_headers(&channel, "any", Some("any"), &[]);
    assert_eq!(by_headers(&channel, &[("a", 1.into())]), ["all"]);
    assert_eq!(by_headers(&channel, &[]), ["all"]);
}

#[test]
fn a_void_criterion_asks_only_whether_the_header_is_there() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    bind_headers(&channel, "present", None, &[("key", FieldValue::Void)]);
    assert_eq!(by_headers(&channel, &[("key", "anything".into())]), ["present"]);
    assert_eq!(by_headers(&channel, &[("other", 1.into())]), [""; 0]);
}

#[test]
fn equal_headers_go_where_the_bindings_of_the_moment_lead() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    bind_headers(&channel, "all", None, &[("n", 7.into())]);
    for _ in 0..2 {
        assert_eq!(by_headers(&channel, &[("n", 7.into())]), ["all"]);
    }
    bind_headers(&channel, "default", None, &[("n", 7.into())]);
    assert_eq!(by_headers(&channel, &[("n", 7.into())]), ["all", "default"]);
    assert_eq!(by_headers(&channel, &[("n", 8.into())]), [""; 0]);
}

#[test]
fn headers_compare_integers_by_value_whatever_their_width() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    bind_headers(&channel, "int", None, &[("n", FieldValue::I64(7))]);
    bind_headers(&channel, "string", None, &[("n", "7".into())]);
    assert_eq!(by_headers(&channel, &[("n", FieldValue::I8(7))]), ["int"]);
    assert_eq!(by_headers(&channel, &[("n", FieldValue::I32(7))]), ["int"]);
    assert_eq!(by_headers(&channel, &[("n", "7".into())]), ["string"]);
}

#[test]
fn x_criteria_count_only_with_x() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let both = [("x-a", 1.into()), ("b", 2.into())];
    bind_headers(&channel, "all", Some("all"), &both);
    bind_headers(&channel, "all-with-x", Some("all-with-x"), &both);
    bind_headers(&channel, "any", Some("any"), &both);
    bind_headers(&channel, "any-with-x", Some("any-with-x"), &both);
    assert_eq!(
        by_headers(&channel, &both),
        ["all", "all-with-x", "any", "any-with-x"]
    );
    assert_eq!(
        by_headers(&channel, &[("b", 2.into())]),
        ["all", "any", "any-with-x"]
    );
    assert_eq!(by_headers(&channel, &[("x-a", 1.into())]), ["any-with-x"]);
}

#[test]
fn a_bad_x_match_is_refused() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.channel().declare("q");
    for value in [FieldValue::from("some"), FieldValue::from(1)] {
        let channel = connection.channel();
        let arguments = FieldTable::from_iter([("x-match", value)]);
        channel.send(Bind {
            arguments,
            ..bind("q", "amq.headers", "")
        });
        let close = channel.expect_close();
        assert_eq!(close.reply_code, 406);
        assert!(
            close.reply_text.starts_with("PRECONDITION_FAILED - "),
            "{close:?}"
        );
    }
}

#[test]
fn binding_twice_makes_one_binding() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    let arguments = || FieldTable::from_iter([("a", 1), ("b", 2)]);
    let reversed = FieldTable::from_iter([("b", 2), ("a", 1)]);
    channel.call::<BindOk>(Bind {
        arguments: arguments(),
        ..bind("q", "amq.direct", "key")
    });
    channel.call::<BindOk>(Bind {
        arguments: reversed,
        ..bind("q", "amq.direct", "key")
    });
    channel.publish("amq.direct", "key", "once");
    assert_eq!(channel.drain("q"), ["once"]);
    let one = leveret_protocol::method::queue::Unbind {
        arguments: arguments(),
        ..unbind("q", "amq.direct", "key")
    };
    channel.call::<UnbindOk>(one);
    channel.publish("amq.direct", "key", "never");
    assert_eq!(channel.drain("q"), [""; 0]);
}

#[test]
fn bindings_that_differ_in_arguments_are_two() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    let arguments = FieldTable::from_iter([("a", 1)]);
    channel.call::<BindOk>(Bind {
        arguments,
        ..bind("q", "amq.direct", "key")
    });
    channel.call::<BindOk>(bind("q", "amq.direct", "key"));
    channel.call::<UnbindOk>(unbind("q", "amq.direct", "key"));
    channel.publish("amq.direct", "key", "by the other");
    assert_eq!(channel.drain("q"), ["by the other"]);
}

#[test]
fn binding_needs_both_ends() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.channel().declare("q");
    let text = "NOT_FOUND - no exchange 'missing' in vhost '/'";
    connection.channel().fails(bind("q", "missing", ""), 404, text);
    let text = "NOT_FOUND - no queue 'missing' in vhost '/'";
    connection
        .channel()
        .fails(bind("missing", "amq.direct", ""), 404, text);
}

#[test]
fn unbinding_needs_nothing() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.call::<UnbindOk>(unbind("q", "amq.direct", "never bound"));
    channel.call::<UnbindOk>(unbind("missing", "amq.direct", ""));
    channel.call::<UnbindOk>(unbind("q", "missing", ""));
}

#[test]
fn another_s_exclusive_queue_cannot_be_bound() {
    let broker = Broker::start();
    let owner = broker.connect();
    owner
        .channel()
        .call::<leveret_protocol::method::queue::DeclareOk<'_>>(exclusive("mine"));
    let channel = broker.connect().channel();
    channel.send(bind("mine", "amq.direct", ""));
    assert_eq!(channel.expect_close().reply_code, 405);
}

#[test]
fn a_binding_that_was_confirmed_routes_the_very_next_publish_anywhere() {
    let broker = Broker::start();
    let (here, there) = (broker.connect().channel(), broker.connect().channel());
    for round in 0..100 {
        let queue = format!("q{round}");
        here.declare(&queue);
        here.call::<BindOk>(bind(&queue, "amq.topic", "now.#"));
        there.publish("amq.topic", "now.please", "seen");
        assert_eq!(there.drain(&queue), ["seen"], "round {round}");
        here.call::<UnbindOk>(unbind(&queue, "amq.topic", "now.#"));
        there.publish("amq.topic", "now.please", "unseen");
        assert_eq!(there.drain(&queue), [""; 0], "round {round}");
    }
}

#[test]
fn cc_and_bcc_add_keys_and_only_bcc_is_hidden() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for queue in ["to", "cc", "bcc", "none"] {
        channel.declare(queue);
    }
    let headers = FieldTable::from_iter([
        ("CC", list(&["cc", "to"])),
        ("BCC", list(&["bcc"])),
        ("x", 1.into()),
    ]);
    let raw = OwnedProperties::new()
        .with_headers(headers)
        .with_message_id("m")
        .encode();
    channel.publish_with("to", &raw, "letter");
    for queue in ["to", "cc", "bcc"] {
        let got = channel.get(queue).unwrap();
        assert_eq!(
            (got.body.as_slice(), got.routing_key.as_str(), got.message_count),
            (&b"letter"[..], "to", 0)
        );
        let properties = Properties::parse(&got.properties).unwrap();
        assert_eq!(properties.message_id, Some(&b"m"[..]));
        let headers = properties.headers().unwrap().unwrap();
        assert_eq!(headers.get("CC"), Some(&list(&["cc", "to"])));
        assert_eq!(
            (headers.get("BCC"), headers.get("x")),
            (None, Some(&FieldValue::from(1)))
        );
    }
    assert_eq!(channel.get("none"), None);
}

#[test]
fn cc_that_is_not_a_list_is_refused() {
    let broker = Broker::start();
    let connection = broker.connect();
    for header in ["CC", "BCC"] {
        let channel = connection.channel();
        channel.declare("q");
        let headers = FieldTable::from_iter([(header, "q")]);
        channel.publish_with("q", &OwnedProperties::new().with_headers(headers).encode(), "");
        let close = channel.expect_close();
        assert_eq!(close.reply_code, 406);
        let text = "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,";
        assert!(close.reply_text.starts_with(text), "{close:?}");
    }
}

/// Binds a queue named like each key, publishes one message and gives the queues it reached, sorted.
fn routed(channel: &Channel, exchange: &str, keys: &[&str], published: &str) -> Vec<String> {
    let queue = |key: &str| format!("[{key}]");
    for key in keys {
        channel.declare(&queue(key));
        channel.call::<BindOk>(bind(&queue(key), exchange, key));
    }
    channel.publish(exchange, published, "x");
    let mut reached: Vec<_> = keys
        .iter()
        .filter(|key| !channel.drain(&queue(key)).is_empty())
        .collect();
    reached.sort();
    reached.into_iter().map(ToString::to_string).collect()
}

fn bind_headers(channel: &Channel, queue: &str, x_match: Option<&str>, criteria: &[(&str, FieldValue)]) {
    let mut arguments: FieldTable = criteria.iter().cloned().collect();
    if let Some(x_match) = x_match {
        arguments.insert("x-match", x_match);
    }
    channel.declare(queue);
    channel.call::<BindOk>(Bind {
        arguments,
        ..bind(queue, "amq.headers", "")
    });
}

/// Publishes one message with these headers and gives the queues bound by [`bind_headers`] that it reached.
fn by_headers(channel: &Channel, headers: &[(&str, FieldValue)]) -> Vec<&'static str> {
    let headers: FieldTable = headers.iter().cloned().collect();
    let raw = OwnedProperties::new().with_headers(headers).encode();
    let publish = leveret_protocol::method::basic::Publish {
        exchange: "amq.headers",
        ..Default::default()
    };
    channel.publish_as(publish, &raw, "x");
    let queues = [
        "all",
        "all-with-x",
        "any",
        "any-with-x",
        "default",
        "int",
        "present",
        "string",
    ];
    queues
        .into_iter()
        .filter(|queue| exists_with_message(channel, queue))
        .collect()
}

fn exists_with_message(channel: &Channel, queue: &str) -> bool {
    channel.declare(queue);
    !channel.drain(queue).is_empty()
}

fn list(values: &[&str]) -> FieldValue {
    values
        .iter()
        .map(|&value| FieldValue::from(value))
        .collect::<Vec<_>>()
        .into()
}
