//! Two of three nodes are gone: what the one that is left can still do, and that whoever asks for more is told so in time.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lapin::{
    BasicProperties, ErrorKind,
    options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use xtask::cluster::{Cluster, NODES};

use crate::{
    DEADLINE, block_on,
    report::Report,
    rust_client::{RustClient, consume, depth, publish},
};

const QUEUE: &str = "conformance.minority";
/// Messages that were confirmed while all nodes were there.
const CONFIRMED: u32 = 10;
/// How long a node may leave a question without answer: the broker's own limit is 15 s.
const PATIENCE: Duration = Duration::from_secs(40);
/// The node that is left.
const LEFT: usize = 1;

/// Runs on a cluster that is up; it is up afterwards.
pub fn run(cluster: &Cluster, report: &mut Report) {
    report.heading("one node without the others");
    let client = RustClient::new(&cluster.spec().uris());
    let others: Vec<usize> = (1..=NODES).filter(|node| *node != LEFT).collect();
    let prepared = block_on(prepare(&client)).and_then(|()| cluster.kill(&others));
    let is_prepared = prepared.is_ok();
    report.record("a cluster loses two nodes of three", prepared);
    if is_prepared {
        // All wait at the same time, so that the whole takes no longer than one of them.
        let [published, consumed, fetched, declared] = block_on(async {
            let (published, consumed, fetched, declared) = tokio::join!(
                limited(publish_in_minority(&client)),
                limited(consume_in_minority(&client)),
                limited(get_in_minority(&client)),
                limited(declare_in_minority(&client)),
            );
            Ok([published, consumed, fetched, declared])
        })
        .expect("the four results are values");
        report.record("without a majority a publish is answered with nack, and does not hang", published);
        report.record("without a majority basic.consume is refused with 541", consumed);
        report.record("without a majority basic.get is refused with 541", fetched);
        report.record("without a majority queue.declare is refused with 541", declared);
    }
    let back = cluster.start_all().and_then(|()| block_on(all_works(&client)));
    report.record("with a majority again everything works, and what was confirmed is there", back);
}

async fn limited<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(PATIENCE, future).await.context("no answer")?
}

async fn prepare(client: &RustClient) -> Result<()> {
    let (connection, channel) = client.open(LEFT).await?;
    channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await?;
    channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), FieldTable::default()).await?;
    for _ in 0..CONFIRMED {
        publish(&channel, "", QUEUE, b"confirmed").await?;
    }
    Ok(connection.close(200, "".into()).await?)
}

async fn publish_in_minority(client: &RustClient) -> Result<()> {
    let (connection, channel) = client.open(LEFT).await?;
    let send = async || {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel.basic_publish("".into(), QUEUE.into(), options, b"?", properties).await?.await
    };
    // The first is in flight when the broker gives up, the second comes later.
    for which in ["first", "second"] {
        let confirmation = send().await?;
        ensure!(confirmation.is_nack(), "the {which} publish was answered with {confirmation:?}");
    }
    Ok(connection.close(200, "".into()).await?)
}

async fn consume_in_minority(client: &RustClient) -> Result<()> {
    let (_connection, channel) = client.open(LEFT).await?;
    is_internal_error(consume(&channel, QUEUE).await.map(drop))
}

async fn get_in_minority(client: &RustClient) -> Result<()> {
    let (_connection, channel) = client.open(LEFT).await?;
    let got = channel.basic_get(QUEUE.into(), BasicGetOptions::default()).await;
    is_internal_error(got.map(drop).map_err(Into::into))
}

async fn declare_in_minority(client: &RustClient) -> Result<()> {
    let (_connection, channel) = client.open(LEFT).await?;
    let name = format!("{QUEUE}.new");
    let declared = channel.queue_declare(name.into(), QueueDeclareOptions::durable(), FieldTable::default()).await;
    is_internal_error(declared.map(drop).map_err(Into::into))
}

fn is_internal_error(result: Result<()>) -> Result<()> {
    let Err(error) = result else { bail!("it was done") };
    let error = error.downcast::<lapin::Error>()?;
    let ErrorKind::ProtocolError(error) = error.kind() else { bail!("{error}") };
    ensure!(error.get_id() == 541, "{error}");
    Ok(())
}

async fn all_works(client: &RustClient) -> Result<()> {
    let (connection, channel) = client.open(LEFT).await?;
    tokio::time::timeout(DEADLINE, publish(&channel, "", QUEUE, b"after")).await.context("no confirm")??;
    let there = depth(&channel, QUEUE).await?;
    // What was refused may have been applied all the same.
    ensure!((CONFIRMED + 1..=CONFIRMED + 3).contains(&there), "{there} messages are there");
    channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await?;
    channel.queue_delete(format!("{QUEUE}.new").into(), QueueDeleteOptions::default()).await?;
    Ok(connection.close(200, "".into()).await?)
}
