//! Backlogs larger than the memory the program is to get by with.

use std::path::Path;
use std::process::Command;

use leveret_protocol::method::queue::DeclareOk;

use super::support::methods::queue;
use super::support::process::BrokerProcess;
use super::support::{Channel, PATIENCE, eventually};
use super::{declare_durable, number, publish_numbered};

/// What the program is to get by with; it takes a good part of that by itself.
const LIMIT_MIB: usize = 64;
const BODY: usize = 8 * 1024;
/// Together 160 MiB.
const MESSAGES: u64 = 20_000;
/// Publications between two confirms.
const WINDOW: u64 = 500;

fn start(data: &Path) -> BrokerProcess {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leveret"));
    command.args([
        "--memory-limit",
        &format!("{LIMIT_MIB}MiB"),
        "--disk-free-limit",
        "0",
    ]);
    BrokerProcess::start_by(command, data)
}

/// Publishes the messages 0, 1 … and waits for all confirms; those that are persistent say so.
fn flood(broker: &BrokerProcess, to: &str, persistent: impl Fn(u64) -> bool) {
    let channel = broker.connect().channel();
    channel.confirm_select();
    for first in (0..MESSAGES).step_by(WINDOW as usize) {
        publish_numbered(&channel, to, first..first + WINDOW, BODY, &persistent);
        assert_in_bounds(broker);
    }
}

#[track_caller]
fn assert_in_bounds(broker: &BrokerProcess) {
    let resident = broker.resident() >> 20;
    assert!(
        resident < LIMIT_MIB * 2,
        "{resident} MiB in memory while there are {} MiB",
        (MESSAGES as usize * BODY) >> 20
    );
}

/// Takes everything, and sees that it is in order and in one piece.
fn drain(broker: &BrokerProcess, channel: &Channel, from: &str, expected: impl Iterator<Item = u64>) {
    for expected in expected {
        let got = channel.get(from).expect("a message");
        assert_eq!((number(&got), got.body.len()), (expected, BODY));
        channel.ack(got.tag);
        if expected % 1_000 == 0 {
            assert_in_bounds(broker);
        }
    }
    assert!(channel.get(from).is_none());
}

#[test]
fn a_transient_backlog_comes_back_in_order() {
    let data = tempfile::tempdir().unwrap();
    let broker = start(data.path());
    let channel = broker.connect().channel();
    channel.call::<DeclareOk<'_>>(queue("q"));
    flood(&broker, "q", |_| false);
    assert_eq!(u64::from(channel.ready("q")), MESSAGES);
    drain(&broker, &channel, "q", 0..MESSAGES);
}

#[test]
fn a_mixed_backlog_comes_back_in_order_and_what_is_persistent_after_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let broker = start(data.path());
    let channel = broker.connect().channel();
    declare_durable(&channel, "q");
    let persistent = |number: u64| (number / 100).is_multiple_of(2);
    flood(&broker, "q", persistent);
    drain(&broker, &channel, "q", 0..MESSAGES);
    flood(&broker, "q", persistent);
    let mut broker = broker;
    broker.signal("KILL");
    broker.ended(PATIENCE);
    let broker = start(data.path());
    let channel = broker.connect().channel();
    assert_in_bounds(&broker);
    let kept = (0..MESSAGES).filter(|&number| persistent(number));
    assert_eq!(u64::from(channel.ready("q")), kept.clone().count() as u64);
    drain(&broker, &channel, "q", kept);
}

#[test]
fn unsettled_messages_leave_memory_too_and_return_to_their_places() {
    let data = tempfile::tempdir().unwrap();
    let broker = start(data.path());
    let channel = broker.connect().channel();
    channel.call::<DeclareOk<'_>>(queue("q"));
    let holder = broker.connect();
    let taker = holder.channel();
    taker.consume("q");
    flood(&broker, "q", |_| false);
    for expected in 0..MESSAGES {
        let delivery = taker.delivery();
        assert_eq!(delivery.body[..8], expected.to_le_bytes());
    }
    eventually("memory is given up", || broker.resident() >> 20 < LIMIT_MIB * 2);
    drop((taker, holder));
    eventually("all are back", || u64::from(channel.ready("q")) == MESSAGES);
    drain(&broker, &channel, "q", 0..MESSAGES);
}
