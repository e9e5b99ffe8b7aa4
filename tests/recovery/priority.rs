//! Queues with priorities, and quorum queues, after a restart.

use std::path::Path;

use leveret_protocol::FieldTable;
use leveret_protocol::method::queue::{Declare, DeclareOk};
use leveret_protocol::properties::OwnedProperties;

use super::support::process::BrokerProcess;
use super::support::{Channel, PATIENCE};
use super::{all, durable};

/// Declares the queue and publishes to it, each message with its priority.
fn fill(channel: &Channel, messages: &[(&str, u8)]) {
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter([("x-max-priority", 10)]),
        ..durable("q")
    });
    publish(
        channel,
        messages.iter().map(|&(body, priority)| (body, Some(priority))),
    );
}

fn quorum() -> Declare<'static> {
    Declare {
        arguments: FieldTable::from_iter([("x-queue-type", "quorum")]),
        ..durable("q")
    }
}

/// Publishes messages with their priorities, and waits until they are safe.
fn publish(channel: &Channel, messages: impl Iterator<Item = (impl AsRef<[u8]>, Option<u8>)>) {
    channel.confirm_select();
    let mut count = 0;
    for (body, priority) in messages {
        let properties = OwnedProperties {
            delivery_mode: Some(2),
            priority,
            ..OwnedProperties::default()
        };
        channel.publish_with("q", &properties.encode(), body);
        count += 1;
    }
    channel.acked(1, count);
}

/// Ends the program, starts it again, and gets all messages: what they are, and whether they are marked as redelivered.
fn after(mut broker: BrokerProcess, signal: &str, data: &Path) -> Vec<(String, bool)> {
    broker.signal(signal);
    broker.ended(PATIENCE);
    let broker = BrokerProcess::start_in(data);
    let got = all(&broker.connect().channel(), "q");
    got.into_iter()
        .map(|got| (String::from_utf8(got.body).unwrap(), got.redelivered))
        .collect()
}

#[test]
fn an_orderly_restart_keeps_levels_and_order_and_marks_only_what_was_handed_out() {
    let data = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start_in(data.path());
    let connection = broker.connect();
    let channel = connection.channel();
    fill(
        &channel,
        &[("a", 1), ("b", 9), ("c", 1), ("d", 30), ("e", 9), ("f", 0)],
    );
    let taken: Vec<Vec<u8>> = (0..3).map(|_| channel.get("q").unwrap().body).collect();
    assert_eq!(taken, [b"d", b"b", b"e"]);
    let again = after(broker, "TERM", data.path());
    let expected = [
        ("d", true),
        ("b", true),
        ("e", true),
        ("a", false),
        ("c", false),
        ("f", false),
    ];
    assert_eq!(
        again,
        expected.map(|(body, redelivered)| (body.to_owned(), redelivered))
    );
}

#[test]
fn a_kill_keeps_levels_and_order_of_a_backlog_with_new_ones_behind() {
    let data = tempfile::tempdir().unwrap();
    let mut broker = BrokerProcess::start_in(data.path());
    let mut expected: Vec<(u8, u32)> = Vec::new();
    for round in 0..3 {
        let bodies: Vec<(String, u8)> = (round * 1_000..(round + 1) * 1_000)
            .map(|number| (number.to_string(), (number * 7 % 11) as u8))
            .collect();
        expected.extend(bodies.iter().map(|(body, level)| (*level, body.parse().unwrap())));
        let borrowed: Vec<(&str, u8)> = bodies
            .iter()
            .map(|(body, level)| (body.as_str(), *level))
            .collect();
        fill(&broker.connect().channel(), &borrowed);
        broker.signal("KILL");
        broker.ended(PATIENCE);
        broker = BrokerProcess::start_in(data.path());
    }
    let got = after(broker, "KILL", data.path());
    expected.sort_by_key(|&(level, number)| (std::cmp::Reverse(level), number));
    let numbers: Vec<u32> = got.iter().map(|(body, _)| body.parse().unwrap()).collect();
    assert_eq!(
        numbers,
        expected.iter().map(|&(_, number)| number).collect::<Vec<_>>()
    );
}

#[test]
fn a_quorum_queue_keeps_priorities_through_kills_whatever_they_were_before() {
    let data = tempfile::tempdir().unwrap();
    let mut broker = BrokerProcess::start_in(data.path());
    let priority = |round: u32, number: u32| match round {
        0 => None,
        1 => Some((number % 40) as u8),
        _ => Some(0),
    };
    let mut expected: Vec<(u8, u32)> = Vec::new();
    for round in 0..3 {
        let channel = broker.connect().channel();
        channel.call::<DeclareOk<'_>>(quorum());
        let numbers = round * 500..(round + 1) * 500;
        let messages = numbers
            .clone()
            .map(|number| (number.to_string(), priority(round, number)));
        publish(&channel, messages);
        let levels = numbers.map(|number| (priority(round, number).unwrap_or(4).min(31), number));
        expected.extend(levels);
        expected.sort_by_key(|&(level, number)| (std::cmp::Reverse(level), number));
        // What is taken and not settled comes back before others of its level.
        for &(_, number) in expected.iter().take(3) {
            assert_eq!(channel.get("q").unwrap().body, number.to_string().as_bytes());
        }
        broker.signal("KILL");
        broker.ended(PATIENCE);
        broker = BrokerProcess::start_in(data.path());
    }
    let got = after(broker, "TERM", data.path());
    let numbers: Vec<u32> = got.iter().map(|(body, _)| body.parse().unwrap()).collect();
    let expected: Vec<u32> = expected.iter().map(|&(_, number)| number).collect();
    assert_eq!(numbers, expected);
}
