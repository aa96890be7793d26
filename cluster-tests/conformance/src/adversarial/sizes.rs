//! Bodies that are announced and too large, and the smallest and largest that are served.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{
    client::{CHANNEL_MAX, Client},
    field::{Field, within},
    memory::{MIB, peak},
};

use crate::wire::{CONTENT_HEADER, content_header, short};

/// The configured maximum when nothing is configured.
const MESSAGE_BYTES_MAX: u64 = 16 << 20;
/// A refusal needs neither the body nor another node.
const AT_ONCE: Duration = Duration::from_secs(3);
/// A body of 16 MiB crosses to every node and to disk.
const TRANSFER: Duration = Duration::from_secs(15);

pub(super) fn body_of_eight_exbibytes(field: &Field<'_>) -> Result<String> {
    body_is_refused(field, 1 << 63)?;
    body_is_refused(field, u64::MAX)
}

pub(super) fn body_above_maximum(field: &Field<'_>) -> Result<String> {
    body_is_refused(field, MESSAGE_BYTES_MAX + 1)
}

fn body_is_refused(field: &Field<'_>, size: u64) -> Result<String> {
    let (text, growth) = peak(field, || {
        let mut client = field.client(1)?;
        client.peer.send_publish(1, "", "nobody", size)?;
        let (text, _) = within(AT_ONCE, "the refusal", || client.channel_closed(406))?;
        let expected =
            format!("PRECONDITION_FAILED - message size {size} is larger than configured max size {MESSAGE_BYTES_MAX}");
        ensure!(text == expected, "{text:?} instead of {expected:?}");
        Ok(text)
    })?;
    growth.at_most(64 * MIB)?;
    Ok(text)
}

/// Every channel of a connection announces the largest body that is allowed.
pub(super) fn bodies_that_do_not_come(field: &Field<'_>) -> Result<String> {
    let ((), growth) = peak(field, || {
        let mut client = field.client(2)?;
        for channel in 2..=CHANNEL_MAX {
            client.peer.open_channel(channel)?;
        }
        let publish = [vec![0, 0], short(""), short("nobody"), vec![0]].concat();
        for channel in 2..=CHANNEL_MAX {
            client.peer.send_method(channel, (60, 40), &publish)?;
            client.peer.send_frame(CONTENT_HEADER, channel, &content_header(60, MESSAGE_BYTES_MAX))?;
        }
        // Channel 1 is served after all of that was read.
        client.declare(&field.name("announced"))?;
        client.delete_queue(&field.name("announced"))
    })?;
    growth.at_most(128 * MIB)?;
    Ok(format!("memory +{growth}"))
}

pub(super) fn empty_bodies(field: &Field<'_>) -> Result<String> {
    through_every_node(field, "empty", &[])
}

pub(super) fn largest_body(field: &Field<'_>) -> Result<String> {
    let body = (0..MESSAGE_BYTES_MAX).map(|at| (at % 251).to_le_bytes()[0]).collect::<Vec<_>>();
    through_every_node(field, "largest", &body)
}

/// Publishes on each node and gets it on the next.
fn through_every_node(field: &Field<'_>, name: &str, body: &[u8]) -> Result<String> {
    let queue = field.name(name);
    field.client(1)?.declare(&queue)?;
    let mut slowest = Duration::ZERO;
    for node in 1..=3 {
        let (mut publisher, mut consumer) = (field.client(node)?, field.client(node + 1)?);
        let ((), took) = within(TRANSFER, "a message", || transfer(&mut publisher, &mut consumer, &queue, body))?;
        slowest = slowest.max(took);
    }
    field.client(1)?.delete_queue(&queue)?;
    Ok(format!("{} bytes, the slowest in {} ms", body.len(), slowest.as_millis()))
}

fn transfer(publisher: &mut Client, consumer: &mut Client, queue: &str, body: &[u8]) -> Result<()> {
    publisher.select_confirms()?;
    publisher.publish("", queue, body)?;
    publisher.confirmed(1..=1)?;
    let (_, got) = consumer.get(queue)?;
    ensure!(got == body, "another body of {} bytes came", got.len());
    Ok(())
}
