//! The clients' book: what was published, what was heard of it, who holds what. Each fact is checked by the invariants that it
//! concerns.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    time::Duration,
};

use crate::invariants::{
    acked_never_returns, confirmed_is_kept,
    declared_is_there::{self, Told},
    fifo::Fifo,
    no_phantom, one_holder, redelivery_is_flagged,
};

/// A queue as clients know it; another one when it is declared anew after a delete.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueKey {
    pub(crate) name: String,
    pub(crate) generation: u32,
}

/// A message: where it was sent, by which publisher (one channel of one connection), and which of its messages it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageId {
    pub(crate) queue: QueueKey,
    pub(crate) publisher: u64,
    pub(crate) seq: u64,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.queue.name, self.queue.generation, self.publisher, self.seq)
    }
}

/// A body that no client has written.
#[derive(Debug)]
pub(crate) struct Foreign;

impl FromStr for MessageId {
    type Err = Foreign;

    fn from_str(text: &str) -> Result<Self, Foreign> {
        let mut parts = text.split('/');
        let mut next = || parts.next().ok_or(Foreign);
        let name = next()?.to_owned();
        let generation = next()?.parse().map_err(|_| Foreign)?;
        let publisher = next()?.parse().map_err(|_| Foreign)?;
        let seq = next()?.parse().map_err(|_| Foreign)?;
        Ok(MessageId { queue: QueueKey { name, generation }, publisher, seq })
    }
}

/// One consumer of one connection, or what one connection has fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConsumerId {
    pub(crate) node: usize,
    pub(crate) number: u64,
}

/// A delivery that was heard and is not settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    pub(crate) by: ConsumerId,
    pub(crate) since: Duration,
}

/// What is known of one message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) confirmed: bool,
    /// `basic.return` has come for it: it is in no queue. (A nack leaves open what became of it.)
    pub(crate) returned: bool,
    /// How often it was heard.
    pub(crate) deliveries: u32,
    /// Somebody has sent an ack.
    pub(crate) ack_sent: bool,
    /// An ack is known to be committed.
    pub(crate) acked: bool,
    pub(crate) hold: Option<Hold>,
}

/// The book.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) messages: BTreeMap<MessageId, Message>,
    /// What was said of queues that come and go.
    told: BTreeMap<String, Told>,
    /// Queues of which `queue.delete` was sent: they may be there or not.
    deleting: BTreeSet<QueueKey>,
    /// Queues of which `queue.delete-ok` has come, with the number that was given last: who has a greater one came later.
    deleted: BTreeMap<QueueKey, u64>,
    fifo: Fifo,
    numbers: u64,
}

/// What an invariant has against it.
pub(crate) type Verdict = Result<(), String>;

impl Oracle {
    /// A number for a publisher or a consumer.
    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// A message is sent.
    pub(crate) fn attempted(&mut self, id: MessageId) {
        self.messages.insert(id, Message::default());
    }

    /// `basic.ack` has come for it.
    pub(crate) fn confirmed(&mut self, id: &MessageId) {
        if let Some(message) = self.messages.get_mut(id) {
            message.confirmed = !message.returned;
        }
    }

    /// `basic.return` has come for it.
    pub(crate) fn unroutable(&mut self, id: &MessageId) {
        if let Some(message) = self.messages.get_mut(id) {
            message.returned = true;
        }
    }

    /// A client hears a message. `was_calm` says of a holder's node whether it was undisturbed since then.
    pub(crate) fn delivered(
        &mut self,
        body: &str,
        redelivered: bool,
        to: ConsumerId,
        now: Duration,
        was_calm: impl Fn(ConsumerId, Duration) -> bool,
    ) -> Result<MessageId, String> {
        let id: MessageId = body.parse().map_err(|_| format!("a body that nobody has written: {body:?}"))?;
        let message = no_phantom::check(&mut self.messages, &self.deleted, &id, to)?;
        redelivery_is_flagged::check(&id, message, redelivered)?;
        acked_never_returns::check(&id, message)?;
        one_holder::check(&id, message, to, was_calm)?;
        if !redelivered {
            self.fifo.first_delivery(&id, to)?;
        }
        message.deliveries += 1;
        message.hold = Some(Hold { by: to, since: now });
        Ok(id)
    }

    /// The holder sends an ack.
    pub(crate) fn ack_sent(&mut self, id: &MessageId, by: ConsumerId) {
        if let Some(message) = self.messages.get_mut(id) {
            message.ack_sent = true;
            message.hold.take_if(|hold| hold.by == by);
        }
    }

    /// An ack that was sent is committed.
    pub(crate) fn ack_committed(&mut self, id: &MessageId) {
        if let Some(message) = self.messages.get_mut(id) {
            message.acked = true;
        }
    }

    /// The holder gives it back.
    pub(crate) fn requeued(&mut self, id: &MessageId, by: ConsumerId) {
        if let Some(message) = self.messages.get_mut(id) {
            message.hold.take_if(|hold| hold.by == by);
        }
    }

    /// The consumer, its channel or its connection is over: it holds nothing any more.
    pub(crate) fn gone(&mut self, consumer: ConsumerId) {
        for message in self.messages.values_mut() {
            message.hold.take_if(|hold| hold.by == consumer);
        }
    }

    /// A node's process is over, and its clients with it.
    pub(crate) fn node_gone(&mut self, node: usize) {
        for message in self.messages.values_mut() {
            message.hold.take_if(|hold| hold.by.node == node);
        }
    }

    /// `queue.declare` is sent.
    pub(crate) fn declaring(&mut self, queue: &QueueKey) {
        self.told.insert(queue.name.clone(), Told::Nothing);
    }

    /// `queue.declare-ok` has come.
    pub(crate) fn declared(&mut self, queue: &QueueKey) {
        self.told.insert(queue.name.clone(), Told::There);
    }

    /// `queue.delete` is sent.
    pub(crate) fn deleting(&mut self, queue: &QueueKey) {
        self.told.insert(queue.name.clone(), Told::Nothing);
        self.deleting.insert(queue.clone());
    }

    /// `queue.delete-ok` has come.
    pub(crate) fn deleted(&mut self, queue: &QueueKey) {
        self.told.insert(queue.name.clone(), Told::Gone);
        self.deleted.insert(queue.clone(), self.numbers);
    }

    /// A node's metadata when all is quiet: `has` tells whether it knows the queue of that name.
    pub(crate) fn known_queues(&self, has: impl Fn(&str) -> bool) -> Vec<String> {
        declared_is_there::check(&self.told, has)
    }

    /// Everything is drained: what was confirmed must have been taken.
    pub(crate) fn drained(&self) -> Vec<String> {
        confirmed_is_kept::check(&self.messages, &self.deleting)
    }

    /// Counts, for the last line of a run: sent, confirmed, heard.
    pub(crate) fn counts(&self) -> (usize, usize, u64) {
        let confirmed = self.messages.values().filter(|message| message.confirmed).count();
        let heard = self.messages.values().map(|message| u64::from(message.deliveries)).sum();
        (self.messages.len(), confirmed, heard)
    }
}
