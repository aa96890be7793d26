//! In which queues each session has consumers or holds messages, so that closing a session costs what the session touched.

use std::collections::BTreeSet;

use types::{NodeId, QueueId, SessionId};

/// Pairs of session and queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sessions {
    pairs: BTreeSet<(SessionId, QueueId)>,
}

impl Sessions {
    /// The session has something in the queue.
    pub(crate) fn insert(&mut self, session: SessionId, queue: QueueId) {
        self.pairs.insert((session, queue));
    }

    /// The session has nothing in the queue any more.
    pub(crate) fn remove(&mut self, session: SessionId, queue: QueueId) {
        self.pairs.remove(&(session, queue));
    }

    /// Forgets the session; returns where it had something.
    pub(crate) fn close(&mut self, session: SessionId) -> Vec<QueueId> {
        self.take(session, session).into_iter().map(|(_, queue)| queue).collect()
    }

    /// Forgets a node's sessions up to that serial; returns where they had something.
    pub(crate) fn close_node(&mut self, node: NodeId, serial_max: u64) -> Vec<(SessionId, QueueId)> {
        self.take(SessionId { node, serial: 0 }, SessionId { node, serial: serial_max })
    }

    /// Each node that has sessions, ascending, with its least and its greatest serial.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (NodeId, u64, u64)> {
        let mut last = self.last_up_to(NodeId(u64::MAX));
        let mut nodes = Vec::new();
        while let Some(session) = last {
            nodes.push((session.node, self.least_of(session), session.serial));
            last = session.node.0.checked_sub(1).and_then(|below| self.last_up_to(NodeId(below)));
        }
        nodes.into_iter().rev()
    }

    fn last_up_to(&self, node: NodeId) -> Option<SessionId> {
        let end = (SessionId { node, serial: u64::MAX }, QueueId(u64::MAX));
        self.pairs.range(..=end).next_back().map(|(session, _)| *session)
    }

    /// The least serial of the node that has this session.
    fn least_of(&self, session: SessionId) -> u64 {
        let first = (SessionId { node: session.node, serial: 0 }, QueueId(0));
        self.pairs.range(first..).next().map_or(session.serial, |(least, _)| least.serial)
    }

    fn take(&mut self, first: SessionId, last: SessionId) -> Vec<(SessionId, QueueId)> {
        let taken: Vec<_> = self.pairs.range((first, QueueId(0))..=(last, QueueId(u64::MAX))).copied().collect();
        for pair in &taken {
            self.pairs.remove(pair);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(node: u64, serial: u64) -> SessionId {
        SessionId { node: NodeId(node), serial }
    }

    #[test]
    fn closing_finds_what_a_session_touched_and_nothing_else() {
        let mut sessions = Sessions::default();
        for (node, serial, queue) in [(1, 1, 5), (1, 1, 9), (1, 2, 5), (2, 1, 5)] {
            sessions.insert(session(node, serial), QueueId(queue));
        }
        assert_eq!(sessions.close(session(1, 1)), [QueueId(5), QueueId(9)]);
        assert_eq!(sessions.close(session(1, 1)), []);
        assert_eq!(sessions.close_node(NodeId(1), 1), []);
        assert_eq!(sessions.close_node(NodeId(1), u64::MAX), [(session(1, 2), QueueId(5))]);
        assert_eq!(sessions.nodes().collect::<Vec<_>>(), [(NodeId(2), 1, 1)]);
    }

    #[test]
    fn each_node_is_told_once_with_its_least_and_greatest_serial() {
        let mut sessions = Sessions::default();
        for (node, serial) in [(0, 4), (3, 7), (3, 8), (u64::MAX, 1)] {
            sessions.insert(session(node, serial), QueueId(1));
            sessions.insert(session(node, serial), QueueId(2));
        }
        let nodes: Vec<_> = sessions.nodes().collect();
        assert_eq!(nodes, [(NodeId(0), 4, 4), (NodeId(3), 7, 8), (NodeId(u64::MAX), 1, 1)]);
    }
}
