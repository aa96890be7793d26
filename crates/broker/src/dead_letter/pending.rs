//! Dead letters in flight: which targets have answered, and what follows for the source.

use std::collections::{HashMap, HashSet};

use queue::{DeadLetter, DeathReason, Enqueue, Reply};
use replication::{Answer, ChunkReplies};
use types::{Blob, GroupId, MessageRef, QueueId};

/// Most dead letters of which it is remembered that some of their targets have them. Beyond that, those come a second time when
/// the letter is tried again.
const PARTLY_MAX: usize = 16 * 1024;

/// One dead letter in hand.
#[derive(Debug)]
struct Letter {
    source: Source,
    letter: DeadLetter,
    /// Chunks that are not answered.
    due: u32,
    /// A target has rejected it, or nobody knows.
    failed: bool,
    /// Targets that have it.
    reached: Vec<QueueId>,
}

/// The queue that a dead letter comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Source {
    /// Where the queue is.
    pub(crate) group: GroupId,
    /// The queue.
    pub(crate) queue: QueueId,
    /// What cannot be delivered stays in the queue.
    pub(crate) at_least_once: bool,
}

/// What was submitted to one group. Slot by slot one letter of one source.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Whose answer it gets.
    pub(crate) group: GroupId,
    /// The letters, by [`Pending::begin`], and their targets in the group.
    pub(crate) letters: Vec<(u64, Vec<QueueId>)>,
    /// What was submitted, where it has to be asked again when the answer is lost.
    pub(crate) again: Option<(Enqueue, Blob)>,
}

/// What has become of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// All targets have it.
    Delivered,
    /// It has nowhere to go.
    Dropped,
    /// It has to be tried again.
    Failed,
}

/// A dead letter that is done with, for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    /// Where it comes from.
    pub(crate) source: Source,
    /// Its number.
    pub(crate) number: u64,
    /// Why it died.
    pub(crate) reason: DeathReason,
    /// What has become of it.
    pub(crate) fate: Fate,
}

/// What an answer brings about.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// These are done with.
    Finished(Vec<Finished>),
    /// The answer is lost: the same has to be submitted again, which changes nothing but brings an answer.
    Again(Chunk),
}

/// All dead letters in hand.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    letters: HashMap<u64, Letter>,
    in_hand: HashSet<(QueueId, u64)>,
    chunks: HashMap<u64, Chunk>,
    /// Targets that have a letter which is to come again.
    partly: HashMap<(QueueId, MessageRef), Vec<QueueId>>,
    next_id: u64,
    next_token: u64,
}

impl Pending {
    /// Takes a letter in hand; `None` when it is already.
    pub(crate) fn begin(&mut self, source: Source, letter: DeadLetter) -> Option<u64> {
        if !self.in_hand.insert((source.queue, letter.number)) {
            return None;
        }
        let reached = match self.partly.is_empty() {
            true => Vec::new(),
            false => self.partly.remove(&(source.queue, letter.message)).unwrap_or_default(),
        };
        let id = self.next_id;
        self.next_id += 1;
        self.letters.insert(id, Letter { source, letter, due: 0, failed: false, reached });
        Some(id)
    }

    /// Whether that target has the letter, from an earlier try.
    pub(crate) fn has_reached(&self, id: u64, target: QueueId) -> bool {
        self.letters.get(&id).is_some_and(|letter| letter.reached.contains(&target))
    }

    /// A letter that has nowhere to go.
    pub(crate) fn unrouted(&mut self, id: u64) -> Option<Finished> {
        if let Some(letter) = self.letters.get_mut(&id) {
            letter.failed = letter.reached.is_empty();
        }
        self.finish(id)
    }

    /// A letter that all its targets have from earlier tries.
    pub(crate) fn finish(&mut self, id: u64) -> Option<Finished> {
        let Letter { source, letter, failed, reached, .. } = self.letters.remove(&id)?;
        self.in_hand.remove(&(source.queue, letter.number));
        let fate = match (failed, source.at_least_once) {
            (false, _) => Fate::Delivered,
            (true, false) => Fate::Dropped,
            (true, true) => Fate::Failed,
        };
        if fate == Fate::Failed && !reached.is_empty() {
            if self.partly.len() >= PARTLY_MAX {
                self.partly.clear();
            }
            self.partly.insert((source.queue, letter.message), reached);
        }
        Some(Finished { source, number: letter.number, reason: letter.reason, fate })
    }

    /// The letter's number.
    pub(crate) fn number_of(&self, id: u64) -> Option<u64> {
        self.letters.get(&id).map(|letter| letter.letter.number)
    }

    /// Whether the letter stays in its queue until it is delivered.
    pub(crate) fn is_at_least_once(&self, id: u64) -> bool {
        self.letters.get(&id).is_some_and(|letter| letter.source.at_least_once)
    }

    /// A letter goes into a chunk.
    pub(crate) fn expect(&mut self, id: u64) {
        if let Some(letter) = self.letters.get_mut(&id) {
            letter.due += 1;
        }
    }

    /// A chunk is submitted; its token.
    pub(crate) fn sent(&mut self, chunk: Chunk) -> u64 {
        let token = self.token();
        self.chunks.insert(token, chunk);
        token
    }

    /// A token of which no answer is expected.
    pub(crate) fn token(&mut self) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        token
    }

    /// A group has answered. `None`: nobody has asked.
    pub(crate) fn answered(&mut self, token: u64, replies: &ChunkReplies) -> Option<Verdict> {
        let chunk = self.chunks.remove(&token)?;
        let rejected = match replies {
            ChunkReplies::Applied(answers) => match answers.first() {
                Some(Answer::Reply(Reply::NotTaken { rejected, .. })) => rejected.clone(),
                _ => Vec::new(),
            },
            ChunkReplies::AppliedUnanswered if chunk.again.is_some() => return Some(Verdict::Again(chunk)),
            ChunkReplies::AppliedUnanswered | ChunkReplies::Unavailable => Vec::new(),
        };
        let is_lost = *replies == ChunkReplies::Unavailable;
        let mut finished = Vec::new();
        for (slot, (id, targets)) in (0_u32..).zip(chunk.letters) {
            let Some(letter) = self.letters.get_mut(&id) else { continue };
            let is_rejected = || rejected.iter().any(|range| slot >= range.first && slot - range.first < range.count);
            if is_lost || is_rejected() {
                letter.failed = true;
            } else {
                letter.reached.extend(targets);
            }
            letter.due -= 1;
            if letter.due == 0 {
                finished.extend(self.finish(id));
            }
        }
        Some(Verdict::Finished(finished))
    }
}
