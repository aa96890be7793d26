//! What replication has for one connection, gathered until the connection's task takes it.
//!
//! Threads of replication push; the connection's task swaps the whole vector out, so a burst costs one wake-up. There is no
//! bound in the mailbox itself, because the protocol bounds what can be in it: an answer for each chunk in flight (the
//! connection's bytes in flight are limited), and for each consumer as many messages as its prefetch or credit allows.

use parking_lot::Mutex;
use queue::CancelReason;
use replication::{ChunkReplies, SessionDelivery};
use tokio::sync::{Notify, mpsc};
use types::{GroupId, SessionId};

use crate::{completion::Completion, listing};

/// Where mail goes within a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// The channel.
    pub(crate) channel: u16,
    /// Its session: another may have taken the channel's number.
    pub(crate) session: SessionId,
}

/// One thing that came in for a connection.
#[derive(Debug)]
pub(crate) enum Mail {
    /// The answers to a chunk.
    Replied {
        /// The channel.
        to: Address,
        /// Which chunk.
        token: u64,
        /// The answers.
        replies: ChunkReplies,
    },
    /// Messages for a consumer.
    Delivery {
        /// The channel.
        to: Address,
        /// The messages.
        delivery: SessionDelivery,
    },
    /// A consumer is over without its session's asking.
    Cancelled {
        /// The channel.
        to: Address,
        /// The consumer's number.
        number: u32,
        /// Why.
        reason: CancelReason,
    },
    /// The group has ended this node's sessions.
    SessionsLost(GroupId),
    /// A change of metadata that a channel waits for is done.
    Completed {
        /// The channel.
        to: Address,
        /// The channel's operation.
        operation: u64,
        /// How it ended.
        completion: Completion,
        /// Whether the other nodes have heard of it. If not, [`Mail::Spread`] follows.
        is_spread: bool,
    },
    /// The other nodes have heard of a change of metadata.
    Spread {
        /// The channel.
        to: Address,
        /// The channel's operation.
        operation: u64,
    },
    /// Others have had a turn: the channel goes on with what has waited.
    Resume {
        /// The channel.
        to: Address,
    },
    /// The node's alarm was raised or cleared.
    AlarmChanged,
    /// What was exclusive to the connection is gone.
    Released,
    /// An operator wants to know of this connection.
    Describe(mpsc::Sender<Box<listing::Connection>>),
    /// An operator ends this connection.
    ForceClose(String),
}

/// The mailbox of one connection.
#[derive(Debug, Default)]
pub struct Mailbox {
    mails: Mutex<Vec<Mail>>,
    wake: Notify,
}

impl Mailbox {
    /// Adds a mail; wakes the task when the box was empty.
    pub(crate) fn push(&self, mail: Mail) {
        let was_empty = {
            let mut mails = self.mails.lock();
            mails.push(mail);
            mails.len() == 1
        };
        if was_empty {
            self.wake.notify_one();
        }
    }

    /// Takes everything. `into` must be empty; its memory is used for what comes next.
    pub(crate) fn take(&self, into: &mut Vec<Mail>) {
        debug_assert!(into.is_empty(), "mail that was not read would be lost");
        std::mem::swap(&mut *self.mails.lock(), into);
    }

    /// Waits until there may be mail. May return without mail.
    ///
    /// Cancel safety: may be dropped and called again; no wake-up is lost.
    pub async fn arrived(&self) {
        if self.mails.lock().is_empty() {
            self.wake.notified().await;
        }
    }
}
