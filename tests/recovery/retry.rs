//! How often messages came back, and what rests, after a restart.

use std::time::{Duration, Instant};

use leveret_protocol::method::queue::{Declare, DeclareOk};
use leveret_protocol::properties::Properties;
use leveret_protocol::{FieldTable, FieldValue};

use super::support::process::BrokerProcess;
use super::support::{Channel, PATIENCE};
use super::{PERSISTENT, durable};

/// How long a message rests after its first return.
const REST: Duration = Duration::from_millis(1_500);

fn fill(channel: &Channel, arguments: FieldTable, bodies: &[&str]) {
    channel.call::<DeclareOk<'_>>(Declare {
        arguments,
        ..durable("q")
    });
    channel.confirm_select();
    bodies
        .iter()
        .for_each(|body| channel.publish_with("q", &PERSISTENT, body));
    channel.acked(1, bodies.len() as u64);
}

/// Has the broker write all that it knows by now, and ends it like that.
fn end(mut broker: BrokerProcess, signal: &str) {
    let channel = broker.connect().channel();
    channel.confirm_select();
    channel.call::<DeclareOk<'_>>(durable("other"));
    channel.publish_with("other", &PERSISTENT, "synced");
    channel.acked(1, 1);
    broker.signal(signal);
    broker.ended(PATIENCE);
}

fn count_of(properties: &[u8]) -> Option<i64> {
    let headers = Properties::parse(properties).unwrap().headers().unwrap()?;
    match headers.get("x-delivery-count")? {
        FieldValue::I64(count) => Some(*count),
        other => panic!("{other:?}"),
    }
}

#[test]
fn counts_go_on_after_a_kill_and_after_an_orderly_stop() {
    for signal in ["KILL", "TERM"] {
        let data = tempfile::tempdir().unwrap();
        let mut broker = BrokerProcess::start_in(data.path());
        let limit = FieldTable::from_iter([("x-delivery-limit", 4)]);
        fill(&broker.connect().channel(), limit, &["a", "b"]);
        for count in 0..4 {
            let connection = broker.connect();
            let channel = connection.channel();
            let got = channel.get("q").unwrap();
            assert_eq!(got.body, b"a", "{signal}");
            assert_eq!(count_of(&got.properties).unwrap_or(0), count, "{signal}");
            channel.requeue(got.tag);
            channel.close();
            drop(connection);
            end(broker, signal);
            broker = BrokerProcess::start_in(data.path());
        }
        let channel = broker.connect().channel();
        let got = channel.get("q").unwrap();
        assert!(
            got.redelivered && count_of(&got.properties) == Some(4),
            "{signal}"
        );
        channel.requeue(got.tag);
        assert_eq!(channel.drain("q"), ["b"], "{signal}");
    }
}

#[test]
fn what_rests_goes_on_resting_after_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let broker = BrokerProcess::start_in(data.path());
    let rest = REST.as_millis() as i64;
    let retry = FieldTable::from_iter([("x-delayed-retry-min", rest), ("x-delayed-retry-max", rest)]);
    let channel = broker.connect().channel();
    fill(&channel, retry, &["a", "b", "c"]);
    let first = channel.get("q").unwrap();
    let second = channel.get("q").unwrap();
    let start = Instant::now();
    channel.requeue(second.tag);
    channel.ack(first.tag);
    assert_eq!(channel.ready("q"), 1);
    end(broker, "KILL");
    let broker = BrokerProcess::start_in(data.path());
    let channel = broker.connect().channel();
    channel.consume("q");
    let early = channel.delivery();
    let late = channel.delivery();
    assert_eq!((early.body, late.body), (b"c".to_vec(), b"b".to_vec()));
    assert_eq!(count_of(&late.properties), Some(1));
    assert!(start.elapsed() >= REST, "{:?}", start.elapsed());
}
