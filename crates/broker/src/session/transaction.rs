//! Transactions: what a client publishes and settles after `tx.select` is gathered, and done at `tx.commit` in one go.
//!
//! As in RabbitMQ a commit is not atomic across queues: `tx.commit-ok` says that all of it was done, `partial tx completion`
//! that some of it was not. Permissions are checked and routes are found as messages come, returns are sent at the commit.

use std::mem;

use amqp_codec::methods::{Method, tx};
use amqp_connection::{Body, Publish, SettledList, Verb};
use bytes::Bytes;

use super::{
    channel::{Caller, Channel, EVENT_BYTES},
    confirm::Fate,
    operation::Step,
    publish::Routed,
    shared::{Context, Shared},
};
use crate::failure::Failure;

/// What a transaction has gathered.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    publishes: Vec<(Publish, Routed)>,
    settlements: Vec<(Verb, SettledList)>,
    /// What the publishes weigh, in the connection's `transaction_bytes` too. Unit: bytes.
    bytes: usize,
    /// Chunks of the commit that are not answered.
    chunks_due: usize,
    /// Part of the commit was not done.
    has_failed: bool,
}

impl Channel {
    /// Keeps a message until the commit.
    pub(crate) fn keep_publish(
        &mut self,
        shared: &mut Shared,
        publish: &Publish,
        routed: Routed,
    ) -> Result<(), Failure> {
        let bytes = EVENT_BYTES + publish.properties.len() + publish.body.len();
        let most = shared.broker.config().in_flight_bytes_max;
        if shared.transaction_bytes + bytes > most {
            return Err(Failure::precondition(format!("transaction holds more than {most} bytes of messages")));
        }
        shared.transaction_bytes += bytes;
        self.transaction.bytes += bytes;
        self.transaction.publishes.push((compacted(publish), routed));
        Ok(())
    }

    /// Keeps settlements until the commit. (The connection bounds how many there are.)
    pub(crate) fn keep_settlement(&mut self, verb: Verb, deliveries: &SettledList) {
        self.transaction.settlements.push((verb, deliveries.clone()));
    }

    /// Does what was gathered. The answer comes when all groups have answered.
    pub(crate) fn commit(&mut self, cx: &mut Context<'_>, caller: Caller) -> Result<(), Failure> {
        let Transaction { publishes, settlements, .. } = self.forget_transaction(cx.shared);
        for (publish, routed) in &publishes {
            self.send_on(cx, publish, routed);
        }
        for (verb, deliveries) in &settlements {
            self.settle(cx, *verb, deliveries)?;
        }
        self.transaction.chunks_due = self.outbox.mark_commit();
        if self.transaction.chunks_due == 0 {
            self.send(cx, tx::CommitOk);
        } else {
            self.operations.set(caller, Step::Commit);
        }
        Ok(())
    }

    /// Drops what was gathered. What the client had settled it may settle again.
    pub(crate) fn roll_back(&mut self, cx: &mut Context<'_>) {
        self.forget_transaction(cx.shared);
        self.send(cx, tx::RollbackOk);
    }

    /// Takes what was gathered out.
    pub(crate) fn forget_transaction(&mut self, shared: &mut Shared) -> Transaction {
        let transaction = mem::take(&mut self.transaction);
        shared.transaction_bytes -= transaction.bytes;
        transaction
    }

    /// A chunk of the commit is answered.
    pub(crate) fn commit_answered(&mut self, cx: &mut Context<'_>, fate: Fate<'_>) {
        self.transaction.has_failed |= fate != Fate::Applied(&[]);
        self.transaction.chunks_due = self.transaction.chunks_due.saturating_sub(1);
        if self.transaction.chunks_due > 0 {
            return;
        }
        let has_failed = mem::take(&mut self.transaction.has_failed);
        let Some(caller) = self.operations.take_commit() else { return };
        if has_failed {
            self.fail(cx, &Failure::precondition("partial tx completion"), caller);
        } else {
            self.send(cx, Method::from(tx::CommitOk));
        }
        self.resume(cx);
    }
}

/// The message in memory of its own: a transaction may last, and a slice keeps a whole receive buffer alive.
fn compacted(publish: &Publish) -> Publish {
    let body: Vec<u8> = publish.body.pieces().concat();
    Publish {
        exchange: publish.exchange.compact(),
        routing_key: publish.routing_key.compact(),
        properties: Bytes::copy_from_slice(&publish.properties),
        body: Body::from(Bytes::from(body)),
        ..publish.clone()
    }
}
