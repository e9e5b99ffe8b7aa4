//! 1. One channel, one order: what a channel does to a queue is seen in the order in which it did it.

use leveret_actors::queue::Outcome;
use leveret_actors::queue::messages::{Detach, Get, Inspect, Purge, Settle};
use leveret_protocol::method::queue;

use super::ring::Ring;
use super::stage::{Peer, wait};
use super::support::methods::purge;

/// Batches, more than fit a mailbox that has a bound.
const MANY: usize = 100;

#[test]
fn a_question_is_not_overtaken_however_full_the_mailbox_is() {
    for workers in [1, 2] {
        let ring = Ring::with_workers(workers);
        ring.connect().channel().declare("q");
        let queue = ring.queue("q");
        let channel = Peer::of(queue.addr(), queue.id, ring.worker(queue.worker()));
        let publish = || (0..MANY).for_each(|_| channel.publish(&["m"], false, None));
        let get = || {
            queue.addr().send(Get {
                channel: channel.id,
                no_ack: false,
            })
        };

        let held = ring.hold(queue.worker());
        publish();
        let counted = queue.addr().send(Inspect);
        publish();
        let (first, second) = (get(), get());
        let purged = queue.addr().send(Purge);
        publish();
        let counted_again = queue.addr().send(Inspect);
        queue.addr().do_send(Detach { channel: channel.id });
        let counted_at_last = queue.addr().send(Inspect);
        drop(held);

        let answers = wait(async move {
            let (first, second) = (first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
            assert!(first.is_some() && second.is_some());
            [
                counted.await.unwrap().unwrap().ready,
                purged.await.unwrap().unwrap(),
                counted_again.await.unwrap().unwrap().ready,
                counted_at_last.await.unwrap().unwrap().ready,
            ]
        });
        let many = MANY as u32;
        assert_eq!(answers, [many, 2 * many - 2, many, many + 2]);
    }
}

#[test]
fn settlements_and_questions_take_one_road() {
    let ring = Ring::with_workers(1);
    ring.connect().channel().declare("q");
    let queue = ring.queue("q");
    let channel = Peer::of(queue.addr(), queue.id, ring.worker(queue.worker()));
    channel.publish(&["a", "b", "c"], false, None);
    let take = || {
        let got = wait(queue.addr().send(Get {
            channel: channel.id,
            no_ack: false,
        }));
        let got = got.unwrap().unwrap().expect("a message");
        let (delivery, publication) = got.handout.publications().next().unwrap();
        let body = String::from_utf8(publication.body.as_slice().to_vec()).unwrap();
        (body, delivery.key, delivery.redelivered)
    };
    let (a, b) = (take(), take());
    let held = ring.hold(queue.worker());
    queue.addr().do_send(Settle {
        channel: channel.id,
        runs: vec![(Outcome::Ack, vec![a.1]), (Outcome::Requeue, vec![b.1])],
    });
    let counted = queue.addr().send(Inspect);
    drop(held);
    let counts = wait(counted).unwrap().unwrap();
    assert_eq!((counts.ready, counts.unacked), (2, 0));
    let again = take();
    assert_eq!((again.0.as_str(), again.2), ("b", true));
}

#[test]
fn commands_of_a_channel_to_a_queue_that_stands_still_act_in_their_order() {
    let ring = Ring::with_workers(2);
    let q = ring.queue_on_another_worker();
    let channel = ring.connect().channel();
    let held = ring.hold(ring.queue(q).worker());
    for round in 0..MANY as u32 {
        for _ in 0..round % 3 {
            channel.publish("", q, "m");
        }
        channel.send(purge(q));
    }
    drop(held);
    for round in 0..MANY as u32 {
        assert_eq!(channel.expect::<queue::PurgeOk>().message_count, round % 3);
    }
}
