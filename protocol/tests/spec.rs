//! Every method, field by field and in both directions, against an independent implementation.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod samples;

use amq_protocol::{
    frame::{AMQPFrame, WriteContext, gen_frame, parse_frame},
    protocol::{self as theirs, AMQPClass, AMQPErrorKind, AMQPHardError, AMQPSoftError},
    types::{self, AMQPValue, DecimalValue},
};
use bytes::Bytes;
use leveret_protocol::{
    Chunk, FieldTable, FieldValue, FrameKind, Method, OwnedProperties, Properties, ReplyCode, Scope, decode,
    method::{access, basic, channel, confirm, connection, exchange, queue, tx},
};
use std::collections::BTreeSet;

/// Class and method ids with their names, from the specification and its extensions.
const METHODS: [(u16, u16, &str); 66] = [
    (10, 10, "connection.start"),
    (10, 11, "connection.start-ok"),
    (10, 20, "connection.secure"),
    (10, 21, "connection.secure-ok"),
    (10, 30, "connection.tune"),
    (10, 31, "connection.tune-ok"),
    (10, 40, "connection.open"),
    (10, 41, "connection.open-ok"),
    (10, 50, "connection.close"),
    (10, 51, "connection.close-ok"),
    (10, 60, "connection.blocked"),
    (10, 61, "connection.unblocked"),
    (10, 70, "connection.update-secret"),
    (10, 71, "connection.update-secret-ok"),
    (20, 10, "channel.open"),
    (20, 11, "channel.open-ok"),
    (20, 20, "channel.flow"),
    (20, 21, "channel.flow-ok"),
    (20, 40, "channel.close"),
    (20, 41, "channel.close-ok"),
    (30, 10, "access.request"),
    (30, 11, "access.request-ok"),
    (40, 10, "exchange.declare"),
    (40, 11, "exchange.declare-ok"),
    (40, 20, "exchange.delete"),
    (40, 21, "exchange.delete-ok"),
    (40, 30, "exchange.bind"),
    (40, 31, "exchange.bind-ok"),
    (40, 40, "exchange.unbind"),
    (40, 51, "exchange.unbind-ok"),
    (50, 10, "queue.declare"),
    (50, 11, "queue.declare-ok"),
    (50, 20, "queue.bind"),
    (50, 21, "queue.bind-ok"),
    (50, 30, "queue.purge"),
    (50, 31, "queue.purge-ok"),
    (50, 40, "queue.delete"),
    (50, 41, "queue.delete-ok"),
    (50, 50, "queue.unbind"),
    (50, 51, "queue.unbind-ok"),
    (60, 10, "basic.qos"),
    (60, 11, "basic.qos-ok"),
    (60, 20, "basic.consume"),
    (60, 21, "basic.consume-ok"),
    (60, 30, "basic.cancel"),
    (60, 31, "basic.cancel-ok"),
    (60, 40, "basic.publish"),
    (60, 50, "basic.return"),
    (60, 60, "basic.deliver"),
    (60, 70, "basic.get"),
    (60, 71, "basic.get-ok"),
    (60, 72, "basic.get-empty"),
    (60, 80, "basic.ack"),
    (60, 90, "basic.reject"),
    (60, 100, "basic.recover-async"),
    (60, 110, "basic.recover"),
    (60, 111, "basic.recover-ok"),
    (60, 120, "basic.nack"),
    (85, 10, "confirm.select"),
    (85, 11, "confirm.select-ok"),
    (90, 10, "tx.select"),
    (90, 11, "tx.select-ok"),
    (90, 20, "tx.commit"),
    (90, 21, "tx.commit-ok"),
    (90, 30, "tx.rollback"),
    (90, 31, "tx.rollback-ok"),
];

/// Stands for one table of each side, with a field of every type both know.
struct Fields;

impl From<Fields> for FieldTable {
    fn from(_: Fields) -> Self {
        let nested = FieldTable::from_iter([("inner", FieldValue::from("x"))]);
        FieldTable::from_iter([
            ("a-bool", FieldValue::Bool(true)),
            ("b-i8", FieldValue::I8(-8)),
            ("c-u8", FieldValue::U8(8)),
            ("d-i16", FieldValue::I16(-16)),
            ("e-u16", FieldValue::U16(16)),
            ("f-i32", FieldValue::I32(-32)),
            ("g-u32", FieldValue::U32(32)),
            ("h-i64", FieldValue::I64(-64)),
            ("i-f32", FieldValue::F32(1.5)),
            ("j-f64", FieldValue::F64(-2.5)),
            ("k-decimal", FieldValue::Decimal { scale: 2, value: 314 }),
            ("l-string", FieldValue::LongString(Bytes::from_static(b"text"))),
            ("m-timestamp", FieldValue::Timestamp(1_700_000_000)),
            ("n-table", FieldValue::Table(nested)),
            (
                "o-array",
                FieldValue::Array(vec![FieldValue::I32(1), FieldValue::Void]),
            ),
            ("p-bytes", FieldValue::Bytes(Bytes::from_static(&[0, 255]))),
            ("q-void", FieldValue::Void),
        ])
    }
}

impl From<Fields> for types::FieldTable {
    fn from(_: Fields) -> Self {
        let mut nested = types::FieldTable::default();
        nested.insert("inner".into(), AMQPValue::LongString("x".into()));
        let array = vec![AMQPValue::LongInt(1), AMQPValue::Void];
        let fields = [
            ("a-bool", AMQPValue::Boolean(true)),
            ("b-i8", AMQPValue::ShortShortInt(-8)),
            ("c-u8", AMQPValue::ShortShortUInt(8)),
            ("d-i16", AMQPValue::ShortInt(-16)),
            ("e-u16", AMQPValue::ShortUInt(16)),
            ("f-i32", AMQPValue::LongInt(-32)),
            ("g-u32", AMQPValue::LongUInt(32)),
            ("h-i64", AMQPValue::LongLongInt(-64)),
            ("i-f32", AMQPValue::Float(1.5)),
            ("j-f64", AMQPValue::Double(-2.5)),
            (
                "k-decimal",
                AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 314 }),
            ),
            ("l-string", AMQPValue::LongString("text".into())),
            ("m-timestamp", AMQPValue::Timestamp(1_700_000_000)),
            ("n-table", AMQPValue::FieldTable(nested)),
            ("o-array", AMQPValue::FieldArray(array.into())),
            ("p-bytes", AMQPValue::ByteArray(vec![0, 255].into())),
            ("q-void", AMQPValue::Void),
        ];
        let mut table = types::FieldTable::default();
        for (key, value) in fields {
            table.insert(key.into(), value);
        }
        table
    }
}

/// Checks methods whose fields are called the same on both sides.
///
/// Fields of bits are `bit(n)`: the check is made once for each `n` set alone.
macro_rules! agree {
    ($bit:ident; $( $class:ident $Class:ident $Method:ident { $( $field:ident: $value:expr ),* $(,)? } )*) => {
        fn agreed() -> BTreeSet<(u16, u16, &'static str)> {
            let mut agreed = BTreeSet::new();
            for set in 0..8 {
                let $bit = |bit: u32| bit == set;
                $({
                    #[allow(clippy::needless_update, reason = "the other side leaves some fields out")]
                    let ours = $class::$Method { $( $field: $value.into(), )* ..Default::default() };
                    let theirs = theirs::$class::$Method { $( $field: $value.into(), )* };
                    let theirs = theirs::$class::AMQPMethod::$Method(theirs);
                    agreed.insert(check(ours.into(), AMQPClass::$Class(theirs)));
                })*
            }
            agreed
        }
    };
}

#[test]
fn every_method_is_written_and_read_as_by_another_implementation() {
    let mut agreed = agreed();
    let open = theirs::connection::Open {
        virtual_host: "/".into(),
    };
    let open = AMQPClass::Connection(theirs::connection::AMQPMethod::Open(open));
    agreed.insert(check(connection::Open { vhost: "/" }.into(), open));
    let request_ok = theirs::access::AMQPMethod::RequestOk(theirs::access::RequestOk {});
    agreed.insert(check(
        access::RequestOk { ticket: 1 }.into(),
        AMQPClass::Access(request_ok),
    ));
    assert_eq!(agreed, BTreeSet::from(METHODS));
}

fn check(ours: Method<'_>, theirs: AMQPClass) -> (u16, u16, &'static str) {
    let (class, method) = ours.ids();
    assert_eq!(
        (class, method),
        (theirs.get_amqp_class_id(), theirs.get_amqp_method_id())
    );

    let theirs = AMQPFrame::Method(7, theirs);
    let their_bytes = gen_frame(&theirs)(WriteContext::from(Vec::new())).unwrap().write;
    let mut chunk = Chunk::new();
    chunk.method(7, &ours);
    let our_bytes = chunk.into_bytes();
    assert_eq!(our_bytes, their_bytes, "{}", ours.name());

    let (rest, read) = parse_frame(&our_bytes[..]).unwrap();
    assert_eq!((rest, read), (&[][..], theirs));
    let mut frames = Vec::new();
    assert_eq!(
        decode::frames(&their_bytes, 131_072, &mut frames),
        (their_bytes.len(), None)
    );
    let [frame] = frames[..] else {
        panic!("one frame is expected")
    };
    assert_eq!((frame.kind, frame.channel), (FrameKind::Method, 7));
    let payload = &their_bytes[frame.start as usize..frame.end as usize];
    assert_eq!(Method::decode(payload).unwrap(), ours);
    (class, method, ours.name())
}

agree! {
    bit;
    connection Connection Start {
        version_major: 0,
        version_minor: 9,
        server_properties: Fields,
        mechanisms: &b"PLAIN"[..],
        locales: &b"en_US"[..],
    }
    connection Connection StartOk {
        client_properties: Fields,
        mechanism: "PLAIN",
        response: &b"\0guest\0guest"[..],
        locale: "en_US",
    }
    connection Connection Secure { challenge: &b"who?"[..] }
    connection Connection SecureOk { response: &b"me"[..] }
    connection Connection Tune { channel_max: 2047u16, frame_max: 131_072u32, heartbeat: 60u16 }
    connection Connection TuneOk { channel_max: 1u16, frame_max: 4096u32, heartbeat: 0u16 }
    connection Connection OpenOk {}
    connection Connection Close { reply_code: 320u16, reply_text: "bye", class_id: 50u16, method_id: 10u16 }
    connection Connection CloseOk {}
    connection Connection Blocked { reason: "low on memory" }
    connection Connection Unblocked {}
    connection Connection UpdateSecret { new_secret: &b"token"[..], reason: "expired" }
    connection Connection UpdateSecretOk {}
    channel Channel Open {}
    channel Channel OpenOk {}
    channel Channel Flow { active: bit(0) }
    channel Channel FlowOk { active: bit(0) }
    channel Channel Close { reply_code: 404u16, reply_text: "no", class_id: 60u16, method_id: 20u16 }
    channel Channel CloseOk {}
    access Access Request {
        realm: "/data",
        exclusive: bit(0),
        passive: bit(1),
        active: bit(2),
        write: bit(3),
        read: bit(4),
    }
    exchange Exchange Declare {
        exchange: "e",
        kind: "topic",
        passive: bit(0),
        durable: bit(1),
        auto_delete: bit(2),
        internal: bit(3),
        nowait: bit(4),
        arguments: Fields,
    }
    exchange Exchange DeclareOk {}
    exchange Exchange Delete { exchange: "e", if_unused: bit(0), nowait: bit(1) }
    exchange Exchange DeleteOk {}
    exchange Exchange Bind {
        destination: "to", source: "from", routing_key: "key", nowait: bit(0), arguments: Fields,
    }
    exchange Exchange BindOk {}
    exchange Exchange Unbind {
        destination: "to", source: "from", routing_key: "key", nowait: bit(0), arguments: Fields,
    }
    exchange Exchange UnbindOk {}
    queue Queue Declare {
        queue: "q",
        passive: bit(0),
        durable: bit(1),
        exclusive: bit(2),
        auto_delete: bit(3),
        nowait: bit(4),
        arguments: Fields,
    }
    queue Queue DeclareOk { queue: "q", message_count: 1u32, consumer_count: 2u32 }
    queue Queue Bind { queue: "q", exchange: "e", routing_key: "key", nowait: bit(0), arguments: Fields }
    queue Queue BindOk {}
    queue Queue Purge { queue: "q", nowait: bit(0) }
    queue Queue PurgeOk { message_count: 3u32 }
    queue Queue Delete { queue: "q", if_unused: bit(0), if_empty: bit(1), nowait: bit(2) }
    queue Queue DeleteOk { message_count: 3u32 }
    queue Queue Unbind { queue: "q", exchange: "e", routing_key: "key", arguments: Fields }
    queue Queue UnbindOk {}
    basic Basic Qos { prefetch_count: 10u16, global: bit(0) }
    basic Basic QosOk {}
    basic Basic Consume {
        queue: "q",
        consumer_tag: "ctag",
        no_local: bit(0),
        no_ack: bit(1),
        exclusive: bit(2),
        nowait: bit(3),
        arguments: Fields,
    }
    basic Basic ConsumeOk { consumer_tag: "ctag" }
    basic Basic Cancel { consumer_tag: "ctag", nowait: bit(0) }
    basic Basic CancelOk { consumer_tag: "ctag" }
    basic Basic Publish { exchange: "e", routing_key: "key", mandatory: bit(0), immediate: bit(1) }
    basic Basic Return { reply_code: 312u16, reply_text: "NO_ROUTE", exchange: "e", routing_key: "key" }
    basic Basic Deliver {
        consumer_tag: "ctag", delivery_tag: 1u64 << 40, redelivered: bit(0), exchange: "e", routing_key: "key",
    }
    basic Basic Get { queue: "q", no_ack: bit(0) }
    basic Basic GetOk {
        delivery_tag: 1u64 << 40, redelivered: bit(0), exchange: "e", routing_key: "key", message_count: 9u32,
    }
    basic Basic GetEmpty {}
    basic Basic Ack { delivery_tag: 1u64 << 40, multiple: bit(0) }
    basic Basic Reject { delivery_tag: 1u64 << 40, requeue: bit(0) }
    basic Basic RecoverAsync { requeue: bit(0) }
    basic Basic Recover { requeue: bit(0) }
    basic Basic RecoverOk {}
    basic Basic Nack { delivery_tag: 1u64 << 40, multiple: bit(0), requeue: bit(1) }
    confirm Confirm Select { nowait: bit(0) }
    confirm Confirm SelectOk {}
    tx Tx Select {}
    tx Tx SelectOk {}
    tx Tx Commit {}
    tx Tx CommitOk {}
    tx Tx Rollback {}
    tx Tx RollbackOk {}
}

#[test]
fn arguments_that_the_other_implementation_hides_are_where_the_specification_puts_them() {
    let qos = [0, 60, 0, 10, 0, 0, 0, 5, 0, 7, 1];
    let expected = basic::Qos {
        prefetch_size: 5,
        prefetch_count: 7,
        global: true,
    };
    assert_eq!(Method::decode(&qos).unwrap(), expected.into());
    let request_ok = [0, 30, 0, 11, 1, 2];
    assert_eq!(
        Method::decode(&request_ok).unwrap(),
        access::RequestOk { ticket: 258 }.into()
    );
}

#[test]
fn reserved_arguments_are_read_past_whatever_they_hold() {
    let open = [&[0, 10, 0, 40, 1][..], b"/", &[3], b"cap", &[1]].concat();
    assert_eq!(
        Method::decode(&open).unwrap(),
        connection::Open { vhost: "/" }.into()
    );
    let get = [&[0, 60, 0, 70, 0xff, 0xff, 1][..], b"q", &[1]].concat();
    assert_eq!(
        Method::decode(&get).unwrap(),
        basic::Get {
            queue: "q",
            no_ack: true
        }
        .into()
    );
}

#[test]
fn the_samples_hold_every_method() {
    let ids: Vec<_> = samples::every_method()
        .iter()
        .map(|method| (method.ids(), method.name()))
        .collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), METHODS.len());
}

#[test]
fn ids_outside_the_table_are_not_implemented() {
    let known: BTreeSet<_> = METHODS
        .iter()
        .map(|&(class, method, _)| (class, method))
        .collect();
    for class in (0..=120).chain([u16::MAX]) {
        for method in (0..=130).chain([u16::MAX]) {
            let payload = [class.to_be_bytes(), method.to_be_bytes()].concat();
            let refused = Method::decode(&payload).is_err_and(|e| e.code == ReplyCode::NotImplemented);
            assert_eq!(refused, !known.contains(&(class, method)), "{class} {method}");
        }
    }
}

#[test]
fn exactly_the_methods_that_carry_a_message_have_content() {
    let with: Vec<_> = samples::every_method()
        .iter()
        .filter(|m| m.has_content())
        .map(|m| m.name())
        .collect();
    assert_eq!(
        with,
        ["basic.publish", "basic.return", "basic.deliver", "basic.get-ok"]
    );
}

#[test]
fn reply_codes_agree_in_number_name_and_scope() {
    for &code in ReplyCode::ALL {
        assert_eq!(ReplyCode::from_code(code.code()), Some(code));
        if code == ReplyCode::Success {
            continue;
        }
        let (scope, name) = match AMQPErrorKind::from_id(code.code()) {
            Some(AMQPErrorKind::Soft(error)) => (Scope::Channel, error.to_string()),
            Some(AMQPErrorKind::Hard(error)) => (Scope::Connection, error.to_string()),
            None => panic!("{code:?} is unknown to the other implementation"),
        };
        assert_eq!(
            (code.scope(), code.name()),
            (scope, name.replace('-', "_").as_str())
        );
    }
    for code in 0..=u16::MAX {
        let theirs = AMQPSoftError::from_id(code).is_some() || AMQPHardError::from_id(code).is_some();
        assert_eq!(
            ReplyCode::from_code(code).is_some(),
            theirs || code == 200,
            "{code}"
        );
    }
}

#[test]
fn properties_are_written_and_read_as_by_another_implementation() {
    let ours = OwnedProperties::new()
        .with_content_type("text/plain")
        .with_content_encoding("utf-8")
        .with_headers(Fields)
        .with_delivery_mode(2)
        .with_priority(9)
        .with_correlation_id("id")
        .with_reply_to("there")
        .with_expiration("60000")
        .with_message_id("m")
        .with_timestamp(1_700_000_000u64)
        .with_kind("kind")
        .with_user_id("guest")
        .with_app_id("app")
        .with_cluster_id("cluster");
    let theirs = theirs::basic::AMQPProperties::default()
        .with_content_type("text/plain".into())
        .with_content_encoding("utf-8".into())
        .with_headers(Fields.into())
        .with_delivery_mode(2)
        .with_priority(9)
        .with_correlation_id("id".into())
        .with_reply_to("there".into())
        .with_expiration("60000".into())
        .with_message_id("m".into())
        .with_timestamp(1_700_000_000)
        .with_type("kind".into())
        .with_user_id("guest".into())
        .with_app_id("app".into())
        .with_cluster_id("cluster".into());
    let raw = ours.encode();
    let bytes = theirs::basic::gen_properties(&theirs)(WriteContext::from(Vec::new()))
        .unwrap()
        .write;
    assert_eq!(raw, bytes);
    assert_eq!(
        theirs::basic::parse_properties(&raw[..]).unwrap(),
        (&[][..], theirs)
    );
    let view = Properties::parse(&bytes).unwrap();
    assert_eq!(OwnedProperties::try_from(&view).unwrap(), ours);
}
