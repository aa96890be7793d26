//! Replicas that have applied the same entries are equal, whether from the log or from a snapshot (I11; DESIGN §3 D6).

use std::collections::BTreeMap;

use types::GroupId;

use crate::oracle::Verdict;

/// Digests by group and index, with who had them first.
#[derive(Debug, Default)]
pub(crate) struct Digests(BTreeMap<(GroupId, u64), (usize, u64)>);

impl Digests {
    pub(crate) fn at(&mut self, node: usize, group: GroupId, index: u64, digest: u64) -> Verdict {
        let (first, known) = *self.0.entry((group, index)).or_insert((node, digest));
        if known != digest {
            return Err(format!(
                "group {group}: after entry {index} the machine of node {} differs from that of node {}",
                node + 1,
                first + 1
            ));
        }
        Ok(())
    }
}
