//! Nobody waits for somebody else's slow socket, large message or unfinished sentence.

use std::time::{Duration, Instant};

use leveret_protocol::method::basic::{Consume, Publish};
use leveret_protocol::method::queue::BindOk;

use crate::support::content::{NONE, header};
use crate::support::methods::{bind, consume};
use crate::support::wire::{BODY, HEADER};
use crate::support::{Broker, Channel};

#[test]
fn an_unfinished_message_holds_up_nobody() {
    let broker = Broker::start();
    let connection = broker.connect();
    let unfinished = connection.channel();
    unfinished.declare("q");
    unfinished.send(Publish {
        routing_key: "q",
        ..Default::default()
    });
    unfinished.send_frame(HEADER, header(60, 0, 50_000_000, &NONE));
    for _ in 0..100 {
        unfinished.send_frame(BODY, vec![0; 100_000]);
    }
    serves(&connection.channel());
    serves(&broker.connect().channel());
}

#[test]
fn a_consumer_that_does_not_read_holds_up_no_other_consumer_of_its_queue() {
    let broker = Broker::start();
    let (stalled, reading) = (broker.connect().channel(), broker.connect().channel());
    let publisher = broker.connect().channel();
    publisher.declare("q");
    let no_ack = || Consume {
        no_ack: true,
        ..consume("q")
    };
    stalled.consume_as(no_ack());
    reading.consume_as(no_ack());
    // Enough to fill the stalled one's socket and credit many times over.
    let body = vec![b'x'; 50_000];
    let count = 2_000;
    for _ in 0..count {
        publisher.publish("", "q", &body);
    }
    // The two take turns until one is full; at least half goes to the one that reads.
    reading.deliveries(count / 2);
    serves(&publisher);
}

#[test]
fn a_consumer_that_does_not_read_holds_up_no_other_queue_of_its_exchange() {
    let broker = Broker::start();
    let (stalled, reading) = (broker.connect().channel(), broker.connect().channel());
    let publisher = broker.connect().channel();
    for (channel, queue) in [(&stalled, "one"), (&reading, "two")] {
        publisher.declare(queue);
        publisher.call::<BindOk>(bind(queue, "amq.fanout", ""));
        channel.consume_as(Consume {
            no_ack: true,
            ..consume(queue)
        });
    }
    let body = vec![b'x'; 50_000];
    for number in 0..1_000 {
        publisher.publish("amq.fanout", "", &body);
        if number % 100 == 99 {
            reading.deliveries(100);
        }
    }
}

#[test]
fn a_consumer_with_a_full_prefetch_holds_up_no_other_on_its_channel() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("stuck");
    channel.declare("free");
    channel.prefetch(1);
    channel.consume("stuck");
    for _ in 0..100 {
        channel.publish("", "stuck", "x");
    }
    channel.delivery();
    channel.prefetch(0);
    channel.consume("free");
    for number in 0..100 {
        channel.publish("", "free", number.to_string());
    }
    assert_eq!(
        channel.delivered(100),
        (0..100).map(|n| n.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn a_long_queue_is_purged_without_holding_up_the_others() {
    let broker = Broker::start();
    let (one, two) = (broker.connect().channel(), broker.connect().channel());
    one.declare("long");
    for _ in 0..100_000 {
        one.publish("", "long", "x");
    }
    one.send(crate::support::methods::purge("long"));
    let begun = Instant::now();
    serves(&two);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    one.expect::<leveret_protocol::method::queue::PurgeOk>();
}

/// Asserts that a channel gets its messages through in reasonable time.
fn serves(channel: &Channel) {
    let begun = Instant::now();
    let queue = format!("serves-{}", channel.number());
    channel.declare(&queue);
    for number in 0..50 {
        channel.publish("", &queue, number.to_string());
        assert_eq!(channel.get(&queue).unwrap().body, number.to_string().as_bytes());
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
