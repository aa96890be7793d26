//! What the connection tells the broker.

use std::fmt;

use amqp_codec::methods::Method;
use bytes::Bytes;
use types::{FieldTable, QueueId, SeqRange, ShortStr};

use crate::{Body, Origin};

/// Something that a client asked for, or that came to an end.
///
/// Names and texts are slices of the receive buffer: what outlives the handling of the event should be
/// [compacted](ShortStr::compact).
#[derive(Clone, PartialEq)]
pub enum Event {
    /// The client wants to log in. Answer: `login_ok`, `challenge` or `login_refused`. No input is read until then.
    Login {
        /// One of the mechanisms offered.
        mechanism: ShortStr,
        /// The mechanism's initial response.
        response: Bytes,
        /// What the client says of itself (`product`, `version`, `connection_name`, ...).
        client_properties: FieldTable,
    },
    /// The answer to a challenge. To be answered like [`Event::Login`].
    LoginResponse {
        /// The mechanism's next response.
        response: Bytes,
    },
    /// The client opens a virtual host. Answer: `open_ok` or `hard_error`. No input is read until then.
    Open {
        /// Its name.
        vhost: ShortStr,
    },
    /// The client's credentials have changed (an OAuth token, as a rule). Answer: `update_secret_ok` or
    /// `update_secret_refused`. No input is read until then.
    UpdateSecret {
        /// What the mechanism takes for a password from now on.
        new_secret: Bytes,
        /// Why the client changes it, for the log.
        reason: ShortStr,
    },
    /// A session begins. The client is answered by the connection.
    ChannelOpened {
        /// The channel's number.
        channel: u16,
    },
    /// The session is over, for whatever reason: exactly once for each [`Event::ChannelOpened`]. Nothing more comes from it,
    /// and nothing that is sent to it reaches the client.
    ChannelClosed {
        /// The channel's number; free for another session from now on.
        channel: u16,
    },
    /// `exchange.*`, `queue.*`, `basic.qos`, `basic.consume`, `basic.cancel`, `basic.get`, `tx.commit`, `tx.rollback`: the
    /// broker answers with `send`, `get_ok`, `soft_error` or `hard_error`, unless the method says no-wait.
    ///
    /// `tx.select` is answered by the connection. From then on publishes and settlements say that they are transactional: the
    /// broker gathers them, does them at `tx.commit` (a settlement's messages are still the client's, and count as such, until
    /// then) and drops them at `tx.rollback`, after which the client may settle the same deliveries again. Until the broker has
    /// sent `tx.commit-ok`, or failed the channel, the client may say nothing else on it.
    Method {
        /// The channel.
        channel: u16,
        /// What is asked.
        method: Method,
    },
    /// A message to route.
    Publish {
        /// The channel.
        channel: u16,
        /// The message.
        publish: Publish,
    },
    /// The client is done with messages. Consecutive settlements of a channel with the same verb may come as one event.
    Settle {
        /// The channel.
        channel: u16,
        /// What becomes of them.
        verb: Verb,
        /// Which.
        deliveries: SettledList,
        /// It counts from the transaction's commit on.
        transactional: bool,
    },
    /// `basic.recover`: everything that the channel holds goes back to its queues. It is not held any more.
    Recover {
        /// The channel.
        channel: u16,
        /// What was held.
        deliveries: SettledList,
        /// The client waits for `basic.recover-ok` (which the broker sends).
        has_reply: bool,
    },
    /// The connection is over, after a `ChannelClosed` for each session; the last event. The broker calls
    /// [`Connection::release`](crate::Connection::release) when what belonged to the connection (exclusive queues) is gone.
    Closed,
}

/// A published message, checked for size and for the layout of its properties.
#[derive(Clone, PartialEq)]
pub struct Publish {
    /// The exchange; empty for the default exchange.
    pub exchange: ShortStr,
    /// The routing key.
    pub routing_key: ShortStr,
    /// The client wants it back when no queue takes it.
    pub mandatory: bool,
    /// The content header's property flags and property list as they came.
    pub properties: Bytes,
    /// The body, in the pieces in which it came.
    pub body: Body,
    /// In confirm mode, the number to give to `confirm` (from 1, without gap).
    pub confirm_seq: Option<u64>,
    /// It counts from the transaction's commit on; its return, too, is sent then.
    pub transactional: bool,
}

/// What becomes of messages that a client settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Done (`basic.ack`).
    Ack,
    /// Refused for good (`basic.reject`, `basic.nack` with requeue=false).
    Discard,
    /// Back to the queue.
    Requeue {
        /// Whether the delivery counts as failed: yes for `basic.reject`, no for `basic.nack`.
        failed: bool,
    },
}

/// Deliveries of one consumer from one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settled {
    /// The consumer's number within the session; zero for `basic.get`.
    pub consumer: u32,
    /// The queue.
    pub queue: QueueId,
    /// Delivery sequence numbers.
    pub range: SeqRange,
}

/// A list of settled deliveries in the order of their delivery tags, neighbouring ones of the same origin merged. The usual
/// list of one needs no memory of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettledList {
    list: List,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum List {
    #[default]
    Empty,
    One(Settled),
    Many(Vec<Settled>),
}

/// How many of the last entries are tried before a delivery starts an entry of its own: enough for the deliveries of a few
/// consumers in turn, without making a long list quadratic.
const MERGE_WINDOW: usize = 8;

impl SettledList {
    /// The entries. Those of one (consumer, queue) need not be adjacent.
    pub fn as_slice(&self) -> &[Settled] {
        match &self.list {
            List::Empty => &[],
            List::One(one) => std::slice::from_ref(one),
            List::Many(many) => many,
        }
    }

    /// The entries, one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Settled> {
        self.as_slice().iter()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// How many deliveries the entries stand for.
    pub fn delivery_count(&self) -> u64 {
        self.iter().map(|settled| settled.range.count()).sum()
    }

    /// Adds one delivery.
    pub(crate) fn push(&mut self, origin: Origin) {
        self.push_range(Settled { consumer: origin.consumer, queue: origin.queue, range: SeqRange::one(origin.seq) });
    }

    /// Adds all of another list.
    pub(crate) fn append(&mut self, other: &SettledList) {
        for settled in other {
            self.push_range(*settled);
        }
    }

    fn push_range(&mut self, new: Settled) {
        let entries: &mut [Settled] = match &mut self.list {
            List::Empty => &mut [],
            List::One(one) => std::slice::from_mut(one),
            List::Many(many) => many,
        };
        let same = |entry: &&mut Settled| entry.consumer == new.consumer && entry.queue == new.queue;
        if let Some(entry) = entries.iter_mut().rev().take(MERGE_WINDOW).find(same)
            && entry.range.last.checked_add(1) == Some(new.range.first)
        {
            entry.range.last = new.range.last;
            return;
        }
        match &mut self.list {
            List::Empty => self.list = List::One(new),
            List::One(one) => self.list = List::Many(vec![*one, new]),
            List::Many(many) => many.push(new),
        }
    }
}

impl fmt::Debug for Event {
    /// Without what a client says to log in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Login { mechanism, client_properties, .. } => f
                .debug_struct("Login")
                .field("mechanism", mechanism)
                .field("client_properties", client_properties)
                .finish_non_exhaustive(),
            Event::LoginResponse { .. } => f.debug_struct("LoginResponse").finish_non_exhaustive(),
            Event::Open { vhost } => f.debug_tuple("Open").field(vhost).finish(),
            Event::UpdateSecret { reason, .. } => {
                f.debug_struct("UpdateSecret").field("reason", reason).finish_non_exhaustive()
            }
            Event::ChannelOpened { channel } => f.debug_tuple("ChannelOpened").field(channel).finish(),
            Event::ChannelClosed { channel } => f.debug_tuple("ChannelClosed").field(channel).finish(),
            Event::Method { channel, method } => f.debug_tuple("Method").field(channel).field(method).finish(),
            Event::Publish { channel, publish } => f.debug_tuple("Publish").field(channel).field(publish).finish(),
            Event::Settle { channel, verb, deliveries, transactional } => {
                let deliveries = deliveries.as_slice();
                f.debug_tuple("Settle").field(channel).field(verb).field(&deliveries).field(transactional).finish()
            }
            Event::Recover { channel, deliveries, has_reply } => {
                f.debug_tuple("Recover").field(channel).field(&deliveries.as_slice()).field(has_reply).finish()
            }
            Event::Closed => f.write_str("Closed"),
        }
    }
}

impl fmt::Debug for Publish {
    /// Without properties and body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("exchange", &self.exchange)
            .field("routing_key", &self.routing_key)
            .field("mandatory", &self.mandatory)
            .field("properties_bytes", &self.properties.len())
            .field("body_bytes", &self.body.len())
            .field("confirm_seq", &self.confirm_seq)
            .field("transactional", &self.transactional)
            .finish()
    }
}

impl<'a> IntoIterator for &'a SettledList {
    type Item = &'a Settled;
    type IntoIter = std::slice::Iter<'a, Settled>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
