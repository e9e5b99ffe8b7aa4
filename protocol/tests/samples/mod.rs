//! One method of each kind, every argument set to something that is not its default.

use leveret_protocol::{
    FieldTable, FieldValue, Method,
    method::{access, basic, channel, confirm, connection, exchange, queue, tx},
};

pub(crate) fn table() -> FieldTable {
    FieldTable::from_iter([
        (
            "list",
            FieldValue::Array(vec![1.into(), "two".into(), FieldValue::Void]),
        ),
        ("table", FieldTable::from_iter([("x", true)]).into()),
        ("ttl", 60_000.into()),
    ])
}

pub(crate) fn every_method() -> Vec<Method<'static>> {
    let mut methods = connection_and_channel();
    methods.extend(exchange_and_queue());
    methods.extend(basic());
    methods.extend([
        access::Request {
            realm: "/data",
            exclusive: true,
            passive: true,
            active: true,
            write: true,
            read: true,
        }
        .into(),
        access::RequestOk { ticket: 1 }.into(),
        confirm::Select { nowait: true }.into(),
        confirm::SelectOk {}.into(),
        tx::Select {}.into(),
        tx::SelectOk {}.into(),
        tx::Commit {}.into(),
        tx::CommitOk {}.into(),
        tx::Rollback {}.into(),
        tx::RollbackOk {}.into(),
    ]);
    methods
}

fn connection_and_channel() -> Vec<Method<'static>> {
    vec![
        connection::Start {
            version_major: 1,
            version_minor: 9,
            server_properties: table(),
            mechanisms: b"PLAIN AMQPLAIN",
            locales: b"en_US",
        }
        .into(),
        connection::StartOk {
            client_properties: table(),
            mechanism: "PLAIN",
            response: b"\0guest\0guest",
            locale: "en_US",
        }
        .into(),
        connection::Secure { challenge: b"who?" }.into(),
        connection::SecureOk { response: b"me" }.into(),
        connection::Tune {
            channel_max: 2047,
            frame_max: 131_072,
            heartbeat: 60,
        }
        .into(),
        connection::TuneOk {
            channel_max: 2046,
            frame_max: 131_071,
            heartbeat: 59,
        }
        .into(),
        connection::Open { vhost: "/" }.into(),
        connection::OpenOk {}.into(),
        connection::Close {
            reply_code: 320,
            reply_text: "bye",
            class_id: 50,
            method_id: 10,
        }
        .into(),
        connection::CloseOk {}.into(),
        connection::Blocked {
            reason: "low on memory",
        }
        .into(),
        connection::Unblocked {}.into(),
        connection::UpdateSecret {
            new_secret: b"token",
            reason: "expired",
        }
        .into(),
        connection::UpdateSecretOk {}.into(),
        channel::Open {}.into(),
        channel::OpenOk {}.into(),
        channel::Flow { active: true }.into(),
        channel::FlowOk { active: true }.into(),
        channel::Close {
            reply_code: 404,
            reply_text: "no queue",
            class_id: 60,
            method_id: 20,
        }
        .into(),
        channel::CloseOk {}.into(),
    ]
}

fn exchange_and_queue() -> Vec<Method<'static>> {
    let (destination, source, routing_key) = ("to", "from", "key");
    let (queue, exchange) = ("q", "e");
    vec![
        exchange::Declare {
            exchange,
            kind: "topic",
            passive: true,
            durable: true,
            auto_delete: true,
            internal: true,
            nowait: true,
            arguments: table(),
        }
        .into(),
        exchange::DeclareOk {}.into(),
        exchange::Delete {
            exchange,
            if_unused: true,
            nowait: true,
        }
        .into(),
        exchange::DeleteOk {}.into(),
        exchange::Bind {
            destination,
            source,
            routing_key,
            nowait: true,
            arguments: table(),
        }
        .into(),
        exchange::BindOk {}.into(),
        exchange::Unbind {
            destination,
            source,
            routing_key,
            nowait: true,
            arguments: table(),
        }
        .into(),
        exchange::UnbindOk {}.into(),
        queue::Declare {
            queue,
            passive: true,
            durable: true,
            exclusive: true,
            auto_delete: true,
            nowait: true,
            arguments: table(),
        }
        .into(),
        queue::DeclareOk {
            queue,
            message_count: 3,
            consumer_count: 2,
        }
        .into(),
        queue::Bind {
            queue,
            exchange,
            routing_key,
            nowait: true,
            arguments: table(),
        }
        .into(),
        queue::BindOk {}.into(),
        queue::Purge { queue, nowait: true }.into(),
        queue::PurgeOk { message_count: 3 }.into(),
        queue::Delete {
            queue,
            if_unused: true,
            if_empty: true,
            nowait: true,
        }
        .into(),
        queue::DeleteOk { message_count: 3 }.into(),
        queue::Unbind {
            queue,
            exchange,
            routing_key,
            arguments: table(),
        }
        .into(),
        queue::UnbindOk {}.into(),
    ]
}

fn basic() -> Vec<Method<'static>> {
    let (consumer_tag, exchange, routing_key) = ("ctag", "e", "key");
    let (delivery_tag, redelivered) = (1 << 40, true);
    vec![
        basic::Qos {
            prefetch_size: 1,
            prefetch_count: 2,
            global: true,
        }
        .into(),
        basic::QosOk {}.into(),
        basic::Consume {
            queue: "q",
            consumer_tag,
            no_local: true,
            no_ack: true,
            exclusive: true,
            nowait: true,
            arguments: table(),
        }
        .into(),
        basic::ConsumeOk { consumer_tag }.into(),
        basic::Cancel {
            consumer_tag,
            nowait: true,
        }
        .into(),
        basic::CancelOk { consumer_tag }.into(),
        basic::Publish {
            exchange,
            routing_key,
            mandatory: true,
            immediate: true,
        }
        .into(),
        basic::Return {
            reply_code: 312,
            reply_text: "NO_ROUTE",
            exchange,
            routing_key,
        }
        .into(),
        basic::Deliver {
            consumer_tag,
            delivery_tag,
            redelivered,
            exchange,
            routing_key,
        }
        .into(),
        basic::Get {
            queue: "q",
            no_ack: true,
        }
        .into(),
        basic::GetOk {
            delivery_tag,
            redelivered,
            exchange,
            routing_key,
            message_count: 9,
        }
        .into(),
        basic::GetEmpty {}.into(),
        basic::Ack {
            delivery_tag,
            multiple: true,
        }
        .into(),
        basic::Reject {
            delivery_tag,
            requeue: true,
        }
        .into(),
        basic::RecoverAsync { requeue: true }.into(),
        basic::Recover { requeue: true }.into(),
        basic::RecoverOk {}.into(),
        basic::Nack {
            delivery_tag,
            multiple: true,
            requeue: true,
        }
        .into(),
    ]
}
