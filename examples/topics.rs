//! Messages by pattern: in a topic exchange's bindings `*` is one word and `#` any number of words.
//!
//! Run a broker, then `cargo run --example topics`. `AMQP_URL` names another broker.

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};

const PATTERNS: [&str; 3] = ["europe.#", "*.weather", "#"];
const KEYS: [&str; 3] = ["europe.weather", "europe.trains.delays", "asia.weather"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> lapin::Result<()> {
    let url = std::env::var("AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".into());
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let options = ExchangeDeclareOptions::default();
    channel
        .exchange_declare(
            "world".into(),
            ExchangeKind::Topic,
            options,
            FieldTable::default(),
        )
        .await?;

    for pattern in PATTERNS {
        let mine = QueueDeclareOptions {
            exclusive: true,
            ..Default::default()
        };
        channel
            .queue_declare(pattern.into(), mine, FieldTable::default())
            .await?;
        let bind = QueueBindOptions::default();
        channel
            .queue_bind(
                pattern.into(),
                "world".into(),
                pattern.into(),
                bind,
                FieldTable::default(),
            )
            .await?;
    }
    for key in KEYS {
        let (publish, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel
            .basic_publish("world".into(), key.into(), publish, b"", properties)
            .await?;
    }

    for pattern in PATTERNS {
        println!(
            "{pattern} matched {}",
            matched(&channel, pattern).await?.join(", ")
        );
    }
    connection.close(200, "bye".into()).await
}

/// The routing keys of everything in the queue.
async fn matched(channel: &Channel, queue: &str) -> lapin::Result<Vec<String>> {
    let mut keys = Vec::new();
    while let Some(message) = channel
        .basic_get(queue.into(), BasicGetOptions { no_ack: true })
        .await?
    {
        keys.push(message.routing_key.to_string());
    }
    Ok(keys)
}
