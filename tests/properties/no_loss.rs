//! Nothing confirmed is lost, and nothing acknowledged comes again.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use leveret_protocol::Method;
use leveret_protocol::method::basic;

use crate::support::chance::Chance;
use crate::support::wire::NoFrame;
use crate::support::{Broker, Channel, Connection, Delivery, content, eventually};

const PUBLISHERS: usize = 4;
const CONSUMERS: usize = 4;
const MESSAGES: usize = 3_000;

/// What became of one message.
#[derive(Default)]
struct Fate {
    /// Deliveries that were not flagged as redelivered.
    first_deliveries: usize,
    acked: bool,
}

/// Every message by what it says.
type Fates = Mutex<HashMap<String, Fate>>;

#[test]
fn every_confirmed_message_is_seen_though_connections_are_lost() {
    let broker = Broker::start();
    let setup = broker.connect().channel();
    setup.declare("q");
    let (seen, published) = (Fates::default(), AtomicUsize::new(0));
    let (address, vhost) = (broker.address(), broker.vhost());
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let published = &published;
            scope.spawn(move || {
                publish(address, vhost, publisher);
                published.fetch_add(1, Ordering::Relaxed);
            });
        }
        for consumer in 0..CONSUMERS {
            let (seen, published) = (&seen, &published);
            scope.spawn(move || {
                let mut chance = Chance::new(consumer as u64 + 100);
                while published.load(Ordering::Relaxed) < PUBLISHERS {
                    see_and_vanish(address, vhost, &mut chance, seen);
                }
            });
        }
    });
    // What the lost connections held has come back.
    let holders_gone = || setup.consumers("q") == 0;
    eventually("the lost connections are noticed", holders_gone);
    while let Some(got) = setup.get("q") {
        see(text(&got.body), got.redelivered, &seen);
        setup.ack(got.tag);
    }
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), PUBLISHERS * MESSAGES, "every message was seen");
    assert!(
        seen.values().all(|fate| fate.first_deliveries <= 1),
        "none came twice without the flag"
    );
}

/// Consumes a while, acks some of it and drops the connection without a word.
fn see_and_vanish(address: SocketAddr, vhost: &str, chance: &mut Chance, seen: &Fates) {
    let connection = Connection::over_tcp(address, vhost);
    connection.open(vhost);
    let channel = connection.channel();
    channel.prefetch(20);
    channel.consume("q");
    for _ in 0..chance.below(150) {
        let Some(delivery) = next(&channel) else { break };
        see(text(&delivery.body), delivery.redelivered, seen);
        if !chance.one_in(5) {
            channel.ack(delivery.tag);
        }
    }
}

fn text(body: &[u8]) -> String {
    String::from_utf8(body.to_vec()).unwrap()
}

fn see(message: String, redelivered: bool, seen: &Fates) {
    let mut seen = seen.lock().unwrap();
    seen.entry(message).or_default().first_deliveries += usize::from(!redelivered);
}

#[test]
fn every_confirmed_message_is_acked_once_though_channels_come_and_go() {
    let broker = Broker::start();
    let setup = broker.connect().channel();
    setup.declare("q");
    let fates = Fates::default();
    let acked = AtomicUsize::new(0);
    let (address, vhost) = (broker.address(), broker.vhost());
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            scope.spawn(move || publish(address, vhost, publisher));
        }
        for consumer in 0..CONSUMERS {
            let (fates, acked) = (&fates, &acked);
            scope.spawn(move || consume(address, vhost, consumer as u64, fates, acked));
        }
    });
    let fates = fates.into_inner().unwrap();
    assert_eq!(fates.len(), PUBLISHERS * MESSAGES);
    for (message, fate) in fates {
        assert!(fate.acked, "{message} was not acked");
        assert!(
            fate.first_deliveries <= 1,
            "{message} came twice without the flag"
        );
    }
    assert_eq!(setup.ready("q"), 0);
}

/// Publishes with confirms, a window at a time.
fn publish(address: SocketAddr, vhost: &str, publisher: usize) {
    let connection = Connection::over_tcp(address, vhost);
    connection.open(vhost);
    let channel = connection.channel();
    channel.confirm_select();
    let mut confirmed = 0;
    while confirmed < MESSAGES {
        let window = 100.min(MESSAGES - confirmed);
        for number in confirmed..confirmed + window {
            channel.publish("", "q", format!("{publisher}:{number}"));
        }
        channel.acked(confirmed as u64 + 1, (confirmed + window) as u64);
        confirmed += window;
    }
}

/// Consumes until every message is acked, requeueing some and closing its channel now and then.
fn consume(address: SocketAddr, vhost: &str, seed: u64, fates: &Fates, acked: &AtomicUsize) {
    let connection = Connection::over_tcp(address, vhost);
    connection.open(vhost);
    let mut chance = Chance::new(seed + 1);
    let deadline = Instant::now() + Duration::from_secs(60);
    while acked.load(Ordering::Relaxed) < PUBLISHERS * MESSAGES {
        assert!(
            Instant::now() < deadline,
            "{} acked in time",
            acked.load(Ordering::Relaxed)
        );
        let channel = connection.channel();
        channel.prefetch(20);
        channel.consume("q");
        for _ in 0..chance.below(200) {
            let Some(delivery) = next(&channel) else { break };
            settle(&channel, delivery, &mut chance, fates, acked);
        }
        channel.close_among_deliveries();
    }
}

fn settle(channel: &Channel, delivery: Delivery, chance: &mut Chance, fates: &Fates, acked: &AtomicUsize) {
    let message = text(&delivery.body);
    let mut fates = fates.lock().unwrap();
    let fate = fates.entry(message.clone()).or_default();
    assert!(!fate.acked, "{message} came again after its ack");
    fate.first_deliveries += usize::from(!delivery.redelivered);
    match chance.below(10) {
        0 => channel.requeue(delivery.tag),
        // Neither acked nor requeued: it returns when the channel closes.
        1 => {}
        _ => {
            fate.acked = true;
            channel.ack(delivery.tag);
            acked.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The next delivery, if one comes soon.
fn next(channel: &Channel) -> Option<Delivery> {
    match channel.next_frame(Duration::from_millis(50)) {
        Err(NoFrame::Silence) => None,
        Err(NoFrame::End) => panic!("the broker closed the socket"),
        Ok(frame) => match Method::decode(&frame.payload).unwrap() {
            Method::Basic(basic::Method::Deliver(deliver)) => {
                Some(Delivery::new(deliver, content::read(channel)))
            }
            other => panic!("{other:?}"),
        },
    }
}
