//! Messages that die in a backlog larger than memory: each comes to where dead letters go once, and in order.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use leveret_protocol::method::basic::Nack;
use leveret_protocol::method::queue::{Declare, DeclareOk, DeleteOk, PurgeOk};
use leveret_protocol::{FieldTable, FieldValue};

use super::departing::{departing, end, nothing_is_left};
use super::support::methods::{delete, purge};
use super::support::process::BrokerProcess;
use super::support::{Channel, eventually};
use super::{declare_durable, durable, publish_numbered};

/// Together more than the memory that the messages of the process may take.
const MESSAGES: u64 = 45_000;
const BODY: usize = 1024;
/// Publications between two confirms.
const WINDOW: u64 = 1_000;

fn start() -> (tempfile::TempDir, BrokerProcess) {
    let data = tempfile::tempdir().unwrap();
    let broker = start_in(data.path());
    (data, broker)
}

fn start_in(data: &Path) -> BrokerProcess {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    command.args(["--memory-limit", "64MiB", "--disk-free-limit", "0"]);
    BrokerProcess::start_by(command, data)
}

/// Declares a queue "source" whose dead letters go to "dead".
fn declare(channel: &Channel, argument: (&'static str, u32)) {
    declare_durable(channel, "dead");
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([
            ("x-dead-letter-exchange", FieldValue::from("")),
            ("x-dead-letter-routing-key", "dead".into()),
            (argument.0, argument.1.into()),
        ]),
        ..durable("source")
    });
}

/// Publishes the messages 0, 1 … Some thousand are persistent, then as many are not.
fn flood(broker: &BrokerProcess) {
    let channel = broker.connect().channel();
    channel.confirm_select();
    let persistent = |number| number / 7_000 % 2 == 0;
    for first in (0..MESSAGES).step_by(WINDOW as usize) {
        publish_numbered(&channel, "source", first..first + WINDOW, BODY, persistent);
    }
}

/// A channel that consumes what has died.
fn witness(broker: &BrokerProcess) -> Channel {
    let channel = broker.connect().channel();
    channel.prefetch(500);
    channel.consume("dead");
    channel
}

/// These come to where dead letters go, and no others.
#[track_caller]
fn all_come(channel: &Channel, numbers: std::ops::Range<u64>) {
    for expected in numbers {
        let delivery = channel.delivery();
        let number = u64::from_le_bytes(delivery.body[..8].try_into().unwrap());
        assert_eq!(number, expected);
        if expected % 100 == 99 {
            channel.ack_up_to(delivery.tag);
        }
    }
    channel.expect_nothing();
}

#[test]
fn what_expires_comes_in_order() {
    let (_data, broker) = start();
    let channel = broker.connect().channel();
    declare(&channel, ("x-message-ttl", 4_000));
    flood(&broker);
    all_come(&witness(&broker), 0..MESSAGES);
    assert_eq!((channel.ready("source"), channel.ready("dead")), (0, 0));
}

#[test]
fn what_is_one_too_many_comes_in_order_and_what_is_rejected_then_too() {
    const STAY: u64 = 35_000;
    let (_data, broker) = start();
    let channel = broker.connect().channel();
    declare(&channel, ("x-max-length", STAY as u32));
    flood(&broker);
    let dead = witness(&broker);
    all_come(&dead, 0..MESSAGES - STAY);
    let taker = broker.connect().channel();
    taker.prefetch(1_000);
    taker.consume("source");
    for number in 1..=STAY {
        let delivery = taker.delivery();
        if number % 500 == 0 {
            taker.send(Nack {
                delivery_tag: delivery.tag,
                multiple: true,
                requeue: false,
            });
        }
    }
    all_come(&dead, MESSAGES - STAY..MESSAGES);
    assert_eq!((channel.ready("source"), channel.ready("dead")), (0, 0));
}

#[test]
fn what_died_in_a_queue_that_is_deleted_comes_after_a_kill() {
    const MESSAGES: u64 = 12_000;
    const BODY: usize = 4_096;
    let (data, broker) = start();
    let channel = broker.connect().channel();
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([
            ("x-max-length", FieldValue::from(MESSAGES as u32)),
            ("x-overflow", "reject-publish".into()),
        ]),
        ..durable("dead")
    });
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([
            ("x-dead-letter-exchange", FieldValue::from("")),
            ("x-dead-letter-routing-key", "dead".into()),
            ("x-message-ttl", 10.into()),
        ]),
        ..durable("source")
    });
    channel.confirm_select();
    for (queue, size, first) in [("dead", 8, 0), ("source", BODY, MESSAGES)] {
        for window in (first..first + MESSAGES).step_by(1_000) {
            publish_numbered(&channel, queue, window..window + 1_000, size, |_| true);
        }
    }
    eventually("all are dead", || channel.ready("source") == 0);
    channel.call::<DeleteOk>(delete("source"));
    end(broker, "KILL");
    let left = departing(data.path());
    assert_eq!(left, [("source".to_owned(), MESSAGES)]);
    let broker = start_in(data.path());
    let channel = broker.connect().channel();
    channel.call::<PurgeOk>(purge("dead"));
    channel.prefetch(1_000);
    channel.consume("dead");
    let mut come = BTreeSet::new();
    for number in 1..=MESSAGES {
        let delivery = channel.delivery();
        come.insert(u64::from_le_bytes(delivery.body[..8].try_into().unwrap()));
        if number % 500 == 0 {
            channel.ack_up_to(delivery.tag);
        }
    }
    assert!(come.into_iter().eq(MESSAGES..2 * MESSAGES));
    channel.close();
    nothing_is_left(broker, data.path());
}
