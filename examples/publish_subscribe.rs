//! One message to everybody who listens: a fanout exchange and a queue for each subscriber.
//!
//! Run a broker, then `cargo run --example publish_subscribe`. `AMQP_URL` names another broker.

use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};

#[tokio::main(flavor = "current_thread")]
async fn main() -> lapin::Result<()> {
    let url = std::env::var("AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".into());
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;

    // A publisher knows the exchange, never the queues behind it.
    let options = ExchangeDeclareOptions::default();
    channel
        .exchange_declare(
            "news".into(),
            ExchangeKind::Fanout,
            options,
            FieldTable::default(),
        )
        .await?;
    let mut subscribers = [subscribe(&channel).await?, subscribe(&channel).await?];

    let publish = BasicPublishOptions::default();
    let properties = BasicProperties::default();
    channel
        .basic_publish("news".into(), "".into(), publish, b"it rained", properties)
        .await?;

    for (number, subscriber) in subscribers.iter_mut().enumerate() {
        if let Some(message) = subscriber.next().await {
            println!(
                "subscriber {number} heard: {}",
                String::from_utf8_lossy(&message?.data)
            );
        }
    }
    connection.close(200, "bye".into()).await
}

/// Listens with a queue of its own, which goes when the connection does.
async fn subscribe(channel: &Channel) -> lapin::Result<Consumer> {
    let options = QueueDeclareOptions {
        exclusive: true,
        ..Default::default()
    };
    let queue = channel
        .queue_declare("".into(), options, FieldTable::default())
        .await?;
    let (name, bind) = (queue.name(), QueueBindOptions::default());
    channel
        .queue_bind(
            name.clone(),
            "news".into(),
            "".into(),
            bind,
            FieldTable::default(),
        )
        .await?;
    let consume = BasicConsumeOptions {
        no_ack: true,
        ..Default::default()
    };
    channel
        .basic_consume(name.clone(), "".into(), consume, FieldTable::default())
        .await
}
