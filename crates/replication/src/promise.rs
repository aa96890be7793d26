//! What a replica has promised before it was deleted, which binds the next one of this group on this node.
//!
//! A replica that was removed from its group may be added again. To those who were cut off meanwhile it is still the voter that it was: they
//! ask for its vote, and count on what it has acknowledged. An empty replica would give its vote to anybody, and with it entries away that
//! were committed with the help of the old one (Raft §5.2, §5.4.1: votes and the log outlive everything). So the last vote and the last log
//! id stay when the rest is deleted. The next replica begins with that vote; it votes for nobody who has less of the log than the old one had,
//! and does not stand for election before it has as much itself.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use proto::DecodeError;
use storage::LogStore;
use types::GroupId;

use crate::{
    log_codec,
    raft_types::{LogId, Vote},
};

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromiseError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] storage::Error),
    /// What the store holds is damaged.
    #[error(transparent)]
    Damaged(#[from] DecodeError),
}

/// The last vote and the last log id of replicas that are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Promise {
    pub(crate) vote: Option<Vote>,
    pub(crate) last: Option<LogId>,
}

impl Promise {
    /// What was kept of earlier replicas.
    pub(crate) fn read(store: &Arc<dyn LogStore>, group: GroupId) -> Result<Self, PromiseError> {
        let kept = store.read_node_value(&key(group))?;
        Ok(kept.map(Promise::decode).transpose()?.unwrap_or_default())
    }

    /// Keeps it; returns when it is durable.
    pub(crate) fn keep(&self, store: &Arc<dyn LogStore>, group: GroupId) -> Result<(), storage::Error> {
        store.write_node_value(&key(group), self.encode())
    }

    /// Together with what another replica has promised.
    pub(crate) fn and(self, vote: Option<Vote>, last: Option<LogId>) -> Self {
        let vote = if self.vote > vote { self.vote } else { vote };
        Promise { vote, last: self.last.max(last) }
    }

    /// Whether who has the log up to there may get this replica's vote, as far as the promise goes.
    pub(crate) fn allows(&self, last: Option<LogId>) -> bool {
        last >= self.last
    }

    fn encode(&self) -> Bytes {
        let vote = self.vote.as_ref().map(log_codec::vote_bytes).unwrap_or_default();
        let mut bytes = BytesMut::new();
        bytes.put_u8(u8::try_from(vote.len()).expect("votes are small"));
        bytes.put_slice(&vote);
        bytes.put_slice(&log_codec::log_id_bytes(self.last.as_ref()));
        bytes.freeze()
    }

    fn decode(mut bytes: Bytes) -> Result<Self, DecodeError> {
        let damaged = DecodeError::new("promise of a deleted replica");
        let len = usize::from(bytes.try_get_u8().map_err(|_| damaged)?);
        if bytes.len() < len {
            return Err(damaged);
        }
        let vote = bytes.split_to(len);
        let vote = if vote.is_empty() { None } else { Some(log_codec::vote(vote)?) };
        Ok(Promise { vote, last: log_codec::log_id_from(bytes)? })
    }
}

fn key(group: GroupId) -> String {
    format!("promise-{group}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(term: u64) -> Option<Vote> {
        Some(Vote::new(term, 1))
    }

    fn last(term: u64, index: u64) -> Option<LogId> {
        Some(log_codec::log_id(term, 1, index))
    }

    #[test]
    fn a_promise_is_kept_as_it_was_given() {
        let store: Arc<dyn LogStore> = Arc::new(storage::sim::SimStore::new(storage::sim::SyncMode::Immediate));
        assert_eq!(Promise::read(&store, GroupId(1)).unwrap(), Promise::default());
        for promise in [Promise { vote: vote(5), last: last(4, 9) }, Promise { vote: None, last: None }] {
            promise.keep(&store, GroupId(1)).unwrap();
            assert_eq!(Promise::read(&store, GroupId(1)).unwrap(), promise);
        }
    }

    #[test]
    fn promises_never_become_smaller() {
        let promise = Promise::default().and(vote(5), last(4, 9));
        assert_eq!(promise.and(vote(4), last(5, 2)), Promise { vote: vote(5), last: last(5, 2) });
        assert_eq!(promise.and(None, None), promise);
    }

    #[test]
    fn who_has_less_of_the_log_than_was_acknowledged_gets_no_vote() {
        let promise = Promise { vote: vote(5), last: last(4, 9) };
        assert!(!promise.allows(None) && !promise.allows(last(4, 8)) && !promise.allows(last(3, 20)));
        assert!(promise.allows(last(4, 9)) && promise.allows(last(5, 1)));
        assert!(Promise::default().allows(None));
    }
}
