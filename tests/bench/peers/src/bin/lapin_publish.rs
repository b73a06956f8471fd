//! lapin: publishes in a task of tokio, confirms are futures that are awaited in order.

use std::collections::VecDeque;
use std::error::Error;

use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use peers::{BODY, EXCHANGE, Meter, QUEUE, TTL, Task, WINDOW};

// lapin runs its I/O in a thread of its own; more threads of tokio gain nothing.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let task = Task::from_args();
    let uri = format!("amqp://guest:guest@127.0.0.1:{}/{}", task.port, task.vhost.replace('/', "%2f"));
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    declare(&channel).await?;

    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into());
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let window = WINDOW.min(task.count) as usize;
    let mut pending = VecDeque::with_capacity(window);
    let meter = Meter::start();
    for _ in 0..task.count {
        if pending.len() == window
            && let Some(oldest) = pending.pop_front()
        {
            accept(oldest.await?)?;
        }
        pending.push_back(
            channel.basic_publish(EXCHANGE.into(), QUEUE.into(), options, BODY, properties.clone()).await?,
        );
    }
    for confirm in pending {
        accept(confirm.await?)?;
    }
    meter.finish("lapin", task.count);

    connection.close(200, "".into()).await?;
    Ok(())
}

async fn declare(channel: &Channel) -> Result<(), lapin::Error> {
    let none = FieldTable::default;
    channel
        .exchange_declare(EXCHANGE.into(), ExchangeKind::Topic, ExchangeDeclareOptions::default(), none())
        .await?;
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-message-ttl".into(), AMQPValue::LongInt(TTL));
    channel.queue_declare(QUEUE.into(), options, arguments).await?;
    channel
        .queue_bind(QUEUE.into(), EXCHANGE.into(), QUEUE.into(), QueueBindOptions::default(), none())
        .await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await
}

fn accept(confirmation: Confirmation) -> Result<(), String> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        other => Err(format!("expected an ack, got {other:?}")),
    }
}
