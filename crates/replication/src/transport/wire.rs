//! Conversions between what nodes say on the wire and what the replication layer works with.

use bytes::Bytes;
use proto::{DecodeError, generated::peer as p};
use queue::{CancelReason, Cancelled, Got, Refusal, Reply, SlotRange};
use types::{ConsumerKey, GroupId, MessageRef, NodeId, QueueId, SessionId};

use crate::{
    api::{Answer, DeliveredRecord, PeekedRecords, SessionDelivery},
    client::{AnswerResult, Answered},
    log_codec,
    raft_types::{Entry, LogId, Vote},
};

/// Wraps one kind of message.
pub(crate) fn message(kind: p::message::Kind) -> p::Message {
    p::Message { kind: Some(kind) }
}

pub(crate) fn leader(group: GroupId, term: u64) -> p::Message {
    message(p::message::Kind::Leader(p::Leader { group: group.0, term }))
}

pub(crate) fn applied(index: u64) -> p::Message {
    message(p::message::Kind::Applied(p::Applied { index }))
}

pub(crate) fn submit(group: GroupId, chunk: Bytes, blob: Bytes) -> p::Message {
    message(p::message::Kind::Submit(p::Submit { group: group.0, chunk, blob }))
}

pub(crate) fn vote(vote: &Vote) -> p::Vote {
    p::Vote { term: vote.leader_id.term, node: vote.leader_id.node_id, committed: vote.committed }
}

pub(crate) fn vote_from(vote: Option<p::Vote>) -> Result<Vote, DecodeError> {
    let vote = vote.ok_or_else(|| DecodeError::new("vote"))?;
    Ok(if vote.committed { Vote::new_committed(vote.term, vote.node) } else { Vote::new(vote.term, vote.node) })
}

pub(crate) fn log_id(id: &LogId) -> p::LogId {
    p::LogId { term: id.leader_id.term, node: id.leader_id.node_id, index: id.index }
}

pub(crate) fn log_id_from(id: p::LogId) -> LogId {
    log_codec::log_id(id.term, id.node, id.index)
}

pub(crate) fn entry(entry: &Entry) -> p::Entry {
    let (kind, head, blob) = log_codec::payload_parts(&entry.payload);
    p::Entry { log_id: Some(log_id(&entry.log_id)), kind: u32::from(kind), head, blob }
}

pub(crate) fn entry_from(entry: p::Entry) -> Result<Entry, DecodeError> {
    let damaged = DecodeError::new("log entry");
    let log_id = log_id_from(entry.log_id.ok_or(damaged)?);
    let kind = u8::try_from(entry.kind).map_err(|_| damaged)?;
    Ok(Entry { log_id, payload: log_codec::payload(kind, entry.head, entry.blob)? })
}

pub(crate) fn cancelled(cancelled: &Cancelled) -> p::Message {
    message(p::message::Kind::Cancelled(p::Cancelled {
        session_serial: cancelled.consumer.session.serial,
        number: cancelled.consumer.number,
        queue: cancelled.queue.0,
        timeout_ms: match cancelled.reason {
            CancelReason::QueueGone => 0,
            CancelReason::Timeout { after_ms } => after_ms.max(1),
        },
    }))
}

pub(crate) fn cancelled_from(cancelled: &p::Cancelled, node: NodeId) -> Cancelled {
    let reason = match cancelled.timeout_ms {
        0 => CancelReason::QueueGone,
        after_ms => CancelReason::Timeout { after_ms },
    };
    let consumer = consumer(node, cancelled.session_serial, cancelled.number);
    Cancelled { consumer, queue: QueueId(cancelled.queue), reason }
}

fn consumer(node: NodeId, serial: u64, number: u32) -> ConsumerKey {
    ConsumerKey { session: SessionId { node, serial }, number }
}

pub(crate) fn deliver(delivery: &SessionDelivery) -> p::Message {
    let marks: Vec<u32> = delivery.messages.iter().map(|m| m.delivery_count * 2 + u32::from(m.redelivered)).collect();
    message(p::message::Kind::Deliver(p::Deliver {
        session_serial: delivery.consumer.session.serial,
        number: delivery.consumer.number,
        queue: delivery.queue.0,
        first_seq: delivery.first_seq,
        records: delivery.messages.iter().map(|m| m.record.clone()).collect(),
        marks: if marks.iter().all(|mark| *mark == 0) { Vec::new() } else { marks },
    }))
}

pub(crate) fn deliver_from(delivery: p::Deliver, node: NodeId) -> SessionDelivery {
    let mut marks = delivery.marks.into_iter();
    let messages = delivery.records.into_iter().map(|record| {
        let mark = marks.next().unwrap_or(0);
        DeliveredRecord { record, redelivered: mark & 1 == 1, delivery_count: mark / 2 }
    });
    SessionDelivery {
        consumer: consumer(node, delivery.session_serial, delivery.number),
        queue: QueueId(delivery.queue),
        first_seq: delivery.first_seq,
        messages: messages.collect(),
    }
}

pub(crate) fn replies(group: GroupId, answers: Vec<Answered>) -> p::Message {
    let replies = answers.into_iter().map(reply).collect();
    message(p::message::Kind::Replies(p::Replies { group: group.0, replies }))
}

fn reply(answered: Answered) -> p::ChunkReply {
    use p::chunk_reply::Result as R;
    let mut reply = p::ChunkReply { boot: answered.boot, seq: answered.seq, ..p::ChunkReply::default() };
    match answered.result {
        AnswerResult::Applied(answers) => {
            reply.set_result(R::Applied);
            if answers.iter().all(|answer| matches!(answer, Answer::Reply(Reply::Done))) {
                reply.done = u32::try_from(answers.len()).unwrap_or(u32::MAX);
            } else {
                reply.answers = answers.into_iter().map(answer).collect();
            }
        }
        AnswerResult::Duplicate => reply.set_result(R::Duplicate),
        AnswerResult::Gap { expected } => {
            reply.set_result(R::Gap);
            reply.expected = expected;
        }
        AnswerResult::Fenced => reply.set_result(R::Fenced),
    }
    reply
}

pub(crate) fn replies_from(replies: p::Replies) -> Result<(GroupId, Vec<Answered>), DecodeError> {
    let done: u64 = replies.replies.iter().map(|reply| u64::from(reply.done)).sum();
    if done > ANSWERS_MAX {
        return Err(DecodeError::new("answers"));
    }
    let answers = replies.replies.into_iter().map(reply_from).collect::<Result<_, _>>()?;
    Ok((GroupId(replies.group), answers))
}

/// Most answers of one message that a number alone stands for: those to the chunks of one entry, each from one read of a socket.
/// More is damage, which a few bytes must not buy memory with.
pub(crate) const ANSWERS_MAX: u64 = 1 << 20;

fn reply_from(reply: p::ChunkReply) -> Result<Answered, DecodeError> {
    use p::chunk_reply::Result as R;
    let result = match reply.result() {
        R::Applied if reply.done > 0 => {
            AnswerResult::Applied((0..reply.done).map(|_| Answer::Reply(Reply::Done)).collect())
        }
        R::Applied => AnswerResult::Applied(reply.answers.into_iter().map(answer_from).collect::<Result<_, _>>()?),
        R::Duplicate => AnswerResult::Duplicate,
        R::Gap => AnswerResult::Gap { expected: reply.expected },
        R::Fenced => AnswerResult::Fenced,
    };
    Ok(Answered { boot: reply.boot, seq: reply.seq, result })
}

fn answer(answer: Answer) -> p::Answer {
    use p::answer::Answer as W;
    let answer = match answer {
        Answer::Got(got, record) => W::Got(p::Got {
            seq: got.seq,
            redelivered: got.redelivered,
            delivery_count: got.delivery_count,
            remaining: got.remaining,
            record,
        }),
        Answer::Peeked(PeekedRecords { records, next }) => W::Peeked(p::Peeked { records, next }),
        Answer::Reply(Reply::Got(_) | Reply::Peeked(_) | Reply::Done) => W::Done(p::Nothing {}),
        Answer::Reply(Reply::Deleted { messages }) => W::Deleted(messages),
        Answer::Reply(Reply::NotTaken { rejected, missing }) => {
            W::Rejected(p::Rejected { slots: pairs(&rejected), missing: pairs(&missing) })
        }
        Answer::Reply(Reply::Detached { consumers, queue_ended: false }) => W::Detached(consumers),
        Answer::Reply(Reply::Detached { consumers, queue_ended: true }) => W::DetachedAndEnded(consumers),
        Answer::Reply(Reply::Empty) => W::Empty(p::Nothing {}),
        Answer::Reply(Reply::Purged { messages }) => W::Purged(messages),
        Answer::Reply(Reply::Depth { messages, consumers }) => W::Depth(p::Depth { messages, consumers }),
        Answer::Reply(Reply::Refused(refusal)) => W::Refused(refusal_code(refusal)),
    };
    p::Answer { answer: Some(answer) }
}

fn answer_from(answer: p::Answer) -> Result<Answer, DecodeError> {
    use p::answer::Answer as W;
    let unknown = DecodeError::new("answer");
    Ok(Answer::Reply(match answer.answer.ok_or(unknown)? {
        W::Got(got) => {
            let fetched = Got {
                seq: got.seq,
                message: MessageRef::default(),
                redelivered: got.redelivered,
                delivery_count: got.delivery_count,
                remaining: got.remaining,
            };
            return Ok(Answer::Got(fetched, got.record));
        }
        W::Peeked(p::Peeked { records, next }) => return Ok(Answer::Peeked(PeekedRecords { records, next })),
        W::Done(_) => Reply::Done,
        W::Deleted(messages) => Reply::Deleted { messages },
        W::Detached(consumers) => Reply::Detached { consumers, queue_ended: false },
        W::DetachedAndEnded(consumers) => Reply::Detached { consumers, queue_ended: true },
        W::Rejected(p::Rejected { slots, missing }) => {
            Reply::NotTaken { rejected: ranges(&slots).ok_or(unknown)?, missing: ranges(&missing).ok_or(unknown)? }
        }
        W::Empty(_) => Reply::Empty,
        W::Purged(messages) => Reply::Purged { messages },
        W::Depth(depth) => Reply::Depth { messages: depth.messages, consumers: depth.consumers },
        W::Refused(code) => Reply::Refused(refusal_from(code).ok_or(unknown)?),
    }))
}

fn pairs(ranges: &[SlotRange]) -> Vec<u32> {
    ranges.iter().flat_map(|range| [range.first, range.count]).collect()
}

fn ranges(pairs: &[u32]) -> Option<Vec<SlotRange>> {
    let pairs = pairs.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| SlotRange { first: pair[0], count: pair[1] }).collect())
}

fn refusal_code(refusal: Refusal) -> u32 {
    match refusal {
        Refusal::NoSuchQueue => 1,
        Refusal::ExclusiveUse => 2,
        Refusal::InUse => 3,
        Refusal::NotEmpty => 4,
        Refusal::SingleActiveConsumer => 5,
    }
}

fn refusal_from(code: u32) -> Option<Refusal> {
    Some(match code {
        1 => Refusal::NoSuchQueue,
        2 => Refusal::ExclusiveUse,
        3 => Refusal::InUse,
        4 => Refusal::NotEmpty,
        5 => Refusal::SingleActiveConsumer,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
