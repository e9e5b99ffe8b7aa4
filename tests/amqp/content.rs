//! Contents: bodies of every size, properties of every kind.

use leveret_protocol::method::basic::Publish;
use leveret_protocol::method::connection::{Open, OpenOk, TuneOk};
use leveret_protocol::types::{FieldTable, FieldValue};
use leveret_protocol::{OwnedProperties, Properties};

use crate::support::Broker;
use crate::support::content::{NONE, header};
use crate::support::wire::{BODY, HEADER};

#[test]
fn an_empty_body_has_no_frames() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.publish("", "q", "");
    channel.publish("", "q", "next");
    assert_eq!(channel.drain("q"), ["", "next"]);
}

#[test]
fn empty_frames_inside_a_body_are_tolerated() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    channel.send(Publish {
        routing_key: "q",
        ..Default::default()
    });
    channel.send_frame(HEADER, header(60, 0, 4, &NONE));
    for part in [&b""[..], b"ab", b"", b"cd"] {
        channel.send_frame(BODY, part);
    }
    assert_eq!(channel.drain("q"), ["abcd"]);
}

#[test]
fn bodies_around_the_frame_size_come_back_whole_and_in_as_few_frames_as_fit() {
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
    channel.declare("q");
    for size in [1, 4087, 4088, 4089, 8176, 8177, 100_000] {
        channel.publish("", "q", vec![b'x'; size]);
        assert_eq!(channel.get("q").unwrap().body, vec![b'x'; size]);
        channel.publish("", "q", vec![b'y'; size]);
        channel.send(crate::support::methods::get("q"));
        assert_eq!(channel.method().name(), "basic.get-ok");
        channel.frame();
        let frames = size.div_ceil(4088);
        let sizes: Vec<_> = (0..frames).map(|_| channel.frame().payload.len()).collect();
        assert!(sizes[..frames - 1].iter().all(|&size| size == 4088), "{sizes:?}");
        channel.expect_nothing();
    }
}

#[test]
fn channels_may_interleave_the_frames_of_their_messages() {
    let broker = Broker::start();
    let connection = broker.connect();
    let (one, two) = (connection.channel(), connection.channel());
    one.declare("q");
    for channel in [&one, &two] {
        channel.send(Publish {
            routing_key: "q",
            ..Default::default()
        });
    }
    for channel in [&two, &one] {
        channel.send_frame(HEADER, header(60, 0, 4, &NONE));
    }
    one.send_frame(BODY, *b"on");
    two.send_frame(BODY, *b"tw");
    two.send_frame(BODY, *b"oo");
    assert_eq!(two.drain("q"), ["twoo"]);
    one.send_frame(BODY, *b"ee");
    assert_eq!(one.drain("q"), ["onee"]);
}

#[test]
fn every_property_comes_back_byte_for_byte() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    let all = OwnedProperties::new()
        .with_content_type("text/plain")
        .with_content_encoding("gzip")
        .with_headers(table_of_every_type())
        .with_delivery_mode(1)
        .with_priority(9)
        .with_correlation_id("correlation")
        .with_reply_to("reply")
        .with_expiration("100000")
        .with_message_id("message")
        .with_timestamp(1_700_000_000u64)
        .with_kind("kind")
        .with_user_id("guest")
        .with_app_id("app")
        .with_cluster_id("cluster")
        .encode();
    for properties in [&all[..], &OwnedProperties::new().with_priority(0).encode(), &NONE] {
        channel.publish_with("q", properties, "");
        assert_eq!(channel.get("q").unwrap().properties, properties);
    }
}

#[test]
fn strings_in_properties_may_hold_any_bytes() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    let message_id = [0, 0x80, 3, 0xFF, 0xFE, 0];
    channel.publish_with("q", &message_id, "");
    assert_eq!(channel.get("q").unwrap().properties, message_id);
}

#[test]
fn headers_with_thousands_of_fields_come_back() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    let headers: FieldTable = (0..5_000).map(|n| (n.to_string(), FieldValue::I32(n))).collect();
    let raw = OwnedProperties::new().with_headers(headers.clone()).encode();
    channel.publish_with("q", &raw, "");
    let got = channel.get("q").unwrap();
    assert!(
        Properties::parse(&got.properties)
            .unwrap()
            .headers()
            .unwrap()
            .unwrap()
            .equivalent(&headers)
    );
}

#[test]
fn a_message_of_megabytes_comes_back_whole() {
    let broker = Broker::start();
    let channel = broker.connect().channel();
    channel.declare("q");
    let body: Vec<u8> = (0..20 << 20).map(|n: u32| (n % 251) as u8).collect();
    channel.publish("", "q", &body);
    assert!(channel.get("q").unwrap().body == body);
}

fn table_of_every_type() -> FieldTable {
    let nested = FieldTable::from_iter([("inner", FieldTable::from_iter([("x", 1)]))]);
    let array = vec![
        FieldValue::Void,
        true.into(),
        vec![FieldValue::from(1i64)].into(),
        nested.clone().into(),
    ];
    FieldTable::from_iter([
        ("t", FieldValue::Bool(true)),
        ("b", FieldValue::I8(-8)),
        ("B", FieldValue::U8(200)),
        ("s", FieldValue::I16(-300)),
        ("u", FieldValue::U16(60_000)),
        ("I", FieldValue::I32(-70_000)),
        ("i", FieldValue::U32(3_000_000_000)),
        ("l", FieldValue::I64(i64::MIN)),
        ("f", FieldValue::F32(f32::INFINITY)),
        ("d", FieldValue::F64(f64::NAN)),
        ("D", FieldValue::Decimal { scale: 2, value: 314 }),
        ("S", "text".into()),
        ("T", FieldValue::Timestamp(1_700_000_000)),
        ("F", nested.into()),
        ("A", array.into()),
        ("x", FieldValue::Bytes(bytes::Bytes::from_static(&[0, 255]))),
        ("V", FieldValue::Void),
        ("empty table", FieldTable::new().into()),
        ("empty array", Vec::<FieldValue>::new().into()),
    ])
}
