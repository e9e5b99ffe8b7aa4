//! A question and its answer: the reply comes straight back over the direct reply-to name.
//!
//! Run a broker, then `cargo run --example rpc`. `AMQP_URL` names another broker.

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

/// Consuming from this name and giving it as `reply_to` needs no reply queue at all.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";

#[tokio::main(flavor = "current_thread")]
async fn main() -> lapin::Result<()> {
    let url = std::env::var("AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".into());
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions::default();
    channel
        .queue_declare("squares".into(), options, FieldTable::default())
        .await?;
    let server = tokio::spawn(serve(connection.create_channel().await?));

    let consume = BasicConsumeOptions {
        no_ack: true,
        ..Default::default()
    };
    let mut replies = channel
        .basic_consume(REPLY_TO.into(), "".into(), consume, FieldTable::default())
        .await?;
    for number in [3, 7, 12] {
        let question = BasicProperties::default()
            .with_reply_to(REPLY_TO.into())
            .with_correlation_id(number.to_string().into());
        let body = number.to_string();
        let publish = BasicPublishOptions::default();
        channel
            .basic_publish("".into(), "squares".into(), publish, body.as_bytes(), question)
            .await?;
    }
    for _ in 0..3 {
        let Some(reply) = replies.next().await.transpose()? else {
            break;
        };
        let asked = reply
            .properties
            .correlation_id()
            .as_ref()
            .map(ToString::to_string);
        println!(
            "{} squared is {}",
            asked.unwrap_or_default(),
            String::from_utf8_lossy(&reply.data)
        );
    }

    channel
        .queue_delete("squares".into(), QueueDeleteOptions::default())
        .await?;
    server.await.map_err(std::io::Error::other)??;
    connection.close(200, "bye".into()).await
}

/// Answers until the queue is gone.
async fn serve(channel: Channel) -> lapin::Result<()> {
    let consume = BasicConsumeOptions::default();
    let mut questions = channel
        .basic_consume("squares".into(), "".into(), consume, FieldTable::default())
        .await?;
    while let Some(question) = questions.next().await {
        let question = question?;
        let number: i64 = String::from_utf8_lossy(&question.data)
            .parse()
            .unwrap_or_default();
        let answer = (number * number).to_string();
        // The answer goes where the question says, with the question's correlation id.
        if let Some(reply_to) = question.properties.reply_to() {
            let id = question.properties.correlation_id().clone().unwrap_or_default();
            let properties = BasicProperties::default().with_correlation_id(id);
            let publish = BasicPublishOptions::default();
            channel
                .basic_publish(
                    "".into(),
                    reply_to.clone(),
                    publish,
                    answer.as_bytes(),
                    properties,
                )
                .await?;
        }
        question.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}
