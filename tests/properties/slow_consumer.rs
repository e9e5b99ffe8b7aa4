//! A consumer that does not read costs the broker bounded memory and nobody else any time.

use std::thread;
use std::time::{Duration, Instant};

use leveret_protocol::method::basic::Consume;

use crate::support::Connection;
use crate::support::methods::consume;
use crate::support::process::BrokerProcess;

const MIB: usize = 1 << 20;

#[test]
fn what_is_under_way_to_stalled_consumers_is_bounded() {
    let broker = BrokerProcess::start();
    let publisher = broker.connect().channel();
    publisher.declare("q");
    let stalled: Vec<_> = (0..8).map(|_| broker.connect()).collect();
    for connection in &stalled {
        connection.channel().consume_as(Consume {
            no_ack: true,
            ..consume("q")
        });
    }
    let before = broker.resident();
    publisher.confirm_select();
    let (count, body) = (96 * 1024, vec![b'x'; 1024]);
    for number in 1..=count {
        publisher.publish("", "q", &body);
        if number % 1024 == 0 {
            publisher.acked(number - 1023, number);
        }
    }
    let grown = broker.resident().saturating_sub(before);
    // 96 MiB wait in the queue or are under way. Each stalled consumer may pin its window and as much again.
    let bound = 96 * MIB * 3 / 2 + stalled.len() * 8 * MIB;
    assert!(grown < bound, "{} MiB for 96 MiB of messages", grown / MIB);
}

#[test]
fn memory_is_given_back_when_the_messages_are_gone() {
    let broker = BrokerProcess::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.confirm_select();
    let body = vec![b'x'; 1024];
    let mut after = Vec::new();
    for round in 0..6u64 {
        for _ in 0..16 * 1024 {
            channel.publish("", "q", &body);
        }
        channel.acked(round * 16 * 1024 + 1, (round + 1) * 16 * 1024);
        channel.call::<leveret_protocol::method::queue::PurgeOk>(crate::support::methods::purge("q"));
        after.push(broker.resident());
    }
    let (first, last) = (after[0], after[5]);
    assert!(
        last < first + 16 * MIB,
        "from {} to {} MiB over six rounds",
        first / MIB,
        last / MIB
    );
}

#[test]
fn others_keep_their_latency_during_a_flood_to_a_stalled_consumer() {
    let broker = BrokerProcess::start();
    let setup = broker.connect().channel();
    setup.declare("flooded");
    setup.declare("quiet");
    let calm = latencies(&broker, 300);
    let stalled = broker.connect();
    stalled.channel().consume_as(Consume {
        no_ack: true,
        ..consume("flooded")
    });
    let address = broker.address();
    let flood = thread::spawn(move || {
        let connection = Connection::over_tcp(address, "/");
        connection.open("/");
        let channel = connection.channel();
        let body = vec![b'x'; 4096];
        for _ in 0..20_000 {
            channel.publish("", "flooded", &body);
        }
        channel.ready("flooded");
    });
    let flooded = latencies(&broker, 300);
    flood.join().unwrap();
    let bound = (calm * 50).max(Duration::from_millis(500));
    assert!(
        flooded < bound,
        "p99 {calm:?} when calm, {flooded:?} under the flood"
    );
}

/// The 99th percentile of the time from a publish to its delivery on a connection of its own.
fn latencies(broker: &BrokerProcess, count: usize) -> Duration {
    let channel = broker.connect().channel();
    channel.consume_as(Consume {
        no_ack: true,
        ..consume("quiet")
    });
    let mut times: Vec<_> = (0..count)
        .map(|_| {
            let begun = Instant::now();
            channel.publish("", "quiet", "x");
            channel.delivery();
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[count * 99 / 100]
}
