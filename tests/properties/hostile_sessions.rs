//! Clients that break rules while they are at it: they get an answer, and the broker keeps its own rules.

use leveret_protocol::method::basic::{Consume, Publish};
use leveret_protocol::method::channel;
use leveret_protocol::method::connection::{Close, CloseOk};
use leveret_protocol::method::queue::DeclareOk;
use leveret_protocol::method::tx::{Commit, CommitOk};

use crate::support::channel::encoded;
use crate::support::content::{NONE, frames};
use crate::support::methods::{consume, passive};
use crate::support::process::BrokerProcess;
use crate::support::wire::{Frame, METHOD, NoFrame};
use crate::support::{BRIEFLY, Broker, eventually};

#[test]
fn nothing_but_the_end_follows_an_exception_of_the_connection() {
    let broker = Broker::start();
    let connection = broker.connect();
    let channel = connection.channel();
    let immediate = Publish {
        immediate: true,
        ..Default::default()
    };
    channel.publish_as(immediate, &NONE, "x");
    let close: Close<'_> = connection.expect();
    assert_eq!(
        (close.reply_code, close.reply_text),
        (540, "NOT_IMPLEMENTED - immediate=true")
    );
    assert_eq!(channel.next_frame(BRIEFLY), Err(NoFrame::Silence));
    connection.send(CloseOk {});
    assert_eq!(
        channel.next_frame(2 * crate::support::PATIENCE),
        Err(NoFrame::End)
    );
}

#[test]
fn commits_of_nothing_keep_the_order_of_what_is_behind_them() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.tx_select();
    channel.declare("q");
    // Each in a write of its own, behind a question that keeps the channel waiting while they arrive.
    for round in 0..50 {
        channel.send(passive("q"));
        for number in 0..20 {
            let mut bytes = Frame::new(METHOD, channel.number(), encoded(&Commit {})).bytes();
            let publish = Publish {
                routing_key: "q",
                ..Default::default()
            };
            bytes.extend(Frame::new(METHOD, channel.number(), encoded(&publish)).bytes());
            let body = format!("{round}.{number}");
            bytes.extend(frames(channel.number(), &NONE, body.as_bytes(), 4096));
            channel.write(&bytes);
        }
    }
    channel.send(Commit {});
    for _ in 0..50 {
        channel.expect::<DeclareOk<'_>>();
        for _ in 0..20 {
            channel.expect::<CommitOk>();
        }
    }
    channel.expect::<CommitOk>();
    let expected: Vec<String> = (0..50)
        .flat_map(|round| (0..20).map(move |number| format!("{round}.{number}")))
        .collect();
    assert_eq!(channel.drain("q"), expected);
}

#[test]
fn a_peer_that_neither_reads_nor_hangs_up_keeps_no_socket() {
    let broker = BrokerProcess::start();
    let publisher = broker.connect().channel();
    publisher.declare("q");
    let before = broker.sockets();
    let stalled: Vec<_> = (0..3).map(|_| broker.connect()).collect();
    for connection in &stalled {
        connection.channel().consume_as(Consume {
            no_ack: true,
            ..consume("q")
        });
    }
    publisher.confirm_select();
    for number in 1..=64 {
        publisher.publish("", "q", vec![b'x'; 1 << 20]);
        publisher.acked(number, number);
    }
    for connection in &stalled {
        connection.shared().wire.shut_down_writing();
    }
    eventually("their sockets are closed", || broker.sockets() == before);
}

#[test]
fn no_channel_speaks_after_the_connection_has_said_its_last_word() {
    let broker = Broker::start();
    let connection = broker.connect();
    let asking = connection.channel();
    asking.declare("q");
    // The question is under way while the connection meets its exception.
    for _ in 0..20 {
        asking.send(passive("q"));
    }
    connection.send(channel::Open {});
    let mut shared = connection.shared();
    let mut last = None;
    while let Ok(frame) = shared.wire.read(BRIEFLY) {
        last = Some(frame);
    }
    let last = last.expect("connection.close");
    assert_eq!(last.channel, 0, "something follows connection.close");
}
