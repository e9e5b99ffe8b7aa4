//! One channel, one order: what a channel asks takes effect in the order it was asked.

use std::collections::{BTreeMap, VecDeque};

use leveret_protocol::method::basic::{Nack, Recover, RecoverOk};
use leveret_protocol::method::queue::{DeleteOk, PurgeOk};

use crate::support::chance::Chance;
use crate::support::methods::{delete, purge};
use crate::support::{Broker, Channel};

#[test]
fn publish_then_get() {
    each_round(|channel, queue| {
        channel.publish("", queue, "x");
        assert!(channel.get(queue).is_some());
    });
}

#[test]
fn publish_then_count() {
    each_round(|channel, queue| {
        for count in 1..=5 {
            channel.publish("", queue, "x");
            assert_eq!(channel.ready(queue), count);
        }
    });
}

#[test]
fn publish_then_purge() {
    each_round(|channel, queue| {
        for _ in 0..10 {
            channel.publish("", queue, "x");
        }
        assert_eq!(channel.call::<PurgeOk>(purge(queue)).message_count, 10);
    });
}

#[test]
fn publish_then_delete() {
    each_round(|channel, queue| {
        for _ in 0..10 {
            channel.publish("", queue, "x");
        }
        assert_eq!(channel.call::<DeleteOk>(delete(queue)).message_count, 10);
    });
}

#[test]
fn requeue_then_get() {
    each_round(|channel, queue| {
        channel.publish("", queue, "x");
        for _ in 0..5 {
            let got = channel.get(queue).unwrap();
            channel.requeue(got.tag);
        }
        assert!(channel.get(queue).unwrap().redelivered);
    });
}

#[test]
fn requeue_then_count_then_ack_then_purge() {
    each_round(|channel, queue| {
        for _ in 0..4 {
            channel.publish("", queue, "x");
        }
        let tags: Vec<_> = (0..4).map(|_| channel.get(queue).unwrap().tag).collect();
        channel.send(Nack {
            delivery_tag: tags[1],
            multiple: true,
            requeue: true,
        });
        assert_eq!(channel.ready(queue), 2);
        channel.ack_up_to(tags[3]);
        assert_eq!(channel.call::<PurgeOk>(purge(queue)).message_count, 2);
        channel.call::<RecoverOk>(Recover { requeue: true });
        assert_eq!(channel.ready(queue), 0);
    });
}

#[test]
fn close_then_look_from_another_channel() {
    let broker = Broker::start();
    let connection = broker.connect();
    let other = connection.channel();
    for round in 0..100 {
        let queue = format!("q{round}");
        let channel = connection.channel_number(500);
        channel.open();
        channel.declare(&queue);
        for _ in 0..20 {
            channel.publish("", &queue, "x");
        }
        channel.close();
        assert_eq!(other.ready(&queue), 20);
    }
}

#[test]
fn any_sequence_of_requests_acts_like_a_list() {
    for seed in 0..12 {
        let broker = Broker::start();
        let channel = broker.connect().channel();
        channel.declare("q");
        let mut model = Model::default();
        let mut chance = Chance::new(seed);
        for step in 0..600 {
            model.step(&channel, &mut chance, step);
        }
    }
}

/// Runs a scenario on a hundred queues, which live on different threads of the broker.
fn each_round(scenario: impl Fn(&Channel, &str)) {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    for round in 0..100 {
        let queue = format!("q{round}");
        channel.declare(&queue);
        scenario(&channel, &queue);
    }
}

/// What a queue and a channel should hold.
#[derive(Default)]
struct Model {
    /// Number and whether it has been delivered before, in order of publication.
    ready: VecDeque<(usize, bool)>,
    /// Delivery tag to number.
    held: BTreeMap<u64, usize>,
    next_tag: u64,
}

impl Model {
    /// Does something at random and compares what the broker says.
    fn step(&mut self, channel: &Channel, chance: &mut Chance, number: usize) {
        match chance.below(12) {
            0..=3 => {
                channel.publish("", "q", number.to_string());
                self.ready.push_back((number, false));
            }
            4..=6 => self.get(channel),
            7 => self.settle(chance, |tag| channel.ack(tag), false),
            8 => self.settle(chance, |tag| channel.requeue(tag), true),
            9 => self.settle_many(channel, chance),
            10 => assert_eq!(channel.ready("q"), self.ready.len() as u32),
            _ => self.rarely(channel, chance),
        }
    }

    fn get(&mut self, channel: &Channel) {
        let got = channel.get("q");
        match self.ready.pop_front() {
            None => assert_eq!(got, None),
            Some((number, redelivered)) => {
                let got = got.expect("a message is ready");
                self.next_tag += 1;
                let left = self.ready.len() as u32;
                assert_eq!(
                    (got.tag, got.redelivered, got.message_count),
                    (self.next_tag, redelivered, left)
                );
                assert_eq!(got.body, number.to_string().as_bytes());
                self.held.insert(got.tag, number);
            }
        }
    }

    /// Settles one delivery.
    fn settle(&mut self, chance: &mut Chance, send: impl Fn(u64), requeue: bool) {
        if self.held.is_empty() {
            return;
        }
        let tag = *self
            .held
            .keys()
            .nth(chance.below(self.held.len()))
            .expect("one is held");
        let number = self.held.remove(&tag).expect("it is held");
        send(tag);
        if requeue {
            self.give_back(number);
        }
    }

    /// Settles all deliveries up to one of them.
    fn settle_many(&mut self, channel: &Channel, chance: &mut Chance) {
        if self.held.is_empty() {
            return;
        }
        let tag = *self
            .held
            .keys()
            .nth(chance.below(self.held.len()))
            .expect("one is held");
        let left = self.held.split_off(&(tag + 1));
        let settled = std::mem::replace(&mut self.held, left);
        let requeue = chance.one_in(2);
        channel.send(Nack {
            delivery_tag: tag,
            multiple: true,
            requeue,
        });
        if requeue {
            settled.into_values().for_each(|number| self.give_back(number));
        }
    }

    fn rarely(&mut self, channel: &Channel, chance: &mut Chance) {
        if chance.one_in(4) {
            let purged = channel.call::<PurgeOk>(purge("q")).message_count;
            assert_eq!(purged, self.ready.len() as u32);
            self.ready.clear();
        } else {
            channel.call::<RecoverOk>(Recover { requeue: true });
            std::mem::take(&mut self.held)
                .into_values()
                .for_each(|number| self.give_back(number));
        }
    }

    /// A requeued message returns to where it was.
    fn give_back(&mut self, number: usize) {
        let place = self.ready.partition_point(|&(other, _)| other < number);
        self.ready.insert(place, (number, true));
    }
}
