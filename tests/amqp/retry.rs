//! Delayed retries: what comes back rests before it is ready again.

use std::time::{Duration, Instant};

use leveret_protocol::method::queue::{Declare, DeclareOk, PurgeOk};
use leveret_protocol::properties::Properties;
use leveret_protocol::{FieldTable, FieldValue, OwnedProperties};

use crate::support::methods::{purge, queue};
use crate::support::{Broker, Channel};

/// The least a message rests in these tests. Long enough to see that it does.
const MIN: Duration = Duration::from_millis(500);

#[test]
fn what_comes_back_is_ready_again_at_its_place_after_a_while() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, "all", 1, None);
    ["a", "b", "c"]
        .iter()
        .for_each(|body| channel.publish("", "q", body));
    let first = channel.get("q").unwrap();
    channel.requeue(first.tag);
    let second = channel.get("q").unwrap();
    assert_eq!(second.body, b"b");
    channel.reject(second.tag, true);
    assert_eq!(channel.ready("q"), 1, "two rest");
    await_ready(&channel, 3);
    let counts = [("a", Some(1)), ("b", Some(1)), ("c", None)];
    for (body, count) in counts {
        let got = channel.get("q").unwrap();
        assert_eq!((got.body, got.redelivered), (body.into(), count.is_some()));
        assert_eq!(count_of(&got.properties), count);
    }
}

#[test]
fn each_return_makes_the_rest_longer_up_to_the_longest() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, "all", 2, None);
    channel.publish("", "q", "a");
    channel.consume("q");
    let mut delivery = channel.delivery();
    for times in [1, 2, 2] {
        let start = Instant::now();
        channel.requeue(delivery.tag);
        delivery = channel.delivery();
        let rested = start.elapsed();
        assert!(rested >= MIN * times, "{rested:?} of {:?}", MIN * times);
    }
    assert_eq!(count_of(&delivery.properties), Some(3));
}

#[test]
fn only_the_kind_that_was_asked_for_rests() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for (kind, nacked, rejected) in [
        ("all", 0, 0),
        ("failed", 1, 0),
        ("returned", 0, 1),
        ("disabled", 1, 1),
    ] {
        let name = format!("q {kind}");
        declare_as(&channel, &name, kind, 600, None);
        for (expected, reject) in [(nacked, false), (rejected, true)] {
            channel.publish("", &name, "a");
            let got = channel.get(&name).unwrap();
            match reject {
                true => channel.reject(got.tag, true),
                false => channel.requeue(got.tag),
            }
            assert_eq!(channel.ready(&name), expected, "{kind}, rejected: {reject}");
            channel.drain(&name);
        }
    }
}

#[test]
fn what_a_lost_channel_had_rests_as_failed() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    declare(&channel, "failed", 1, None);
    channel.publish("", "q", "a");
    let lost = connection.channel();
    lost.get("q").unwrap();
    lost.close();
    assert_eq!(channel.ready("q"), 0);
    await_ready(&channel, 1);
}

#[test]
fn after_as_many_returns_as_allowed_it_is_given_up() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, "all", 1, Some(1));
    channel.publish("", "q", "a");
    channel.publish("", "q", "b");
    let first = channel.get("q").unwrap();
    channel.requeue(first.tag);
    await_ready(&channel, 2);
    let again = channel.get("q").unwrap();
    assert_eq!(again.body, b"a");
    channel.requeue(again.tag);
    assert_eq!(channel.drain("q"), ["b"]);
}

#[test]
fn a_purge_leaves_what_rests() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, "all", 1, None);
    channel.publish("", "q", "a");
    channel.publish("", "q", "b");
    let got = channel.get("q").unwrap();
    channel.requeue(got.tag);
    assert_eq!(channel.call::<PurgeOk>(purge("q")).message_count, 1);
    await_ready(&channel, 1);
    assert_eq!(channel.drain("q"), ["a"]);
}

#[test]
fn what_rests_expires_all_the_same() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.call::<DeclareOk<'_>>(queue("dead"));
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([
            ("x-delayed-retry-type", FieldValue::from("all")),
            ("x-delayed-retry-min", 60_000.into()),
            ("x-delayed-retry-max", 60_000.into()),
            ("x-dead-letter-exchange", "".into()),
            ("x-dead-letter-routing-key", "dead".into()),
        ]),
        ..queue("q")
    });
    let properties = OwnedProperties::new().with_expiration("500").encode();
    channel.publish_with("q", &properties, "a");
    let got = channel.get("q").unwrap();
    channel.requeue(got.tag);
    assert_eq!(channel.ready("q"), 0, "it rests, and nothing waits or is held");
    await_ready_in(&channel, "dead", 1);
}

fn declare(channel: &Channel, kind: &str, times: u64, limit: Option<i32>) {
    declare_as(channel, "q", kind, times, limit);
}

/// Declares a queue where messages rest up to so many times the least.
fn declare_as(channel: &Channel, name: &str, kind: &str, times: u64, limit: Option<i32>) {
    let least = MIN.as_millis() as i64;
    // Where one looks at what rests, it must not wake meanwhile.
    let least = if times > 100 { least * 100 } else { least };
    let mut arguments = FieldTable::from_iter([
        ("x-delayed-retry-type", FieldValue::from(kind)),
        ("x-delayed-retry-min", least.into()),
        ("x-delayed-retry-max", (least * times as i64).into()),
    ]);
    if let Some(limit) = limit {
        arguments.insert("x-delivery-limit", limit);
    }
    channel.call::<DeclareOk<'_>>(Declare {
        arguments,
        ..queue(name)
    });
}

/// Waits until that many messages are ready.
#[track_caller]
fn await_ready(channel: &Channel, count: u32) {
    await_ready_in(channel, "q", count);
}

#[track_caller]
fn await_ready_in(channel: &Channel, queue: &str, count: u32) {
    let start = Instant::now();
    while channel.ready(queue) != count {
        assert!(
            start.elapsed() < crate::support::PATIENCE,
            "{count} are not ready in time"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn count_of(properties: &[u8]) -> Option<i64> {
    let headers = Properties::parse(properties).unwrap().headers().unwrap()?;
    match headers.get("x-delivery-count")? {
        FieldValue::I64(count) => Some(*count),
        other => panic!("{other:?}"),
    }
}
