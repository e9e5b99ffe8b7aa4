//! A broker inside the program that uses it: for tests, for tools, for programs that want queues of their own.
//!
//! `cargo run --example embedded` needs nothing else running.

use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use leveret::{Config, Server, Stopped};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A local broker listens on a free port of this host; everything about it can be set in its Config.
    let config = Config {
        workers: 1,
        ..Config::local()
    };
    let server = Server::start(config)?;
    let address = server.addresses().first().ok_or("nothing to connect to")?;
    let url = format!("amqp://guest:guest@{address}/%2f");

    // The broker runs on threads of its own: the program is free to use any runtime, or none.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(talk(&url))?;

    // Stopping tells every client and waits for the end; dropping the server would do the same.
    match server.stop() {
        Stopped::Orderly { .. } => println!("the broker has stopped"),
        Stopped::Abandoned => println!("the broker did not stop in time"),
    }
    Ok(())
}

/// Sends a message to oneself.
async fn talk(url: &str) -> lapin::Result<()> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let declare = QueueDeclareOptions::default();
    channel
        .queue_declare("diary".into(), declare, FieldTable::default())
        .await?;
    let (publish, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    channel
        .basic_publish("".into(), "diary".into(), publish, b"dear diary", properties)
        .await?;
    if let Some(message) = channel
        .basic_get("diary".into(), BasicGetOptions { no_ack: true })
        .await?
    {
        println!("read back: {}", String::from_utf8_lossy(&message.data));
    }
    connection.close(200, "bye".into()).await
}
