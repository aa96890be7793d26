//! What an application does with lapin, against three nodes.

use std::{pin::Pin, time::Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, ErrorKind, ExchangeKind,
    message::Delivery,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
        BasicPublishOptions, BasicQosOptions, BasicRejectOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
        ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
    },
    types::FieldTable,
};

use crate::{DEADLINE, block_on, report::Report};

/// One behaviour's test.
type Test = for<'a> fn(&'a RustClient) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// Between two tries to fetch a message that must be there soon.
const POLL: std::time::Duration = std::time::Duration::from_millis(10);

const BEHAVIOURS: [(&str, Test); 12] = [
    ("a queue declared on one node is seen on every node", |client| Box::pin(declared_everywhere(client))),
    ("a direct exchange routes by equal key", |client| Box::pin(direct(client))),
    ("a topic exchange routes by pattern", |client| Box::pin(topic(client))),
    ("every publish is confirmed", |client| Box::pin(confirms(client))),
    ("prefetch limits what is unacknowledged, acks let more come, in order", |client| Box::pin(prefetch(client))),
    ("a nacked message comes again with the redelivered flag", |client| Box::pin(nack(client))),
    ("a rejected message without requeue is gone", |client| Box::pin(reject(client))),
    ("an unroutable mandatory message is returned with 312 NO_ROUTE", |client| Box::pin(mandatory(client))),
    ("purge and delete tell how many messages went", |client| Box::pin(purge_and_delete(client))),
    ("a message published on one node is consumed on another", |client| Box::pin(across_nodes(client))),
    ("a missing queue closes the channel with 404, and nothing else", |client| Box::pin(missing_queue(client))),
    ("cancel stops deliveries, and keeps the rest in the queue", |client| Box::pin(cancel(client))),
];

/// Runs all behaviours.
pub fn run(uris: &[String], report: &mut Report) {
    report.heading("rust: lapin");
    let client = RustClient::new(uris);
    for (behaviour, test) in BEHAVIOURS {
        report.record(behaviour, block_on(bounded(test(&client))));
    }
}

/// A future that must end in time.
///
/// # Errors
/// When it fails or does not end.
pub(crate) async fn bounded<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(DEADLINE, future).await.context("took too long")?
}

/// Where the nodes are, and a prefix for names.
#[derive(Clone, Debug)]
pub(crate) struct RustClient {
    uris: Vec<String>,
    prefix: String,
}

impl RustClient {
    pub(crate) fn new(uris: &[String]) -> Self {
        RustClient { uris: uris.to_vec(), prefix: format!("conformance.rust.{}", std::process::id()) }
    }

    /// A confirm channel on a connection of its own; nodes count from 1 and wrap.
    pub(crate) async fn open(&self, node: usize) -> Result<(Connection, Channel)> {
        let uri = &self.uris[(node - 1) % self.uris.len()];
        let connection = Connection::connect(uri, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok((connection, channel))
    }

    /// Runs `work` with a channel and a durable queue that is deleted at the end.
    pub(crate) async fn with_queue<F>(&self, node: usize, suffix: &str, work: F) -> Result<()>
    where
        F: AsyncFnOnce(&Channel, &str) -> Result<()>,
    {
        let queue = format!("{}.{suffix}", self.prefix);
        let (connection, channel) = self.open(node).await?;
        channel.queue_declare(queue.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default()).await?;
        let result = work(&channel, &queue).await;
        connection.close(200, "".into()).await.ok();
        let (connection, channel) = self.open(1).await?;
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
        connection.close(200, "".into()).await?;
        result
    }

    async fn with_exchange<F>(&self, channel: &Channel, kind: ExchangeKind, work: F) -> Result<()>
    where
        F: AsyncFnOnce(&str) -> Result<()>,
    {
        let exchange = format!("{}.{kind:?}", self.prefix);
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare(exchange.as_str().into(), kind, options, FieldTable::default()).await?;
        work(&exchange).await?;
        channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await?;
        Ok(())
    }
}

/// Publishes a persistent message and waits for its confirm.
pub(crate) async fn publish(channel: &Channel, exchange: &str, key: &str, body: &[u8]) -> Result<()> {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions::default();
    let confirm = channel.basic_publish(exchange.into(), key.into(), options, body, properties).await?;
    let confirmation = confirm.await?;
    ensure!(confirmation == Confirmation::Ack(None), "confirm {confirmation:?}");
    Ok(())
}

/// Gets one message, waiting for it.
pub(crate) async fn fetch(channel: &Channel, queue: &str, no_ack: bool) -> Result<Delivery> {
    let (begin, mut turn) = (Instant::now(), tokio::time::interval(POLL));
    while begin.elapsed() < DEADLINE {
        turn.tick().await;
        if let Some(message) = channel.basic_get(queue.into(), BasicGetOptions { no_ack }).await? {
            return Ok(message.delivery);
        }
    }
    bail!("no message in {queue}")
}

/// How many messages are ready.
pub(crate) async fn depth(channel: &Channel, queue: &str) -> Result<u32> {
    let options = QueueDeclareOptions::durable().passive();
    Ok(channel.queue_declare(queue.into(), options, FieldTable::default()).await?.message_count())
}

pub(crate) async fn consume(channel: &Channel, queue: &str) -> Result<Consumer> {
    let options = BasicConsumeOptions::default();
    Ok(channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?)
}

pub(crate) async fn next(consumer: &mut Consumer) -> Result<Delivery> {
    let delivery = tokio::time::timeout(DEADLINE, consumer.next()).await.context("no delivery")?;
    Ok(delivery.context("the consumer has ended")??)
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<()> {
    let options = QueueBindOptions::default();
    Ok(channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default()).await?)
}

async fn is_empty(channel: &Channel, queue: &str) -> Result<()> {
    let message = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await?;
    ensure!(message.is_none(), "there is a further message");
    Ok(())
}

async fn declared_everywhere(client: &RustClient) -> Result<()> {
    client
        .with_queue(1, "seen", async |_, queue| {
            for node in 1..=client.uris.len() {
                let (connection, channel) = client.open(node).await?;
                ensure!(depth(&channel, queue).await? == 0, "the queue is not empty");
                connection.close(200, "".into()).await?;
            }
            Ok(())
        })
        .await
}

async fn direct(client: &RustClient) -> Result<()> {
    client
        .with_queue(1, "direct", async |channel, queue| {
            client
                .with_exchange(channel, ExchangeKind::Direct, async |exchange| {
                    bind(channel, queue, exchange, "red").await?;
                    publish(channel, exchange, "blue", b"no").await?;
                    publish(channel, exchange, "red", b"yes").await?;
                    let message = fetch(channel, queue, true).await?;
                    ensure!(message.data == b"yes" && message.routing_key == "red".into(), "{message:?}");
                    is_empty(channel, queue).await
                })
                .await
        })
        .await
}

async fn topic(client: &RustClient) -> Result<()> {
    client
        .with_queue(1, "topic", async |channel, queue| {
            client
                .with_exchange(channel, ExchangeKind::Topic, async |exchange| {
                    bind(channel, queue, exchange, "stock.*.eur").await?;
                    bind(channel, queue, exchange, "log.#").await?;
                    for key in ["stock.abc.eur", "stock.abc.usd", "stock.eur", "log", "log.a.b", "catalog.a"] {
                        publish(channel, exchange, key, b"").await?;
                    }
                    for key in ["stock.abc.eur", "log", "log.a.b"] {
                        let message = fetch(channel, queue, true).await?;
                        ensure!(message.routing_key == key.into(), "{} instead of {key}", message.routing_key);
                    }
                    is_empty(channel, queue).await
                })
                .await
        })
        .await
}

async fn confirms(client: &RustClient) -> Result<()> {
    client
        .with_queue(1, "confirms", async |channel, queue| {
            let options = BasicPublishOptions::default();
            let mut pending = Vec::new();
            for number in 0..1000_u32 {
                let (properties, body) = (BasicProperties::default().with_delivery_mode(2), number.to_be_bytes());
                pending.push(channel.basic_publish("".into(), queue.into(), options, &body, properties).await?);
            }
            for confirm in pending {
                ensure!(confirm.await?.is_ack(), "a nack");
            }
            let there = depth(channel, queue).await?;
            ensure!(there == 1000, "{there} messages");
            Ok(())
        })
        .await
}

async fn prefetch(client: &RustClient) -> Result<()> {
    client
        .with_queue(1, "prefetch", async |channel, queue| {
            for number in 0..30_u8 {
                publish(channel, "", queue, &[number]).await?;
            }
            channel.basic_qos(10, BasicQosOptions::default()).await?;
            let mut consumer = consume(channel, queue).await?;
            for number in 0..30_u8 {
                let delivery = next(&mut consumer).await?;
                ensure!(delivery.data == [number] && !delivery.redelivered, "{delivery:?} instead of {number}");
                if number % 10 == 9 {
                    let more = tokio::time::timeout(20 * POLL, consumer.next()).await;
                    ensure!(more.is_err(), "a delivery beyond the prefetch, or one too many");
                    delivery.ack(BasicAckOptions { multiple: true }).await?;
                }
            }
            Ok(())
        })
        .await
}

async fn nack(client: &RustClient) -> Result<()> {
    client
        .with_queue(1, "nack", async |channel, queue| {
            publish(channel, "", queue, b"again").await?;
            let first = fetch(channel, queue, false).await?;
            ensure!(!first.redelivered, "the first delivery has the flag");
            first.nack(BasicNackOptions { multiple: false, requeue: true }).await?;
            let second = fetch(channel, queue, false).await?;
            ensure!(second.redelivered && second.data == b"again", "{second:?}");
            second.ack(BasicAckOptions::default()).await?;
            Ok(())
        })
        .await
}

async fn reject(client: &RustClient) -> Result<()> {
    client
        .with_queue(1, "reject", async |channel, queue| {
            publish(channel, "", queue, b"bad").await?;
            publish(channel, "", queue, b"good").await?;
            fetch(channel, queue, false).await?.reject(BasicRejectOptions { requeue: false }).await?;
            ensure!(fetch(channel, queue, true).await?.data == b"good", "another message");
            is_empty(channel, queue).await
        })
        .await
}

async fn mandatory(client: &RustClient) -> Result<()> {
    let (connection, channel) = client.open(1).await?;
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let key = format!("{}.nowhere", client.prefix);
    let confirm =
        channel.basic_publish("amq.direct".into(), key.into(), options, b"back", BasicProperties::default()).await?;
    let returned = confirm.await?.take_message().context("nothing was returned")?;
    ensure!(returned.reply_code == 312 && returned.reply_text == "NO_ROUTE".into(), "{returned:?}");
    ensure!(returned.delivery.data == b"back", "{returned:?}");
    Ok(connection.close(200, "".into()).await?)
}

async fn purge_and_delete(client: &RustClient) -> Result<()> {
    client
        .with_queue(1, "purge", async |channel, queue| {
            for _ in 0..5 {
                publish(channel, "", queue, b"x").await?;
            }
            let purged = channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await?;
            ensure!(purged == 5, "{purged} purged");
            publish(channel, "", queue, b"x").await?;
            for expected in [1, 0] {
                let deleted = channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
                ensure!(deleted == expected, "{deleted} deleted instead of {expected}");
            }
            Ok(())
        })
        .await
}

async fn across_nodes(client: &RustClient) -> Result<()> {
    client
        .with_queue(3, "across", async |third, queue| {
            let (consuming, second) = client.open(2).await?;
            let (publishing, first) = client.open(1).await?;
            let mut consumer = consume(&second, queue).await?;
            for number in 0..50_u8 {
                publish(&first, "", queue, &[number]).await?;
                let delivery = next(&mut consumer).await?;
                ensure!(delivery.data == [number], "{delivery:?} instead of {number}");
                delivery.ack(BasicAckOptions::default()).await?;
            }
            second.close(200, "".into()).await?;
            consuming.close(200, "".into()).await?;
            publishing.close(200, "".into()).await?;
            ensure!(depth(third, queue).await? == 0, "messages are left");
            Ok(())
        })
        .await
}

async fn missing_queue(client: &RustClient) -> Result<()> {
    let (connection, channel) = client.open(1).await?;
    let queue = format!("{}.missing", client.prefix);
    let Err(refused) = depth(&channel, &queue).await else { bail!("the queue is there") };
    let error = refused.downcast::<lapin::Error>()?;
    let ErrorKind::ProtocolError(error) = error.kind() else { bail!("{error}") };
    let expected = format!("NOT_FOUND - no queue '{queue}' in vhost '/'");
    ensure!(error.get_id() == 404 && error.get_message().as_str() == expected, "{error}");
    let second = connection.create_channel().await?;
    let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    second.exchange_declare("amq.topic".into(), ExchangeKind::Topic, options, FieldTable::default()).await?;
    Ok(connection.close(200, "".into()).await?)
}

async fn cancel(client: &RustClient) -> Result<()> {
    client
        .with_queue(1, "cancel", async |channel, queue| {
            let mut consumer = consume(channel, queue).await?;
            publish(channel, "", queue, b"before").await?;
            next(&mut consumer).await?.ack(BasicAckOptions::default()).await?;
            channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await?;
            publish(channel, "", queue, b"after").await?;
            ensure!(fetch(channel, queue, true).await?.data == b"after", "another message");
            Ok(())
        })
        .await
}
