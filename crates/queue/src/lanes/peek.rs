//! A look at ready messages, in the order in which they came, whatever their priority.

use super::{Lane, Lanes};
use crate::{held::Taken, outcome::Peeked};

/// Most messages that one look finds. Their records may lie in as many log entries, which are in memory together when the answer
/// is made.
pub const PEEKED_MAX: usize = 64;

impl Lanes {
    /// The messages from that position on, as far as [`PEEKED_MAX`] and `bytes_max` allow, but at least one.
    pub(crate) fn peek(&self, from: u64, bytes_max: u64) -> Peeked {
        let mut found: Vec<Taken> = self.descending().flat_map(|lane| lane.first(from)).collect();
        found.sort_unstable_by_key(|message| message.position);
        let mut peeked = Peeked::default();
        let mut bytes = 0;
        for message in found {
            bytes += u64::from(message.size);
            let is_first = peeked.messages.is_empty();
            if peeked.messages.len() == PEEKED_MAX || (bytes > bytes_max && !is_first) {
                peeked.next = Some(message.position);
                break;
            }
            peeked.messages.push(message.message());
        }
        peeked
    }
}

impl Lane {
    /// One more than the first [`PEEKED_MAX`] messages from that position on, in no order.
    fn first(&self, from: u64) -> Vec<Taken> {
        let mut found = Vec::new();
        self.backlog.for_each_run_from(from, |piece| {
            let left = u32::try_from(PEEKED_MAX + 1 - found.len()).unwrap_or(u32::MAX);
            found.extend((0..piece.count.min(left)).map(|at| Taken::of_piece(&piece, at)));
            found.len() <= PEEKED_MAX
        });
        found.extend(self.loose.range(from..).take(PEEKED_MAX + 1).map(|(_, message)| *message));
        found
    }
}
