//! A publisher that never stops: when its node goes, it goes on with another, and remembers what was confirmed.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use futures_util::{StreamExt, stream::FuturesUnordered};
use lapin::{
    BasicProperties, Channel,
    options::{BasicPublishOptions, BasicQosOptions, QueueDeclareOptions},
    types::FieldTable,
};

use super::nodes::POLL;
use crate::{
    DEADLINE, block_on,
    rust_client::{RustClient, bounded, consume, depth, next},
};

pub(super) const QUEUE: &str = "conformance.life";
/// Messages that are unconfirmed at the same time.
const WINDOW: usize = 50;
/// Ports of the nodes that the publisher tries, beside that of the first.
const OTHERS: [u16; 2] = [1, 2];

/// What was confirmed.
#[derive(Debug)]
pub(super) struct Confirmed {
    pub(super) ids: BTreeSet<u64>,
    /// The longest time without a confirm.
    pub(super) gap_ms: u128,
}

/// The publisher's thread, and what it tells.
#[derive(Debug)]
pub(super) struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<Confirmed>>,
}

#[derive(Debug, Default)]
struct Shared {
    confirmed: AtomicUsize,
    over: AtomicBool,
}

impl Load {
    /// Declares the queue and begins; the first three nodes are tried in turn.
    pub(super) fn start(uris: Vec<String>) -> Result<Self> {
        let first = uris.first().context("no node")?.clone();
        let all = std::iter::once(Ok(first.clone())).chain(OTHERS.iter().map(|step| neighbour(&first, *step)));
        let client = RustClient::new(&all.collect::<Result<Vec<_>>>()?);
        block_on(bounded(async {
            let (connection, channel) = client.open(1).await?;
            channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), FieldTable::default()).await?;
            Ok(connection.close(200, "".into()).await?)
        }))?;
        let shared = Arc::<Shared>::default();
        let of_thread = Arc::clone(&shared);
        let thread = thread::spawn(move || block_on(publish(&client, &of_thread)));
        Ok(Load { shared, thread })
    }

    /// Waits until so many more messages are confirmed.
    pub(super) fn goes_on(&self, count: usize) -> Result<()> {
        let wanted = self.shared.confirmed.load(Ordering::Relaxed) + count;
        let begin = Instant::now();
        while self.shared.confirmed.load(Ordering::Relaxed) < wanted {
            ensure!(!self.thread.is_finished(), "the publisher ended");
            ensure!(begin.elapsed() < 2 * DEADLINE, "messages are not confirmed any more");
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Ends; tells what was confirmed.
    pub(super) fn stop(self) -> Result<Confirmed> {
        self.shared.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the publisher panicked"))?
    }
}

/// The URI of a node whose port is higher by so much.
fn neighbour(uri: &str, step: u16) -> Result<String> {
    let (start, rest) = uri.rsplit_once(':').context("a port")?;
    let (port, path) = rest.split_once('/').context("a path")?;
    Ok(format!("{start}:{}/{path}", port.parse::<u16>()? + step))
}

async fn publish(client: &RustClient, shared: &Shared) -> Result<Confirmed> {
    let mut confirmed = Confirmed { ids: BTreeSet::new(), gap_ms: 0 };
    let (mut number, mut node) = (0, 1);
    let mut last = Instant::now();
    while !shared.over.load(Ordering::Relaxed) {
        // A node that is away is passed over; what was unconfirmed is left to its fate.
        let opened = tokio::time::timeout(Duration::from_secs(2), client.open(node)).await;
        node += 1;
        let Ok(Ok((_connection, channel))) = opened else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let mut unconfirmed = FuturesUnordered::new();
        while !shared.over.load(Ordering::Relaxed) || !unconfirmed.is_empty() {
            if !shared.over.load(Ordering::Relaxed) {
                let Ok(confirm) = send(&channel, number).await else { break };
                let id = number;
                unconfirmed.push(async move { (id, confirm.await) });
                number += 1;
                if unconfirmed.len() < WINDOW {
                    continue;
                }
            }
            let answer = tokio::time::timeout(DEADLINE, unconfirmed.next()).await.context("no confirm and no error")?;
            let Some((id, Ok(confirmation))) = answer else { break };
            if confirmation.is_ack() {
                confirmed.gap_ms = confirmed.gap_ms.max(last.elapsed().as_millis());
                last = Instant::now();
                confirmed.ids.insert(id);
                shared.confirmed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    Ok(confirmed)
}

async fn send(channel: &Channel, number: u64) -> Result<lapin::PublisherConfirm, lapin::Error> {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let body = number.to_string();
    channel.basic_publish("".into(), QUEUE.into(), BasicPublishOptions::default(), body.as_bytes(), properties).await
}

/// Looks at everything in the queue, and leaves it there.
pub(super) fn compare(uris: &[String], confirmed: &Confirmed) -> Result<()> {
    block_on(async {
        let (connection, channel) = RustClient::new(uris).open(2).await?;
        let there = depth(&channel, QUEUE).await?;
        channel.basic_qos(0, BasicQosOptions::default()).await?;
        let mut consumer = consume(&channel, QUEUE).await?;
        let mut seen = BTreeSet::new();
        let mut last = None;
        for count in 0..there {
            let delivery = next(&mut consumer).await.with_context(|| format!("{count} of {there} messages came"))?;
            let id: u64 = std::str::from_utf8(&delivery.data)?.parse()?;
            ensure!(last < Some(id), "message {id} came after {last:?}");
            last = Some(id);
            seen.insert(id);
        }
        let lost = confirmed.ids.difference(&seen).count();
        ensure!(lost == 0, "{lost} of {} confirmed messages were lost ({there} are there)", confirmed.ids.len());
        // What was not acknowledged goes back.
        Ok(connection.close(200, "".into()).await?)
    })
}
