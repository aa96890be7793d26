//! Clients that read nothing, or write without a break.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{
    client::Client,
    field::{Field, within},
    memory::{MIB, Memory, peak},
};
use crate::wire::short;

/// A message in these tests. Unit: bytes.
const BODY_BYTES: usize = 64 * 1024;
/// 200 MB for a consumer that does not read.
const FOR_DEAF_CONSUMER: u64 = 3052;
/// 100 MB that nobody waits for.
const FLOOD: u64 = 1526;
/// Unconfirmed messages of the publisher that waits for confirms.
const WINDOW: u64 = 64;
/// What a node may hold of all that: caches and write buffers, which are bounded, but not the messages themselves and a copy for
/// each place they pass. Unit: bytes.
const GROWTH_MAX: u64 = 640 * MIB;
/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(90);

pub(super) fn deaf_consumer(field: &Field<'_>) -> Result<String> {
    let queue = field.name("deaf");
    field.client(1)?.declare(&queue)?;
    let mut consumer = field.client(1)?;
    consumer.consume(&queue)?;
    let (((), published), growth) = peak(field, || within(PATIENCE, "publishing", || publish_for_deaf(field, &queue)))?;
    growth.at_most(GROWTH_MAX)?;
    let (((), read), reading) = peak(field, || within(PATIENCE, "reading", || read_in_order(&mut consumer)))?;
    reading.at_most(GROWTH_MAX)?;
    let depth = field.client(3)?.depth(&queue)?;
    ensure!(depth == 0, "{depth} messages are left");
    field.client(1)?.delete_queue(&queue)?;
    Ok(format!(
        "published in {:.1} s, memory +{growth}; read in {:.1} s, memory +{reading}",
        published.as_secs_f64(),
        read.as_secs_f64()
    ))
}

fn publish_for_deaf(field: &Field<'_>, queue: &str) -> Result<()> {
    let mut publisher = field.client(2)?;
    publisher.select_confirms()?;
    for first in (0..FOR_DEAF_CONSUMER).step_by(usize::try_from(WINDOW)?) {
        let end = FOR_DEAF_CONSUMER.min(first + WINDOW);
        for number in first..end {
            publisher.publish("", queue, &body(number))?;
        }
        publisher.confirmed(first + 1..=end)?;
    }
    Ok(())
}

fn read_in_order(consumer: &mut Client) -> Result<()> {
    for number in 0..FOR_DEAF_CONSUMER {
        let (_, got) = consumer.delivery().with_context(|| format!("{number} of {FOR_DEAF_CONSUMER} came"))?;
        ensure!(got == body(number), "another message came instead of {number}");
    }
    Ok(())
}

pub(super) fn flood(field: &Field<'_>) -> Result<String> {
    let queue = field.name("flood");
    let mut publisher = field.client(3)?;
    publisher.declare(&queue)?;
    let ((depth, took), growth) = peak(field, || {
        within(PATIENCE, "the flood", || {
            for number in 0..FLOOD {
                publisher.publish("", &queue, &body(number))?;
            }
            // Answered behind all publishes.
            publisher.depth(&queue)
        })
    })?;
    growth.at_most(GROWTH_MAX)?;
    ensure!(u64::from(depth) == FLOOD, "{depth} of {FLOOD} messages are there");
    let (_, first) = field.client(1)?.get(&queue)?;
    ensure!(first == body(0), "the first message is another one");
    publisher.delete_queue(&queue)?;
    Ok(format!("100 MB in {:.1} s, memory +{growth}", took.as_secs_f64()))
}

/// Asks for a large message over and over and reads none.
pub(super) fn deaf_asker(field: &Field<'_>) -> Result<String> {
    let queue = field.name("asked");
    let mut client = field.client(1)?;
    client.declare(&queue)?;
    client.select_confirms()?;
    let count = 2 * WINDOW;
    for number in 0..count {
        client.publish("", &queue, &vec![0; 1 << 20])?;
        client.confirmed(number + 1..=number + 1)?;
    }
    let (read, growth): (u64, Memory) = peak(field, || ask_and_read_late(field, &queue, count))?;
    growth.at_most(GROWTH_MAX)?;
    ensure!(read == count, "{read} of {count} messages came");
    client.delete_queue(&queue)?;
    Ok(format!("{count} MiB were asked for at once; memory +{growth}"))
}

fn ask_and_read_late(field: &Field<'_>, queue: &str, count: u64) -> Result<u64> {
    let mut asker = field.client(1)?;
    let get = [vec![0, 0], short(queue), vec![0]].concat();
    for _ in 0..count {
        asker.peer.send_method(1, (60, 70), &get)?;
    }
    // Meanwhile others are served.
    let other = field.name("other");
    let mut client = field.client(1)?;
    client.declare(&other)?;
    client.delete_queue(&other)?;
    (0..count).try_fold(0, |read, _| asker.got().map(|_| read + 1))
}

/// Some bytes that tell which message it is.
fn body(number: u64) -> Vec<u8> {
    let mut body = vec![number.to_le_bytes()[0]; BODY_BYTES];
    body[..8].copy_from_slice(&number.to_be_bytes());
    body
}
