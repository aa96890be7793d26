//! Which proposals of each node the metadata log has had: a node that hears of a new leader sends again what was not answered, though
//! the old leader may have committed it.
//!
//! Part of the replicated state: every replica passes over the same copies.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use proto::DecodeError;
use types::NodeId;

/// Numbers that are remembered above one that is missing. A node sends again in order and has no more than that unanswered, so what
/// is missing for longer never comes.
const WINDOW: usize = 65_536;
/// Version of the layout in snapshots.
const VERSION: u8 = 1;

/// What is remembered of all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proposals {
    nodes: BTreeMap<NodeId, Seen>,
}

/// What was seen of a node's latest incarnation. Numbers start with 1, and seldom is one missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    boot: u64,
    /// Up to here all numbers count as seen.
    floor: u64,
    /// Those above that were seen.
    above: BTreeSet<u64>,
}

impl Proposals {
    /// Whether a proposal comes for the first time. Those of an earlier incarnation do not count: nobody waits for them.
    pub(crate) fn is_first(&mut self, node: NodeId, boot: u64, id: u64) -> bool {
        let seen = self.nodes.entry(node).or_default();
        if boot > seen.boot {
            *seen = Seen { boot, ..Seen::default() };
        }
        if boot < seen.boot || id <= seen.floor || !seen.above.insert(id) {
            return false;
        }
        if seen.above.len() > WINDOW {
            seen.floor = seen.above.pop_first().expect("there are many");
        }
        while seen.above.first() == Some(&(seen.floor + 1)) {
            seen.above.pop_first();
            seen.floor += 1;
        }
        true
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_u8(VERSION);
        for (node, seen) in &self.nodes {
            bytes.put_u64_le(node.0);
            bytes.put_u64_le(seen.boot);
            bytes.put_u64_le(seen.floor);
            bytes.put_u32_le(u32::try_from(seen.above.len()).expect("the window is small"));
            seen.above.iter().for_each(|id| bytes.put_u64_le(*id));
        }
        bytes.freeze()
    }

    pub(crate) fn decode(mut bytes: Bytes) -> Result<Self, DecodeError> {
        let damaged = DecodeError::new("seen proposals");
        if bytes.try_get_u8().ok() != Some(VERSION) {
            return Err(damaged);
        }
        let mut proposals = Proposals::default();
        while bytes.has_remaining() {
            let node = NodeId(bytes.try_get_u64_le().map_err(|_| damaged)?);
            let boot = bytes.try_get_u64_le().map_err(|_| damaged)?;
            let floor = bytes.try_get_u64_le().map_err(|_| damaged)?;
            let count = bytes.try_get_u32_le().map_err(|_| damaged)?;
            let above = (0..count).map(|_| bytes.try_get_u64_le()).collect::<Result<_, _>>().map_err(|_| damaged)?;
            proposals.nodes.insert(node, Seen { boot, floor, above });
        }
        Ok(proposals)
    }
}

#[cfg(test)]
mod tests {
    //! Copies are told from first ones, whatever their order.

    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn each_proposal_of_an_incarnation_counts_once(sent in vec((1_u64..3, 1_u64..3, 1_u64..40), 0..200)) {
            let mut proposals = Proposals::default();
            let mut naive = BTreeSet::new();
            let mut boots = BTreeMap::new();
            for (node, boot, id) in sent {
                let latest = boots.entry(node).or_insert(boot);
                *latest = boot.max(*latest);
                let expected = boot == *latest && naive.insert((node, boot, id));
                prop_assert_eq!(proposals.is_first(NodeId(node), boot, id), expected);
                prop_assert_eq!(&Proposals::decode(proposals.encode()).unwrap(), &proposals);
            }
        }

        #[test]
        fn damage_is_an_error_and_no_panic(bytes in vec(any::<u8>(), 0..80)) {
            if let Ok(proposals) = Proposals::decode(Bytes::from(bytes)) {
                prop_assert!(proposals.nodes.len() < 4);
            }
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_though_one_is_missing_for_ever() {
        let mut proposals = Proposals::default();
        let last = u64::try_from(WINDOW).unwrap() + 10;
        for id in 2..=last {
            assert!(proposals.is_first(NodeId(1), 1, id));
        }
        assert_eq!(proposals.nodes[&NodeId(1)].above.len(), 0);
        assert!(!proposals.is_first(NodeId(1), 1, 1), "it is too late");
        assert!(proposals.is_first(NodeId(1), 1, last + 1));
    }
}
