//! How methods are written and read.

use super::{fields::Fields, ids::METHODS};
use amq_protocol::{
    frame::{AMQPFrame, WriteContext, gen_frame, parse_frame},
    protocol::{self as theirs, AMQPClass},
};
use leveret_protocol::{
    Chunk, FrameKind, Method, decode,
    method::{access, basic, channel, confirm, connection, exchange, queue, tx},
};
use std::collections::BTreeSet;

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
