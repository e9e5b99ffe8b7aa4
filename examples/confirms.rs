//! Knowing what arrived: publisher confirms, and what comes back when nobody is bound.
//!
//! Run a broker, then `cargo run --example confirms`. `AMQP_URL` names another broker.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, PublisherConfirm};

#[tokio::main(flavor = "current_thread")]
async fn main() -> lapin::Result<()> {
    let url = std::env::var("AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".into());
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = QueueDeclareOptions {
        exclusive: true,
        ..Default::default()
    };
    channel
        .queue_declare("orders".into(), options, FieldTable::default())
        .await?;

    // Publish on, and look at the confirms later: waiting after each message would cost a round trip.
    let mut open = Vec::new();
    for number in 0..1000 {
        open.push(publish(&channel, "orders", &format!("order {number}")).await?);
    }
    let mut confirmed = 0;
    for confirm in open {
        if confirm.await?.is_ack() {
            confirmed += 1;
        }
    }
    println!("{confirmed} orders confirmed");

    // A mandatory message that reaches no queue comes back, and then is confirmed: it was dealt with.
    let confirmation = publish(&channel, "no such queue", "lost order").await?.await?;
    if let Some(returned) = confirmation.take_message() {
        println!("returned: {} {}", returned.reply_code, returned.reply_text);
    }
    connection.close(200, "bye".into()).await
}

/// Publishes one message that must find a queue.
async fn publish(channel: &Channel, queue: &str, text: &str) -> lapin::Result<PublisherConfirm> {
    let options = BasicPublishOptions {
        mandatory: true,
        ..Default::default()
    };
    let properties = BasicProperties::default();
    channel
        .basic_publish("".into(), queue.into(), options, text.as_bytes(), properties)
        .await
}
