//! `kill -9` of all three nodes at once under load: whatever was confirmed is there afterwards.

use std::{
    collections::BTreeSet,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use anyhow::{Context, Result, anyhow, ensure};
use futures_util::{StreamExt, stream::FuturesUnordered};
use lapin::{
    BasicProperties, Channel, PublisherConfirm,
    options::{BasicAckOptions, BasicPublishOptions, BasicQosOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use xtask::cluster::{Cluster, NODES};

use crate::{
    DEADLINE, block_on,
    report::Report,
    rust_client::{RustClient, bounded, consume, depth, next},
};

const QUEUE: &str = "conformance.power-loss";
/// Publishers, each through a node of its own.
const PUBLISHERS: usize = NODES;
/// Messages that each publisher has unconfirmed.
const WINDOW: usize = 500;
/// The nodes are killed when so many messages are confirmed, in each round.
const CONFIRMED_BEFORE_KILL: usize = 20_000;
/// How often all nodes are killed. The second time, the log that the first left is in use.
const ROUNDS: usize = 2;
/// Publisher of a message and its number there.
type Id = (usize, u64);

/// What the publishers share with the one who kills.
#[derive(Debug)]
struct Load {
    confirmed: AtomicUsize,
    /// Told once, when enough is confirmed.
    enough: SyncSender<()>,
    over: AtomicBool,
}

/// Runs the rounds on a cluster that is up; it is up afterwards.
pub fn run(cluster: &Cluster, report: &mut Report) {
    report.heading("all nodes lost at once");
    let uris = cluster.spec().uris();
    for round in 1..=ROUNDS {
        let behaviour = format!("every confirmed message is there after kill -9 of all nodes (round {round})");
        report.record(&behaviour, one_round(cluster, &uris));
    }
}

fn one_round(cluster: &Cluster, uris: &[String]) -> Result<()> {
    let client = RustClient::new(uris);
    block_on(bounded(declare(&client)))?;
    let (enough, wait) = sync_channel(1);
    let load = Load { confirmed: AtomicUsize::new(0), enough, over: AtomicBool::new(false) };
    let confirmed = thread::scope(|scope| {
        let publish = |publisher| {
            let (client, load) = (&client, &load);
            move || block_on(publish(client, publisher, load))
        };
        let publishers = (0..PUBLISHERS).map(|publisher| scope.spawn(publish(publisher))).collect::<Vec<_>>();
        let killed = kill_under_load(cluster, &wait);
        load.over.store(true, Ordering::Relaxed);
        let mut confirmed = BTreeSet::new();
        for publisher in publishers {
            confirmed.extend(publisher.join().map_err(|_| anyhow!("a publisher panicked"))??);
        }
        killed.map(|()| confirmed)
    })?;
    cluster.start_all().context("the cluster did not come back")?;
    block_on(compare(&client, &confirmed))
}

async fn declare(client: &RustClient) -> Result<()> {
    let (connection, channel) = client.open(1).await?;
    channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await?;
    channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), FieldTable::default()).await?;
    Ok(connection.close(200, "".into()).await?)
}

fn kill_under_load(cluster: &Cluster, enough: &Receiver<()>) -> Result<()> {
    enough.recv_timeout(3 * DEADLINE).context("too few messages were confirmed")?;
    cluster.kill(&(1..=NODES).collect::<Vec<_>>())
}

/// Publishes until the connection is lost; returns what was confirmed.
async fn publish(client: &RustClient, publisher: usize, load: &Load) -> Result<Vec<Id>> {
    let (_connection, channel) = client.open(publisher + 1).await?;
    let (mut unconfirmed, mut confirmed) = (FuturesUnordered::new(), Vec::new());
    for number in 0.. {
        let Ok(confirm) = send(&channel, publisher, number).await else { break };
        unconfirmed.push(async move { (number, confirm.await) });
        if unconfirmed.len() < WINDOW {
            continue;
        }
        let answer = tokio::time::timeout(DEADLINE, unconfirmed.next()).await.context("no confirm and no error")?;
        let Some((number, Ok(confirmation))) = answer else { break };
        ensure!(confirmation.is_ack(), "a nack");
        confirmed.push((publisher, number));
        if load.confirmed.fetch_add(1, Ordering::Relaxed) + 1 == CONFIRMED_BEFORE_KILL {
            load.enough.send(()).context("nobody waits for the load")?;
        }
        if load.over.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(confirmed)
}

async fn send(channel: &Channel, publisher: usize, number: u64) -> Result<PublisherConfirm, lapin::Error> {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let body = format!("{publisher} {number}");
    channel.basic_publish("".into(), QUEUE.into(), BasicPublishOptions::default(), body.as_bytes(), properties).await
}

/// Consumes everything: all that was confirmed is there, once, and in the order of each publisher.
async fn compare(client: &RustClient, confirmed: &BTreeSet<Id>) -> Result<()> {
    let (connection, channel) = client.open(2).await?;
    let there = depth(&channel, QUEUE).await?;
    channel.basic_qos(500, BasicQosOptions::default()).await?;
    let mut consumer = consume(&channel, QUEUE).await?;
    let mut seen = BTreeSet::new();
    let mut last = [None; PUBLISHERS];
    for number in 0..there {
        let delivery = next(&mut consumer).await.with_context(|| format!("{number} of {there} messages came"))?;
        let body = std::str::from_utf8(&delivery.data)?;
        let (publisher, number) = body.split_once(' ').context("a body that nobody published")?;
        let id: Id = (publisher.parse()?, number.parse()?);
        ensure!(last[id.0] < Some(id.1), "message {} of publisher {} after {:?}", id.1, id.0, last[id.0]);
        last[id.0] = Some(id.1);
        seen.insert(id);
        delivery.ack(BasicAckOptions::default()).await?;
    }
    let lost = confirmed.difference(&seen).count();
    ensure!(lost == 0, "{lost} of {} confirmed messages were lost ({} are there)", confirmed.len(), seen.len());
    channel.close(200, "".into()).await?;
    Ok(connection.close(200, "".into()).await?)
}
