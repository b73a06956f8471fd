//! amqprs: publishes in a task of tokio, acks come through its channel callback.

use std::collections::BTreeSet;
use std::error::Error;

use amqprs::callbacks::ChannelCallback;
use amqprs::channel::{
    BasicPublishArguments, Channel, ConfirmSelectArguments, ExchangeDeclareArguments, QueueBindArguments,
    QueueDeclareArguments,
};
use amqprs::connection::{Connection, OpenConnectionArguments};
use amqprs::{Ack, BasicProperties, Cancel, CloseChannel, FieldTable, FieldValue, Nack, Return};
use async_trait::async_trait;
use peers::{BODY, EXCHANGE, Meter, QUEUE, TTL, Task, WINDOW};
use tokio::sync::watch;

/// Messages between two looks at the confirms: a look at each message costs a tenth more CPU.
const BURST: u64 = WINDOW / 2;

// A second thread costs it half as much CPU again, for the same messages a second.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let task = Task::from_args();
    let connection = Connection::open(
        OpenConnectionArguments::new("127.0.0.1", task.port, "guest", "guest").virtual_host(&task.vhost),
    )
    .await?;
    let channel = connection.open_channel(None).await?;
    let (confirmed, mut seen) = watch::channel(0);
    channel.register_callback(Confirms { confirmed, ahead: BTreeSet::new() }).await?;
    declare(&channel).await?;

    let properties = BasicProperties::default()
        .with_content_type("application/json")
        .with_content_encoding("utf-8")
        .finish();
    let arguments = BasicPublishArguments::new(EXCHANGE, QUEUE).mandatory(true).finish();
    let meter = Meter::start();
    for sent in 0..task.count {
        if sent % BURST == 0 {
            seen.wait_for(|&confirmed| sent + BURST - confirmed <= WINDOW).await?;
        }
        channel.basic_publish(properties.clone(), BODY.to_vec(), arguments.clone()).await?;
    }
    seen.wait_for(|&confirmed| confirmed == task.count).await?;
    meter.finish("amqprs", task.count);

    channel.close().await?;
    connection.close().await?;
    Ok(())
}

async fn declare(channel: &Channel) -> Result<(), amqprs::error::Error> {
    channel.exchange_declare(ExchangeDeclareArguments::new(EXCHANGE, "topic")).await?;
    let mut arguments = FieldTable::new();
    arguments.insert("x-message-ttl".try_into().expect("a short string"), FieldValue::I(TTL));
    let queue =
        QueueDeclareArguments::new(QUEUE).exclusive(true).auto_delete(true).arguments(arguments).finish();
    channel.queue_declare(queue).await?;
    channel.queue_bind(QueueBindArguments::new(QUEUE, EXCHANGE, QUEUE)).await?;
    channel.confirm_select(ConfirmSelectArguments::default()).await
}

/// Keeps how many messages are confirmed without a gap.
struct Confirms {
    confirmed: watch::Sender<u64>,
    /// Confirmed out of order.
    ahead: BTreeSet<u64>,
}

#[async_trait]
impl ChannelCallback for Confirms {
    async fn publish_ack(&mut self, _: &Channel, ack: Ack) {
        let tag = ack.delivery_tag();
        let mut upto = *self.confirmed.borrow();
        if ack.mutiple() {
            upto = upto.max(tag);
            self.ahead = self.ahead.split_off(&(upto + 1));
        } else {
            self.ahead.insert(tag);
        }
        while self.ahead.remove(&(upto + 1)) {
            upto += 1;
        }
        self.confirmed.send_replace(upto);
    }

    async fn publish_nack(&mut self, _: &Channel, nack: Nack) {
        panic!("the broker refused message {}", nack.delivery_tag());
    }

    async fn publish_return(&mut self, _: &Channel, ret: Return, _: BasicProperties, _: Vec<u8>) {
        panic!("the broker returned a message: {ret}");
    }

    async fn close(&mut self, _: &Channel, close: CloseChannel) -> Result<(), amqprs::error::Error> {
        panic!("the broker closed the channel: {close}");
    }

    async fn cancel(&mut self, _: &Channel, _: Cancel) -> Result<(), amqprs::error::Error> {
        Ok(())
    }

    async fn flow(&mut self, _: &Channel, active: bool) -> Result<bool, amqprs::error::Error> {
        Ok(active)
    }
}
