//! Frames: what may stand in them, in which order, and how large they may be.

use leveret_protocol::EncodeMethod;
use leveret_protocol::method::basic::Publish;
use leveret_protocol::method::connection::{Open, OpenOk, TuneOk};
use leveret_protocol::method::{channel, connection, queue};

use crate::support::content::{NONE, header};
use crate::support::wire::{BODY, Frame, HEADER, HEARTBEAT, METHOD};
use crate::support::{Broker, Channel};

#[test]
fn a_frame_of_unknown_kind_is_a_frame_error() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.send_frame(9, *b"what");
    assert_eq!(connection.expect_close().reply_code, 501);
}

#[test]
fn a_frame_with_the_wrong_end_is_a_frame_error() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let mut bytes = Frame::new(METHOD, channel.number(), encoded(channel::Flow { active: true })).bytes();
    *bytes.last_mut().unwrap() = 0;
    channel.write(&bytes);
    assert_eq!(channel.connection().expect_close().reply_code, 501);
}

#[test]
fn a_frame_larger_than_negotiated_is_a_frame_error() {
    let broker = Broker::start();
    let connection = broker.socket();
    connection.log_in();
    connection.tune(TuneOk {
        channel_max: 10,
        frame_max: 4096,
        heartbeat: 0,
    });
    connection.call::<OpenOk>(Open {
        vhost: broker.vhost(),
    });
    let channel = connection.channel();
    channel.send(Publish {
        routing_key: "q",
        ..Default::default()
    });
    channel.send_frame(HEADER, header(60, 0, 5000, &NONE));
    channel.send_frame(BODY, vec![0; 5000]);
    assert_eq!(connection.expect_close().reply_code, 501);
}

#[test]
fn a_frame_that_claims_gigabytes_is_refused_before_it_arrives() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.write(&[METHOD, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert_eq!(connection.expect_close().reply_code, 501);
}

#[test]
fn frames_arrive_however_tcp_cuts_them() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    let mut bytes = Frame::new(
        METHOD,
        channel.number(),
        encoded(crate::support::methods::queue("q")),
    )
    .bytes();
    bytes.extend(publication(&channel, "q", b"cut"));
    for byte in bytes {
        channel.write(&[byte]);
    }
    channel.expect::<queue::DeclareOk<'_>>();
    assert_eq!(channel.drain("q"), ["cut"]);
}

#[test]
fn many_frames_may_come_in_one_segment() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    let bytes: Vec<u8> = (0..1000)
        .flat_map(|n| publication(&channel, "q", n.to_string().as_bytes()))
        .collect();
    channel.write(&bytes);
    assert_eq!(
        channel.drain("q"),
        (0..1000).map(|n| n.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn a_heartbeat_elsewhere_than_on_channel_zero_is_refused() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.send_frame(HEARTBEAT, []);
    assert!([501, 505].contains(&channel.connection().expect_close().reply_code));
}

#[test]
fn a_heartbeat_that_says_something_is_refused() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.send_frame(HEARTBEAT, *b"hi");
    assert!([501, 505].contains(&connection.expect_close().reply_code));
}

#[test]
fn a_channel_method_on_channel_zero_is_refused() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.send(crate::support::methods::queue("q"));
    assert!([503, 504, 505].contains(&connection.expect_close().reply_code));
}

#[test]
fn content_on_channel_zero_is_refused() {
    let broker = Broker::start();
    let connection = broker.connect();
    connection.send_frame(BODY, *b"body");
    assert!([501, 503, 504, 505].contains(&connection.expect_close().reply_code));
}

#[test]
fn a_connection_method_on_a_channel_is_refused() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.send(connection::CloseOk {});
    assert_eq!(channel.connection().expect_close().reply_code, 503);
}

#[test]
fn a_method_nobody_knows_is_not_implemented() {
    let broker = Broker::start();
    for ids in [[0, 60, 0, 200], [1, 0, 0, 10]] {
        let channel = broker.connect().channel();
        channel.send_frame(METHOD, ids);
        assert!([503, 540].contains(&channel.connection().expect_close().reply_code));
    }
}

#[test]
fn cut_arguments_are_a_syntax_error() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.send_frame(METHOD, [0, 50, 0, 10, 0, 0, 200, b'q']);
    assert_eq!(channel.connection().expect_close().reply_code, 502);
}

#[test]
fn a_short_string_that_is_not_utf_8_is_refused() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.send_frame(METHOD, [0, 50, 0, 10, 0, 0, 1, 0xFF, 0, 0, 0, 0, 0]);
    assert_eq!(channel.connection().expect_close().reply_code, 501);
}

#[test]
fn a_header_must_follow_a_publish() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.send(Publish {
        routing_key: "q",
        ..Default::default()
    });
    channel.send(Publish {
        routing_key: "q",
        ..Default::default()
    });
    let close = channel.connection().expect_close();
    assert_eq!(close.reply_code, 505);
    assert!(
        close
            .reply_text
            .starts_with("UNEXPECTED_FRAME - expected content header for class 60"),
        "{close:?}"
    );
}

#[test]
fn a_body_needs_a_header_and_a_header_a_method() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.send(Publish {
        routing_key: "q",
        ..Default::default()
    });
    channel.send_frame(BODY, *b"body");
    assert_eq!(channel.connection().expect_close().reply_code, 505);

    for kind in [HEADER, BODY] {
        let channel = broker.connect().channel();
        channel.send_frame(kind, header(60, 0, 4, &NONE));
        assert_eq!(channel.connection().expect_close().reply_code, 505);
    }
}

#[test]
fn a_header_of_another_class_or_with_a_weight_is_refused() {
    let broker = Broker::start();
    for payload in [header(50, 0, 1, &NONE), header(60, 1, 1, &NONE)] {
        let channel = broker.connect().channel();
        channel.send(Publish {
            routing_key: "q",
            ..Default::default()
        });
        channel.send_frame(HEADER, payload);
        assert!([501, 505].contains(&channel.connection().expect_close().reply_code));
    }
}

#[test]
fn more_body_than_announced_is_refused() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.send(Publish {
        routing_key: "q",
        ..Default::default()
    });
    channel.send_frame(HEADER, header(60, 0, 3, &NONE));
    channel.send_frame(BODY, *b"four");
    assert!([501, 505].contains(&channel.connection().expect_close().reply_code));
}

#[test]
fn a_body_larger_than_anything_is_refused_when_announced() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.send(Publish {
        routing_key: "q",
        ..Default::default()
    });
    channel.send_frame(HEADER, header(60, 0, 513 << 20, &NONE));
    let code = channel.connection().expect_close().reply_code;
    assert_eq!(code, 501);
}

/// A whole publication to the default exchange, as bytes.
fn publication(channel: &Channel, queue: &str, body: &[u8]) -> Vec<u8> {
    let publish = Publish {
        routing_key: queue,
        ..Default::default()
    };
    let mut bytes = Frame::new(METHOD, channel.number(), encoded(publish)).bytes();
    bytes.extend(crate::support::content::frames(
        channel.number(),
        &NONE,
        body,
        4096,
    ));
    bytes
}

fn encoded(method: impl EncodeMethod) -> Vec<u8> {
    crate::support::channel::encoded(&method)
}
