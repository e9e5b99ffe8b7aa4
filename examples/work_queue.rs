//! Tasks for several workers: each task goes to one of them, and a busy worker gets no second one.
//!
//! Run a broker, then `cargo run --example work_queue`. `AMQP_URL` names another broker.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::sync::mpsc;

const TASKS: [&str; 6] = ["boil....", "slice.", "peel.", "stir..", "season.", "serve."];

#[tokio::main(flavor = "current_thread")]
async fn main() -> lapin::Result<()> {
    let url = std::env::var("AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".into());
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let declare = QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    channel
        .queue_declare("tasks".into(), declare, FieldTable::default())
        .await?;

    let (report, mut reports) = mpsc::channel(TASKS.len());
    let mut workers = Vec::new();
    for name in ["anna", "ben"] {
        let channel = connection.create_channel().await?;
        workers.push(tokio::spawn(work(channel, name, report.clone())));
    }

    for task in TASKS {
        let publish = BasicPublishOptions::default();
        let persistent = BasicProperties::default().with_delivery_mode(2);
        channel
            .basic_publish("".into(), "tasks".into(), publish, task.as_bytes(), persistent)
            .await?;
    }
    for _ in TASKS {
        if let Some(line) = reports.recv().await {
            println!("{line}");
        }
    }

    // Deleting the queue cancels its consumers: the workers' streams end.
    channel
        .queue_delete("tasks".into(), QueueDeleteOptions::default())
        .await?;
    for worker in workers {
        worker.await.map_err(std::io::Error::other)??;
    }
    connection.close(200, "bye".into()).await
}

/// Does one task after the other until the queue is gone.
async fn work(channel: Channel, name: &str, report: mpsc::Sender<String>) -> lapin::Result<()> {
    // One unacknowledged task at a time: the others wait for whoever is free first.
    channel.basic_qos(1, BasicQosOptions::default()).await?;
    let consume = BasicConsumeOptions::default();
    let mut tasks = channel
        .basic_consume("tasks".into(), name.into(), consume, FieldTable::default())
        .await?;

    while let Some(task) = tasks.next().await {
        let task = task?;
        let text = String::from_utf8_lossy(&task.data);
        let effort = text.matches('.').count() as u32;
        tokio::time::sleep(effort * Duration::from_millis(50)).await;
        // Acknowledged when done: had this worker died, the task would go to another one.
        task.ack(BasicAckOptions::default()).await?;
        let _ = report
            .send(format!("{name} did {}", text.trim_end_matches('.')))
            .await;
    }
    channel.close(200, "bye".into()).await
}
