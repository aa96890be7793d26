//! The consumers of one channel, as their session sees them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use replication::DeliveredRecord;
use types::{GroupId, QueueId, ShortStr};

/// Credit of a consumer without prefetch limit before its first message. Few, since they may be large.
pub(crate) const CREDIT_FIRST: u64 = 128;
/// What the messages may weigh that a consumer without prefetch limit has credit for. Enough for a gigabit link over a commit's
/// latency of some 20 ms. Unit: bytes.
const CREDIT_BYTES: u64 = 2 * 1024 * 1024;
/// Bounds of the credit in messages, however small or large they are.
const CREDIT_MIN: u64 = 4;
const CREDIT_MAX: u64 = 4096;
/// How many ended consumers a channel remembers, to know late deliveries from repeated ones.
const ENDED_MAX: usize = 1024;

/// One consumer.
#[derive(Debug)]
pub(crate) struct Consumer {
    /// Its tag.
    pub(crate) tag: ShortStr,
    /// From which queue.
    pub(crate) queue: QueueId,
    /// Where the queue is.
    pub(crate) group: GroupId,
    /// Deliveries are settled as they are made.
    pub(crate) no_ack: bool,
    /// It has the queue for itself.
    pub(crate) exclusive: bool,
    /// As it was declared, encoded.
    pub(crate) arguments: Bytes,
    /// Whether the client knows that it has begun.
    pub(crate) is_active: bool,
    /// The last delivery that came from the group.
    pub(crate) last_seq: u64,
    /// What came and was not sent to the client yet: while it does not know the consumer, while it holds as much as the
    /// channel's shared prefetch allows, or while it does not read.
    pub(crate) waiting: VecDeque<Waiting>,
    /// Most messages that the client may hold; zero means no limit.
    pub(crate) prefetch: u32,
    /// How many it holds.
    pub(crate) unacked: u64,
    /// `None`: the prefetch limits what may come.
    pub(crate) credit: Option<CreditWindow>,
}

/// From this prefetch on, a consumer's next messages come ahead of its acks.
const AHEAD_FROM: u32 = 64;

/// How many messages a queue gives a consumer whose client may hold `prefetch`.
///
/// An ack frees its place in the queue only when it is committed, some milliseconds later; with `prefetch` messages per commit a
/// fast consumer would wait most of the time. So the session has as many again at hand, and sends them as acks come in. A small
/// prefetch is chosen to spread long work evenly: there, nothing waits behind a busy consumer.
pub(crate) fn ahead(prefetch: u32) -> u32 {
    if prefetch < AHEAD_FROM { prefetch } else { prefetch.saturating_mul(2) }
}

/// A message that waits to be sent.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Its delivery sequence number.
    pub(crate) seq: u64,
    /// The message.
    pub(crate) message: DeliveredRecord,
}

/// Credit of a consumer that no prefetch limits.
#[derive(Debug)]
pub(crate) struct CreditWindow {
    /// The greatest sequence number that may come.
    granted: u64,
    /// The greatest that was sent to the client.
    sent: u64,
    /// Usual size of a message. Unit: bytes.
    message_bytes: u64,
}

impl Consumer {
    /// Whether the client holds as much as it may.
    pub(crate) fn is_full(&self) -> bool {
        self.prefetch > 0 && self.unacked >= u64::from(self.prefetch)
    }
}

impl CreditWindow {
    /// The credit that a consumer is attached with.
    pub(crate) fn new() -> Self {
        CreditWindow { granted: CREDIT_FIRST, sent: 0, message_bytes: 0 }
    }

    /// The greatest sequence number that may come now.
    pub(crate) fn granted(&self) -> u64 {
        self.granted
    }

    /// A message was sent to the client. Whether it is time to grant more.
    pub(crate) fn sent(&mut self, seq: u64, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        // A moving average over some eight messages.
        self.message_bytes = if self.sent == 0 { bytes } else { (self.message_bytes * 7).saturating_add(bytes) / 8 };
        self.sent = self.sent.max(seq);
        self.granted.saturating_sub(self.sent) <= self.window() / 2
    }

    /// Deliveries up to this one will not come. Whether it is time to grant more.
    pub(crate) fn passed(&mut self, seq: u64) -> bool {
        self.sent = self.sent.max(seq);
        self.granted.saturating_sub(self.sent) <= self.window() / 2
    }

    /// Grants what may be granted now: the sequence number that may be sent up to.
    pub(crate) fn grant(&mut self) -> Option<u64> {
        let up_to = self.sent + self.window();
        (up_to > self.granted).then(|| {
            self.granted = up_to;
            up_to
        })
    }

    fn window(&self) -> u64 {
        (CREDIT_BYTES / self.message_bytes.max(1)).clamp(CREDIT_MIN, CREDIT_MAX)
    }
}

/// All consumers of a channel.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    last_number: u32,
    by_number: BTreeMap<u32, Consumer>,
    by_tag: BTreeMap<ShortStr, u32>,
    /// The last deliveries that came for consumers that have ended.
    ended: BTreeMap<u32, u64>,
    /// Consumers that held a message for too long: what they held is in its queue again.
    timed_out: BTreeSet<u32>,
    /// The consumer after which the next round of sending begins.
    pub(crate) round_from: u32,
}

impl Consumers {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// The number of the consumer with that tag.
    pub(crate) fn number_of(&self, tag: &ShortStr) -> Option<u32> {
        self.by_tag.get(tag).copied()
    }

    /// The consumer with that number.
    pub(crate) fn get(&self, number: u32) -> Option<&Consumer> {
        self.by_number.get(&number)
    }

    /// The consumer with that number.
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Consumer> {
        self.by_number.get_mut(&number)
    }

    /// Adds a consumer; returns its number.
    pub(crate) fn add(&mut self, consumer: Consumer) -> u32 {
        self.last_number += 1;
        self.by_tag.insert(consumer.tag.clone(), self.last_number);
        self.by_number.insert(self.last_number, consumer);
        self.last_number
    }

    /// Takes a consumer out.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Consumer> {
        let consumer = self.by_number.remove(&number)?;
        self.by_tag.remove(&consumer.tag);
        self.ended.insert(number, consumer.last_seq);
        if self.ended.len() > ENDED_MAX {
            self.ended.pop_first();
        }
        Some(consumer)
    }

    /// The last delivery that came for a consumer that has ended, as far as that is remembered. To be raised with deliveries
    /// that still come.
    pub(crate) fn ended_mut(&mut self, number: u32) -> Option<&mut u64> {
        self.ended.get_mut(&number)
    }

    /// The queue has taken back what the consumer held.
    pub(crate) fn note_timed_out(&mut self, number: u32) {
        self.timed_out.insert(number);
        if self.timed_out.len() > ENDED_MAX {
            self.timed_out.pop_first();
        }
    }

    /// Whether the queue has taken back what the consumer held.
    pub(crate) fn has_timed_out(&self, number: u32) -> bool {
        self.timed_out.contains(&number)
    }

    /// All, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Consumer)> {
        self.by_number.iter().map(|(number, consumer)| (*number, consumer))
    }

    /// The numbers of the active consumers for which something waits, in the order of this round.
    pub(crate) fn waiting(&self) -> Vec<u32> {
        let after = self.by_number.range(self.round_from.saturating_add(1)..);
        let before = self.by_number.range(..=self.round_from);
        let waits = |(_, consumer): &(&u32, &Consumer)| consumer.is_active && !consumer.waiting.is_empty();
        after.chain(before).filter(waits).map(|(number, _)| *number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_is_granted_when_half_of_it_was_sent() {
        let mut window = CreditWindow::new();
        let due: Vec<u64> = (1..=CREDIT_FIRST).filter(|seq| window.sent(*seq, 16 * 1024)).collect();
        assert_eq!(due.first(), Some(&(CREDIT_FIRST / 2)));
        assert_eq!(window.grant(), Some(CREDIT_FIRST * 2));
        assert_eq!(window.grant(), None);
    }

    #[test]
    fn credit_follows_the_size_of_messages() {
        let mut window = CreditWindow::new();
        window.sent(1, 100);
        assert_eq!(window.grant(), Some(1 + CREDIT_MAX));
        let mut window = CreditWindow::new();
        for seq in 1..=CREDIT_FIRST {
            window.sent(seq, 10 << 20);
        }
        assert_eq!(window.grant(), Some(CREDIT_FIRST + CREDIT_MIN));
    }
}
