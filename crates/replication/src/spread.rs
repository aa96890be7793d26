//! How far every node has applied the metadata, and who waits for that: an answer is given when the live nodes know of it, too.
//!
//! Those who wait stand in the order of what they wait for. However many they are, news of a node costs only those whose wait
//! is over.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use types::NodeId;

/// What all nodes have said.
#[derive(Debug, Default)]
pub(crate) struct Spread(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    applied: BTreeMap<NodeId, u64>,
    next: u64,
    /// By the index that they wait for.
    waiting: BTreeMap<(u64, u64), oneshot::Sender<()>>,
}

/// Waits until all live nodes have applied an index. Dropped, it waits no more.
#[derive(Debug)]
pub(crate) struct Waiting {
    spread: Arc<Spread>,
    key: (u64, u64),
    over: oneshot::Receiver<()>,
}

impl Spread {
    /// A node has applied the metadata so far. `live` are the other nodes that are there.
    pub(crate) fn note(&self, node: NodeId, index: u64, live: impl Iterator<Item = NodeId>) {
        let over = {
            let mut state = self.0.lock();
            let at = state.applied.entry(node).or_insert(0);
            *at = index.max(*at);
            let Some(all) = state.reached(live) else { return };
            let still = state.waiting.split_off(&(all.saturating_add(1), 0));
            std::mem::replace(&mut state.waiting, still)
        };
        for (_, waiting) in over {
            // Whoever gave up waiting does not hear it.
            waiting.send(()).ok();
        }
    }

    /// Waits until all these nodes, those that are there, have applied that index.
    pub(crate) fn wait(self: &Arc<Self>, index: u64, live: impl Iterator<Item = NodeId>) -> Waiting {
        let (sender, over) = oneshot::channel();
        let mut state = self.0.lock();
        state.next += 1;
        let key = (index, state.next);
        if state.reached(live).is_none_or(|all| all >= index) {
            sender.send(()).ok();
        } else {
            state.waiting.insert(key, sender);
        }
        Waiting { spread: Arc::clone(self), key, over }
    }

    /// How far a node had applied the metadata when it said so last.
    pub(crate) fn of(&self, node: NodeId) -> Option<u64> {
        self.0.lock().applied.get(&node).copied()
    }
}

impl State {
    /// How far all of them have come; `None`: there are none.
    fn reached(&self, live: impl Iterator<Item = NodeId>) -> Option<u64> {
        live.map(|node| self.applied.get(&node).copied().unwrap_or(0)).min()
    }
}

impl Future for Waiting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.over).poll(cx).map(drop)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.spread.0.lock().waiting.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const NODES: [NodeId; 2] = [NodeId(2), NodeId(3)];

    #[test]
    fn a_wait_is_over_when_the_slowest_live_node_has_come_so_far() {
        let spread = Arc::<Spread>::default();
        let mut waits = [3, 1, 2].map(|index| spread.wait(index, NODES.into_iter()));
        let over = |waits: &mut [Waiting; 3]| [0, 1, 2].map(|at| (&mut waits[at]).now_or_never().is_some());
        spread.note(NodeId(2), 9, NODES.into_iter());
        assert!(waits.iter_mut().all(|wait| wait.now_or_never().is_none()));
        spread.note(NodeId(3), 2, NODES.into_iter());
        assert_eq!(over(&mut waits), [false, true, true]);
    }

    #[test]
    fn a_node_that_is_not_there_is_not_waited_for() {
        let spread = Arc::<Spread>::default();
        let wait = spread.wait(5, NODES.into_iter());
        spread.note(NodeId(2), 5, [NodeId(2)].into_iter());
        assert!(wait.now_or_never().is_some());
        assert!(spread.wait(7, std::iter::empty()).now_or_never().is_some(), "it is alone");
    }

    #[test]
    fn what_has_spread_already_is_not_waited_for() {
        let spread = Arc::<Spread>::default();
        NODES.into_iter().for_each(|node| spread.note(node, 4, NODES.into_iter()));
        assert!(spread.wait(4, NODES.into_iter()).now_or_never().is_some());
    }

    #[test]
    fn who_gives_up_leaves_nothing_behind() {
        let spread = Arc::<Spread>::default();
        drop(spread.wait(1, NODES.into_iter()));
        assert_eq!(spread.0.lock().waiting.len(), 0);
    }
}
