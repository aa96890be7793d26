//! Which chunks were applied before: the node incarnations that number chunks, and how far each has come.

use std::collections::BTreeMap;

use types::NodeId;

use crate::{ChunkResult, Producer};

/// All nodes that ever numbered chunks here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    nodes: BTreeMap<NodeId, NodeProducer>,
}

/// What is known of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeProducer {
    /// The last incarnation that was declared over. Kept for ever.
    pub(crate) fenced: Option<u64>,
    /// The incarnation whose chunks are accepted, and its last chunk.
    pub(crate) current: Option<Accepted>,
}

/// How far an incarnation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The incarnation.
    pub(crate) boot: u64,
    /// Its last applied chunk.
    pub(crate) last_seq: u64,
}

impl Producers {
    /// Decides on a chunk; one that is admitted counts as applied. Chunks of the group's own leader are not numbered.
    ///
    /// # Errors
    /// What to answer when the chunk must not be applied.
    pub(crate) fn admit(&mut self, producer: Producer, seq: u64) -> Result<(), ChunkResult> {
        let Producer { node, boot } = producer;
        if node == NodeId(0) {
            return Ok(());
        }
        let known = self.nodes.get(&node).copied().unwrap_or_default();
        if known.fenced.is_some_and(|fenced| boot <= fenced) {
            return Err(ChunkResult::Fenced);
        }
        let last_seq = match known.current {
            Some(current) if boot < current.boot => return Err(ChunkResult::Fenced),
            Some(current) if boot == current.boot => current.last_seq,
            Some(_) | None => 0,
        };
        // Chunks are numbered from 1, so a chunk zero was not numbered at all; it is never new.
        if seq <= last_seq {
            return Err(ChunkResult::Duplicate);
        }
        let expected = last_seq + 1;
        if seq > expected {
            return Err(ChunkResult::Gap { expected });
        }
        self.nodes.insert(node, NodeProducer { current: Some(Accepted { boot, last_seq: seq }), ..known });
        Ok(())
    }

    /// Incarnations of the node up to that one are over.
    pub(crate) fn fence(&mut self, node: NodeId, boot: u64) {
        let known = self.nodes.entry(node).or_default();
        known.fenced = known.fenced.max(Some(boot));
        if known.current.is_some_and(|current| known.fenced >= Some(current.boot)) {
            known.current = None;
        }
    }

    /// Every node that is known, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, NodeProducer)> {
        self.nodes.iter().map(|(node, known)| (*node, *known))
    }

    /// Adds a node from a snapshot.
    pub(crate) fn restore(&mut self, node: NodeId, known: NodeProducer) {
        self.nodes.insert(node, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn producer(boot: u64) -> Producer {
        Producer { node: NodeId(4), boot }
    }

    #[test]
    fn chunks_are_admitted_once_and_in_order() {
        let mut producers = Producers::default();
        assert_eq!(producers.admit(producer(10), 2), Err(ChunkResult::Gap { expected: 1 }));
        assert_eq!(producers.admit(producer(10), 1), Ok(()));
        assert_eq!(producers.admit(producer(10), 1), Err(ChunkResult::Duplicate));
        assert_eq!(producers.admit(producer(10), 3), Err(ChunkResult::Gap { expected: 2 }));
        assert_eq!(producers.admit(producer(10), 2), Ok(()));
        assert_eq!(producers.admit(producer(10), 0), Err(ChunkResult::Duplicate));
    }

    #[test]
    fn a_new_incarnation_starts_at_one_and_ends_the_old() {
        let mut producers = Producers::default();
        producers.admit(producer(10), 1).unwrap();
        assert_eq!(producers.admit(producer(11), 2), Err(ChunkResult::Gap { expected: 1 }));
        assert_eq!(producers.admit(producer(10), 2), Ok(()), "a gap replaces nothing");
        assert_eq!(producers.admit(producer(11), 1), Ok(()));
        assert_eq!(producers.admit(producer(10), 3), Err(ChunkResult::Fenced));
    }

    #[test]
    fn incarnations_that_were_declared_over_stay_over() {
        let mut producers = Producers::default();
        producers.admit(producer(10), 1).unwrap();
        producers.fence(NodeId(4), 10);
        producers.fence(NodeId(4), 7);
        assert_eq!(producers.admit(producer(10), 2), Err(ChunkResult::Fenced));
        assert_eq!(producers.admit(producer(8), 1), Err(ChunkResult::Fenced));
        assert_eq!(producers.admit(producer(11), 1), Ok(()));
        producers.fence(NodeId(4), 10);
        assert_eq!(producers.admit(producer(11), 2), Ok(()), "a later incarnation is not touched");
    }

    #[test]
    fn chunks_of_the_leader_itself_are_not_numbered() {
        let mut producers = Producers::default();
        for _ in 0..3 {
            assert_eq!(producers.admit(Producer::default(), 0), Ok(()));
        }
        assert_eq!(producers.iter().count(), 0);
    }
}
