//! The smallest exchange there is: one message into a queue, the same message out of it.
//!
//! Run a broker, then `cargo run --example hello`. `AMQP_URL` names another broker.

use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};

#[tokio::main(flavor = "current_thread")]
async fn main() -> lapin::Result<()> {
    let url = std::env::var("AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".into());
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;

    // Declaring is safe to repeat: an equal declaration of an existing queue changes nothing.
    let declare = QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    channel
        .queue_declare("hello".into(), declare, FieldTable::default())
        .await?;

    // The default exchange, named "", takes a message to the queue its routing key names.
    let publish = BasicPublishOptions::default();
    let properties = BasicProperties::default().with_delivery_mode(2);
    channel
        .basic_publish("".into(), "hello".into(), publish, b"Hello World!", properties)
        .await?;
    println!("sent Hello World!");

    // A get asks for one message; a program that waits for messages would consume instead.
    let get = BasicGetOptions { no_ack: true };
    match channel.basic_get("hello".into(), get).await? {
        Some(message) => println!("received {}", String::from_utf8_lossy(&message.data)),
        None => println!("the queue is empty"),
    }
    connection.close(200, "bye".into()).await
}
