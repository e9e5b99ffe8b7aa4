//! The process is killed under load.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use leveret_protocol::method::{basic, exchange, queue};

use crate::support::chance::Chance;
use crate::support::channel::Channel;
use crate::support::process::BrokerProcess;
use crate::{PERSISTENT, all, declare_durable, number};

const QUEUES: [&str; 3] = ["one", "two", "three"];

/// Rounds; more with LEVERET_CRASH_ROUNDS.
fn rounds() -> u64 {
    let rounds = std::env::var("LEVERET_CRASH_ROUNDS").ok();
    rounds.map_or(4, |rounds| rounds.parse().expect("a number of rounds"))
}

/// What a queue may hold after a crash.
#[derive(Default)]
struct Expected {
    /// Published, confirmed and not acknowledged.
    confirmed: BTreeSet<u64>,
    /// Published, and not known to be confirmed.
    open: BTreeSet<u64>,
    /// Acknowledged, which the broker may not have noted yet.
    acked: BTreeSet<u64>,
}

#[test]
fn every_confirmed_message_is_there_in_order_after_kill_9() {
    let data = tempfile::tempdir().unwrap();
    let mut chance = Chance::new(1);
    let mut expected: [Expected; 3] = Default::default();
    let mut next = 0;
    for round in 0..rounds() {
        load_and_kill(data.path(), round, &mut next, &mut expected, &mut chance);
        let broker = BrokerProcess::start_in(data.path());
        let channel = broker.connect().channel();
        for (queue, expected) in QUEUES.iter().zip(&mut expected) {
            check(&channel, queue, expected);
        }
    }
}

/// Publishes to all queues by a fanout, acknowledges some, and kills the broker with publications in flight.
fn load_and_kill(data: &Path, round: u64, next: &mut u64, expected: &mut [Expected; 3], chance: &mut Chance) {
    let mut broker = BrokerProcess::start_in(data);
    let channel = broker.connect().channel();
    declare(&channel);
    if round > 0 {
        acknowledge_some(&channel, expected, chance);
    }
    channel.confirm_select();
    let (confirmed, in_flight) = (1 + chance.below(400) as u64, chance.below(400) as u64);
    let first = *next;
    for tag in 1..=confirmed + in_flight {
        let mut body = next.to_le_bytes().to_vec();
        body.resize(8 + chance.below(2000), 7);
        let publish = basic::Publish {
            exchange: "all",
            ..Default::default()
        };
        channel.publish_as(publish, &PERSISTENT, &body);
        expected.iter_mut().for_each(|queue| {
            queue.open.insert(*next);
        });
        *next += 1;
        if tag == confirmed {
            channel.acked(1, confirmed);
            for queue in expected.iter_mut() {
                queue.confirmed.extend(first..*next);
                queue.open.clear();
            }
        }
    }
    broker.signal("KILL");
    broker.ended(Duration::from_secs(10));
}

fn declare(channel: &Channel) {
    channel.call::<exchange::DeclareOk>(exchange::Declare {
        exchange: "all",
        kind: "fanout",
        durable: true,
        ..Default::default()
    });
    for name in QUEUES {
        declare_durable(channel, name);
        channel.call::<queue::BindOk>(queue::Bind {
            queue: name,
            exchange: "all",
            ..Default::default()
        });
    }
}

fn acknowledge_some(channel: &Channel, expected: &mut [Expected; 3], chance: &mut Chance) {
    for (queue, expected) in QUEUES.iter().zip(expected) {
        for _ in 0..chance.below(300) {
            let Some(got) = channel.get(queue) else { break };
            channel.send(basic::Ack {
                delivery_tag: got.tag,
                multiple: false,
            });
            expected.confirmed.remove(&number(&got));
            expected.acked.insert(number(&got));
        }
    }
}

/// Checks what a queue holds, which from now on is what it has to hold.
#[track_caller]
fn check(channel: &Channel, queue: &str, expected: &mut Expected) {
    let held = all(channel, queue);
    let numbers: Vec<u64> = held.iter().map(number).collect();
    assert!(
        numbers.is_sorted_by(|one, next| one < next),
        "{queue}: {numbers:?}"
    );
    let found: BTreeSet<u64> = numbers.into_iter().collect();
    let lost: Vec<_> = expected.confirmed.difference(&found).collect();
    assert!(lost.is_empty(), "{queue} has lost {lost:?}");
    for got in &held {
        let number = number(got);
        let fresh = expected.confirmed.contains(&number) || expected.open.contains(&number);
        assert!(
            fresh || expected.acked.contains(&number),
            "{queue}: {number} was never published"
        );
        assert!(
            fresh || got.redelivered,
            "{queue}: {number} comes again and does not say so"
        );
    }
    *expected = Expected {
        confirmed: found,
        ..Expected::default()
    };
}
