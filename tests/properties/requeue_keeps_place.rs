//! A requeued message returns to its place, from whatever channel and in whatever order.

use crate::support::chance::Chance;
use crate::support::{Broker, eventually};

const MESSAGES: usize = 200;

#[test]
fn whoever_held_them_and_however_they_return_the_order_is_that_of_publication() {
    for seed in 0..8 {
        let mut chance = Chance::new(seed);
        let broker = Broker::start();
        let connections: Vec<_> = (0..3).map(|_| broker.connect()).collect();
        let channels: Vec<_> = (0..6).map(|number| connections[number % 3].channel()).collect();
        channels[0].declare("q");
        channels[0].confirm_select();
        for number in 0..MESSAGES {
            channels[0].publish("", "q", number.to_string());
        }
        channels[0].acked(1, MESSAGES as u64);
        let mut held = Vec::new();
        for _ in 0..MESSAGES * 3 / 4 {
            let holder = chance.below(channels.len());
            held.push((holder, channels[holder].get("q").expect("enough messages").tag));
        }
        chance.shuffle(&mut held);
        // Two channels close and so return all they hold; the others requeue one by one.
        let (closing, open): (Vec<_>, Vec<_>) = held.into_iter().partition(|(holder, _)| *holder >= 4);
        assert!(!closing.is_empty());
        channels[4..].iter().for_each(crate::support::Channel::close);
        for (holder, tag) in open {
            channels[holder].requeue(tag);
        }
        eventually("all are back", || channels[0].ready("q") == MESSAGES as u32);
        assert_eq!(
            channels[0].drain("q"),
            (0..MESSAGES).map(|n| n.to_string()).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_consumer_gets_what_it_returned_before_what_came_later() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    for number in 0..10 {
        channel.publish("", "q", number.to_string());
    }
    channel.prefetch(1);
    channel.consume("q");
    let mut chance = Chance::new(7);
    let mut expected = 0;
    let mut returned = false;
    while expected < 10 {
        let delivery = channel.delivery();
        assert_eq!(delivery.body, expected.to_string().as_bytes());
        assert_eq!(delivery.redelivered, returned);
        returned = chance.one_in(2);
        match returned {
            true => channel.requeue(delivery.tag),
            false => {
                channel.ack(delivery.tag);
                expected += 1;
            }
        }
    }
}

#[test]
fn a_consumer_s_unsettled_messages_come_first_when_it_is_gone() {
    let broker = Broker::start();
    let (one, two) = (broker.connect(), broker.connect());
    let (first, second) = (one.channel(), two.channel());
    first.declare("q");
    for number in 0..20 {
        first.publish("", "q", number.to_string());
    }
    first.prefetch(5);
    first.consume("q");
    let deliveries = first.deliveries(5);
    first.ack(deliveries[2].tag);
    // The ack made room for one more.
    first.delivery();
    drop((first, one));
    eventually("all but the acked one are ready", || second.ready("q") == 19);
    let expected: Vec<_> = (0..20).filter(|&n| n != 2).map(|n| n.to_string()).collect();
    let got: Vec<_> = std::iter::from_fn(|| second.get("q")).collect();
    assert_eq!(
        got.iter()
            .map(|g| String::from_utf8(g.body.clone()).unwrap())
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(got.iter().filter(|got| got.redelivered).count(), 5);
}
