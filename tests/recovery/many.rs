//! Many definitions: the start stays a matter of seconds.

use std::time::{Duration, Instant};

use leveret_protocol::method::queue::{BindOk, DeclareOk};

use super::durable;
use super::support::Broker;
use super::support::methods::{bind, passive};

/// How many queues, each with a binding; `LEVERET_TEST_QUEUES` asks for more.
fn count() -> usize {
    let asked = std::env::var("LEVERET_TEST_QUEUES").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(3_000)
}

#[test]
fn thousands_of_queues_are_back_within_seconds() {
    let (data, count) = (tempfile::tempdir().unwrap(), count());
    let broker = Broker::on(data.path());
    let connection = broker.connect();
    let channels: Vec<_> = (0..500).map(|_| connection.channel()).collect();
    let name = |number: usize| format!("queue.{number}");
    for first in (0..count).step_by(channels.len()) {
        let numbers = first..count.min(first + channels.len());
        for (number, channel) in numbers.clone().zip(&channels) {
            channel.send(durable(&name(number)));
            channel.send(bind(&name(number), "amq.topic", &name(number)));
        }
        for (_, channel) in numbers.zip(&channels) {
            channel.expect::<DeclareOk<'_>>();
            channel.expect::<BindOk>();
        }
    }
    drop((channels, connection, broker));
    let begun = Instant::now();
    let broker = Broker::on(data.path());
    let took = begun.elapsed();
    println!("{count} queues and bindings: started in {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let channel = broker.connect().channel();
    let last = name(count - 1);
    channel.publish("amq.topic", &last, "routed");
    assert_eq!(channel.drain(&last), ["routed"]);
    channel.call::<DeclareOk<'_>>(passive(&name(0)));
}
