//! Class `queue`: declaring, purging, deleting, exclusive and auto-delete queues.

use leveret_protocol::method::queue::{Declare, DeclareOk, PurgeOk};
use leveret_protocol::types::{FieldTable, FieldValue};

use crate::support::Broker;
use crate::support::methods::{consume, get, passive, purge, queue};

#[test]
fn declare_ok_gives_name_and_counts() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let fresh = channel.call::<DeclareOk<'_>>(queue("q"));
    assert_eq!(
        fresh,
        DeclareOk {
            queue: "q",
            message_count: 0,
            consumer_count: 0
        }
    );
    for _ in 0..3 {
        channel.publish("", "q", "x");
    }
    channel.get("q").unwrap();
    let counted = channel.call::<DeclareOk<'_>>(queue("q"));
    assert_eq!(
        counted,
        DeclareOk {
            queue: "q",
            message_count: 2,
            consumer_count: 0
        }
    );
    channel.consume("q");
    channel.deliveries(2);
    let consumed = channel.call::<DeclareOk<'_>>(passive("q"));
    assert_eq!(
        consumed,
        DeclareOk {
            queue: "q",
            message_count: 0,
            consumer_count: 1
        }
    );
}

#[test]
fn the_broker_makes_up_a_name_when_there_is_none() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let one = channel.call::<DeclareOk<'_>>(queue("")).queue;
    let two = channel.call::<DeclareOk<'_>>(queue("")).queue;
    assert_ne!(one, two);
    for name in [one, two] {
        let suffix = name.strip_prefix("amq.gen-").expect("a server-named queue");
        assert_eq!(suffix.len(), 22, "{name}");
        assert!(
            suffix
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
            "{name}"
        );
        channel.call::<DeclareOk<'_>>(passive(name));
    }
}

#[test]
fn a_client_may_choose_how_the_made_up_name_begins() {
    let broker = Broker::adjusted(|_| ());
    let channel = broker.connect().channel();
    let prefixed = |prefix: &str| {
        let declare = Declare {
            arguments: FieldTable::from_iter([("x-name-prefix", prefix)]),
            ..queue("")
        };
        channel.call::<DeclareOk<'_>>(declare).queue.to_owned()
    };
    let longest = "p".repeat(64);
    for prefix in ["mine.", &longest] {
        let name = prefixed(prefix);
        assert_eq!(name.strip_prefix(prefix).map(str::len), Some(22), "{name}");
    }
    for prefix in ["amq.rabbitmq.", &"p".repeat(65)] {
        assert!(prefixed(prefix).starts_with("amq.gen-"), "{prefix}");
    }
}

#[test]
fn the_amq_prefix_is_reserved() {
    let broker = Broker::start();
    let connection = broker.connect();
    let text = "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'";
    connection.channel().fails(queue("amq.mine"), 403, text);
    let text = "NOT_FOUND - no queue 'amq.mine' in vhost '/'";
    connection.channel().fails(passive("amq.mine"), 404, text);
}

#[test]
fn asking_for_a_missing_queue_is_not_found() {
    let broker = Broker::start();
    let connection = broker.connect();
    let text = "NOT_FOUND - no queue 'missing' in vhost '/'";
    connection.channel().fails(passive("missing"), 404, text);
    connection.channel().fails(purge("missing"), 404, text);
    connection.channel().fails(get("missing"), 404, text);
    connection.channel().fails(consume("missing"), 404, text);
}

#[test]
fn a_passive_declaration_compares_nothing() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    let arguments = FieldTable::from_iter([("x-message-ttl", 1)]);
    channel.call::<DeclareOk<'_>>(Declare {
        durable: true,
        arguments,
        ..passive("q")
    });
}

#[test]
fn every_combination_of_flags_can_be_declared_twice() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for bits in 0..8 {
        let (durable, exclusive, auto_delete) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
        let name = format!("q{bits}");
        for _ in 0..2 {
            channel.call::<DeclareOk<'_>>(Declare {
                durable,
                exclusive,
                auto_delete,
                ..queue(&name)
            });
        }
    }
}

#[test]
fn a_different_declaration_names_the_first_difference() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.channel().declare("q");
    for (declare, name) in [
        (
            Declare {
                durable: true,
                auto_delete: true,
                ..queue("q")
            },
            "durable",
        ),
        (
            Declare {
                auto_delete: true,
                ..queue("q")
            },
            "auto_delete",
        ),
    ] {
        let text = format!(
            "PRECONDITION_FAILED - inequivalent arg '{name}' for queue 'q' in vhost '/': \
             received 'true' but current is 'false'"
        );
        connection.channel().fails(declare, 406, &text);
    }
}

#[test]
fn a_different_argument_is_shown_with_its_type() {
    let broker = Broker::start();
    let connection = broker.connect();
    let with = |value: Option<FieldValue>| Declare {
        arguments: value.map(|value| ("x-message-ttl", value)).into_iter().collect(),
        ..queue("q")
    };
    connection
        .channel()
        .call::<DeclareOk<'_>>(with(Some(FieldValue::I64(1000))));
    for same in [
        FieldValue::I32(1000),
        FieldValue::I16(1000),
        FieldValue::U32(1000),
    ] {
        connection.channel().call::<DeclareOk<'_>>(with(Some(same)));
    }
    for (value, received) in [
        (None, "none but current is the value '1000' of type 'long'"),
        (Some(FieldValue::I32(2000)), "'2000' but current is '1000'"),
    ] {
        let text = format!(
            "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': \
             received {received}"
        );
        connection.channel().fails(with(value), 406, &text);
    }
    connection.channel().declare("plain");
    let arguments = FieldTable::from_iter([("x-message-ttl", 2000)]);
    let text = "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'plain' in vhost '/': \
                received the value '2000' of type 'signedint' but current is none";
    connection.channel().fails(
        Declare {
            arguments,
            ..queue("plain")
        },
        406,
        text,
    );
}

#[test]
fn a_string_argument_is_compared_too() {
    let broker = Broker::start();
    let connection = broker.connect();
    let with = |exchange: &str| Declare {
        arguments: FieldTable::from_iter([("x-dead-letter-exchange", exchange)]),
        ..queue("q")
    };
    connection.channel().call::<DeclareOk<'_>>(with("one"));
    let text = "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-exchange' for queue 'q' in vhost '/': \
                received 'two' but current is 'one'";
    connection.channel().fails(with("two"), 406, text);
}

#[test]
fn unknown_arguments_are_taken_and_not_compared() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for value in [FieldValue::from(1), "two".into(), FieldValue::Void] {
        let arguments = FieldTable::from_iter([("x-custom", value)]);
        channel.call::<DeclareOk<'_>>(Declare {
            arguments,
            ..queue("q")
        });
    }
    channel.declare("q");
}

#[test]
fn arguments_of_older_days_are_taken() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for (name, argument, value) in [
        ("a", "x-queue-mode", FieldValue::from("lazy")),
        ("b", "x-ha-policy", "all".into()),
        ("c", "x-queue-version", 2.into()),
        ("d", "x-queue-type", "classic".into()),
    ] {
        let arguments = FieldTable::from_iter([(argument, value)]);
        channel.call::<DeclareOk<'_>>(Declare {
            arguments,
            ..queue(name)
        });
    }
    channel.declare("d");
}

#[test]
fn bad_argument_values_are_refused() {
    let broker = Broker::start();
    let connection = broker.connect();
    for (argument, value, reason) in [
        ("x-message-ttl", FieldValue::from(-1), "{value_negative,-1}"),
        ("x-expires", 0.into(), "{value_zero,0}"),
        ("x-max-length", (-5).into(), "{value_negative,-5}"),
    ] {
        let arguments = FieldTable::from_iter([(argument, value)]);
        let text =
            format!("PRECONDITION_FAILED - invalid arg '{argument}' for queue 'q' in vhost '/': {reason}");
        connection.channel().fails(
            Declare {
                arguments,
                ..queue("q")
            },
            406,
            &text,
        );
    }
    for (argument, value) in [
        ("x-message-ttl", FieldValue::from("soon")),
        ("x-max-length", "many".into()),
        ("x-dead-letter-exchange", 1.into()),
        ("x-single-active-consumer", "yes".into()),
    ] {
        let channel = connection.channel();
        channel.send(Declare {
            arguments: FieldTable::from_iter([(argument, value)]),
            ..queue("q")
        });
        let close = channel.expect_close();
        assert_eq!(close.reply_code, 406);
        assert!(
            close.reply_text.starts_with("PRECONDITION_FAILED - invalid "),
            "{close:?}"
        );
        assert!(
            close.reply_text.contains(&format!("arg '{argument}'")),
            "{close:?}"
        );
    }
}

#[test]
fn purge_drops_the_ready_messages_only() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    for body in ["held", "a", "b"] {
        channel.publish("", "q", body);
    }
    let held = channel.get("q").unwrap();
    assert_eq!(channel.call::<PurgeOk>(purge("q")).message_count, 2);
    assert_eq!(channel.call::<PurgeOk>(purge("q")).message_count, 0);
    channel.requeue(held.tag);
    assert_eq!(channel.drain("q"), ["held"]);
}

#[test]
fn two_connections_may_declare_the_same_queue_at_once() {
    let broker = Broker::start();
    let declare = |address| {
        std::thread::spawn(move || {
            let connection = crate::support::Connection::over_tcp(address, "/");
            connection.open("/");
            for round in 0..50 {
                connection.channel().declare(&format!("q{round}"));
            }
        })
    };
    if broker.vhost() == "/" {
        let threads: Vec<_> = (0..4).map(|_| declare(broker.address())).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn a_declared_queue_is_known_everywhere_at_once() {
    let broker = Broker::start();
    let (here, there) = (broker.connect().channel(), broker.connect().channel());
    for round in 0..100 {
        let name = format!("q{round}");
        here.declare(&name);
        there.publish("", &name, "seen");
        assert_eq!(there.drain(&name), ["seen"]);
    }
}
