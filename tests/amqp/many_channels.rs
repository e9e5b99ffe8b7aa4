//! Channels of one connection whose frames come mixed, many in one write.

use leveret_protocol::method::basic::{self, Cancel, Consume, Get, Publish};
use leveret_protocol::method::{Method, channel, queue};
use leveret_protocol::{EncodeMethod, FieldTable, FieldValue};

use crate::support::channel::encoded;
use crate::support::content::{self, NONE};
use crate::support::methods::{consume, get, queue as declared};
use crate::support::wire::{Frame, METHOD};
use crate::support::{Broker, Channel, Connection};

/// How many channels.
const CHANNELS: usize = 40;

fn method(channel: &Channel, method: impl EncodeMethod) -> Vec<u8> {
    Frame::new(METHOD, channel.number(), encoded(&method)).bytes()
}

fn publication(channel: &Channel, routing_key: &str, body: &str) -> Vec<u8> {
    let publish = Publish {
        routing_key,
        ..Publish::default()
    };
    let mut bytes = method(channel, publish);
    bytes.extend(content::frames(channel.number(), &NONE, body.as_bytes(), 4096));
    bytes
}

fn confirming(connection: &Connection) -> Vec<Channel> {
    let channels: Vec<Channel> = (0..CHANNELS).map(|_| connection.channel()).collect();
    channels.iter().for_each(Channel::confirm_select);
    channels
}

/// For each of so many rounds, a publication of every channel, named by channel and round.
fn in_turn(channels: &[Channel], rounds: usize, queue: impl Fn(usize) -> String) -> Vec<u8> {
    let mut bytes = Vec::new();
    for round in 0..rounds {
        for (at, channel) in channels.iter().enumerate() {
            bytes.extend(publication(channel, &queue(at), &format!("{at} {round}")));
        }
    }
    bytes
}

#[test]
fn what_they_publish_in_turn_to_one_queue_is_confirmed_and_keeps_the_order_of_each() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channels = confirming(&connection);
    channels[0].declare("q");
    connection.write(&in_turn(&channels, 50, |_| "q".to_owned()));
    channels.iter().for_each(|channel| channel.acked(1, 50));
    let bodies = channels[0].drain("q");
    for at in 0..CHANNELS {
        let own = |body: &&String| body.starts_with(&format!("{at} "));
        let of_channel: Vec<&String> = bodies.iter().filter(own).collect();
        let expected: Vec<String> = (0..50).map(|round| format!("{at} {round}")).collect();
        assert_eq!(of_channel, expected.iter().collect::<Vec<_>>());
    }
}

#[test]
fn each_may_publish_to_a_queue_of_its_own() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channels = confirming(&connection);
    let queue = |at: usize| format!("q{at}");
    for (at, channel) in channels.iter().enumerate() {
        channel.declare(&queue(at));
    }
    connection.write(&in_turn(&channels, 3, queue));
    for (at, channel) in channels.iter().enumerate() {
        channel.acked(1, 3);
        let expected: Vec<String> = (0..3).map(|round| format!("{at} {round}")).collect();
        assert_eq!(channel.drain(&queue(at)), expected);
    }
}

#[test]
fn what_a_channel_asks_after_it_has_published_is_answered_after_it() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channels: Vec<Channel> = (0..CHANNELS).map(|_| connection.channel()).collect();
    let queue = |at: usize| format!("q{at}");
    let mut bytes = Vec::new();
    for (at, channel) in channels.iter().enumerate() {
        channel.declare(&queue(at));
        bytes.extend(publication(channel, &queue(at), "published"));
    }
    for (at, channel) in channels.iter().enumerate() {
        let name = queue(at);
        let asked = Get {
            no_ack: true,
            ..get(&name)
        };
        bytes.extend(method(channel, asked));
        bytes.extend(publication(channel, &name, "after the question"));
        let passive = queue::Declare {
            passive: true,
            ..declared(&name)
        };
        bytes.extend(method(channel, passive));
    }
    connection.write(&bytes);
    for channel in &channels {
        assert_eq!(channel.got().map(|got| got.body), Some(b"published".to_vec()));
        assert_eq!(channel.expect::<queue::DeclareOk<'_>>().message_count, 1);
    }
}

#[test]
fn a_full_queue_refuses_each_its_own() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channels = confirming(&connection);
    channels[0].call::<queue::DeclareOk<'_>>(queue::Declare {
        arguments: FieldTable::from_iter([
            ("x-max-length", FieldValue::from(100)),
            ("x-overflow", "reject-publish".into()),
        ]),
        ..declared("q")
    });
    connection.write(&in_turn(&channels, 5, |_| "q".to_owned()));
    let mut all = Vec::new();
    for (at, channel) in channels.iter().enumerate() {
        let (acked, nacked) = channel.answers(5);
        let first_refused = nacked.first().copied().unwrap_or(6);
        assert_eq!(acked, (1..first_refused).collect::<Vec<u64>>());
        all.extend(acked.iter().map(|number| format!("{at} {}", number - 1)));
    }
    let mut kept = channels[0].drain("q");
    kept.sort();
    all.sort();
    assert_eq!(kept.len(), 100);
    assert_eq!(kept, all, "what is confirmed is what the queue has");
}

#[test]
fn what_one_publishes_before_it_closes_is_taken_and_the_others_go_on() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channels = confirming(&connection);
    channels[0].declare("q");
    let mut bytes = in_turn(&channels, 1, |_| "q".to_owned());
    let wrong = publication(&channels[1], "q", "lost").into_iter();
    let no_exchange = Publish {
        exchange: "none",
        ..Publish::default()
    };
    bytes.extend(method(&channels[1], no_exchange));
    bytes.extend(content::frames(channels[1].number(), &NONE, b"", 4096));
    bytes.extend(wrong);
    let close = channel::Close {
        reply_code: 200,
        reply_text: "",
        class_id: 0,
        method_id: 0,
    };
    bytes.extend(method(&channels[2], close));
    bytes.extend(in_turn(&channels[3..], 1, |_| "q".to_owned()));
    connection.write(&bytes);
    channels[3..].iter().for_each(|channel| channel.acked(1, 2));
    channels[0].acked(1, 1);
    assert_eq!(channels[0].drain("q").len(), CHANNELS + CHANNELS - 3);
}

fn without_acks(queue: &str) -> Consume<'_> {
    Consume {
        no_ack: true,
        ..consume(queue)
    }
}

/// Cancels a consumer, and gives the bodies of what is delivered until the answer.
fn cancelled(channel: &Channel, consumer_tag: &str) -> Vec<usize> {
    channel.send(Cancel {
        consumer_tag,
        nowait: false,
    });
    let mut bodies = Vec::new();
    loop {
        match channel.method() {
            Method::Basic(basic::Method::Deliver(deliver)) => {
                assert_eq!(deliver.delivery_tag, bodies.len() as u64 + 1);
                let body = content::read(channel).1;
                bodies.push(String::from_utf8(body).unwrap().parse().unwrap());
            }
            Method::Basic(basic::Method::CancelOk(_)) => return bodies,
            other => panic!("{other:?} instead of a delivery or the answer"),
        }
    }
}

#[test]
fn consumers_without_acks_share_what_comes_in_order_and_nothing_is_lost_when_some_are_cancelled() {
    let broker = Broker::start();
    let (publisher, connection) = (broker.connect().channel(), broker.connect());
    publisher.declare("q");
    let channels: Vec<Channel> = (0..CHANNELS).map(|_| connection.channel()).collect();
    let tags: Vec<String> = channels
        .iter()
        .map(|channel| channel.consume_as(without_acks("q")))
        .collect();
    let messages = 100 * CHANNELS;
    for some in (0..messages).collect::<Vec<usize>>().chunks(1_000) {
        let bytes = some
            .iter()
            .flat_map(|name| publication(&publisher, "q", &name.to_string()));
        publisher.write(&bytes.collect::<Vec<u8>>());
    }
    let (first, second) = channels.split_at(CHANNELS / 2);
    let mut all = Vec::new();
    let mut cancel = |channel: &Channel, tag: &str| {
        let bodies = cancelled(channel, tag);
        assert!(bodies.is_sorted());
        all.extend(bodies);
    };
    first
        .iter()
        .zip(&tags)
        .for_each(|(channel, tag)| cancel(channel, tag));
    assert_eq!(publisher.ready("q"), 0);
    second
        .iter()
        .zip(&tags[CHANNELS / 2..])
        .for_each(|(channel, tag)| cancel(channel, tag));
    all.sort_unstable();
    assert!(all.into_iter().eq(0..messages));
}

#[test]
fn consumers_without_acks_get_more_as_their_client_reads() {
    let broker = Broker::start();
    let (publisher, connection) = (broker.connect().channel(), broker.connect());
    let channels: Vec<Channel> = (0..CHANNELS).map(|_| connection.channel()).collect();
    let queue = |at: usize| format!("q{at}");
    for (at, channel) in channels.iter().enumerate() {
        channel.declare(&queue(at));
        channel.consume_as(without_acks(&queue(at)));
    }
    // More than the windows have room for.
    let body = |round: usize| format!("{round:<9000}");
    for round in 0..60 {
        let of_round = (0..CHANNELS).flat_map(|at| publication(&publisher, &queue(at), &body(round)));
        publisher.write(&of_round.collect::<Vec<u8>>());
    }
    for channel in &channels {
        let expected: Vec<String> = (0..60).map(body).collect();
        assert_eq!(channel.delivered(60), expected);
    }
}
