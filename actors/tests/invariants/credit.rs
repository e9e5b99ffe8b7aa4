//! 3. Credit is never exceeded: what is granted, on its way and unsettled stays within the prefetch, and what is
//!    not yet written within the window.

use std::collections::{BTreeMap, HashMap};

use actix::prelude::*;
use leveret_actors::consumer::actor::{Consumer, ConsumerSeed};
use leveret_actors::consumer::credit::{FIRST_WINDOW, WINDOW_MESSAGES};
use leveret_actors::consumer::messages::{FromConsumer, Report, Settled, Written};
use leveret_actors::consumer::windows::Windows;
use leveret_actors::id::ConsumerId;
use leveret_actors::journal::Volatile;
use leveret_actors::lease::{Gone, Lease};
use leveret_actors::publication::Handout;
use leveret_actors::queue::Outcome;
use leveret_actors::queue::messages::{Inspect, Settle, Supply};

use super::ring::Ring;
use super::stage::{Peer, Probe, Stage, Subject, wait};
use super::support::Channel;
use super::support::chance::Chance;

/// Whatever the queue does for mail sent so far is done.
fn settle(queue: &Subject) {
    for _ in 0..3 {
        wait(queue.addr.send(Inspect)).unwrap().unwrap();
    }
}

#[test]
fn a_queue_hands_out_no_more_than_it_was_granted() {
    let stage = Stage::new();
    let queue = stage.queue(Volatile);
    let channel = Peer::of(&queue.addr, queue.id, &stage.worker);
    let (consumer, supply) = (ConsumerId::next(), Probe::new(&stage.worker));
    queue.subscribe(&channel, consumer, supply.recipient(), true);
    assert!(matches!(supply.next(), Supply::Subscribed(Ok(()))));
    let mut chance = Chance::new(3);
    let (mut granted, mut delivered) = (0, 0);
    for _ in 0..200 {
        channel.publish(&["m"; 5], false, None);
        let messages = chance.below(10) as u32;
        granted += messages;
        queue.grant(consumer, messages, 100_000);
        if chance.one_in(4) {
            settle(&queue);
        }
        while let Some(Supply::Deliver(handout)) = supply.here() {
            delivered += handout.len() as u32;
        }
        assert!(delivered <= granted, "{delivered} of {granted}");
    }
    let due = granted.min(1000);
    while delivered < due {
        let Supply::Deliver(handout) = supply.next() else {
            panic!("only messages come")
        };
        delivered += handout.len() as u32;
    }
    settle(&queue);
    assert!(supply.here().is_none());
    assert_eq!(delivered, due);
}

/// A real consumer of a real queue; the test is its channel.
struct Subscribed {
    addr: Addr<Consumer>,
    reports: Probe<FromConsumer>,
    _gone: Probe<Gone<u32>>,
}

impl Subscribed {
    fn to(queue: &Subject, channel: &Peer, stage: &Stage, prefetch: u16, no_ack: bool) -> Subscribed {
        let (reports, gone) = (Probe::new(&stage.worker), Probe::new(&stage.worker));
        let id = ConsumerId::next();
        let seed = ConsumerSeed {
            id,
            key: 0,
            channel: reports.recipient(),
            queue: queue.addr.clone(),
            prefetch,
            no_ack,
            on_offer: false,
            windows: Windows::default(),
            lease: Lease::new(gone.recipient(), 0),
        };
        let addr = stage.worker.place(move || Consumer::new(seed));
        queue.subscribe(channel, id, addr.clone().recipient(), no_ack);
        Subscribed {
            addr,
            reports,
            _gone: gone,
        }
    }

    /// The next messages it delivers.
    #[track_caller]
    fn delivery(&self) -> Handout {
        loop {
            if let Report::Deliveries(handout) = self.reports.next().report {
                return handout;
            }
        }
    }

    /// What was delivered so far.
    fn delivered(&self) -> Vec<Handout> {
        let mut handouts = Vec::new();
        while let Some(FromConsumer { report, .. }) = self.reports.here() {
            if let Report::Deliveries(handout) = report {
                handouts.push(handout);
            }
        }
        handouts
    }
}

#[test]
fn deliveries_and_unsettled_messages_stay_within_the_prefetch() {
    let stage = Stage::new();
    let queue = stage.queue(Volatile);
    let channel = Peer::of(&queue.addr, queue.id, &stage.worker);
    let consumer = Subscribed::to(&queue, &channel, &stage, 10, false);
    channel.publish(&["m"; 500], false, None);
    let mut chance = Chance::new(10);
    let (mut unsettled, mut total) = (Vec::new(), 0);
    while total < 500 {
        while unsettled.len() < 10 && total < 500 {
            let handout = consumer.delivery();
            total += handout.len();
            unsettled.extend(handout.deliveries.iter().map(|delivery| delivery.key));
            consumer.addr.do_send(Written {
                messages: handout.len() as u32,
                bytes: handout.bytes,
            });
        }
        settle(&queue);
        assert!(unsettled.len() <= 10, "{} are unsettled", unsettled.len());
        assert!(consumer.delivered().is_empty(), "10 are unsettled");
        let some = 1 + chance.below(unsettled.len());
        let keys: Vec<u32> = unsettled.drain(..some).collect();
        let messages = keys.len() as u32;
        queue.addr.do_send(Settle {
            channel: channel.id,
            runs: vec![(Outcome::Ack, keys)],
        });
        consumer.addr.do_send(Settled { messages });
    }
}

#[test]
fn without_a_prefetch_no_more_is_under_way_than_the_window_holds() {
    for (body, no_ack) in [("m".to_owned(), true), ("m".repeat(2_000), false)] {
        let stage = Stage::new();
        let queue = stage.queue(Volatile);
        let channel = Peer::of(&queue.addr, queue.id, &stage.worker);
        let consumer = Subscribed::to(&queue, &channel, &stage, 0, no_ack);
        let batch = vec![body.as_str(); 1_000];
        (0..50).for_each(|_| channel.publish(&batch, false, None));
        let mut under_way = vec![consumer.delivery()];
        settle(&queue);
        under_way.extend(consumer.delivered());
        let messages: usize = under_way.iter().map(Handout::len).sum();
        let bytes: u64 = under_way.iter().map(|handout| handout.bytes).sum();
        let one_more = body.len() as u64 + 200;
        assert!(messages <= WINDOW_MESSAGES as usize, "{messages} messages");
        assert!(bytes <= u64::from(FIRST_WINDOW) + one_more, "{bytes} bytes");

        consumer.addr.do_send(Written {
            messages: messages as u32,
            bytes,
        });
        assert!(!consumer.delivery().is_empty(), "what was written makes room");
    }
}

/// What a client holds of each of its consumers, and what is still to come.
struct Holdings {
    held: BTreeMap<u64, String>,
    left: HashMap<String, usize>,
    each: usize,
    together: usize,
}

impl Holdings {
    fn of(&self, consumer: &str) -> usize {
        self.held.values().filter(|tag| *tag == consumer).count()
    }

    /// Whether the limits let something come.
    fn have_room(&self) -> bool {
        let mut left = self.left.iter().filter(|(_, left)| **left > 0);
        self.held.len() < self.together && left.any(|(consumer, _)| self.of(consumer) < self.each)
    }

    /// Takes everything, settling at random, and lets no limit be passed.
    fn take_all(&mut self, channel: &Channel) {
        let mut chance = Chance::new(7);
        while self.left.values().any(|left| *left > 0) {
            while !self.have_room() || (!self.held.is_empty() && chance.one_in(3)) {
                let tags: Vec<u64> = self.held.keys().copied().collect();
                let tag = tags[chance.below(tags.len())];
                channel.ack(tag);
                self.held.remove(&tag);
            }
            let delivery = channel.delivery();
            *self.left.get_mut(&delivery.consumer_tag).unwrap() -= 1;
            self.held.insert(delivery.tag, delivery.consumer_tag.clone());
            let own = self.of(&delivery.consumer_tag);
            assert!(own <= self.each, "{own} of one consumer");
            assert!(self.held.len() <= self.together, "{} in all", self.held.len());
        }
    }
}

#[test]
fn a_prefetch_shared_by_consumers_of_several_queues_is_kept_and_used() {
    for workers in [1, 2] {
        let ring = Ring::with_workers(workers);
        let (consumer, publisher) = (ring.connect().channel(), ring.connect().channel());
        consumer.prefetch(3);
        consumer.prefetch_together(7);
        let mut holdings = Holdings {
            held: BTreeMap::new(),
            left: HashMap::new(),
            each: 3,
            together: 7,
        };
        for queue in ["a", "b", "c", "d"] {
            consumer.declare(queue);
            holdings.left.insert(consumer.consume(queue), 50);
            (0..50).for_each(|_| publisher.publish("", queue, "m"));
        }
        holdings.take_all(&consumer);
    }
}

#[test]
fn a_shared_prefetch_outlives_its_consumers_and_queues() {
    let ring = Ring::with_workers(2);
    let (consumer, publisher) = (ring.connect().channel(), ring.connect().channel());
    consumer.prefetch_together(2);
    for queue in ["a", "b"] {
        consumer.declare(queue);
        (0..5).for_each(|_| publisher.publish("", queue, queue));
    }
    assert_eq!(publisher.ready("b"), 5);
    consumer.consume("a");
    let held = consumer.deliveries(2);
    consumer.consume("b");
    consumer.expect_nothing();
    publisher.call::<leveret_protocol::method::queue::DeleteOk>(super::support::methods::delete("a"));
    consumer.expect::<leveret_protocol::method::basic::Cancel<'_>>();
    consumer.expect_nothing();
    consumer.ack(held[0].tag);
    assert_eq!(consumer.delivery().body, b"b");
    consumer.expect_nothing();
    consumer.ack(held[1].tag);
    assert_eq!(consumer.delivery().body, b"b");
    consumer.expect_nothing();
}
