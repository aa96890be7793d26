//! For each message that a machine refers to the store has a body (DESIGN §3 D4): bodies are deleted after their messages, never
//! before. Of a replica that is behind they may be gone: it will find their end in its log, and only a leader reads them.

use replication::{EntryId, ReplicaView};

use crate::oracle::Verdict;

pub(crate) fn check(
    node: usize,
    view: &ReplicaView,
    committed: Option<EntryId>,
    has_body: impl Fn(u64) -> bool,
) -> Verdict {
    if view.applied != committed {
        return Ok(());
    }
    match view.live.iter().find(|index| !has_body(**index)) {
        Some(index) => {
            Err(format!("group {}: node {} needs the bodies of entry {index}, which are gone", view.group, node + 1))
        }
        None => Ok(()),
    }
}
