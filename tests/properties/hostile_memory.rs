//! Clients that make the broker keep things for them: only so many.

use leveret::Config;
use leveret_protocol::method::basic::Publish;
use leveret_protocol::method::connection::{OpenOk, TuneOk};
use leveret_protocol::method::queue::DeclareOk;
use leveret_protocol::method::{basic, connection};

use crate::support::channel::encoded;
use crate::support::content::{NONE, header};
use crate::support::methods::{get, passive};
use crate::support::process::BrokerProcess;
use crate::support::wire::{BODY, Frame, HEADER, METHOD};
use crate::support::{BRIEFLY, Broker, Channel, Connection, PATIENCE, eventually_within};

const MIB: usize = 1 << 20;

/// Unfinished work of up to 64 MiB is allowed when messages are small.
fn small_messages() -> Broker {
    Broker::with(Config {
        max_message_size: MIB as u64,
        ..Config::local()
    })
}

#[test]
fn bodies_begun_on_many_channels_are_only_kept_to_a_limit() {
    let broker = small_messages();
    let connection = broker.connect();
    let channels: Vec<_> = (0..80).map(|_| connection.channel()).collect();
    for channel in channels {
        let number = channel.number();
        let mut bytes = Vec::new();
        bytes.extend(Frame::new(METHOD, number, encoded(&Publish::default())).bytes());
        bytes.extend(Frame::new(HEADER, number, header(60, 0, MIB as u64, &NONE)).bytes());
        for _ in 0..8 {
            bytes.extend(Frame::new(BODY, number, vec![0; 131_000]).bytes());
        }
        channel.write(&bytes);
    }
    let closed = connection.expect_close();
    assert_eq!(closed.reply_code, 506);
    assert!(
        closed.reply_text.contains("unfinished messages"),
        "{}",
        closed.reply_text
    );
}

#[test]
fn bodies_begun_and_given_up_do_not_count() {
    let broker = small_messages();
    let connection = broker.connect();
    let channel = connection.channel();
    for _ in 0..100 {
        channel.send(Publish::default());
        channel.send_frame(HEADER, header(60, 0, MIB as u64, &NONE));
        channel.send_frame(BODY, vec![0; 131_000]);
        for _ in 0..7 {
            channel.send_frame(BODY, vec![0; 131_072]);
        }
        channel.send_frame(BODY, vec![0; MIB - 131_000 - 7 * 131_072]);
    }
    channel.declare("after");
}

#[test]
fn a_transaction_is_only_kept_to_a_limit() {
    let broker = small_messages();
    let channel = broker.connect().channel();
    channel.tx_select();
    for _ in 0..66 {
        channel.publish("", "q", vec![0; MIB]);
    }
    assert_eq!(channel.connection().expect_close().reply_code, 506);
}

#[test]
fn a_large_transaction_is_committed_in_order() {
    let broker = small_messages();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.tx_select();
    for number in 0..3_000 {
        channel.publish("", "q", format!("{number:>8000}"));
    }
    channel.commit();
    let bodies = channel.drain("q");
    let numbers: Vec<usize> = bodies.iter().map(|body| body.trim().parse().unwrap()).collect();
    assert!(numbers.into_iter().eq(0..3_000));
}

#[test]
fn who_does_not_read_large_answers_gets_no_more() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    ask_for_answers(&channel, 2_000);
    channel.declare_without_waiting("last");
    let other = broker.connect();
    // The requests were all read long before the answers can be written.
    for _ in 0..20 {
        let asking = other.channel();
        asking.send(passive("last"));
        assert_eq!(asking.expect_close().reply_code, 404);
        std::thread::sleep(BRIEFLY / 4);
    }
    for _ in 0..2_000 {
        assert_eq!(channel.method_past_content(), "basic.get-ok");
    }
    channel.call::<DeclareOk<'_>>(passive("last"));
}

#[test]
fn who_never_reads_its_answers_is_given_up() {
    let broker = BrokerProcess::start();
    let before = broker.sockets();
    let connection = Connection::over_tcp(broker.address(), "/");
    connection.log_in();
    connection.tune(TuneOk {
        channel_max: 10,
        frame_max: 131_072,
        heartbeat: 1,
    });
    connection.call::<OpenOk>(connection::Open { vhost: "/" });
    let channel = connection.channel();
    ask_for_answers(&channel, 2_000);
    // The broker writes for as long as the socket takes it, waits for three seconds, and for three more when it closes.
    eventually_within(3 * PATIENCE, "the socket is closed", || {
        channel.write(&Frame::new(8, 0, []).bytes());
        broker.sockets() == before
    });
}

/// Asks for the same message of 15 KB again and again.
fn ask_for_answers(channel: &Channel, times: usize) {
    channel.declare("large");
    channel.publish("", "large", vec![b'x'; 15_000]);
    let mut bytes = Vec::new();
    for _ in 0..times {
        let number = channel.number();
        let requeue = basic::Nack {
            delivery_tag: 0,
            multiple: true,
            requeue: true,
        };
        bytes.extend(Frame::new(METHOD, number, encoded(&get("large"))).bytes());
        bytes.extend(Frame::new(METHOD, number, encoded(&requeue)).bytes());
    }
    channel.write(&bytes);
}
