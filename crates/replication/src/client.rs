//! This node's side of one group: what it sent and was not answered yet, and where the leader is.
//!
//! Chunks are numbered per node incarnation and kept, in order, until they are answered. When a leader announces itself, or a link
//! to it comes back, they are all sent again; the queue machine passes over those that it has applied (ADR 0014).
//!
//! Nobody waits for ever: a group that has answered nothing for a while has no majority that this node could reach, and who
//! waits is told that the outcome is unknown. The chunks stay, since what follows them needs them; from some bytes on, new
//! messages are refused at once until the group is heard of again ([`GroupClient::tick`]).

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use queue::{Chunk, ChunkResult, Command, Producer};
use types::{Blob, GroupId, NodeId, SessionId};

use crate::{
    api::{Answer, ChunkReplies, Sessions},
    batcher::Submission,
};

/// How often [`GroupClient::tick`] is called. Unit: milliseconds.
pub(crate) const TICK_MS: u64 = 1000;
/// Ticks without any answer after which those who wait are told. Beyond every bound of a failover: 15 s; a disk may stall for 10.
const TICKS_MAX: u32 = 15;
/// Ticks that a leader has that has just announced itself.
const TICKS_OF_GRACE: u32 = 3;

/// What a group that does not answer may keep of messages that nobody waits for: enough for those of one moment, since each client
/// that is refused sends the next. Unit: bytes.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Takes a submission to a node, this one included. Must not block; what is lost on the way is sent again.
pub(crate) trait Route: Send + Sync {
    fn submit(&self, to: NodeId, group: GroupId, submission: Submission);
}

/// An answer on its way back to the node that sent the chunk.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub boot: u64,
    pub seq: u64,
    pub result: AnswerResult,
}

#[derive(Clone, Debug)]
pub(crate) enum AnswerResult {
    Applied(Vec<Answer>),
    Duplicate,
    Gap { expected: u64 },
    Fenced,
}

impl AnswerResult {
    /// The machine's result; `None` when it has fetched messages, whose records must be loaded first.
    pub(crate) fn plain(result: ChunkResult) -> Self {
        match result {
            ChunkResult::Applied(replies) => AnswerResult::Applied(replies.into_iter().map(Answer::Reply).collect()),
            ChunkResult::Duplicate => AnswerResult::Duplicate,
            ChunkResult::Gap { expected } => AnswerResult::Gap { expected },
            ChunkResult::Fenced => AnswerResult::Fenced,
        }
    }
}

pub(crate) struct GroupClient {
    group: GroupId,
    node: NodeId,
    route: Arc<dyn Route>,
    sessions: Arc<dyn Sessions>,
    inner: Mutex<Inner>,
}

struct Inner {
    boot: u64,
    next_seq: u64,
    base_seq: u64,
    in_flight: VecDeque<Option<Pending>>,
    leader: Option<(NodeId, u64)>,
    gap_resent: u64,
    /// Ticks since the last answer, while something is unanswered.
    silent_ticks: u32,
    /// Whether those who wait were told that the group does not answer.
    is_given_up: bool,
    /// What was submitted before the last tick has smaller numbers.
    seq_at_tick: u64,
    /// Bytes of messages that are kept though nobody waits for them.
    kept_bytes: usize,
}

struct Pending {
    session: SessionId,
    token: u64,
    /// Whether the session still waits for the answer.
    is_awaited: bool,
    chunk: Bytes,
    blob: Blob,
}

impl std::fmt::Debug for GroupClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupClient").field("group", &self.group).finish_non_exhaustive()
    }
}

impl GroupClient {
    pub(crate) fn new(
        group: GroupId,
        node: NodeId,
        boot: u64,
        route: Arc<dyn Route>,
        sessions: Arc<dyn Sessions>,
    ) -> Self {
        let leader = group.local_node().map(|owner| (owner, 0));
        let inner = Inner {
            boot,
            next_seq: 1,
            base_seq: 1,
            in_flight: VecDeque::new(),
            leader,
            gap_resent: 0,
            silent_ticks: 0,
            is_given_up: false,
            seq_at_tick: 1,
            kept_bytes: 0,
        };
        GroupClient { group, node, route, sessions, inner: Mutex::new(inner) }
    }

    pub(crate) fn submit(&self, session: SessionId, token: u64, commands: Vec<Command>, blob: Blob) {
        let mut inner = self.inner.lock();
        if inner.is_given_up && inner.kept_bytes >= KEPT_BYTES_MAX && blob.slot_count() > 0 {
            // More would fill the memory. Commands alone are small, and some must not be lost: that a session is over.
            drop(inner);
            self.sessions.replied(session, self.group, token, ChunkReplies::Unavailable);
            return;
        }
        let submission = self.enqueue(&mut inner, session, token, commands, blob);
        if let Some((leader, _)) = inner.leader {
            self.route.submit(leader, self.group, submission);
        }
    }

    fn enqueue(
        &self,
        inner: &mut Inner,
        session: SessionId,
        token: u64,
        commands: Vec<Command>,
        blob: Blob,
    ) -> Submission {
        let seq = inner.next_seq;
        inner.next_seq += 1;
        let producer = Producer { node: self.node, boot: inner.boot };
        let chunk = Chunk { producer, seq, session, commands, slots: blob.slot_count() };
        let chunk = proto::chunk::encode(&chunk);
        let submission = Submission { chunk: chunk.clone(), blob: blob.clone() };
        inner.in_flight.push_back(Some(Pending { session, token, is_awaited: true, chunk, blob }));
        submission
    }

    /// A node says that it leads, or its link came back: everything unanswered goes to it. An older term is passed over.
    pub(crate) fn leader(&self, node: NodeId, term: u64) {
        let mut inner = self.inner.lock();
        if inner.leader.is_some_and(|(_, known)| known > term) {
            return;
        }
        // One that cannot reach a majority says so again and again, in the same term.
        if inner.leader.replace((node, term)) != Some((node, term)) {
            inner.is_given_up = false;
            inner.silent_ticks = inner.silent_ticks.min(TICKS_MAX - TICKS_OF_GRACE);
        }
        inner.gap_resent = 0;
        if inner.in_flight.is_empty() && inner.next_seq > 1 {
            // Idle consumers hear nothing when the group has given this node up meanwhile: an empty chunk asks.
            self.enqueue(&mut inner, SessionId { node: self.node, serial: 0 }, 0, Vec::new(), Blob::default());
        }
        self.resend(&inner);
    }

    /// The leader that is known.
    pub(crate) fn known_leader(&self) -> Option<NodeId> {
        self.inner.lock().leader.map(|(node, _)| node)
    }

    /// The term in which it leads.
    pub(crate) fn known_leader_term(&self) -> Option<u64> {
        self.inner.lock().leader.map(|(_, term)| term)
    }

    /// The link to a node came back: what it has not answered goes to it again.
    pub(crate) fn link_up(&self, node: NodeId) {
        let inner = self.inner.lock();
        if inner.leader.is_some_and(|(leader, _)| leader == node) {
            self.resend(&inner);
        }
    }

    /// To be called each second: tells those who wait when the group has answered nothing for too long. Who came since the last
    /// call waits for the next one: the group may be back.
    pub(crate) fn tick(&self) {
        let told = {
            let mut inner = self.inner.lock();
            let next_seq = inner.next_seq;
            let came_before = std::mem::replace(&mut inner.seq_at_tick, next_seq);
            if inner.in_flight.is_empty() {
                inner.silent_ticks = 0;
                return;
            }
            inner.silent_ticks = inner.silent_ticks.saturating_add(1);
            if inner.silent_ticks <= TICKS_MAX {
                return;
            }
            inner.give_up(came_before)
        };
        if !told.is_empty() {
            tracing::warn!(group_id = %self.group, chunks = told.len(), "group does not answer, who waits is told so");
        }
        for (session, token) in told {
            self.sessions.replied(session, self.group, token, ChunkReplies::Unavailable);
        }
    }

    /// The memory that held the group is gone: what is unanswered stays so.
    pub(crate) fn lost(&self, boot: u64) {
        let pending = {
            let mut inner = self.inner.lock();
            inner.restart(boot)
        };
        self.unavailable(pending);
    }

    pub(crate) fn answered(&self, answers: Vec<Answered>) {
        let mut done = Vec::with_capacity(answers.len());
        let mut fenced = None;
        {
            let mut inner = self.inner.lock();
            for answer in answers {
                if answer.boot != inner.boot {
                    continue;
                }
                inner.silent_ticks = 0;
                inner.is_given_up = false;
                match answer.result {
                    AnswerResult::Applied(replies) => {
                        done.extend(inner.take(answer.seq).map(|p| (p, ChunkReplies::Applied(replies))));
                    }
                    AnswerResult::Duplicate => {
                        done.extend(inner.take(answer.seq).map(|p| (p, ChunkReplies::AppliedUnanswered)));
                    }
                    // An earlier leader's word on a chunk that was answered since.
                    AnswerResult::Gap { .. } if answer.seq < inner.base_seq => {}
                    AnswerResult::Gap { expected } if expected >= inner.base_seq => {
                        if inner.gap_resent != expected {
                            inner.gap_resent = expected;
                            self.resend(&inner);
                        }
                    }
                    AnswerResult::Gap { .. } | AnswerResult::Fenced => {
                        let boot = inner.boot + 1;
                        fenced = Some(inner.restart(boot));
                    }
                }
            }
        }
        for (pending, replies) in done.into_iter().filter(|(pending, _)| pending.is_awaited) {
            self.sessions.replied(pending.session, self.group, pending.token, replies);
        }
        if let Some(fenced) = fenced {
            tracing::warn!(group_id = %self.group, chunks = fenced.len(), "this node was declared over by the group, its sessions there end");
            self.unavailable(fenced);
            self.sessions.sessions_lost(self.group);
        }
    }

    fn unavailable(&self, pending: Vec<Pending>) {
        for pending in pending.into_iter().filter(|pending| pending.is_awaited) {
            self.sessions.replied(pending.session, self.group, pending.token, ChunkReplies::Unavailable);
        }
    }

    fn resend(&self, inner: &Inner) {
        let Some((leader, _)) = inner.leader else { return };
        for pending in inner.in_flight.iter().flatten() {
            let submission = Submission { chunk: pending.chunk.clone(), blob: pending.blob.clone() };
            self.route.submit(leader, self.group, submission);
        }
    }
}

impl Inner {
    fn take(&mut self, seq: u64) -> Option<Pending> {
        let at = usize::try_from(seq.checked_sub(self.base_seq)?).ok()?;
        let pending = self.in_flight.get_mut(at)?.take();
        if let Some(pending) = pending.as_ref().filter(|pending| !pending.is_awaited) {
            self.kept_bytes -= pending.blob.as_bytes().len();
        }
        while let Some(None) = self.in_flight.front() {
            self.in_flight.pop_front();
            self.base_seq += 1;
        }
        pending
    }

    /// Nobody waits for what has a smaller number any more; returns who did. What was submitted is not taken back: it may be applied
    /// yet.
    fn give_up(&mut self, before: u64) -> Vec<(SessionId, u64)> {
        self.is_given_up = true;
        let count = usize::try_from(before.saturating_sub(self.base_seq)).unwrap_or(usize::MAX);
        let waiting = self.in_flight.iter_mut().take(count).flatten().filter(|pending| pending.is_awaited);
        let told = waiting.map(|pending| {
            pending.is_awaited = false;
            self.kept_bytes += pending.blob.as_bytes().len();
            (pending.session, pending.token)
        });
        told.collect()
    }

    /// Starts a new incarnation; returns what the old one had not answered.
    fn restart(&mut self, boot: u64) -> Vec<Pending> {
        self.boot = boot;
        self.next_seq = 1;
        self.base_seq = 1;
        self.gap_resent = 0;
        self.silent_ticks = 0;
        self.is_given_up = false;
        self.seq_at_tick = 1;
        self.kept_bytes = 0;
        std::mem::take(&mut self.in_flight).into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests;
