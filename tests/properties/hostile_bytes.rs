//! Whatever bytes come, the broker goes on serving everybody else.

use std::time::{Duration, Instant};

use crate::support::chance::Chance;
use crate::support::connection::PROTOCOL_HEADER;
use crate::support::process::BrokerProcess;
use crate::support::wire::{Frame, METHOD, NoFrame};
use crate::support::{Connection, PATIENCE};

#[test]
fn noise_instead_of_a_header() {
    let broker = BrokerProcess::start();
    let mut chance = Chance::new(1);
    for _ in 0..200 {
        let connection = Connection::over_tcp(broker.address(), "/");
        let length = 1 + chance.below(300);
        connection.write(&chance.bytes(length));
    }
    serves(&broker);
}

#[test]
fn noise_after_the_header() {
    let broker = BrokerProcess::start();
    let mut chance = Chance::new(2);
    for _ in 0..100 {
        let connection = Connection::over_tcp(broker.address(), "/");
        connection.greet();
        let length = 8 + chance.below(2_000);
        connection.write(&chance.bytes(length));
    }
    serves(&broker);
}

#[test]
fn noise_on_an_open_connection() {
    let broker = BrokerProcess::start();
    let mut chance = Chance::new(3);
    for _ in 0..100 {
        let connection = broker.connect();
        connection.channel().declare("q");
        let length = 8 + chance.below(2_000);
        connection.write(&chance.bytes(length));
    }
    serves(&broker);
}

#[test]
fn methods_with_noise_for_arguments() {
    let broker = BrokerProcess::start();
    let mut chance = Chance::new(4);
    for round in 0..400 {
        let connection = broker.connect();
        let channel = connection.channel();
        let class = [10, 20, 40, 50, 60, 85, 90][chance.below(7)];
        let method = [10, 11, 20, 30, 31, 40, 50, 60, 70, 80, 90, 110, 120][chance.below(13)];
        let mut payload = vec![0, class, 0, method];
        let length = chance.below(60);
        payload.extend(chance.bytes(length));
        let number = if round % 4 == 0 { 0 } else { channel.number() };
        connection.write(&Frame::new(METHOD, number, payload).bytes());
    }
    serves(&broker);
}

#[test]
fn a_good_conversation_with_one_byte_changed() {
    let broker = BrokerProcess::start();
    let mut good = Frame::new(METHOD, 1, [0, 20, 0, 10, 0]).bytes();
    good.extend(Frame::new(METHOD, 1, *b"\x00\x32\x00\x0a\x00\x00\x01q\x00\x00\x00\x00\x00").bytes());
    good.extend(Frame::new(METHOD, 1, *b"\x00\x3c\x00\x28\x00\x00\x00\x01q\x00").bytes());
    good.extend(Frame::new(2, 1, [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]).bytes());
    good.extend(Frame::new(3, 1, *b"x").bytes());
    good.extend(Frame::new(METHOD, 1, *b"\x00\x3c\x00\x46\x00\x00\x01q\x01").bytes());
    for position in 0..good.len() {
        for change in [0x01, 0x80, 0xFF] {
            let connection = broker.connect();
            let mut bytes = good.clone();
            bytes[position] ^= change;
            connection.write(&bytes);
        }
    }
    serves(&broker);
}

#[test]
fn a_cut_conversation() {
    let broker = BrokerProcess::start();
    let mut chance = Chance::new(5);
    for _ in 0..100 {
        let connection = broker.connect();
        let frame = Frame::new(METHOD, 1, chance.bytes(100)).bytes();
        connection.write(&frame[..chance.below(frame.len())]);
        connection.shared().wire.shut_down_writing();
    }
    serves(&broker);
}

#[test]
fn announcements_of_gigabytes_take_no_memory() {
    let broker = BrokerProcess::start();
    broker.connect();
    let before = broker.resident();
    let mut kept = Vec::new();
    for size in [0x7FFF_FFFFu32, 0xFFFF_FFFF, 0x4000_0000] {
        for _ in 0..20 {
            let connection = broker.connect();
            let mut bytes = vec![METHOD, 0, 1];
            bytes.extend(size.to_be_bytes());
            connection.write(&bytes);
            kept.push(connection);
        }
    }
    // A table, and a body, that claim more than follows.
    for _ in 0..20 {
        let channel = broker.connect().channel();
        channel.declare("q");
        channel.send(leveret_protocol::method::basic::Publish {
            routing_key: "q",
            ..Default::default()
        });
        channel.send_frame(2, crate::support::content::header(60, 0, 100 << 20, &[0, 0]));
        kept.push(channel.connection());
    }
    serves(&broker);
    let grown = broker.resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{} MiB", grown >> 20);
}

#[test]
fn deeply_nested_tables_are_refused_and_not_recursed_into() {
    let broker = BrokerProcess::start();
    let channel = broker.connect().channel();
    let mut table = Vec::new();
    for _ in 0..10_000 {
        let mut outer = (table.len() as u32 + 7).to_be_bytes().to_vec();
        outer.extend(b"\x01aF");
        outer.extend((table.len() as u32).to_be_bytes());
        outer.extend(&table);
        table = outer.split_off(4);
        if table.len() > 100_000 {
            break;
        }
    }
    let mut payload = b"\x00\x32\x00\x0a\x00\x00\x01q\x00".to_vec();
    payload.extend((table.len() as u32).to_be_bytes());
    payload.extend(table);
    channel.send_frame(METHOD, payload);
    assert_eq!(channel.connection().expect_close().reply_code, 502);
    serves(&broker);
}

#[test]
fn half_open_handshakes_are_given_up() {
    let broker = BrokerProcess::start();
    let begun = Instant::now();
    let silent: Vec<_> = (0..20)
        .map(|_| Connection::over_tcp(broker.address(), "/"))
        .collect();
    let greeted: Vec<_> = (0..20)
        .map(|_| {
            let connection = Connection::over_tcp(broker.address(), "/");
            connection.greet();
            connection
        })
        .collect();
    for connection in silent.iter().chain(&greeted) {
        assert_eq!(connection.listen(2 * PATIENCE), Err(NoFrame::End));
    }
    assert!(begun.elapsed() < 2 * PATIENCE, "{:?}", begun.elapsed());
    serves(&broker);
}

#[test]
fn a_header_that_drips_does_not_buy_time() {
    let broker = BrokerProcess::start();
    let connection = Connection::over_tcp(broker.address(), "/");
    let begun = Instant::now();
    for byte in PROTOCOL_HEADER.iter().cycle() {
        connection.write(&[*byte]);
        if connection.listen(Duration::from_secs(2)) == Err(NoFrame::End) {
            break;
        }
        assert!(begun.elapsed() < 2 * PATIENCE, "the handshake goes on for ever");
    }
    serves(&broker);
}

/// Asserts that the broker lives and works.
fn serves(broker: &BrokerProcess) {
    let channel = broker.connect().channel();
    channel.declare("after");
    channel.publish("", "after", "served");
    assert_eq!(channel.drain("after"), ["served"]);
}
