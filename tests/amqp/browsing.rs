//! What a program that embeds the broker sees of waiting messages, and what it can do to them.

use leveret::broker::{BrowseError, Browsed, Reason, Redrive};
use leveret::{FieldTable, FieldValue};
use leveret_protocol::method::basic::Publish;
use leveret_protocol::method::exchange;
use leveret_protocol::method::queue::{BindOk, Declare, DeclareOk, DeleteOk};
use leveret_protocol::{OwnedProperties, Properties};

use super::policies::answer;
use crate::support::methods::{bind, delete, exchange as declared, queue};
use crate::support::{Broker, Channel};

const WIDE: (usize, u64) = (1_000, 1 << 20);

fn own() -> Broker {
    Broker::adjusted(|_| ())
}

fn bodies(seen: &Browsed) -> Vec<String> {
    let body = |message: &leveret::broker::Waiting| {
        String::from_utf8(message.publication().body.as_slice().to_vec()).unwrap()
    };
    seen.messages.iter().map(body).collect()
}

#[track_caller]
fn browse(broker: &Broker, queue: &str, from: u64, bounds: (usize, u64)) -> Browsed {
    answer(broker.server().broker().browse("/", queue, from, bounds)).unwrap()
}

/// Declares a queue whose dead letters go to the queue "dead".
fn dying(channel: &Channel, name: &str) {
    let arguments = [
        ("x-dead-letter-exchange", ""),
        ("x-dead-letter-routing-key", "dead"),
    ];
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter(arguments),
        ..queue(name)
    });
}

#[track_caller]
fn reject_all(channel: &Channel, queue: &str) {
    while let Some(got) = channel.get(queue) {
        channel.reject(got.tag, false);
    }
}

/// Waits until a queue has so many ready messages.
#[track_caller]
fn await_ready(channel: &Channel, queue: &str, ready: u32) {
    let begun = std::time::Instant::now();
    while channel.ready(queue) != ready {
        assert!(begun.elapsed() < std::time::Duration::from_secs(10));
        std::thread::yield_now();
    }
}

#[test]
fn looking_changes_nothing() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.declare("q");
    (0..10).for_each(|n| channel.publish("", "q", n.to_string()));
    let held = channel.get("q").unwrap();
    assert_eq!(channel.ready("q"), 9);
    let seen = browse(&broker, "q", 0, (4, 1 << 20));
    assert_eq!(bodies(&seen), ["1", "2", "3", "4"]);
    let rest = browse(&broker, "q", seen.next.unwrap(), WIDE);
    assert_eq!(bodies(&rest), ["5", "6", "7", "8", "9"]);
    assert_eq!(rest.next, None);
    assert_eq!(bodies(&browse(&broker, "q", 0, (100, 1))), ["1"], "one at least");
    channel.requeue(held.tag);
    assert_eq!(channel.ready("q"), 10);
    let first = browse(&broker, "q", 0, (1, 1));
    assert_eq!(bodies(&first), ["0"]);
    let got: Vec<bool> = (0..10).map(|_| channel.get("q").unwrap().redelivered).collect();
    assert_eq!(got.iter().filter(|redelivered| **redelivered).count(), 1);
    let missing = answer(broker.server().broker().browse("/", "none", 0, WIDE));
    assert_eq!(missing.unwrap_err(), BrowseError::NoQueue("none".into()));
}

#[test]
fn all_is_seen_whatever_came_back_and_whatever_its_priority() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([("x-max-priority", 5)]),
        ..queue("q")
    });
    for number in 0..12_u8 {
        let properties = OwnedProperties::new().with_priority(number / 4 % 2);
        channel.publish_with("q", &properties.encode(), number.to_string());
    }
    let got: Vec<_> = (0..6).map(|_| channel.get("q").unwrap()).collect();
    for place in [0, 3, 5] {
        channel.requeue(got[place].tag);
    }
    assert_eq!(channel.ready("q"), 9);
    for most in 1..4 {
        let (mut from, mut seen) = (Some(0), Vec::new());
        while let Some(position) = from {
            let part = browse(&broker, "q", position, (most, 1 << 20));
            seen.extend(bodies(&part));
            from = part.next;
        }
        // Of 4, 5, 6, 7, 0 and 1 those stay away that were not given back.
        assert_eq!(seen, ["1", "2", "3", "4", "7", "8", "9", "10", "11"]);
    }
}

#[test]
fn what_is_on_the_disk_alone_is_seen_too() {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    channel.call::<DeclareOk<'_>>(Declare {
        durable: true,
        ..queue("q")
    });
    channel.confirm_select();
    let persistent = OwnedProperties::new().with_delivery_mode(2).encode();
    (0..500).for_each(|n| channel.publish_with("q", &persistent, n.to_string()));
    channel.acked(1, 500);
    drop((channel, broker));
    let broker = Broker::on(data.path());
    let (mut from, mut seen) = (Some(0), Vec::new());
    while let Some(position) = from {
        let part = browse(&broker, "q", position, (64, 1 << 20));
        seen.extend(bodies(&part));
        from = part.next;
    }
    let expected: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    assert_eq!(seen, expected);
    let channel = broker.connect().channel();
    assert_eq!(channel.drain("q"), expected);
}

#[test]
fn dead_letters_go_back_to_where_they_came_from() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.declare("dead");
    dying(&channel, "a");
    dying(&channel, "b");
    channel.call::<BindOk>(bind("a", "amq.topic", "for.*"));
    channel.publish("amq.topic", "for.a", "one");
    channel.publish("", "a", "two");
    channel.publish("", "b", "three");
    channel.publish("", "dead", "no dead letter");
    reject_all(&channel, "a");
    reject_all(&channel, "b");
    await_ready(&channel, "dead", 4);
    let api = broker.server().broker();
    let none = Redrive {
        reason: Some(Reason::Expired),
        ..Redrive::default()
    };
    assert_eq!(answer(api.redrive("/", "dead", &none)), Ok(0));
    let of_a = Redrive {
        queue: Some("a".into()),
        reason: Some(Reason::Rejected),
        ..Redrive::default()
    };
    assert_eq!(answer(api.redrive("/", "dead", &of_a)), Ok(2));
    await_ready(&channel, "a", 2);
    let got = channel.get("a").unwrap();
    assert_eq!((&*got.exchange, &*got.routing_key), ("amq.topic", "for.a"));
    assert_eq!((&*got.body, got.redelivered), (&b"one"[..], false));
    channel.call::<DeleteOk>(delete("b"));
    assert_eq!(
        answer(api.redrive("/", "dead", &Redrive::default())),
        Ok(0),
        "its queue is gone"
    );
    await_ready(&channel, "dead", 2);
    let left = channel.drain("dead");
    assert_eq!(left, ["no dead letter", "three"]);
}

#[test]
fn so_many_with_a_header_are_redriven() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.declare("dead");
    dying(&channel, "a");
    for n in 0..10 {
        let headers = FieldTable::from_iter([("odd", FieldValue::Bool(n % 2 == 1))]);
        let properties = OwnedProperties::new().with_headers(headers);
        channel.publish_with("a", &properties.encode(), n.to_string());
    }
    reject_all(&channel, "a");
    await_ready(&channel, "dead", 10);
    let which = Redrive {
        header: Some(("odd".to_owned(), FieldValue::Bool(true))),
        most: Some(3),
        ..Redrive::default()
    };
    let api = broker.server().broker();
    assert_eq!(answer(api.redrive("/", "dead", &which)), Ok(3));
    await_ready(&channel, "a", 3);
    assert_eq!(channel.drain("a"), ["1", "3", "5"]);
    assert_eq!(channel.drain("dead"), ["0", "2", "4", "6", "7", "8", "9"]);
}

#[test]
fn a_redriven_message_can_die_again() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.declare("dead");
    let arguments = FieldTable::from_iter([
        ("x-dead-letter-exchange", FieldValue::from("")),
        ("x-dead-letter-routing-key", "dead".into()),
        ("x-message-ttl", 50.into()),
    ]);
    channel.call::<DeclareOk<'_>>(Declare {
        arguments,
        ..queue("a")
    });
    channel.publish("", "a", "x");
    for times in 1..=3_i64 {
        await_ready(&channel, "dead", 1);
        let seen = browse(&broker, "dead", 0, WIDE);
        let publication = seen.messages[0].publication();
        let headers = Properties::parse(publication.properties).and_then(|properties| properties.headers());
        let headers = headers.unwrap().unwrap();
        let deaths = headers.get("x-death").and_then(FieldValue::as_array).unwrap();
        let counts: Vec<_> = deaths
            .iter()
            .map(|death| death.as_table().unwrap().get("count").cloned())
            .collect();
        assert_eq!(counts, [Some(FieldValue::I64(times))]);
        let all = Redrive::default();
        assert_eq!(answer(broker.server().broker().redrive("/", "dead", &all)), Ok(1));
    }
}

#[test]
fn what_waited_before_a_restart_is_seen_and_taken_at_once() {
    const MESSAGES: u32 = 20_000;
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    channel.call::<exchange::DeclareOk>(exchange::Declare {
        durable: true,
        arguments: FieldTable::from_iter([("x-delayed-type", "fanout")]),
        ..declared("later", "x-delayed-message")
    });
    channel.confirm_select();
    let headers = FieldTable::from_iter([("x-delay", 3_600_000)]);
    let properties = OwnedProperties::new().with_headers(headers);
    let properties = properties.with_delivery_mode(2).encode();
    for number in 0..MESSAGES {
        let publish = Publish {
            exchange: "later",
            ..Default::default()
        };
        channel.publish_as(publish, &properties, number.to_string());
    }
    channel.acked(1, MESSAGES.into());
    let last = (MESSAGES as usize, 1 << 30);
    let position = |broker: &Broker| {
        let pending = answer(broker.server().broker().pending("/", "later", 0, last)).unwrap();
        assert_eq!(pending.messages.len(), MESSAGES as usize);
        pending.messages.last().unwrap().position
    };
    let before = position(&broker);
    drop((channel, broker));
    let broker = Broker::on(data.path());
    assert_eq!(position(&broker), before);
    drop(broker);
    let broker = Broker::on(data.path());
    let api = broker.server().broker();
    assert_eq!(answer(api.cancel_pending("/", "later", &[before])), Ok(1));
}

#[test]
fn pending_messages_are_listed_and_cancelled() {
    let broker = own();
    let channel = broker.connect().channel();
    channel.call::<exchange::DeclareOk>(exchange::Declare {
        arguments: FieldTable::from_iter([("x-delayed-type", "fanout")]),
        ..declared("later", "x-delayed-message")
    });
    channel.declare("q");
    channel.call::<BindOk>(bind("q", "later", ""));
    channel.confirm_select();
    for body in ["kept", "cancelled", "kept too"] {
        let headers = FieldTable::from_iter([("x-delay", 700)]);
        let publish = Publish {
            exchange: "later",
            ..Default::default()
        };
        let properties = OwnedProperties::new().with_headers(headers);
        channel.publish_as(publish, &properties.encode(), body);
    }
    channel.acked(1, 3);
    let api = broker.server().broker();
    let pending = answer(api.pending("/", "later", 0, WIDE)).unwrap();
    assert_eq!(bodies(&pending), ["kept", "cancelled", "kept too"]);
    let second = pending.messages[1].position;
    assert_eq!(answer(api.cancel_pending("/", "later", &[second])), Ok(1));
    assert_eq!(answer(api.cancel_pending("/", "later", &[second])), Ok(0));
    channel.consume("q");
    assert_eq!(channel.delivered(2), ["kept", "kept too"]);
}
