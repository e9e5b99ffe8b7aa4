//! The process is stopped in order.

use std::path::Path;
use std::time::Duration;

use leveret_protocol::method::queue;

use crate::support::process::BrokerProcess;
use crate::{PERSISTENT, all, declare_durable, number};

fn stop(mut broker: BrokerProcess) {
    broker.signal("TERM");
    assert!(broker.ended(Duration::from_secs(20)).success());
}

fn held(data: &Path, queue: &str) -> Vec<(u64, bool)> {
    let broker = BrokerProcess::start_in(data);
    let channel = broker.connect().channel();
    let held = all(&channel, queue);
    held.iter().map(|got| (number(got), got.redelivered)).collect()
}

#[test]
fn persistent_messages_come_back_in_order_and_only_what_was_delivered_is_marked() {
    let data = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    declare_durable(&channel, "q");
    channel.confirm_select();
    for number in 0..100u64 {
        channel.publish_with("q", &PERSISTENT, number.to_le_bytes());
    }
    channel.acked(1, 100);
    for _ in 0..10 {
        channel.get("q").unwrap();
    }
    stop(broker);
    let expected: Vec<_> = (0..100).map(|number| (number, number < 10)).collect();
    assert_eq!(held(data.path(), "q"), expected);
}

#[test]
fn transient_messages_and_those_of_a_deleted_queue_are_gone() {
    let data = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    declare_durable(&channel, "q");
    declare_durable(&channel, "deleted");
    channel.confirm_select();
    channel.publish_with("q", &PERSISTENT, 1u64.to_le_bytes());
    channel.publish("", "q", 2u64.to_le_bytes());
    channel.publish_with("q", &PERSISTENT, 3u64.to_le_bytes());
    channel.publish_with("deleted", &PERSISTENT, 4u64.to_le_bytes());
    channel.acked(1, 4);
    channel.call::<queue::DeleteOk>(queue::Delete {
        queue: "deleted",
        ..Default::default()
    });
    declare_durable(&channel, "deleted");
    stop(broker);
    assert_eq!(held(data.path(), "q"), [(1, false), (3, false)]);
    assert_eq!(held(data.path(), "deleted"), []);
}

#[test]
fn purged_and_no_ack_messages_do_not_come_back() {
    let data = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    declare_durable(&channel, "q");
    channel.confirm_select();
    for number in 0..10u64 {
        channel.publish_with("q", &PERSISTENT, number.to_le_bytes());
    }
    channel.acked(1, 10);
    channel.call::<queue::PurgeOk>(queue::Purge {
        queue: "q",
        ..Default::default()
    });
    channel.publish_with("q", &PERSISTENT, 10u64.to_le_bytes());
    channel.acked(11, 11);
    stop(broker);
    assert_eq!(held(data.path(), "q"), [(10, false)]);
}
