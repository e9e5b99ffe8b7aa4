//! `x-message-ttl`, `expiration` and `x-expires`.

use std::thread::sleep;
use std::time::{Duration, Instant};

use leveret_protocol::method::basic::{CancelOk, GetEmpty};
use leveret_protocol::method::channel::CloseOk;
use leveret_protocol::method::queue::{Bind, Declare, DeclareOk, DeleteOk, PurgeOk};
use leveret_protocol::{FieldTable, FieldValue, Method, OwnedProperties};

use crate::support::methods::{cancel, delete, get, passive, purge, queue};
use crate::support::{Broker, Channel};

/// An expired message is gone no later than so long after its deadline; the rest is for a busy machine.
const LATE: Duration = Duration::from_millis(100 + 900);

#[test]
fn a_message_expires_after_the_time_of_its_queue() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, "q", [("x-message-ttl", 300)]);
    let begun = Instant::now();
    channel.publish("", "q", "a");
    channel.publish("", "q", "b");
    there(&channel, 2, begun, Duration::from_millis(300));
    gone(&channel, "q", begun, Duration::from_millis(300));
    channel.call::<GetEmpty>(get("q"));
}

#[test]
fn the_shorter_of_two_times_wins() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, "q", [("x-message-ttl", 60_000)]);
    let begun = Instant::now();
    expiring(&channel, "q", "200", "a");
    gone(&channel, "q", begun, Duration::from_millis(200));
    declare(&channel, "short", [("x-message-ttl", 200)]);
    let begun = Instant::now();
    expiring(&channel, "short", "60000", "a");
    gone(&channel, "short", begun, Duration::from_millis(200));
}

#[test]
fn a_message_leaves_from_between_others() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    let begun = Instant::now();
    for number in 0..1_000 {
        match number % 3 {
            0 => channel.publish("", "q", number.to_string()),
            1 => expiring(&channel, "q", "60000", &number.to_string()),
            _ => expiring(&channel, "q", "300", &number.to_string()),
        }
    }
    there(&channel, 1_000, begun, Duration::from_millis(300));
    until(begun, Duration::from_millis(300), || channel.ready("q") == 667);
    let left: Vec<String> = (0..1_000).filter(|n| n % 3 < 2).map(|n| n.to_string()).collect();
    assert_eq!(channel.drain("q"), left);
}

#[test]
fn a_message_whose_time_is_over_is_never_delivered() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    for ttl in [1, 5, 20, 49, 51] {
        expiring(&channel, "q", &ttl.to_string(), "late");
        assert!(channel.ready("q") <= 1);
        sleep(Duration::from_millis(ttl + 1));
        channel.call::<GetEmpty>(get("q"));
    }
}

#[test]
fn with_no_time_a_message_is_delivered_at_once_or_not_at_all() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, "q", [("x-message-ttl", 0)]);
    channel.publish("", "q", "nobody is there");
    assert_eq!(channel.ready("q"), 0);
    let consumer = channel.consume("q");
    channel.publish("", "q", "somebody is there");
    assert_eq!(channel.delivery().body, b"somebody is there");
    channel.call::<CancelOk<'_>>(cancel(&consumer));
    channel.requeue(1);
    assert_eq!(channel.ready("q"), 0, "it may not wait");
    declare(&channel, "other", []);
    expiring(&channel, "other", "0", "nobody is there");
    assert_eq!(channel.ready("other"), 0);
}

#[test]
fn what_is_unsettled_does_not_expire_but_may_when_it_comes_back() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, "q", [("x-message-ttl", 1_500)]);
    let begun = Instant::now();
    for body in ["a", "b", "c"] {
        channel.publish("", "q", body);
    }
    let consumer = channel.consume("q");
    let tags: Vec<u64> = channel
        .deliveries(3)
        .iter()
        .map(|delivery| delivery.tag)
        .collect();
    channel.call::<CancelOk<'_>>(cancel(&consumer));
    channel.requeue(tags[1]);
    there(&channel, 1, begun, Duration::from_millis(1_500));
    gone(&channel, "q", begun, Duration::from_millis(1_500));
    channel.requeue(tags[0]);
    assert_eq!(channel.ready("q"), 0, "its time was over");
    channel.ack(tags[2]);
    assert_eq!(channel.ready("q"), 0);
}

#[test]
fn a_purge_and_a_delete_count_what_has_not_expired() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    let begun = Instant::now();
    for round in 0..10 {
        expiring(&channel, "q", "200", "short");
        channel.publish("", "q", round.to_string());
    }
    until(begun, Duration::from_millis(200), || channel.ready("q") == 10);
    assert_eq!(channel.call::<PurgeOk>(purge("q")).message_count, 10);
    for _ in 0..10 {
        expiring(&channel, "q", "60000", "long");
    }
    assert_eq!(channel.call::<DeleteOk>(delete("q")).message_count, 10);
}

#[test]
fn higher_levels_expire_too() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    declare(&channel, "q", [("x-message-ttl", 300), ("x-max-priority", 9)]);
    let begun = Instant::now();
    for priority in (0..10).chain(0..10) {
        let properties = OwnedProperties::new().with_priority(priority).encode();
        channel.publish_with("q", &properties, "x");
    }
    there(&channel, 20, begun, Duration::from_millis(300));
    gone(&channel, "q", begun, Duration::from_millis(300));
}

#[test]
fn an_unused_queue_deletes_itself() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let begun = Instant::now();
    declare(&channel, "q", [("x-expires", 300)]);
    declare(&channel, "untouched", [("x-expires", 300)]);
    channel.publish("", "q", "is no use");
    sleep(Duration::from_millis(200));
    until(begun, Duration::from_millis(300), || {
        !exists(&channel, "untouched")
    });
    until(begun, Duration::from_millis(300), || !exists(&channel, "q"));
}

#[test]
fn a_consumer_a_get_and_a_declaration_keep_a_queue_alive() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let again = |name| declare(&channel, name, [("x-expires", 1_000)]);
    ["q", "asked for", "declared again"].into_iter().for_each(again);
    channel.publish("", "declared again", "by now");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1_500) {
        channel.call::<GetEmpty>(get("q"));
        channel.call::<DeclareOk<'_>>(passive("asked for"));
        again("declared again");
        sleep(Duration::from_millis(100));
    }
    assert_eq!(channel.ready("declared again"), 1, "the same queue");
    let consumer = channel.consume("q");
    sleep(Duration::from_millis(1_300));
    channel.publish("", "q", "still here");
    assert_eq!(channel.delivery().body, b"still here");
    let unused = Instant::now();
    channel.call::<CancelOk<'_>>(cancel(&consumer));
    sleep(Duration::from_millis(1_000));
    until(unused, Duration::from_millis(1_000), || !exists(&channel, "q"));
}

fn declare<const N: usize>(channel: &Channel, name: &str, arguments: [(&str, i32); N]) {
    let arguments = arguments.map(|(key, value)| (key, FieldValue::from(value)));
    channel.call::<DeclareOk<'_>>(Declare {
        arguments: FieldTable::from_iter(arguments),
        exclusive: true,
        ..queue(name)
    });
}

fn expiring(channel: &Channel, queue: &str, expiration: &str, body: &str) {
    let properties = OwnedProperties::new().with_expiration(expiration).encode();
    channel.publish_with(queue, &properties, body);
}

/// So many messages of `q` are there, unless the machine was so busy that their time is over.
fn there(channel: &Channel, messages: u32, begun: Instant, ttl: Duration) {
    let ready = channel.ready("q");
    assert!(
        ready == messages || begun.elapsed() >= ttl,
        "{ready} of {messages} are there"
    );
}

/// All messages of a queue are there until their time is over, and not much longer.
fn gone(channel: &Channel, queue: &str, begun: Instant, ttl: Duration) {
    let ready = channel.ready(queue);
    assert!(ready > 0 || begun.elapsed() >= ttl, "gone too early");
    until(begun, ttl, || channel.ready(queue) == 0);
}

/// Asks until it is so; it must be soon after the deadline, and not before.
fn until(begun: Instant, ttl: Duration, mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        let elapsed = begun.elapsed();
        assert!(elapsed < ttl + LATE, "after {elapsed:?}");
        sleep(Duration::from_millis(5));
    }
    assert!(begun.elapsed() >= ttl, "after {:?} already", begun.elapsed());
}

fn exists(channel: &Channel, name: &str) -> bool {
    let channel = channel.connection().channel();
    // A declaration would keep it alive.
    channel.send(Bind {
        queue: name,
        exchange: "amq.fanout",
        ..Default::default()
    });
    match channel.method() {
        Method::Queue(_) => {
            channel.close();
            true
        }
        _ => {
            channel.send(CloseOk {});
            false
        }
    }
}
