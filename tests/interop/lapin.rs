//! lapin, on tokio.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicPublishOptions, BasicQosOptions, BasicRejectOptions, ConfirmSelectOptions, ExchangeBindOptions,
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};

use crate::support::Broker;

#[test]
fn a_message_makes_the_round_trip() {
    with_channel(async |channel| {
        let queue = declare(&channel).await;
        let properties = BasicProperties::default()
            .with_content_type("text/plain".into())
            .with_delivery_mode(2)
            .with_timestamp(1_700_000_000)
            .with_headers(headers());
        let options = BasicPublishOptions::default();
        let sent = properties.clone();
        channel
            .basic_publish("".into(), queue.as_str().into(), options, b"hello", sent)
            .await
            .unwrap();
        let got = channel
            .basic_get(queue.as_str().into(), BasicGetOptions::default())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (got.data.as_slice(), &got.properties, got.message_count),
            (&b"hello"[..], &properties, 0)
        );
        got.ack(BasicAckOptions::default()).await.unwrap();
        assert!(
            channel
                .basic_get(queue.as_str().into(), BasicGetOptions::default())
                .await
                .unwrap()
                .is_none()
        );
    });
}

#[test]
fn confirms_come_for_every_publication_at_once_in_flight() {
    with_channel(async |channel| {
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .unwrap();
        let queue = declare(&channel).await;
        let mut open = Vec::new();
        for number in 0..1000 {
            open.push(publish(&channel, &queue, &number.to_string(), true).await);
        }
        for confirm in open {
            let confirmation = confirm.await.unwrap();
            assert!(confirmation.is_ack() && confirmation.take_message().is_none());
        }
        assert_eq!(purge(&channel, &queue).await, 1000);
    });
}

#[test]
fn an_unroutable_mandatory_message_is_returned_with_its_confirm() {
    with_channel(async |channel| {
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .unwrap();
        let confirmation = publish(&channel, "nowhere", "lost", true).await.await.unwrap();
        assert!(confirmation.is_ack());
        let returned = confirmation.take_message().expect("the message comes back");
        assert_eq!(
            (returned.reply_code, returned.reply_text.as_str()),
            (312, "NO_ROUTE")
        );
        assert_eq!(returned.delivery.data, b"lost");
    });
}

#[test]
fn a_consumer_stream_yields_in_order_and_ends_with_its_cancel() {
    with_channel(async |channel| {
        let queue = declare(&channel).await;
        let mut consumer = consume(&channel, &queue, BasicConsumeOptions::default()).await;
        for number in 0..500 {
            publish(&channel, &queue, &number.to_string(), false).await;
        }
        for number in 0..500 {
            let delivery = next(&mut consumer).await;
            assert_eq!(delivery.data, number.to_string().as_bytes());
            delivery.ack(BasicAckOptions::default()).await.unwrap();
        }
        channel
            .basic_cancel(consumer.tag(), BasicCancelOptions::default())
            .await
            .unwrap();
        assert!(consumer.next().await.is_none());
    });
}

#[test]
fn prefetch_holds_the_rest_back() {
    with_channel(async |channel| {
        let queue = declare(&channel).await;
        channel.basic_qos(2, BasicQosOptions::default()).await.unwrap();
        for number in 0..5 {
            publish(&channel, &queue, &number.to_string(), false).await;
        }
        let mut consumer = consume(&channel, &queue, BasicConsumeOptions::default()).await;
        let (first, second) = (next(&mut consumer).await, next(&mut consumer).await);
        let third = tokio::time::timeout(Duration::from_millis(100), consumer.next()).await;
        assert!(third.is_err(), "the third waits");
        second.ack(BasicAckOptions { multiple: true }).await.unwrap();
        assert_eq!(next(&mut consumer).await.data, b"2");
        drop(first);
    });
}

#[test]
fn nack_and_reject_requeue_or_drop() {
    with_channel(async |channel| {
        let queue = declare(&channel).await;
        publish(&channel, &queue, "again", false).await;
        let mut consumer = consume(&channel, &queue, BasicConsumeOptions::default()).await;
        let first = next(&mut consumer).await;
        assert!(!first.redelivered);
        first
            .nack(BasicNackOptions {
                requeue: true,
                ..Default::default()
            })
            .await
            .unwrap();
        let second = next(&mut consumer).await;
        assert!(second.redelivered);
        second
            .reject(BasicRejectOptions { requeue: false })
            .await
            .unwrap();
        assert_eq!(purge(&channel, &queue).await, 0);
    });
}

#[test]
fn an_exclusive_queue_is_refused_to_another_connection() {
    with_connections(async |one, two| {
        let queue = declare(&one.create_channel().await.unwrap()).await;
        let other = two.create_channel().await.unwrap();
        let passive = QueueDeclareOptions {
            passive: true,
            ..Default::default()
        };
        let error = other
            .queue_declare(queue.as_str().into(), passive, FieldTable::default())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("RESOURCE_LOCKED"), "{error}");
        assert!(two.status().connected());
    });
}

#[test]
fn an_exclusive_consumer_keeps_others_out() {
    with_connections(async |one, two| {
        let channel = one.create_channel().await.unwrap();
        let shared = QueueDeclareOptions {
            auto_delete: true,
            ..Default::default()
        };
        channel
            .queue_declare("shared".into(), shared, FieldTable::default())
            .await
            .unwrap();
        let alone = BasicConsumeOptions {
            exclusive: true,
            ..Default::default()
        };
        let _consumer = consume(&channel, "shared", alone).await;
        let other = two.create_channel().await.unwrap();
        let options = BasicConsumeOptions::default();
        let error = other
            .basic_consume("shared".into(), "".into(), options, FieldTable::default())
            .await;
        assert!(error.unwrap_err().to_string().contains("in exclusive use"));
    });
}

#[test]
fn a_deleted_queue_ends_the_stream() {
    with_connections(async |one, two| {
        let channel = one.create_channel().await.unwrap();
        channel
            .queue_declare(
                "doomed".into(),
                QueueDeclareOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        let mut consumer = consume(&channel, "doomed", BasicConsumeOptions::default()).await;
        let other = two.create_channel().await.unwrap();
        other
            .queue_delete("doomed".into(), QueueDeleteOptions::default())
            .await
            .unwrap();
        let end = tokio::time::timeout(Duration::from_secs(10), consumer.next())
            .await
            .expect("in time");
        assert!(end.is_none());
    });
}

#[test]
fn exchanges_route_and_feed_each_other() {
    with_channel(async |channel| {
        let queue = declare(&channel).await;
        let (options, none) = (ExchangeDeclareOptions::default(), FieldTable::default);
        channel
            .exchange_declare("in".into(), ExchangeKind::Topic, options, none())
            .await
            .unwrap();
        channel
            .exchange_declare("out".into(), ExchangeKind::Fanout, options, none())
            .await
            .unwrap();
        let bind = ExchangeBindOptions::default();
        channel
            .exchange_bind("out".into(), "in".into(), "a.#".into(), bind, none())
            .await
            .unwrap();
        let bind = QueueBindOptions::default();
        channel
            .queue_bind(queue.as_str().into(), "out".into(), "".into(), bind, none())
            .await
            .unwrap();
        for key in ["a.b.c", "b.c"] {
            let (publish, properties) = (BasicPublishOptions::default(), BasicProperties::default());
            channel
                .basic_publish("in".into(), key.into(), publish, key.as_bytes(), properties)
                .await
                .unwrap();
        }
        channel
            .exchange_delete("in".into(), ExchangeDeleteOptions::default())
            .await
            .unwrap();
        let got = channel
            .basic_get(queue.as_str().into(), BasicGetOptions { no_ack: true })
            .await
            .unwrap();
        assert_eq!(got.unwrap().data, b"a.b.c");
        assert_eq!(purge(&channel, &queue).await, 0);
    });
}

#[test]
fn a_transaction_commits_or_rolls_back() {
    with_channel(async |channel| {
        let queue = declare(&channel).await;
        channel.tx_select().await.unwrap();
        publish(&channel, &queue, "forgotten", false).await;
        channel.tx_rollback().await.unwrap();
        publish(&channel, &queue, "kept", false).await;
        channel.tx_commit().await.unwrap();
        assert_eq!(purge(&channel, &queue).await, 1);
    });
}

#[test]
fn a_large_message_comes_back_whole() {
    with_channel(async |channel| {
        let queue = declare(&channel).await;
        let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel
            .basic_publish("".into(), queue.as_str().into(), options, &body, properties)
            .await
            .unwrap();
        let mut consumer = consume(&channel, &queue, BasicConsumeOptions::default()).await;
        assert!(next(&mut consumer).await.data == body);
    });
}

#[test]
fn a_wrong_password_is_told() {
    let broker = Broker::start();
    let url = broker.url().replace("guest:guest", "guest:wrong");
    let refused = block_on(Connection::connect(&url, ConnectionProperties::default()));
    let error = refused.expect_err("the password is wrong");
    assert!(error.to_string().contains("ACCESS_REFUSED"), "{error}");
}

/// Runs a scenario on one channel of a new broker.
fn with_channel(scenario: impl AsyncFnOnce(Channel)) {
    with_connections(async |one, _| scenario(one.create_channel().await.unwrap()).await);
}

/// Runs a scenario on two connections to a new broker.
fn with_connections(scenario: impl AsyncFnOnce(Connection, Connection)) {
    let broker = Broker::start();
    block_on(async {
        let url = broker.url();
        let one = Connection::connect(&url, ConnectionProperties::default())
            .await
            .unwrap();
        let two = Connection::connect(&url, ConnectionProperties::default())
            .await
            .unwrap();
        scenario(one, two).await;
    });
}

/// Runs to the end, in bounded time.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let bounded = async {
        tokio::time::timeout(Duration::from_secs(30), future)
            .await
            .expect("in time")
    };
    runtime.block_on(bounded)
}

/// A queue of this connection alone.
async fn declare(channel: &Channel) -> String {
    let options = QueueDeclareOptions {
        exclusive: true,
        ..Default::default()
    };
    let queue = channel
        .queue_declare("".into(), options, FieldTable::default())
        .await
        .unwrap();
    queue.name().to_string()
}

async fn publish(channel: &Channel, queue: &str, text: &str, mandatory: bool) -> lapin::PublisherConfirm {
    let options = BasicPublishOptions {
        mandatory,
        ..Default::default()
    };
    let properties = BasicProperties::default();
    channel
        .basic_publish("".into(), queue.into(), options, text.as_bytes(), properties)
        .await
        .unwrap()
}

async fn consume(channel: &Channel, queue: &str, options: BasicConsumeOptions) -> Consumer {
    channel
        .basic_consume(queue.into(), "".into(), options, FieldTable::default())
        .await
        .unwrap()
}

async fn next(consumer: &mut Consumer) -> Delivery {
    let delivery = tokio::time::timeout(Duration::from_secs(10), consumer.next()).await;
    delivery.expect("in time").expect("a delivery").expect("no error")
}

async fn purge(channel: &Channel, queue: &str) -> u32 {
    channel
        .queue_purge(queue.into(), QueuePurgeOptions::default())
        .await
        .unwrap()
}

fn headers() -> FieldTable {
    let mut headers = FieldTable::default();
    headers.insert("text".into(), AMQPValue::LongString(LongString::from("t")));
    headers.insert("number".into(), AMQPValue::LongLongInt(1 << 40));
    headers.insert("yes".into(), AMQPValue::Boolean(true));
    headers.insert("nested".into(), AMQPValue::FieldTable(FieldTable::default()));
    headers
}
