//! Messages by kind: a direct exchange hands each one to the queues bound with exactly its routing key.
//!
//! Run a broker, then `cargo run --example routing`. `AMQP_URL` names another broker.

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};

#[tokio::main(flavor = "current_thread")]
async fn main() -> lapin::Result<()> {
    let url = std::env::var("AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".into());
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let options = ExchangeDeclareOptions::default();
    channel
        .exchange_declare("log".into(), ExchangeKind::Direct, options, FieldTable::default())
        .await?;

    // A queue may have several bindings, and several queues the same one.
    let everything = bound_to(&channel, &["info", "warning", "error"]).await?;
    let trouble = bound_to(&channel, &["error"]).await?;

    for (severity, text) in [
        ("info", "started"),
        ("warning", "disk nearly full"),
        ("error", "disk full"),
    ] {
        let publish = BasicPublishOptions::default();
        let properties = BasicProperties::default();
        channel
            .basic_publish(
                "log".into(),
                severity.into(),
                publish,
                text.as_bytes(),
                properties,
            )
            .await?;
    }

    print_all(&channel, "everything", everything).await?;
    print_all(&channel, "trouble", trouble).await?;
    connection.close(200, "bye".into()).await
}

/// A new queue that gets the messages of these severities.
async fn bound_to(channel: &Channel, severities: &[&str]) -> lapin::Result<ShortString> {
    let options = QueueDeclareOptions {
        exclusive: true,
        ..Default::default()
    };
    let queue = channel
        .queue_declare("".into(), options, FieldTable::default())
        .await?
        .name()
        .clone();
    for &severity in severities {
        let bind = QueueBindOptions::default();
        channel
            .queue_bind(
                queue.clone(),
                "log".into(),
                severity.into(),
                bind,
                FieldTable::default(),
            )
            .await?;
    }
    Ok(queue)
}

/// Empties the queue onto the screen.
async fn print_all(channel: &Channel, title: &str, queue: ShortString) -> lapin::Result<()> {
    let get = BasicGetOptions { no_ack: true };
    while let Some(message) = channel.basic_get(queue.clone(), get).await? {
        println!(
            "{title}: {} {}",
            message.routing_key,
            String::from_utf8_lossy(&message.data)
        );
    }
    Ok(())
}
