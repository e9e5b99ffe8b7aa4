//! `basic.qos`: how much may be delivered and not yet settled.

use leveret_protocol::EncodeMethod;
use leveret_protocol::method::basic::{Ack, Consume, Qos, QosOk};

use crate::support::channel::encoded;
use crate::support::connection::capable;
use crate::support::methods::consume;
use crate::support::wire::{Frame, METHOD};
use crate::support::{Broker, Channel};

#[test]
fn without_a_limit_everything_is_delivered() {
    let broker = Broker::start();
    let channel = filled(&broker, 2_000);
    channel.consume("q");
    channel.deliveries(2_000);
}

#[test]
fn a_consumer_holds_no_more_than_its_prefetch() {
    let broker = Broker::start();
    let channel = filled(&broker, 10);
    channel.prefetch(3);
    channel.consume("q");
    let tags: Vec<_> = channel
        .deliveries(3)
        .iter()
        .map(|delivery| delivery.tag)
        .collect();
    channel.expect_nothing();
    assert_eq!(channel.ready("q"), 7);
    channel.ack(tags[1]);
    assert_eq!(channel.delivered(1), ["3"]);
    channel.expect_nothing();
    channel.ack_up_to(tags[2]);
    assert_eq!(channel.delivered(2), ["4", "5"]);
    channel.expect_nothing();
}

#[test]
fn a_prefetch_of_one_delivers_one_by_one() {
    let broker = Broker::start();
    let channel = filled(&broker, 50);
    channel.prefetch(1);
    channel.consume("q");
    for number in 0..50 {
        let delivery = channel.delivery();
        assert_eq!(delivery.body, number.to_string().as_bytes());
        channel.ack(delivery.tag);
    }
}

#[test]
fn nack_and_reject_make_room_as_well() {
    let broker = Broker::start();
    let channel = filled(&broker, 3);
    channel.prefetch(1);
    channel.consume("q");
    let first = channel.delivery();
    channel.reject(first.tag, false);
    let second = channel.delivery();
    assert_eq!(second.body, b"1");
    channel.requeue(second.tag);
    let again = channel.delivery();
    assert_eq!((again.body.as_slice(), again.redelivered), (&b"1"[..], true));
}

#[test]
fn each_consumer_has_a_budget_of_its_own() {
    let broker = Broker::start();
    let channel = filled(&broker, 10);
    channel.prefetch(2);
    let (one, two) = (channel.consume("q"), channel.consume("q"));
    let deliveries = channel.deliveries(4);
    channel.expect_nothing();
    for tag in [one, two] {
        assert_eq!(
            deliveries
                .iter()
                .filter(|delivery| delivery.consumer_tag == tag)
                .count(),
            2
        );
    }
}

#[test]
fn a_limit_holds_for_later_consumers_only() {
    let broker = Broker::start();
    let channel = filled(&broker, 10);
    channel.prefetch(2);
    channel.consume("q");
    channel.deliveries(2);
    channel.prefetch(4);
    channel.expect_nothing();
    channel.consume("q");
    channel.deliveries(4);
    channel.expect_nothing();
    channel.prefetch(0);
    channel.expect_nothing();
    channel.consume("q");
    channel.deliveries(4);
}

#[test]
fn each_channel_has_limits_of_its_own() {
    let broker = Broker::start();
    let channel = filled(&broker, 10);
    let other = channel.connection().channel();
    channel.prefetch(1);
    other.consume("q");
    other.deliveries(10);
}

#[test]
fn a_global_limit_is_shared_by_the_channel_s_consumers() {
    let broker = Broker::start();
    let channel = filled(&broker, 10);
    channel.prefetch_together(3);
    channel.consume("q");
    channel.consume("q");
    let tags: Vec<_> = channel
        .deliveries(3)
        .iter()
        .map(|delivery| delivery.tag)
        .collect();
    channel.expect_nothing();
    channel.ack_up_to(tags[1]);
    channel.deliveries(2);
    channel.expect_nothing();
}

#[test]
fn a_global_limit_takes_effect_at_once() {
    let broker = Broker::start();
    let channel = filled(&broker, 10);
    channel.prefetch_together(2);
    channel.consume("q");
    channel.deliveries(2);
    channel.expect_nothing();
    channel.prefetch_together(5);
    channel.deliveries(3);
    channel.expect_nothing();
    channel.prefetch_together(0);
    channel.deliveries(5);
}

#[test]
fn a_lowered_global_limit_waits_for_acks() {
    let broker = Broker::start();
    let channel = filled(&broker, 10);
    channel.prefetch_together(4);
    channel.consume("q");
    let tags: Vec<_> = channel
        .deliveries(4)
        .iter()
        .map(|delivery| delivery.tag)
        .collect();
    channel.prefetch_together(2);
    channel.ack_up_to(tags[1]);
    channel.expect_nothing();
    channel.ack(tags[2]);
    channel.deliveries(1);
    channel.expect_nothing();
}

#[test]
fn a_client_of_py_amqp_changes_the_limit_of_consumers_it_has() {
    let broker = Broker::with(leveret::Config::local());
    let mut client_properties = capable();
    client_properties.insert("product", "py-amqp");
    let connection = broker.connect_as(client_properties);
    let channel = fill(connection.channel(), 10);
    channel.prefetch(2);
    channel.consume("q");
    channel.deliveries(2);
    channel.expect_nothing();
    channel.prefetch(5);
    channel.deliveries(3);
    channel.expect_nothing();
}

#[test]
fn of_both_limits_the_stricter_wins() {
    let broker = Broker::start();
    let channel = filled(&broker, 20);
    channel.prefetch(3);
    channel.prefetch_together(5);
    let first = channel.consume("q");
    let deliveries = channel.deliveries(3);
    assert!(deliveries.iter().all(|delivery| delivery.consumer_tag == first));
    channel.expect_nothing();
    let second = channel.consume("q");
    let more = channel.deliveries(2);
    assert!(more.iter().all(|delivery| delivery.consumer_tag == second));
    channel.expect_nothing();
    channel.ack_up_to(deliveries[2].tag);
    channel.deliveries(3);
    channel.expect_nothing();
}

#[test]
fn what_is_settled_right_before_the_first_global_limit_makes_room() {
    let broker = Broker::start();
    let channel = filled(&broker, 2);
    channel.prefetch(1);
    channel.consume("q");
    let ack = Ack {
        delivery_tag: channel.delivery().tag,
        multiple: false,
    };
    let limit = Qos {
        prefetch_count: 5,
        global: true,
        ..Default::default()
    };
    channel.write(&[frame(&channel, &ack), frame(&channel, &limit)].concat());
    channel.expect::<QosOk>();
    assert_eq!(channel.delivered(1), ["1"]);
}

#[test]
fn consumers_without_acknowledgement_have_no_limit() {
    let broker = Broker::start();
    let channel = filled(&broker, 20);
    channel.prefetch(1);
    channel.prefetch_together(1);
    channel.consume_as(Consume {
        no_ack: true,
        ..consume("q")
    });
    channel.deliveries(20);
}

#[test]
fn a_get_has_no_limit() {
    let broker = Broker::start();
    let channel = filled(&broker, 5);
    channel.prefetch(1);
    channel.consume("q");
    channel.delivery();
    for _ in 0..4 {
        channel.get("q").unwrap();
    }
}

#[test]
fn a_full_consumer_leaves_the_messages_to_the_others() {
    let broker = Broker::start();
    let full = filled(&broker, 1);
    full.prefetch(1);
    full.consume("q");
    full.delivery();
    let free = full.connection().channel();
    free.consume("q");
    for number in 0..20 {
        full.publish("", "q", number.to_string());
    }
    assert_eq!(free.deliveries(20).len(), 20);
    full.expect_nothing();
}

/// The frame of a method, to be written together with others.
fn frame(channel: &Channel, method: &impl EncodeMethod) -> Vec<u8> {
    Frame::new(METHOD, channel.number(), encoded(method)).bytes()
}

/// A channel and a queue `q` with the messages `0` to `count - 1`.
fn filled(broker: &Broker, count: usize) -> Channel {
    fill(broker.connect().channel(), count)
}

fn fill(channel: Channel, count: usize) -> Channel {
    channel.declare("q");
    channel.confirm_select();
    for number in 0..count {
        channel.publish("", "q", number.to_string());
    }
    channel.acked(1, count as u64);
    channel.close();
    channel.open();
    channel
}
