//! The prefetch is never exceeded, however fast messages come and however acks are given.

use std::collections::HashMap;
use std::thread;

use leveret_protocol::method::basic::Nack;

use crate::support::chance::Chance;
use crate::support::{Broker, Channel, Connection, Delivery};

const MESSAGES: usize = 3_000;

#[test]
fn per_consumer() {
    flood(|channel| {
        channel.prefetch(7);
        let consumers = [channel.consume("q"), channel.consume("q")];
        consumers
            .map(|tag| Limit {
                consumers: vec![tag],
                messages: 7,
            })
            .into()
    });
}

#[test]
fn over_the_channel() {
    flood(|channel| {
        channel.prefetch_together(10);
        let consumers: Vec<_> = (0..3).map(|_| channel.consume("q")).collect();
        vec![Limit {
            consumers,
            messages: 10,
        }]
    });
}

#[test]
fn both_at_once() {
    flood(|channel| {
        channel.prefetch(4);
        channel.prefetch_together(6);
        let consumers: Vec<_> = (0..3).map(|_| channel.consume("q")).collect();
        let each = consumers.iter().map(|tag| Limit {
            consumers: vec![tag.clone()],
            messages: 4,
        });
        each.chain([Limit {
            consumers: consumers.clone(),
            messages: 6,
        }])
        .collect()
    });
}

#[test]
fn one_by_one() {
    flood(|channel| {
        channel.prefetch(1);
        let tag = channel.consume("q");
        vec![Limit {
            consumers: vec![tag],
            messages: 1,
        }]
    });
}

#[test]
fn different_consumers_of_a_channel() {
    flood(|channel| {
        let consumers = [1, 5, 50].map(|messages| {
            channel.prefetch(messages as u16);
            Limit {
                consumers: vec![channel.consume("q")],
                messages,
            }
        });
        consumers.into()
    });
}

/// These consumers together hold no more than so many messages.
struct Limit {
    consumers: Vec<String>,
    messages: usize,
}

/// Publishes from another connection while the limits are watched.
fn flood(subscribe: impl FnOnce(&Channel) -> Vec<Limit>) {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    let limits = subscribe(&channel);
    let (address, vhost) = (broker.address(), broker.vhost().to_owned());
    let publisher = thread::spawn(move || {
        let connection = Connection::over_tcp(address, &vhost);
        connection.open(&vhost);
        let channel = connection.channel();
        channel.confirm_select();
        for number in 0..MESSAGES {
            channel.publish("", "q", number.to_string());
        }
        channel.acked(1, MESSAGES as u64);
    });
    watch(&channel, &limits);
    publisher.join().unwrap();
}

/// Receives every message once, settling at random, and checks the limits after each delivery.
fn watch(channel: &Channel, limits: &[Limit]) {
    let mut chance = Chance::new(limits.len() as u64);
    let mut held: Vec<Delivery> = Vec::new();
    let mut holding: HashMap<String, usize> = HashMap::new();
    let mut most = vec![0; limits.len()];
    let (mut settled, mut filled) = (0, false);
    while settled < MESSAGES {
        let delivery = channel.delivery();
        *holding.entry(delivery.consumer_tag.clone()).or_default() += 1;
        held.push(delivery);
        for (limit, most) in limits.iter().zip(&mut most) {
            let now: usize = limit.consumers.iter().filter_map(|tag| holding.get(tag)).sum();
            assert!(now <= limit.messages, "{now} of {} messages", limit.messages);
            *most = now.max(*most);
        }
        let nothing_to_come = channel_is_full(limits, &holding) || held.len() + settled == MESSAGES;
        // Everything is filled to the brim once; from then on settlements come at any time.
        filled |= nothing_to_come;
        while !held.is_empty() && (nothing_to_come || filled && chance.one_in(3)) {
            settled += settle(channel, &mut held, &mut holding, &mut chance);
        }
    }
    for (limit, most) in limits.iter().zip(most) {
        let per_consumer = limit.consumers.len() == 1;
        assert!(
            most == limit.messages || (per_consumer && limits.len() > 3),
            "the limit was never reached"
        );
    }
}

/// True when no further delivery can come.
fn channel_is_full(limits: &[Limit], holding: &HashMap<String, usize>) -> bool {
    let full = |limit: &&Limit| {
        limit
            .consumers
            .iter()
            .filter_map(|tag| holding.get(tag))
            .sum::<usize>()
            == limit.messages
    };
    let every_consumer = |tag: &String| {
        limits
            .iter()
            .filter(full)
            .any(|limit| limit.consumers.contains(tag))
    };
    limits
        .iter()
        .flat_map(|limit| &limit.consumers)
        .all(every_consumer)
}

/// Acks, requeues or acks up to one of the deliveries; how many were acked.
fn settle(
    channel: &Channel,
    held: &mut Vec<Delivery>,
    holding: &mut HashMap<String, usize>,
    chance: &mut Chance,
) -> usize {
    let index = chance.below(held.len());
    let settled: Vec<Delivery> = match chance.below(4) {
        0 => {
            channel.ack_up_to(held[index].tag);
            held.drain(..=index).collect()
        }
        1 => {
            channel.send(Nack {
                delivery_tag: held[index].tag,
                multiple: false,
                requeue: true,
            });
            let requeued = held.remove(index);
            *holding.get_mut(&requeued.consumer_tag).unwrap() -= 1;
            Vec::new()
        }
        _ => {
            channel.ack(held[index].tag);
            vec![held.remove(index)]
        }
    };
    for delivery in &settled {
        *holding.get_mut(&delivery.consumer_tag).unwrap() -= 1;
    }
    settled.len()
}
