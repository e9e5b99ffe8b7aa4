//! A queue lives on the thread of its first consumer, and on none before it is needed.

use std::sync::Arc;

use leveret_actors::node::Settings;
use leveret_protocol::method::queue;

use super::ring::Ring;
use super::support::eventually;

#[test]
fn a_queue_comes_to_life_beside_its_first_consumer() {
    let ring = Ring::with_workers(2);
    let (declarer, consumer) = (ring.connect().channel(), ring.connect().channel());
    for q in ["a", "b", "c", "d"] {
        declarer.declare(q);
        consumer.declare(q);
        assert_eq!(declarer.ready(q), 0);
        assert!(!ring.queue(q).dwelling.is_inhabited(), "nobody needs it");
    }
    let workers: Vec<_> = ring.workers().collect();
    consumer.consume("a");
    consumer.consume("b");
    declarer.consume("c");
    declarer.publish("", "d", "m");
    eventually("it was taken", || declarer.ready("d") == 1);
    let lives_on = |q| ring.queue(q).worker();
    assert_eq!(["a", "b"].map(lives_on), [workers[1]; 2]);
    assert_eq!(["c", "d"].map(lives_on), [workers[0]; 2]);
    consumer.consume("d");
    assert_eq!(lives_on("d"), workers[0], "it stays where it is");
}

#[test]
fn while_a_worker_has_no_connection_the_queues_of_a_declarer_live_together_and_away_from_others() {
    let ring = Ring::with(Settings {
        workers: 2,
        connections_together: 4,
        ..Settings::default()
    });
    let (one, other) = (ring.connect().channel(), ring.connect().channel());
    for q in ["a", "b", "c"] {
        one.declare(q);
    }
    other.declare("d");
    one.consume("a");
    other.consume("b");
    other.publish("", "c", "m");
    other.consume("d");
    eventually("it was taken", || one.ready("c") == 1);
    let lives_on = |q| ring.queue(q).worker();
    let workers: Vec<_> = ring.workers().collect();
    assert_eq!(["a", "b", "c"].map(lives_on), [workers[0]; 3]);
    assert_eq!(lives_on("d"), workers[1]);
}

#[test]
fn a_queue_that_nobody_needed_ends_with_its_broker() {
    let ring = Ring::with_workers(1);
    ring.connect().channel().declare("q");
    let queue = ring.queue("q");
    let directory = Arc::downgrade(&ring.directory());
    drop(ring);
    assert!(!queue.dwelling.is_inhabited());
    drop(queue);
    eventually("nothing keeps its name", || directory.strong_count() == 0);
}

#[test]
fn of_what_a_restart_brings_back_only_queues_with_messages_live_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let ring = Ring::in_directory(directory.path());
    let channel = ring.connect().channel();
    for q in ["used", "unused"] {
        channel.call::<queue::DeclareOk<'_>>(queue::Declare {
            queue: q,
            durable: true,
            ..queue::Declare::default()
        });
    }
    channel.confirm_select();
    let persistent = [0x10, 0, 2];
    channel.publish_with("used", &persistent, "m");
    channel.acked(1, 1);
    drop((channel, ring));

    let ring = Ring::in_directory(directory.path());
    let lives = |q| ring.queue(q).dwelling.is_inhabited();
    assert_eq!(["used", "unused"].map(lives), [true, false]);
    let channel = ring.connect().channel();
    assert_eq!(["used", "unused"].map(|q| channel.ready(q)), [1, 0]);
    assert!(!lives("unused"));
}
