//! The batcher of one group: while proposals are in flight it gathers what arrives, then proposes it as one entry.
//!
//! There is no linger timer: an idle group proposes at once, a busy one makes its own batches. It takes work only while this node
//! leads; what it drops when it stops leading is sent again by the nodes that sent it.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::Notify;
use types::{Blob, Timestamp};

use crate::{group_time::GroupTime, raft_types::Batch};

/// Most proposals that are not applied yet. More add latency, not throughput: the disk's queue is already full.
pub(crate) const IN_FLIGHT_MAX: u32 = 8;
/// Most chunks of one entry.
const CHUNKS_MAX: usize = 512;
/// An entry closes when it has grown to this size. One chunk larger than that is an entry of its own.
const ENTRY_BYTES_MAX: usize = 1024 * 1024;
/// Version of the head's layout.
const HEAD_VERSION: u8 = 1;

/// A chunk on its way into the log.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    /// The encoded chunk.
    pub chunk: Bytes,
    /// The message records that it names.
    pub blob: Blob,
}

#[derive(Debug, Default)]
pub(crate) struct Batcher {
    state: Mutex<State>,
    wake: Notify,
    time: GroupTime,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Submission>,
    leading: Option<u64>,
    in_flight: u32,
}

impl Batcher {
    /// Queues a chunk; drops it when this node does not lead.
    pub(crate) fn push(&self, submission: Submission) {
        let mut state = self.state.lock();
        if state.leading.is_none() {
            return;
        }
        state.queue.push_back(submission);
        let wake = state.in_flight < IN_FLIGHT_MAX;
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// This node leads from here on, and this is the group's time.
    pub(crate) fn lead(&self, term: u64, time: Timestamp) {
        self.time.start(time);
        *self.state.lock() = State { leading: Some(term), ..State::default() };
    }

    /// This node leads no more.
    pub(crate) fn follow(&self) {
        *self.state.lock() = State::default();
    }

    /// The term in which this node leads.
    pub(crate) fn leading(&self) -> Option<u64> {
        self.state.lock().leading
    }

    /// One of this term's proposals was applied.
    pub(crate) fn applied(&self) {
        let mut state = self.state.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        let wake = !state.queue.is_empty();
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// The group's time, where the clock says `clock`.
    pub(crate) fn time(&self, clock: Timestamp) -> Timestamp {
        self.time.read(clock)
    }

    /// The next entry to propose, when there is one and a proposal is free. The `clock` is asked once per entry.
    pub(crate) fn next(&self, clock: impl FnOnce() -> Timestamp) -> Option<Batch> {
        let mut state = self.state.lock();
        if state.leading.is_none() || state.in_flight >= IN_FLIGHT_MAX || state.queue.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let mut chunks: Vec<Submission> = Vec::new();
        while let Some(next) = state.queue.front() {
            let size = next.chunk.len() + next.blob.as_bytes().len();
            if chunks.len() >= CHUNKS_MAX || (!chunks.is_empty() && bytes + size > ENTRY_BYTES_MAX) {
                break;
            }
            bytes += size;
            chunks.extend(state.queue.pop_front());
        }
        state.in_flight += 1;
        drop(state);
        Some(assemble(&chunks, self.time(clock())))
    }

    /// Waits until there may be something to propose. Cancel safe.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }
}

fn assemble(chunks: &[Submission], now: Timestamp) -> Batch {
    let blobs: Vec<Blob> = chunks.iter().filter(|c| c.blob.slot_count() > 0).map(|c| c.blob.clone()).collect();
    Batch { head: head(now, chunks.iter().map(|chunk| &chunk.chunk)), blob: Blob::concat(&blobs) }
}

/// An entry's head: when it was proposed, and its chunks.
pub(crate) fn head<'c>(now: Timestamp, chunks: impl Iterator<Item = &'c Bytes> + Clone) -> Bytes {
    let mut head = BytesMut::with_capacity(9 + chunks.clone().map(|chunk| 4 + chunk.len()).sum::<usize>());
    head.put_u8(HEAD_VERSION);
    head.put_u64_le(now.0);
    for chunk in chunks {
        head.put_u32_le(u32::try_from(chunk.len()).expect("a chunk's commands stay below 4 GiB"));
        head.put_slice(chunk);
    }
    head.freeze()
}

/// Reads an entry's head: when it was proposed, and its chunks.
pub(crate) fn disassemble(mut head: Bytes) -> Result<(Timestamp, Vec<Bytes>), proto::DecodeError> {
    use bytes::Buf;
    let damaged = proto::DecodeError::new("entry head");
    if head.len() < 9 || head.get_u8() != HEAD_VERSION {
        return Err(damaged);
    }
    let proposed_at = Timestamp(head.get_u64_le());
    let mut chunks = Vec::new();
    while !head.is_empty() {
        if head.len() < 4 {
            return Err(damaged);
        }
        let len = usize::try_from(head.get_u32_le()).map_err(|_| damaged)?;
        if head.len() < len {
            return Err(damaged);
        }
        chunks.push(head.split_to(len));
    }
    Ok((proposed_at, chunks))
}

#[cfg(test)]
mod tests {
    //! What the batcher takes, holds back and gathers.

    use super::*;

    fn chunk(text: &'static str) -> Submission {
        Submission { chunk: Bytes::from_static(text.as_bytes()), blob: Blob::default() }
    }

    #[test]
    fn chunks_are_dropped_while_the_node_does_not_lead() {
        let batcher = Batcher::default();
        batcher.push(chunk("a"));
        batcher.lead(1, Timestamp(0));
        assert!(batcher.next(|| Timestamp(0)).is_none());
    }

    #[test]
    fn what_arrives_while_proposals_are_in_flight_becomes_one_entry() {
        let batcher = Batcher::default();
        batcher.lead(1, Timestamp(0));
        for _ in 0..IN_FLIGHT_MAX {
            batcher.push(chunk("x"));
            assert!(batcher.next(|| Timestamp(1)).is_some());
        }
        batcher.push(chunk("a"));
        batcher.push(chunk("b"));
        assert!(batcher.next(|| Timestamp(2)).is_none());
        batcher.applied();
        let batch = batcher.next(|| Timestamp(3)).unwrap();
        let (at, chunks) = disassemble(batch.head).unwrap();
        assert_eq!(at, Timestamp(3));
        assert_eq!(chunks, [Bytes::from_static(b"a"), Bytes::from_static(b"b")]);
    }

    #[test]
    fn a_head_that_is_cut_short_is_an_error() {
        let batch = assemble(&[chunk("abc")], Timestamp(7));
        for cut in 0..batch.head.len() {
            if cut == 9 {
                continue; // A head without chunks is whole.
            }
            assert!(disassemble(batch.head.slice(..cut)).is_err(), "cut at {cut}");
        }
    }
}
