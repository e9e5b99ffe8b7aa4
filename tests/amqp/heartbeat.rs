//! Heartbeats: signs of life in both directions.

use std::time::Duration;

use leveret_protocol::method::connection::{Open, OpenOk, TuneOk};

use crate::support::wire::{HEARTBEAT, NoFrame};
use crate::support::{Broker, Connection};

#[test]
fn a_heartbeat_of_zero_means_none() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection
        .listen(Duration::from_millis(1500))
        .expect("the connection stays");
    assert_eq!(connection.heartbeats(), 0);
}

#[test]
fn the_broker_beats_at_half_the_client_s_interval() {
    let broker = Broker::start();
    let connection = with_heartbeat(&broker, 1);
    for _ in 0..8 {
        connection
            .listen(Duration::from_millis(300))
            .expect("the connection stays");
        connection.send_frame(HEARTBEAT, []);
    }
    assert!(
        (2..=8).contains(&connection.heartbeats()),
        "{} in 2.4 s",
        connection.heartbeats()
    );
}

#[test]
fn a_client_that_falls_silent_is_dropped_without_a_word() {
    let broker = Broker::start();
    let connection = with_heartbeat(&broker, 1);
    let begun = std::time::Instant::now();
    assert_eq!(connection.listen(Duration::from_secs(8)), Err(NoFrame::End));
    assert!(
        begun.elapsed() >= Duration::from_millis(1500),
        "after {:?}",
        begun.elapsed()
    );
    assert_eq!(
        connection.next_frame(Duration::ZERO),
        Err(NoFrame::Silence),
        "no method came before the end"
    );
}

#[test]
fn any_traffic_counts_as_a_sign_of_life() {
    let broker = Broker::start();
    let connection = with_heartbeat(&broker, 1);
    let channel = connection.channel();
    channel.declare("q");
    for _ in 0..12 {
        channel.publish("", "q", "alive");
        connection
            .listen(Duration::from_millis(300))
            .expect("the connection stays");
    }
}

#[test]
fn a_larger_heartbeat_than_the_broker_s_is_taken() {
    let broker = Broker::start();
    with_heartbeat(&broker, 600).channel();
}

#[test]
fn heartbeats_may_stand_between_the_frames_of_a_message() {
    let broker = Broker::start();
    let connection = with_heartbeat(&broker, 30);
    let channel = connection.channel();
    channel.declare("q");
    channel.send(leveret_protocol::method::basic::Publish {
        routing_key: "q",
        ..Default::default()
    });
    connection.send_frame(HEARTBEAT, []);
    channel.send_frame(2, crate::support::content::header(60, 0, 4, &[0, 0]));
    connection.send_frame(HEARTBEAT, []);
    channel.send_frame(3, *b"ab");
    connection.send_frame(HEARTBEAT, []);
    channel.send_frame(3, *b"cd");
    assert_eq!(channel.get("q").unwrap().body, b"abcd");
}

/// An open connection with this interval, in seconds.
pub(crate) fn with_heartbeat(broker: &Broker, heartbeat: u16) -> Connection {
    let connection = broker.socket();
    connection.log_in();
    connection.tune(TuneOk {
        channel_max: 2047,
        frame_max: 131_072,
        heartbeat,
    });
    connection.call::<OpenOk>(Open {
        vhost: broker.vhost(),
    });
    connection
}
