//! Keys in the header `BCC`: they count for as long as the message lives, and no receiver sees them.

use leveret_protocol::method::basic::Publish;
use leveret_protocol::method::exchange::DeclareOk as ExchangeDeclareOk;
use leveret_protocol::method::queue::{BindOk, Declare, DeclareOk};
use leveret_protocol::types::{FieldTable, FieldValue};
use leveret_protocol::{OwnedProperties, Properties};

use crate::support::content::Delivery;
use crate::support::methods::{bind, exchange, queue};
use crate::support::{Broker, Channel};

fn strings<const N: usize>(keys: [&str; N]) -> FieldValue {
    FieldValue::Array(keys.map(FieldValue::from).to_vec())
}

/// Declares a queue whose dead letters go to an exchange, with a new key if there is one.
fn declare(channel: &Channel, name: &str, exchange: &str, key: Option<&str>) {
    let mut arguments = FieldTable::from_iter([("x-dead-letter-exchange", exchange)]);
    if let Some(key) = key {
        arguments.insert("x-dead-letter-routing-key", key);
    }
    let declare = Declare {
        arguments,
        ..queue(name)
    };
    channel.call::<DeclareOk<'_>>(declare);
}

/// Publishes to a queue with blind copies to `blind`, and an open one to `copy`.
fn publish<const N: usize>(channel: &Channel, to: &str, blind: [&str; N], more: &[(&str, FieldValue)]) {
    let mut headers: FieldTable = more.iter().cloned().collect();
    headers.insert("CC", strings(["copy"]));
    headers.insert("BCC", strings(blind));
    let properties = OwnedProperties::new().with_headers(headers).encode();
    channel.publish_with(to, &properties, "secret");
}

/// The headers of a delivery.
fn headers(delivery: &Delivery) -> FieldTable {
    let properties = Properties::parse(&delivery.properties).unwrap();
    properties.headers().unwrap().unwrap()
}

/// The routing keys of its deaths, the latest first.
fn keys_of_deaths(delivery: &Delivery) -> Vec<FieldValue> {
    let headers = headers(delivery);
    let deaths = headers.get("x-death").unwrap().as_array().unwrap();
    let key = |death: &FieldValue| death.as_table().unwrap().get("routing-keys").unwrap().clone();
    deaths.iter().map(key).collect()
}

/// An exchange "dlx" that leads the keys "q", "copy" and "blind" to the queues "dead", "dead copy" and "dead blind".
fn dead_letter_exchange(channel: &Channel) {
    channel.call::<ExchangeDeclareOk>(exchange("dlx", "direct"));
    for (key, queue) in [("q", "dead"), ("copy", "dead copy"), ("blind", "dead blind")] {
        channel.declare(queue);
        channel.call::<BindOk>(bind(queue, "dlx", key));
    }
}

#[test]
fn a_dead_letter_goes_to_those_who_got_a_blind_copy_too() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    dead_letter_exchange(&channel);
    declare(&channel, "q", "dlx", None);
    publish(&channel, "q", ["blind"], &[]);
    channel.consume("q");
    channel.reject(channel.delivery().tag, false);
    for queue in ["dead", "dead copy", "dead blind"] {
        channel.consume(queue);
        let delivery = channel.delivery();
        assert_eq!(delivery.routing_key, "q", "{queue}");
        assert_eq!(headers(&delivery).get("BCC"), None, "{queue}");
        assert_eq!(headers(&delivery).get("CC"), Some(&strings(["copy"])), "{queue}");
        assert_eq!(keys_of_deaths(&delivery), [strings(["q", "copy"])], "{queue}");
    }
}

#[test]
fn blind_copies_count_for_the_second_death_but_not_after_a_new_key() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    dead_letter_exchange(&channel);
    channel.call::<ExchangeDeclareOk>(exchange("first", "direct"));
    declare(&channel, "q", "first", None);
    declare(&channel, "again", "dlx", None);
    channel.call::<BindOk>(bind("again", "first", "q"));
    declare(&channel, "renamed", "", Some("keyless"));
    declare(&channel, "keyless", "dlx", None);
    for queue in ["q", "again", "renamed", "keyless"] {
        channel.consume(queue);
    }
    publish(&channel, "q", ["blind"], &[]);
    for _ in 0..2 {
        channel.reject(channel.delivery().tag, false);
    }
    channel.consume("dead blind");
    let twice = channel.delivery();
    let keys = || strings(["q", "copy"]);
    assert_eq!(keys_of_deaths(&twice), [keys(), keys()]);
    publish(&channel, "renamed", ["blind"], &[]);
    for _ in 0..2 {
        channel.reject(channel.delivery().tag, false);
    }
    channel.declare("end");
    channel.publish("", "end", "");
    channel.consume("end");
    assert_eq!(
        channel.delivery().routing_key,
        "end",
        "nothing came for the blind"
    );
}

#[test]
fn no_way_of_receiving_shows_blind_copies() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let count = [("x-delivery-limit", FieldValue::from(9))];
    for name in ["q", "blind", "copy"] {
        channel.call::<DeclareOk<'_>>(Declare {
            arguments: FieldTable::from_iter(count.clone()),
            ..queue(name)
        });
    }
    publish(&channel, "q", ["blind"], &[]);
    let got = channel.get("q").unwrap();
    let properties = Properties::parse(&got.properties).unwrap();
    assert_eq!(properties.headers().unwrap().unwrap().get("BCC"), None);
    channel.reject(got.tag, true);
    channel.consume("q");
    let again = headers(&channel.delivery());
    assert_eq!(
        (again.get("BCC"), again.get("x-delivery-count")),
        (None, Some(&1_i64.into()))
    );
    channel.consume("blind");
    assert_eq!(headers(&channel.delivery()).get("BCC"), None);
}

#[test]
fn a_delayed_message_goes_to_those_who_get_a_blind_copy() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.call::<ExchangeDeclareOk>(leveret_protocol::method::exchange::Declare {
        arguments: FieldTable::from_iter([("x-delayed-type", "direct")]),
        ..exchange("later", "x-delayed-message")
    });
    for name in ["q", "blind"] {
        channel.declare(name);
        channel.call::<BindOk>(bind(name, "later", name));
        channel.consume(name);
    }
    let mut table = FieldTable::from_iter([("x-delay", 30)]);
    table.insert("BCC", strings(["blind"]));
    let publish = Publish {
        exchange: "later",
        routing_key: "q",
        ..Default::default()
    };
    channel.publish_as(
        publish,
        &OwnedProperties::new().with_headers(table).encode(),
        "secret",
    );
    for _ in 0..2 {
        let delivery = channel.delivery();
        assert_eq!(
            (delivery.routing_key.as_str(), headers(&delivery).get("BCC")),
            ("q", None)
        );
    }
}

#[test]
fn a_transaction_keeps_blind_copies() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    dead_letter_exchange(&channel);
    declare(&channel, "q", "dlx", None);
    channel.call::<leveret_protocol::method::tx::SelectOk>(leveret_protocol::method::tx::Select {});
    publish(&channel, "q", ["blind"], &[]);
    channel.call::<leveret_protocol::method::tx::CommitOk>(leveret_protocol::method::tx::Commit {});
    let other = broker.connect().channel();
    other.consume("q");
    other.reject(other.delivery().tag, false);
    other.consume("dead blind");
    assert_eq!(headers(&other.delivery()).get("BCC"), None);
}

#[test]
fn a_blind_copy_stays_blind_however_often_the_same_is_published() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.call::<BindOk>(bind("q", "amq.headers", ""));
    let headers_with_bcc = FieldTable::from_iter([("BCC", strings(["blind"])), ("mine", 7.into())]);
    let properties = OwnedProperties::new().with_headers(headers_with_bcc).encode();
    channel.consume("q");
    for _ in 0..3 {
        let publish = Publish {
            exchange: "amq.headers",
            ..Default::default()
        };
        channel.publish_as(publish, &properties, "secret");
        let expected = FieldTable::from_iter([("mine", 7)]);
        assert_eq!(headers(&channel.delivery()), expected);
    }
}
