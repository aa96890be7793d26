//! The queues of a run: declared before, counted, deleted afterwards.

use amqp_codec::{Method, methods::queue};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use types::{FieldTable, FieldValue, ShortStr};

use crate::{
    args::QueueType,
    client::{CHANNEL, CONNECT_TIME_MAX, Client, ConnectOptions, unexpected},
    uri::UriList,
};

/// A connection for declaring, with its channel open, to the first broker of the list that takes it.
///
/// # Errors
/// When none does: the first one's error.
pub(crate) async fn connect(uris: &UriList) -> Result<Client> {
    let options = ConnectOptions { heartbeat_s: 0, time_max: CONNECT_TIME_MAX };
    let mut first_error = None;
    for uri in uris.iter() {
        match Client::connect(uri, "perf control", options).await {
            Ok(mut client) => {
                client.open_channel().await?;
                return Ok(client);
            }
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    Err(first_error.context("no URI was given")?)
}

/// Declares a durable queue of that type.
///
/// # Errors
/// When the broker refuses; the channel is then closed.
pub(crate) async fn declare(client: &mut Client, name: &str, queue_type: QueueType) -> Result<()> {
    declare_ok(client, name, &durable(name, queue_type)?).await.map(drop)
}

/// What declares a durable queue of that type.
///
/// # Errors
/// When the name is too long.
pub(crate) fn durable(name: &str, queue_type: QueueType) -> Result<queue::Declare> {
    let mut arguments = FieldTable::default();
    if let Some(queue_type) = queue_type.argument() {
        let value = FieldValue::LongStr(Bytes::from_static(queue_type.as_bytes()));
        arguments.push(ShortStr::from_static("x-queue-type"), value);
    }
    Ok(queue::Declare { durable: true, passive: false, arguments, ..passive(name)? })
}

/// What declares a queue that goes with its connection.
///
/// # Errors
/// When the name is too long.
pub(crate) fn exclusive(name: &str) -> Result<queue::Declare> {
    Ok(queue::Declare { exclusive: true, passive: false, ..passive(name)? })
}

/// How many messages are ready in a queue.
///
/// # Errors
/// When there is no such queue.
pub(crate) async fn ready_messages(client: &mut Client, name: &str) -> Result<u64> {
    let ok = declare_ok(client, name, &passive(name)?).await?;
    Ok(u64::from(ok.message_count))
}

/// Deletes a queue; one that does not exist is no error.
///
/// # Errors
/// When the broker refuses.
pub(crate) async fn delete(client: &mut Client, name: &str) -> Result<()> {
    match client.call(CHANNEL, &delete_method(name)?).await.with_context(|| format!("cannot delete queue '{name}'"))? {
        Method::QueueDeleteOk(_) => Ok(()),
        other => Err(unexpected(&other)),
    }
}

/// What deletes a queue.
///
/// # Errors
/// When the name is too long.
pub(crate) fn delete_method(name: &str) -> Result<queue::Delete> {
    Ok(queue::Delete { queue: ShortStr::copy_from(name)?, if_unused: false, if_empty: false, no_wait: false })
}

fn passive(name: &str) -> Result<queue::Declare> {
    Ok(queue::Declare {
        queue: ShortStr::copy_from(name)?,
        passive: true,
        durable: false,
        exclusive: false,
        auto_delete: false,
        no_wait: false,
        arguments: FieldTable::default(),
    })
}

async fn declare_ok(client: &mut Client, name: &str, method: &queue::Declare) -> Result<queue::DeclareOk> {
    let verb = if method.passive { "find" } else { "declare" };
    match client.call(CHANNEL, method).await.with_context(|| format!("cannot {verb} queue '{name}'"))? {
        Method::QueueDeclareOk(ok) => Ok(ok),
        other => Err(unexpected(&other)),
    }
}
