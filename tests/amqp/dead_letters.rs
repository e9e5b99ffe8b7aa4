//! Dead-lettering: when a message dies, where it goes, and what it tells of its death.

use leveret_protocol::method::basic::Publish;
use leveret_protocol::method::exchange;
use leveret_protocol::method::queue::{BindOk, Declare, DeclareOk, DeleteOk, PurgeOk};
use leveret_protocol::types::{FieldTable, FieldValue};
use leveret_protocol::{OwnedProperties, Properties};

use crate::support::content::Delivery;
use crate::support::methods::{bind, delete, exchange, purge, queue};
use crate::support::{Broker, Channel};

/// Declares a queue with these arguments.
#[track_caller]
fn declare<const N: usize>(channel: &Channel, name: &str, arguments: [(&str, FieldValue); N]) {
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter(arguments),
        ..queue(name)
    });
}

fn to(exchange: &str) -> (&'static str, FieldValue) {
    ("x-dead-letter-exchange", exchange.into())
}

fn by(key: &str) -> (&'static str, FieldValue) {
    ("x-dead-letter-routing-key", key.into())
}

/// A channel, and another that consumes a queue "dead" without acknowledging.
fn channels(broker: &Broker) -> (Channel, Channel) {
    let connection = broker.connect();
    let (channel, dead) = (connection.channel(), connection.channel());
    declare(&channel, "dead", []);
    dead.consume("dead");
    (channel, dead)
}

/// Takes the next message of a queue and refuses it.
#[track_caller]
fn reject(channel: &Channel, queue: &str) {
    let got = channel.get(queue).expect("a message");
    channel.reject(got.tag, false);
}

fn headers(delivery: &Delivery) -> FieldTable {
    let properties = Properties::parse(&delivery.properties).unwrap();
    properties.headers().unwrap().unwrap_or_default()
}

fn deaths(delivery: &Delivery) -> Vec<FieldTable> {
    let headers = headers(delivery);
    let deaths = headers.get("x-death").and_then(FieldValue::as_array).unwrap();
    let tables = deaths.iter().map(|death| death.as_table().unwrap().clone());
    tables.collect()
}

/// Of each death: its queue, its reason and how often.
fn told(delivery: &Delivery) -> Vec<(String, String, i64)> {
    let text = |death: &FieldTable, key| death.get(key).unwrap().as_str().unwrap().to_owned();
    let deaths = deaths(delivery).into_iter().map(|death| {
        let count = death.get("count").unwrap().as_i64().unwrap();
        (text(&death, "queue"), text(&death, "reason"), count)
    });
    deaths.collect()
}

fn strings<const N: usize>(keys: [&str; N]) -> FieldValue {
    FieldValue::Array(keys.map(FieldValue::from).to_vec())
}

#[test]
fn a_rejected_message_tells_of_its_death() {
    let broker = Broker::start();
    let (channel, dead) = channels(&broker);
    declare(&channel, "q", [to(""), by("dead")]);
    let properties = OwnedProperties::new()
        .with_headers(FieldTable::from_iter([("mine", 7)]))
        .with_delivery_mode(2)
        .with_priority(3)
        .with_reply_to("me")
        .with_message_id("m");
    channel.publish_with("q", &properties.encode(), "body");
    reject(&channel, "q");
    let delivery = dead.delivery();
    assert_eq!(
        (&*delivery.exchange, &*delivery.routing_key, &*delivery.body),
        ("", "dead", &b"body"[..])
    );
    assert!(!delivery.redelivered);
    let after = Properties::parse(&delivery.properties).unwrap();
    assert_eq!((after.delivery_mode, after.priority), (Some(2), Some(3)));
    assert_eq!(
        (after.reply_to, after.message_id),
        (Some(&b"me"[..]), Some(&b"m"[..]))
    );
    let headers = headers(&delivery);
    assert_eq!(headers.get("mine"), Some(&7.into()));
    for (key, value) in [
        ("x-first-death-reason", "rejected"),
        ("x-first-death-queue", "q"),
        ("x-first-death-exchange", ""),
        ("x-last-death-reason", "rejected"),
        ("x-last-death-queue", "q"),
        ("x-last-death-exchange", ""),
    ] {
        assert_eq!(headers.get(key), Some(&value.into()), "{key}");
    }
    let deaths = deaths(&delivery);
    let death = &deaths[0];
    assert_eq!(deaths.len(), 1);
    assert_eq!(death.get("count"), Some(&FieldValue::I64(1)));
    assert_eq!(death.get("reason"), Some(&"rejected".into()));
    assert_eq!(death.get("queue"), Some(&"q".into()));
    assert_eq!(death.get("exchange"), Some(&"".into()));
    assert_eq!(death.get("routing-keys"), Some(&strings(["q"])));
    assert!(matches!(death.get("time"), Some(FieldValue::Timestamp(time)) if *time > 1_700_000_000));
    assert_eq!(death.get("original-expiration"), None);
}

#[test]
fn an_expired_message_does_not_expire_again() {
    let broker = Broker::start();
    let (channel, dead) = channels(&broker);
    declare(&channel, "q", [to(""), by("dead")]);
    let properties = OwnedProperties::new().with_expiration("20").encode();
    channel.publish_with("q", &properties, "own");
    let delivery = dead.delivery();
    assert_eq!(told(&delivery), [("q".into(), "expired".into(), 1)]);
    assert_eq!(
        deaths(&delivery)[0].get("original-expiration"),
        Some(&"20".into())
    );
    let after = Properties::parse(&delivery.properties).unwrap();
    assert_eq!(after.expiration, None);
    declare(
        &channel,
        "timed",
        [to(""), by("dead"), ("x-message-ttl", 20.into())],
    );
    channel.publish("", "timed", "queue's");
    let delivery = dead.delivery();
    assert_eq!(told(&delivery), [("timed".into(), "expired".into(), 1)]);
    assert_eq!(deaths(&delivery)[0].get("original-expiration"), None);
}

#[test]
fn what_is_one_too_many_dies_oldest_first() {
    let broker = Broker::start();
    let (channel, dead) = channels(&broker);
    declare(&channel, "q", [to(""), by("dead"), ("x-max-length", 2.into())]);
    (1..=5).for_each(|n| channel.publish("", "q", n.to_string()));
    let deliveries = dead.deliveries(3);
    let bodies: Vec<&[u8]> = deliveries.iter().map(|delivery| &*delivery.body).collect();
    assert_eq!(bodies, [b"1", b"2", b"3"]);
    assert!(
        deliveries
            .iter()
            .all(|delivery| told(delivery) == [("q".into(), "maxlen".into(), 1)])
    );
    assert_eq!(channel.drain("q"), ["4", "5"]);
}

#[test]
fn a_message_returned_too_often_dies() {
    let broker = Broker::start();
    let (channel, dead) = channels(&broker);
    declare(
        &channel,
        "q",
        [to(""), by("dead"), ("x-delivery-limit", 1.into())],
    );
    channel.publish("", "q", "again");
    for _ in 0..2 {
        let got = channel.get("q").expect("it is there again");
        channel.requeue(got.tag);
    }
    assert_eq!(told(&dead.delivery()), [("q".into(), "delivery_limit".into(), 1)]);
    assert_eq!(channel.get("q"), None);
}

#[test]
fn purged_deleted_and_messages_of_an_expired_queue_are_not_dead_letters() {
    let broker = Broker::start();
    let (channel, dead) = channels(&broker);
    declare(
        &channel,
        "passing",
        [to(""), by("dead"), ("x-expires", 30.into())],
    );
    channel.publish("", "passing", "expired");
    declare(&channel, "q", [to(""), by("dead")]);
    channel.publish("", "q", "purged");
    assert_eq!(channel.call::<PurgeOk>(purge("q")).message_count, 1);
    channel.publish("", "q", "deleted");
    assert_eq!(channel.call::<DeleteOk>(delete("q")).message_count, 1);
    dead.expect_nothing();
}

#[test]
fn without_a_key_of_its_own_a_dead_letter_goes_by_all_it_was_published_with() {
    let broker = Broker::start();
    let (channel, dead) = channels(&broker);
    channel.call::<exchange::DeclareOk>(exchange("dlx", "direct"));
    declare(&channel, "q", [to("dlx")]);
    declare(&channel, "copies", []);
    channel.call::<BindOk>(bind("dead", "dlx", "q"));
    channel.call::<BindOk>(bind("copies", "dlx", "copy"));
    let copies = FieldTable::from_iter([("CC", strings(["copy"]))]);
    let properties = OwnedProperties::new().with_headers(copies);
    channel.publish_with("q", &properties.encode(), "both");
    reject(&channel, "q");
    let delivery = dead.delivery();
    assert_eq!((&*delivery.exchange, &*delivery.routing_key), ("dlx", "q"));
    let keys = deaths(&delivery)[0].get("routing-keys").cloned();
    assert_eq!(keys, Some(strings(["q", "copy"])));
    assert_eq!(channel.drain("copies"), ["both"]);
}

#[test]
fn with_a_key_of_its_own_a_dead_letter_goes_by_that_alone() {
    let broker = Broker::start();
    let (channel, dead) = channels(&broker);
    declare(&channel, "q", [to(""), by("dead")]);
    declare(&channel, "copies", []);
    let copies = FieldTable::from_iter([("CC", strings(["copies"]))]);
    let properties = OwnedProperties::new().with_headers(copies.clone());
    channel.publish_with("q", &properties.encode(), "one");
    assert_eq!(channel.drain("copies"), ["one"]);
    reject(&channel, "q");
    assert_eq!(headers(&dead.delivery()).get("CC"), copies.get("CC"));
    assert_eq!(channel.ready("copies"), 0);
}

#[test]
fn an_exchange_that_does_not_exist_drops_dead_letters_and_may_come_later() {
    let broker = Broker::start();
    let (channel, dead) = channels(&broker);
    declare(&channel, "q", [to("later"), by("k")]);
    channel.publish("", "q", "lost");
    reject(&channel, "q");
    assert_eq!(channel.ready("q"), 0);
    channel.call::<exchange::DeclareOk>(exchange("later", "fanout"));
    channel.call::<BindOk>(bind("dead", "later", ""));
    channel.publish("", "q", "found");
    reject(&channel, "q");
    assert_eq!(dead.delivery().body, b"found");
}

#[test]
fn the_same_death_is_counted_and_the_latest_comes_first() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    declare(&channel, "a", [to(""), by("b")]);
    declare(&channel, "b", [to(""), by("a")]);
    channel.publish("", "a", "round");
    channel.consume("a");
    let rejecting = connection.channel();
    rejecting.consume("b");
    for _ in 0..2 {
        channel.reject(channel.delivery().tag, false);
        rejecting.reject(rejecting.delivery().tag, false);
    }
    let delivery = channel.delivery();
    let expected = [("b", 2), ("a", 2)].map(|(queue, count)| (queue.into(), "rejected".into(), count));
    assert_eq!(told(&delivery), expected);
    let headers = headers(&delivery);
    assert_eq!(headers.get("x-first-death-queue"), Some(&"a".into()));
    assert_eq!(headers.get("x-last-death-queue"), Some(&"b".into()));
}

#[test]
fn a_history_that_a_client_wrote_does_not_count() {
    let broker = Broker::start();
    let (channel, dead) = channels(&broker);
    declare(&channel, "q", [to(""), by("dead")]);
    let made_up = FieldTable::from_iter([
        ("queue", FieldValue::from("q")),
        ("reason", "rejected".into()),
        ("count", FieldValue::I64(41)),
    ]);
    let made_up = FieldTable::from_iter([("x-death", FieldValue::Array(vec![made_up.into()]))]);
    let properties = OwnedProperties::new().with_headers(made_up.clone());
    channel.publish_with("q", &properties.encode(), "");
    let got = channel.get("q").unwrap();
    let before = Properties::parse(&got.properties).unwrap().headers().unwrap();
    assert_eq!(before, Some(made_up), "an ordinary header until it dies");
    channel.reject(got.tag, false);
    let delivery = dead.delivery();
    assert_eq!(told(&delivery), [("q".into(), "rejected".into(), 1)]);
    // Published again as it was delivered, it begins anew.
    channel.publish_with("q", &delivery.properties, "");
    reject(&channel, "q");
    assert_eq!(told(&dead.delivery()), [("q".into(), "rejected".into(), 1)]);
}

#[test]
fn an_automatic_cycle_ends_where_it_began() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, "a", [to(""), by("b"), ("x-message-ttl", 10.into())]);
    declare(&channel, "b", [to(""), by("a"), ("x-message-ttl", 10.into())]);
    declare(
        &channel,
        "self",
        [to(""), by("self"), ("x-message-ttl", 10.into())],
    );
    let witness = broker.connect().channel();
    declare(&witness, "dead", []);
    declare(
        &witness,
        "probe",
        [to(""), by("dead"), ("x-message-ttl", 500.into())],
    );
    witness.consume("dead");
    channel.publish("", "a", "round");
    channel.publish("", "self", "round");
    channel.publish("", "probe", "time is over");
    witness.delivery();
    assert_eq!(channel.ready("a") + channel.ready("b") + channel.ready("self"), 0);
}

#[test]
fn a_queue_may_be_its_own_target_when_its_messages_are_rejected() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, "q", [to(""), by("q")]);
    let count = 2_000;
    (0..count).for_each(|n| channel.publish("", "q", n.to_string()));
    channel.consume("q");
    for _ in 0..count {
        channel.reject(channel.delivery().tag, false);
    }
    for n in 0..count {
        let delivery = channel.delivery();
        assert_eq!(delivery.body, n.to_string().as_bytes());
        assert_eq!(told(&delivery), [("q".into(), "rejected".into(), 1)]);
        channel.ack(delivery.tag);
    }
}

#[test]
fn dead_letters_keep_their_order() {
    let broker = Broker::start();
    let (channel, dead) = channels(&broker);
    declare(&channel, "q", [to(""), by("dead")]);
    let count = 5_000;
    (0..count).for_each(|n| channel.publish("", "q", n.to_string()));
    channel.consume("q");
    for _ in 0..count {
        channel.reject(channel.delivery().tag, false);
    }
    let expected: Vec<String> = (0..count).map(|n: u32| n.to_string()).collect();
    assert_eq!(dead.delivered(count as usize), expected);
}

#[test]
fn a_full_target_gets_dead_letters_when_it_has_room() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(
        &channel,
        "full",
        [
            ("x-max-length", 1.into()),
            ("x-overflow", "reject-publish".into()),
        ],
    );
    declare(&channel, "q", [to(""), by("full")]);
    (0..5).for_each(|n| channel.publish("", "q", n.to_string()));
    for _ in 0..5 {
        reject(&channel, "q");
    }
    channel.consume("full");
    let mut got: Vec<Vec<u8>> = Vec::new();
    for _ in 0..5 {
        let delivery = channel.delivery();
        channel.ack(delivery.tag);
        got.push(delivery.body);
    }
    got.sort_unstable();
    assert_eq!(got, [b"0", b"1", b"2", b"3", b"4"]);
}

#[test]
fn equal_dead_letters_go_where_the_bindings_of_the_moment_lead() {
    let broker = Broker::start();
    let (channel, dead) = channels(&broker);
    declare(&channel, "other", []);
    declare(&channel, "q", [to("amq.fanout")]);
    channel.call::<BindOk>(bind("dead", "amq.fanout", ""));
    for body in ["1", "2"] {
        channel.publish("", "q", body);
        reject(&channel, "q");
        assert_eq!(dead.delivery().body, body.as_bytes());
    }
    channel.call::<BindOk>(bind("other", "amq.fanout", ""));
    channel.publish("", "q", "3");
    reject(&channel, "q");
    assert_eq!(dead.delivery().body, b"3");
    let other = broker.connect().channel();
    other.consume("other");
    assert_eq!(other.delivery().body, b"3");
    channel.call::<DeleteOk>(delete("other"));
    declare(&channel, "other", []);
    channel.publish("", "q", "4");
    reject(&channel, "q");
    assert_eq!(dead.delivery().body, b"4");
    assert!(channel.get("other").is_none(), "it is another queue now");
}

#[test]
fn a_headers_exchange_sees_the_death() {
    let broker = Broker::start();
    let (channel, dead) = channels(&broker);
    channel.call::<exchange::DeclareOk>(exchange("dlx", "headers"));
    let arguments = FieldTable::from_iter([("x-last-death-reason", FieldValue::from("rejected"))]);
    channel.call::<BindOk>(leveret_protocol::method::queue::Bind {
        arguments: {
            let mut arguments = arguments;
            arguments.insert("x-match", "all-with-x");
            arguments
        },
        ..bind("dead", "dlx", "")
    });
    declare(&channel, "q", [to("dlx")]);
    channel.publish_as(
        Publish {
            routing_key: "q",
            ..Default::default()
        },
        &OwnedProperties::new().encode(),
        "seen",
    );
    reject(&channel, "q");
    assert_eq!(dead.delivery().body, b"seen");
}
