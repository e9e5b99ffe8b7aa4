//! Times and limits over a restart.

use std::thread::sleep;
use std::time::{Duration, Instant};

use leveret_protocol::method::queue::{Declare, DeclareOk};
use leveret_protocol::{FieldTable, FieldValue, Method, OwnedProperties};

use super::durable;
use super::support::methods::bind;
use super::support::{Broker, Channel, PATIENCE, eventually};

#[test]
fn deadlines_hold_over_a_restart_and_go_on_while_the_broker_is_down() {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    channel.call::<DeclareOk<'_>>(durable("q"));
    channel.confirm_select();
    let begun = Instant::now();
    for (body, ttl) in [("a", "100"), ("b", "60000"), ("c", "4000"), ("d", "60000")] {
        let properties = OwnedProperties::new().with_delivery_mode(2);
        channel.publish_with("q", &properties.with_expiration(ttl).encode(), body);
    }
    channel.acked(1, 4);
    drop((channel, broker));
    sleep(Duration::from_millis(150).saturating_sub(begun.elapsed()));
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    until(&channel, 2..=3);
    until(&channel, 2..=2);
    assert!(begun.elapsed() >= Duration::from_secs(4), "c was there so long");
    assert_eq!(channel.drain("q"), ["b", "d"]);
}

#[test]
fn a_queue_that_nobody_uses_after_a_restart_deletes_itself() {
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([("x-expires", FieldValue::from(1_000))]),
        ..durable("q")
    });
    drop((channel, broker));
    let broker = Broker::on(data.path());
    let connection = broker.connect();
    eventually("it is gone", || {
        let channel = connection.channel();
        // Neither a declaration nor anything else that would keep it alive.
        channel.send(bind("q", "amq.fanout", ""));
        matches!(channel.method(), Method::Channel(_))
    });
}

#[test]
fn bodies_count_again_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let persistent = OwnedProperties::new().with_delivery_mode(2).encode();
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([("x-max-length-bytes", FieldValue::from(10))]),
        ..durable("q")
    });
    channel.confirm_select();
    for body in ["aaaa", "bbbb"] {
        channel.publish_with("q", &persistent, body);
    }
    channel.acked(1, 2);
    drop((channel, broker));
    let broker = Broker::on(data.path());
    let channel = broker.connect().channel();
    channel.publish_with("q", &persistent, "cccc");
    until(&channel, 2..=2);
    assert_eq!(channel.drain("q"), ["bbbb", "cccc"]);
}

/// Waits until so many messages wait.
fn until(channel: &Channel, expected: std::ops::RangeInclusive<u32>) {
    let begun = Instant::now();
    while !expected.contains(&channel.ready("q")) {
        assert!(begun.elapsed() < PATIENCE, "{} wait", channel.ready("q"));
        sleep(Duration::from_millis(10));
    }
}
