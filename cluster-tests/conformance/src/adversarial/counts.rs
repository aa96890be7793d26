//! More queues and bindings than anybody needs.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};

use super::{
    client::{EXCLUSIVE, declare},
    field::{Field, count, within},
    memory::{MIB, peak},
};

/// What a queue may cost a node. Unit: bytes.
const QUEUE_BYTES_MAX: u64 = 16 * 1024;
/// What each node may cost besides: buffers, caches, what the log holds in memory. Unit: bytes.
const OVERHEAD_BYTES: u64 = 512 * MIB;
/// Clients that bind at the same time.
const BINDERS: usize = 8;
/// Every declare and every binding is replicated and on disk when it is answered. Far more than that takes. Unit: milliseconds.
const EACH_MS_MAX: u64 = 25;
/// Between two looks at whether queues are gone.
const POLL: Duration = Duration::from_millis(200);

pub(super) fn queues(field: &Field<'_>) -> Result<String> {
    let queues = count("CONFORMANCE_QUEUES", 4_000)?;
    let limit = limit(queues);
    let name = |number: u32| field.name(&format!("exclusive.{number}"));
    let mut client = field.client(1)?;
    let (((), took), growth) = peak(field, || {
        within(limit, "declaring", || {
            client.repeat(queues, ((50, 10), (50, 11)), |number| declare(&name(number), EXCLUSIVE, &[]))
        })
    })?;
    growth.at_most(OVERHEAD_BYTES + QUEUE_BYTES_MAX * u64::from(queues))?;
    // All are there, and can be used.
    client.select_confirms()?;
    for number in [0, queues / 2, queues - 1] {
        client.publish("", &name(number), b"x")?;
    }
    client.confirmed(1..=3)?;
    ensure!(client.depth(&name(queues - 1))? == 1, "the message is not in the last queue");
    drop(client);
    let begin = Instant::now();
    for number in [queues - 1, 0] {
        while !is_gone(field, &name(number))? {
            ensure!(begin.elapsed() < limit, "queues are still there {:?} after their connection", begin.elapsed());
            thread::sleep(POLL);
        }
    }
    Ok(format!(
        "{queues} queues in {:.1} s, gone {:.1} s after their connection; memory +{growth}, {} bytes per queue",
        took.as_secs_f64(),
        begin.elapsed().as_secs_f64(),
        growth.most() / u64::from(queues),
    ))
}

/// Whether no such queue is there any more.
fn is_gone(field: &Field<'_>, queue: &str) -> Result<bool> {
    let mut client = field.client(2)?;
    let passive = 1;
    client.peer.send_method(1, (50, 10), &declare(queue, passive, &[]))?;
    // 404 when it is gone, 405 while it belongs to another.
    let close = client.peer.expect_close()?;
    ensure!([404, 405].contains(&close.code), "{close:?}");
    Ok(close.code == 404)
}

pub(super) fn bindings(field: &Field<'_>) -> Result<String> {
    let bindings = count("CONFORMANCE_BINDINGS", 20_000)?;
    let limit = limit(bindings);
    let [exchange, queue] = ["bound", "many"].map(|name| field.name(name));
    let mut client = field.client(1)?;
    client.declare(&queue)?;
    client.declare_exchange(&exchange, "topic")?;
    let keys = random_keys(bindings);
    let (((), bound), growth) = peak(field, || within(limit, "binding", || bind_all(field, &queue, &exchange, &keys)))?;
    client.select_confirms()?;
    client.publish(&exchange, &keys[keys.len() / 2], b"x")?;
    client.confirmed(1..=1)?;
    ensure!(client.depth(&queue)? == 1, "a message was not routed");
    let ((), deleted) = within(limit, "deleting the queue", || client.delete_queue(&queue))?;
    // Nothing of them is left in the way of the exchange.
    client.delete_exchange(&exchange)?;
    let (bound, deleted) = (bound.as_secs_f64(), deleted.as_secs_f64());
    Ok(format!("{bindings} bindings in {bound:.1} s, deleted in {deleted:.1} s; memory +{growth}"))
}

fn bind_all(field: &Field<'_>, queue: &str, exchange: &str, keys: &[String]) -> Result<()> {
    thread::scope(|scope| {
        let parts = keys.chunks(keys.len().div_ceil(BINDERS));
        let bind = |(at, keys)| move || field.client(at)?.bind_all(queue, exchange, keys);
        let binders = (1..).zip(parts).map(|part| scope.spawn(bind(part))).collect::<Vec<_>>();
        binders.into_iter().try_for_each(|binder| binder.join().map_err(|_| anyhow!("a client panicked"))?)
    })
}

/// How long so many declares or bindings may take.
fn limit(count: u32) -> Duration {
    Duration::from_millis(30_000 + EACH_MS_MAX * u64::from(count))
}

/// Keys of some words, from a small generator: any fixed sequence would do.
fn random_keys(count: u32) -> Vec<String> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let key = |number: u32| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("{:x}.{:x}.{:x}.{number}", state >> 48, state >> 32 & 0xFFFF, state & 0xFFFF_FFFF)
    };
    (0..count).map(key).collect()
}
