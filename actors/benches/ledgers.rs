//! What it costs to keep the books of 1,000 messages: in the queue, in the channel, in the consumer.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::sync::Arc;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use leveret_actors::channel::unacked::{Outstanding, Unacked};
use leveret_actors::consumer::credit::Credit;
use leveret_actors::id::{ChannelId, ConsumerId};
use leveret_actors::publication::{Page, PageBuilder};
use leveret_actors::queue::{Grant, Outcome, QueueSettings, QueueState, Subscription};
use leveret_protocol::Body;

const MESSAGES: u32 = 1000;

fn main() {
    divan::main();
}

fn page() -> (Arc<Page>, Vec<u32>) {
    let mut page = PageBuilder::new();
    let body = Body::Slice(b"sixteen bytes it");
    let offsets = (0..MESSAGES).map(|_| page.push("", "a-queue", &[0x10, 0, 1], false, body.clone()));
    let offsets = offsets.collect();
    (page.finish(), offsets)
}

/// A queue with one consumer, above `waiting` pages that stay.
fn queue(waiting: usize, no_ack: bool) -> (QueueState, ChannelId, ConsumerId) {
    let mut queue = QueueState::new(QueueSettings::default());
    let (channel, consumer) = (ChannelId::next(), ConsumerId::next());
    for _ in 0..waiting {
        let (page, offsets) = page();
        queue.enqueue(page, &offsets);
    }
    let subscription = Subscription {
        no_ack,
        ..Subscription::default()
    };
    queue.subscribe(channel, consumer, subscription).unwrap();
    (queue, channel, consumer)
}

const ALL: Grant = Grant {
    messages: MESSAGES,
    bytes: 1 << 30,
};

#[divan::bench(args = [0, 1000])]
fn through_a_queue_without_acks(bencher: Bencher<'_, '_>, waiting: usize) {
    let (page, offsets) = page();
    let (mut queue, _, consumer) = queue(waiting, true);
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        queue.credit(consumer, ALL);
        queue.enqueue(Arc::clone(&page), black_box(&offsets));
        black_box(queue.dispatch(MESSAGES as usize))
    });
}

#[divan::bench(args = [0, 1000])]
fn through_a_queue_with_acks(bencher: Bencher<'_, '_>, waiting: usize) {
    let (page, offsets) = page();
    let (mut queue, channel, consumer) = queue(waiting, false);
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        queue.credit(consumer, ALL);
        queue.enqueue(Arc::clone(&page), black_box(&offsets));
        let pass = queue.dispatch(MESSAGES as usize);
        let handouts = pass.handouts.iter().flat_map(|(_, handout)| &handout.deliveries);
        let keys: Vec<u32> = handouts.map(|delivery| delivery.key).collect();
        assert_eq!(queue.settle(channel, Outcome::Ack, &keys), keys.len());
    });
}

#[divan::bench(args = [1, 100])]
fn unacked_settled_in_order(bencher: Bencher<'_, '_>, together: u64) {
    let mut ledger = Unacked::new();
    let mut tag = 0;
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        let first = tag;
        for _ in 0..MESSAGES {
            tag += 1;
            ledger.push(Outstanding {
                tag,
                queue: 0,
                key: tag as u32,
                consumer: 0,
            });
        }
        let mut upto = first + together;
        while upto <= tag {
            ledger
                .take(upto, together > 1, |taken| {
                    black_box(taken);
                })
                .unwrap();
            upto += together;
        }
    });
}

#[divan::bench]
fn credit_for_a_batch_of_ten(bencher: Bencher<'_, '_>) {
    let mut credit = Credit::new(1000, false);
    bencher.counter(ItemsCount::new(10_u32)).bench_local(|| {
        black_box(credit.top_up());
        credit.delivered(10, 160);
        credit.written(10, 160);
        credit.settled(10);
    });
}
