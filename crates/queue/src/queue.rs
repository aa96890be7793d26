//! One queue: ready messages, consumers and what they hold.
//!
//! Each message that comes in gets the next position; where it came back to is that position again.

mod death;
mod delayed;
mod due;
mod enqueue;
mod limits;
mod serve;

pub(crate) use enqueue::PRIORITY_DEFAULT;

use std::{collections::BTreeSet, sync::Arc};

use types::{ConsumerKey, QueueId, SeqRange, SessionId, Timestamp};

use crate::{
    CancelReason, Cancelled, ConsumerOptions, DeadLetterStats, DeadLetters, DeathReason, Delivery, EndReason,
    QueueConfig, QueueStats,
    consumers::{Consumer, Consumers},
    held::Taken,
    lanes::{Lanes, Portion},
    letters::{Letters, reason_index},
    live::Releaser,
    machine::NEVER,
    sessions::Sessions,
};
use death::bury;
pub(crate) use delayed::Delayed;
use delayed::retry_at;

/// One queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    /// Settings.
    pub(crate) config: Arc<QueueConfig>,
    /// Ready messages.
    pub(crate) lanes: Lanes,
    /// The next message's.
    pub(crate) next_position: u64,
    /// Messages that may not be delivered yet, if there are any.
    pub(crate) delayed: Option<Box<Delayed>>,
    /// Dead messages, since there were any.
    pub(crate) letters: Option<Box<Letters>>,
    /// Who gets and holds messages.
    pub(crate) consumers: Consumers,
    /// What ever happened.
    pub(crate) counters: Counters,
    /// Whether it is in the list of queues to be served at the end of the entry.
    pub(crate) marked: bool,
    /// Set when the queue has come to its end.
    pub(crate) end: Option<EndReason>,
    /// When it was in use last: since then its time to expire passes, as long as it has no consumers.
    pub(crate) used_at: Timestamp,
    /// Nothing is due before. Lowered as things are added that wait for time; raised only by [`Queue::due`].
    pub(crate) due_at: Timestamp,
    /// The deadline that the machine knows.
    pub(crate) registered: Timestamp,
    unacked: u64,
    unacked_bytes: u64,
}

// A hundred thousand idle queues are some fifty megabytes.
const _: () = assert!(size_of::<Queue>() <= 400);

/// What ever happened to a queue's messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Came in.
    pub(crate) enqueued: u64,
    /// Were given to somebody, each time.
    pub(crate) delivered: u64,
    /// Were settled.
    pub(crate) settled: u64,
    /// Came back, each time.
    pub(crate) returned: u64,
    /// Were refused for good.
    pub(crate) discarded: u64,
    /// Were purged.
    pub(crate) purged: u64,
    /// Their time was over.
    pub(crate) expired: u64,
    /// There were too many.
    pub(crate) dropped: u64,
    /// Their deliveries failed too often.
    pub(crate) given_up: u64,
    /// Did not come in, since there was no room. These are not counted as enqueued.
    pub(crate) rejected: u64,
}

/// What a queue may use, and where it tells what happens, while it is worked on.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    /// The queue.
    pub(crate) id: QueueId,
    /// The machine's time.
    pub(crate) now: Timestamp,
    /// Takes references to entries.
    pub(crate) releaser: Releaser<'a>,
    /// In which queues sessions have something.
    pub(crate) sessions: &'a mut Sessions,
    /// Takes deliveries.
    pub(crate) deliveries: &'a mut Vec<Delivery>,
    /// Takes cancelled consumers.
    pub(crate) cancelled: &'a mut Vec<Cancelled>,
    /// Takes dead letters.
    pub(crate) dead_letters: &'a mut Vec<DeadLetters>,
}

/// What becomes of messages that a consumer gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They are done.
    Settle,
    /// They go back to their place; `failed` deliveries are counted.
    Return {
        /// Whether the delivery failed.
        failed: bool,
    },
    /// They are refused for good.
    Discard,
}

impl Queue {
    /// A queue without messages. Its time to expire starts now.
    pub(crate) fn new(config: QueueConfig, now: Timestamp) -> Self {
        let mut queue = Queue {
            config: Arc::new(config),
            lanes: Lanes::default(),
            next_position: 0,
            delayed: None,
            letters: None,
            consumers: Consumers::default(),
            counters: Counters::default(),
            marked: false,
            end: None,
            used_at: now,
            due_at: NEVER,
            registered: NEVER,
            unacked: 0,
            unacked_bytes: 0,
        };
        queue.due_at = queue.next_due();
        queue
    }

    /// Settings change. A new time to expire starts now.
    pub(crate) fn configure(&mut self, config: &QueueConfig, work: &mut Work<'_>) {
        let before = std::mem::replace(&mut self.config, Arc::new(config.clone()));
        self.elect();
        if before.expires_ms != config.expires_ms {
            self.touch(work.now);
        }
        if config.dead_letter.is_none()
            && let Some(letters) = &mut self.letters
        {
            letters.clear(|index, count| work.releaser.release(index, count));
        }
    }

    /// The queue is in use.
    pub(crate) fn touch(&mut self, now: Timestamp) {
        self.used_at = now;
        self.lower_due(self.lease_end());
    }

    /// Messages that wait.
    pub(crate) fn ready(&self) -> u64 {
        self.lanes.messages()
    }

    /// Whether there is something to do for it at the end of the entry.
    pub(crate) fn wants_attention(&self) -> bool {
        self.wants_service() || self.letters.as_ref().is_some_and(|letters| letters.has_news())
    }

    /// Gives messages to consumers, and tells of dead letters.
    pub(crate) fn attend(&mut self, work: &mut Work<'_>) {
        self.serve(work);
        if let Some(letters) = &mut self.letters {
            letters.tell(work.id, work.dead_letters);
        }
        self.marked = false;
    }

    /// Whether there are messages and consumers for them.
    pub(crate) fn wants_service(&self) -> bool {
        self.ready() > 0 && !self.consumers.is_ring_empty()
    }

    /// Drops all ready messages and returns how many; drops dead letters too.
    pub(crate) fn purge(&mut self, releaser: &mut Releaser<'_>) -> u64 {
        let purged = self.ready();
        self.lanes.clear(|index, count| releaser.release(index, count));
        if let Some(letters) = &mut self.letters {
            letters.clear(|index, count| releaser.release(index, count));
        }
        self.counters.purged += purged;
        purged
    }

    /// A consumer gives up what it holds in the ranges; its record may go with it.
    pub(crate) fn give_up(&mut self, key: &ConsumerKey, ranges: &[SeqRange], verdict: Verdict, work: &mut Work<'_>) {
        let Some(slot) = self.consumers.find(key) else { return };
        for range in ranges {
            self.give_up_range(slot, *range, verdict, work);
        }
        self.consumers.settle_ring(slot);
        self.remove_if_over(slot, work);
        if self.config.single_active_consumer && self.consumers.active() == Some(*key) {
            // One of higher priority may wait for the active one to hold nothing.
            self.elect();
        }
    }

    /// A consumer comes. There must be none with that key.
    pub(crate) fn attach(&mut self, key: ConsumerKey, options: ConsumerOptions, work: &mut Work<'_>) {
        let mut consumer = Consumer::attached(key, options);
        // Until it is elected.
        consumer.halted = self.config.single_active_consumer;
        self.consumers.insert_next(consumer);
        work.sessions.insert(key.session, work.id);
        self.elect();
    }

    /// Finds out who may get messages.
    fn elect(&mut self) {
        self.consumers.elect(self.config.single_active_consumer);
    }

    /// Consumers that have held a message for too long are cancelled; what they hold returns.
    fn time_out(&mut self, work: &mut Work<'_>) {
        while let Some(slot) = self.consumers.timed_out(work.now) {
            let consumer = self.consumers.get(slot);
            let (key, after_ms) = (consumer.key, consumer.options.timeout_ms.unwrap_or_default());
            self.detach_slot(slot, work.now);
            let all = SeqRange { first: 0, last: u64::MAX };
            self.give_up_range(slot, all, Verdict::Return { failed: false }, work);
            self.remove_if_over(slot, work);
            let reason = CancelReason::Timeout { after_ms };
            work.cancelled.push(Cancelled { consumer: key, queue: work.id, reason });
        }
    }

    /// A consumer gets no more messages; what it holds stays held.
    pub(crate) fn detach(&mut self, key: &ConsumerKey, work: &mut Work<'_>) {
        let Some(slot) = self.consumers.find(key) else { return };
        self.detach_slot(slot, work.now);
        self.remove_if_over(slot, work);
    }

    /// Returns everything that a session holds, as failed, and forgets its consumers.
    pub(crate) fn close_session(&mut self, session: SessionId, work: &mut Work<'_>) {
        for slot in self.consumers.of_session(session) {
            self.detach_slot(slot, work.now);
            let all = SeqRange { first: 0, last: u64::MAX };
            self.give_up_range(slot, all, Verdict::Return { failed: true }, work);
            self.consumers.remove(slot);
        }
        work.sessions.remove(session, work.id);
    }

    /// Detaches a consumer. When it was the last, the queue's time to expire starts, or the queue is over.
    fn detach_slot(&mut self, slot: u32, now: Timestamp) {
        let was_attached = self.consumers.get(slot).attached;
        self.consumers.detach(slot);
        if self.config.single_active_consumer {
            self.elect();
        }
        if !was_attached || self.consumers.attached() > 0 {
            return;
        }
        self.touch(now);
        if self.config.auto_delete {
            self.end = Some(EndReason::LastConsumer);
        }
    }

    fn remove_if_over(&mut self, slot: u32, work: &mut Work<'_>) {
        let session = self.consumers.get(slot).key.session;
        if self.consumers.remove_if_over(slot) && !self.consumers.has_session(session) {
            work.sessions.remove(session, work.id);
        }
    }

    /// Lets go of all messages, when the queue is over.
    pub(crate) fn release_all(&self, releaser: &mut Releaser<'_>) {
        self.for_each_reference(|index, count| releaser.release(index, count));
    }

    /// Tells of all references to entries.
    pub(crate) fn for_each_reference(&self, mut on_reference: impl FnMut(u64, u32)) {
        self.lanes.for_each_reference(&mut on_reference);
        self.letters.iter().for_each(|letters| letters.for_each_reference(&mut on_reference));
        let delayed = self.delayed.iter().flat_map(|delayed| delayed.iter());
        delayed.for_each(|(_, message, _)| on_reference(message.index, 1));
        for consumer in self.consumers.iter() {
            consumer.held.iter().for_each(|(_, message)| on_reference(message.index, 1));
        }
    }

    /// The attached consumers, as cancelled.
    pub(crate) fn cancelled(&self, queue: QueueId) -> impl Iterator<Item = Cancelled> {
        self.consumers.iter().filter(|consumer| consumer.attached).map(move |consumer| Cancelled {
            consumer: consumer.key,
            queue,
            reason: CancelReason::QueueGone,
        })
    }

    /// Sessions with a consumer or messages here, ascending.
    pub(crate) fn sessions(&self) -> BTreeSet<SessionId> {
        self.consumers.iter().map(|consumer| consumer.key.session).collect()
    }

    /// Depth and counters.
    pub(crate) fn stats(&self) -> QueueStats {
        QueueStats {
            ready: self.ready(),
            ready_bytes: self.lanes.bytes(),
            unacked: self.unacked,
            unacked_bytes: self.unacked_bytes,
            delayed: self.delayed.as_ref().map_or(0, |delayed| delayed.count()),
            delayed_bytes: self.delayed.as_ref().map_or(0, |delayed| delayed.bytes()),
            consumers: self.consumers.attached(),
            enqueued: self.counters.enqueued,
            delivered: self.counters.delivered,
            settled: self.counters.settled,
            returned: self.counters.returned,
            discarded: self.counters.discarded,
            purged: self.counters.purged,
            expired: self.counters.expired,
            dropped: self.counters.dropped,
            given_up: self.counters.given_up,
            rejected: self.counters.rejected,
            dead_letters: self.letters.as_ref().map(|letters| letter_stats(letters)).unwrap_or_default(),
        }
    }

    /// Adds a consumer from a snapshot, which is in no ring yet.
    pub(crate) fn restore_consumer(&mut self, consumer: Consumer) {
        self.unacked += consumer.held.count();
        self.unacked_bytes += consumer.held.iter().map(|(_, message)| u64::from(message.size)).sum::<u64>();
        self.consumers.insert(consumer);
    }

    /// Apart from others, as each message costs only a few instructions here.
    fn settle_range(&mut self, slot: u32, range: SeqRange, work: &mut Work<'_>) {
        let (mut messages, mut bytes) = (0, 0);
        self.consumers.get_mut(slot).held.release(range, |message| {
            messages += 1;
            bytes += u64::from(message.size);
            work.releaser.release(message.index, 1);
        });
        self.unacked -= messages;
        self.unacked_bytes -= bytes;
        self.counters.settled += messages;
    }

    fn give_up_range(&mut self, slot: u32, range: SeqRange, verdict: Verdict, work: &mut Work<'_>) {
        if verdict == Verdict::Settle {
            self.settle_range(slot, range, work);
            return;
        }
        let Queue { consumers, lanes, delayed, letters, config, counters, .. } = self;
        let (mut messages, mut bytes, mut next_due) = (0, 0, NEVER);
        consumers.get_mut(slot).held.release(range, |message| {
            messages += 1;
            bytes += u64::from(message.size);
            let failed = match verdict {
                Verdict::Settle | Verdict::Discard => {
                    bury(letters, config, &Portion::One(message), DeathReason::Rejected, work);
                    return;
                }
                Verdict::Return { failed } => failed,
            };
            let delivery_count = message.delivery_count.saturating_add(u32::from(failed));
            let message = Taken { redelivered: true, delivery_count, ..*message };
            if failed && config.delivery_limit.is_some_and(|limit| delivery_count > limit) {
                counters.given_up += 1;
                bury(letters, config, &Portion::One(&message), DeathReason::DeliveryLimit, work);
            } else if message.expires_at <= work.now {
                counters.expired += 1;
                bury(letters, config, &Portion::One(&message), DeathReason::Expired, work);
            } else if let Some(due) = retry_at(config.delayed_retry, &message, failed, work.now) {
                next_due = next_due.min(due);
                delayed.get_or_insert_default().park(due, message, false);
            } else {
                next_due = next_due.min(message.expires_at);
                lanes.insert(message);
            }
        });
        self.unacked -= messages;
        self.unacked_bytes -= bytes;
        match verdict {
            Verdict::Settle => self.counters.settled += messages,
            Verdict::Discard => self.counters.discarded += messages,
            Verdict::Return { .. } => self.counters.returned += messages,
        }
        self.lower_due(next_due);
    }
}

fn letter_stats(letters: &Letters) -> DeadLetterStats {
    let made = |reason| letters.counters.made[reason_index(reason)];
    DeadLetterStats {
        waiting: letters.count(),
        waiting_bytes: letters.bytes(),
        rejected: made(DeathReason::Rejected),
        expired: made(DeathReason::Expired),
        max_length: made(DeathReason::MaxLength),
        delivery_limit: made(DeathReason::DeliveryLimit),
        settled: letters.counters.settled,
        dropped: letters.counters.dropped,
    }
}
