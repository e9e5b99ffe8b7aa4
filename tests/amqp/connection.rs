//! Class `connection`: what an open connection answers, and its end.

use std::time::Duration;

use leveret_protocol::Method;
use leveret_protocol::method::connection::{Close, CloseOk, SecureOk, UpdateSecret, UpdateSecretOk};
use leveret_protocol::method::{channel, queue};

use crate::support::Broker;
use crate::support::methods::{exclusive, queue};

#[test]
fn a_secure_ok_nobody_asked_for_is_refused() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.send(SecureOk { response: b"" });
    assert_eq!(connection.expect_close().reply_code, 504);
}

#[test]
fn close_is_answered_and_nothing_follows() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.declare("q");
    channel.consume("q");
    connection.call::<CloseOk>(Close {
        reply_code: 200,
        reply_text: "bye",
        class_id: 0,
        method_id: 0,
    });
    broker.connect().channel().publish("", "q", "too late");
    assert!(channel.next_frame(Duration::from_millis(100)).is_err());
}

#[test]
fn close_deletes_the_exclusive_queues_before_it_is_answered() {
    let broker = Broker::start();
    for _ in 0..50 {
        let connection = broker.connect();
        connection
            .channel()
            .call::<queue::DeclareOk<'_>>(exclusive("mine"));
        connection.close();
    }
}

#[test]
fn an_abrupt_end_deletes_the_exclusive_queues_too() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection
        .channel()
        .call::<queue::DeclareOk<'_>>(exclusive("mine"));
    drop(connection);
    let other = broker.connect();
    crate::support::eventually("the name is free again", || {
        let channel = other.channel();
        channel.send(queue("mine"));
        match channel.method() {
            Method::Channel(channel::Method::Close(close)) => {
                assert_eq!(close.reply_code, 405);
                channel.send(channel::CloseOk {});
                false
            }
            method => method.name() == "queue.declare-ok",
        }
    });
}

#[test]
fn after_its_close_the_broker_ignores_all_but_the_answer() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    channel.send(channel::Open {});
    channel.declare_without_waiting("late");
    let close = connection.expect_close();
    assert_eq!(
        (close.reply_code, close.reply_text.as_str()),
        (504, "CHANNEL_ERROR - second 'channel.open' seen")
    );
    let text = "NOT_FOUND - no queue 'late' in vhost '/'";
    broker
        .connect()
        .channel()
        .fails(crate::support::methods::passive("late"), 404, text);
}

#[test]
fn update_secret_is_accepted_and_changes_nothing() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.call::<UpdateSecretOk>(UpdateSecret {
        new_secret: b"new",
        reason: "rotation",
    });
    connection.channel().declare("q");
}
