//! Live counts: how many references queues hold to each log entry, and so which blobs are still needed.
//!
//! Counts lie in blocks of consecutive entries, so that a backlog of single messages costs about four bytes for each, while
//! one message that is stuck for ever keeps only its own block. The entry that is being applied is counted apart: its messages
//! may die while others of it are still coming, and it must be reported dead once, at its end.

use std::{collections::BTreeMap, sync::Arc};

/// Entries of a block. Small enough that a lonely live entry costs half a kilobyte, large enough that the tree of blocks
/// weighs little beside the counts.
const BLOCK_ENTRIES: u64 = 128;

/// Live references of all entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct LiveCounts {
    blocks: BTreeMap<u64, Arc<Block>>,
    /// The last block that emptied, all zero: where each message dies before the next comes, no block is made anew.
    spare: Option<Arc<Block>>,
    open: Option<OpenEntry>,
    messages: u64,
    entries: u64,
}

#[derive(Clone, Debug)]
struct Block {
    counts: [u32; 128],
    live_entries: u32,
}

#[derive(Clone, Copy, Debug)]
struct OpenEntry {
    index: u64,
    count: u32,
}

/// An entry would have more references than can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyReferences;

impl Block {
    const EMPTY: Block = Block { counts: [0; 128], live_entries: 0 };
}

impl LiveCounts {
    /// Starts an entry.
    pub(crate) fn open(&mut self, index: u64) {
        assert!(self.open.is_none(), "the entry before was closed");
        self.open = Some(OpenEntry { index, count: 0 });
    }

    /// Counts references to the open entry.
    pub(crate) fn add(&mut self, count: u32) -> Result<(), TooManyReferences> {
        let open = self.open.as_mut().expect("references come in while an entry is open");
        open.count = open.count.checked_add(count).ok_or(TooManyReferences)?;
        self.messages += u64::from(count);
        Ok(())
    }

    /// Ends the open entry. Without references it is dead, if it has a blob at all.
    pub(crate) fn close(&mut self, has_blob: bool, dead: &mut Vec<u64>) {
        let open = self.open.take().expect("an entry is open");
        if open.count > 0 {
            self.set(open.index, |_| open.count);
        } else if has_blob {
            dead.push(open.index);
        }
    }

    /// Takes references away; an entry that has none left is dead.
    pub(crate) fn release(&mut self, index: u64, count: u32, dead: &mut Vec<u64>) {
        self.messages -= u64::from(count);
        if let Some(open) = &mut self.open
            && open.index == index
        {
            open.count = open.count.checked_sub(count).expect("a released reference was counted");
            return;
        }
        let (number, at) = place(index);
        let block = Arc::make_mut(self.blocks.get_mut(&number).expect("a released entry is live"));
        let left = block.counts[at].checked_sub(count).expect("a released reference was counted");
        block.counts[at] = left;
        if left > 0 {
            return;
        }
        block.live_entries -= 1;
        if block.live_entries == 0 {
            self.spare = self.blocks.remove(&number);
        }
        self.entries -= 1;
        dead.push(index);
    }

    /// Counts references to any entry, when a machine is restored.
    pub(crate) fn restore(&mut self, index: u64, count: u32) -> Result<(), TooManyReferences> {
        assert!(count > 0, "an entry without references is not live");
        let mut fits = true;
        self.set(index, |known| {
            let sum = known.checked_add(count);
            fits = sum.is_some();
            sum.unwrap_or(known)
        });
        if !fits {
            return Err(TooManyReferences);
        }
        self.messages += u64::from(count);
        Ok(())
    }

    /// References to all entries.
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    /// How many entries are live.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// Each live entry with its references, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.blocks.iter().flat_map(|(number, block)| {
            let first = number * BLOCK_ENTRIES;
            let counts = (0..BLOCK_ENTRIES).zip(block.counts).filter(|(_, count)| *count > 0);
            counts.map(move |(at, count)| (first + at, count))
        })
    }

    /// Gives an entry a count that is not zero, from the one that it has.
    fn set(&mut self, index: u64, count: impl FnOnce(u32) -> u32) {
        let (number, at) = place(index);
        let spare = &mut self.spare;
        let block = self.blocks.entry(number).or_insert_with(|| spare.take().unwrap_or_else(|| Arc::new(Block::EMPTY)));
        let block = Arc::make_mut(block);
        if block.counts[at] == 0 {
            block.live_entries += 1;
            self.entries += 1;
        }
        block.counts[at] = count(block.counts[at]);
    }
}

fn place(index: u64) -> (u64, usize) {
    let at = usize::try_from(index % BLOCK_ENTRIES).expect("a place in a block is small");
    (index / BLOCK_ENTRIES, at)
}

/// Gathers the references that a command gives up, so that messages of one entry in a row cost one look-up.
#[derive(Debug)]
pub(crate) struct Releaser<'a> {
    live: &'a mut LiveCounts,
    dead: &'a mut Vec<u64>,
    index: u64,
    count: u32,
}

impl<'a> Releaser<'a> {
    /// Releases into these counts; reports entries that died.
    pub(crate) fn new(live: &'a mut LiveCounts, dead: &'a mut Vec<u64>) -> Self {
        Releaser { live, dead, index: 0, count: 0 }
    }

    /// Gives up `count` references to an entry.
    pub(crate) fn release(&mut self, index: u64, count: u32) {
        if index == self.index
            && let Some(sum) = self.count.checked_add(count)
        {
            self.count = sum;
            return;
        }
        self.flush();
        self.index = index;
        self.count = count;
    }

    /// Counts references that come in to the open entry.
    pub(crate) fn add(&mut self, count: u32) -> Result<(), TooManyReferences> {
        self.live.add(count)
    }

    /// Ends the gathering. Must be called last.
    pub(crate) fn finish(mut self) {
        self.flush();
    }

    fn flush(&mut self) {
        if self.count > 0 {
            self.live.release(self.index, self.count, self.dead);
            self.count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(live: &mut LiveCounts, index: u64, count: u32) -> Vec<u64> {
        let mut dead = Vec::new();
        live.open(index);
        live.add(count).unwrap();
        live.close(true, &mut dead);
        dead
    }

    #[test]
    fn an_entry_dies_once_with_its_last_reference() {
        let mut live = LiveCounts::default();
        assert_eq!(enter(&mut live, 7, 3), []);
        let mut dead = Vec::new();
        live.release(7, 2, &mut dead);
        assert_eq!(dead, []);
        live.release(7, 1, &mut dead);
        assert_eq!(dead, [7]);
        assert_eq!((live.entries(), live.messages()), (0, 0));
        assert!(live.blocks.is_empty());
    }

    #[test]
    fn an_entry_whose_messages_found_no_queue_is_dead_at_its_end() {
        let mut live = LiveCounts::default();
        assert_eq!(enter(&mut live, 1, 0), [1]);
        let mut dead = Vec::new();
        live.open(2);
        live.close(false, &mut dead);
        assert_eq!(dead, [], "an entry without a blob never appears");
    }

    #[test]
    fn references_of_the_open_entry_may_come_and_go_until_its_end() {
        let mut live = LiveCounts::default();
        let mut dead = Vec::new();
        live.open(5);
        live.add(1).unwrap();
        live.release(5, 1, &mut dead);
        live.add(2).unwrap();
        live.release(5, 2, &mut dead);
        assert_eq!(dead, []);
        live.close(true, &mut dead);
        assert_eq!(dead, [5]);
    }

    #[test]
    fn a_stuck_message_does_not_keep_the_counts_of_entries_after_it() {
        let mut live = LiveCounts::default();
        enter(&mut live, 0, 1);
        let mut dead = Vec::new();
        for index in 1..100_000 {
            enter(&mut live, index, 1);
            live.release(index, 1, &mut dead);
        }
        assert_eq!(live.blocks.len(), 1);
        assert_eq!(live.iter().collect::<Vec<_>>(), [(0, 1)]);
        assert_eq!(dead.len(), 99_999);
    }

    #[test]
    fn a_releaser_looks_up_an_entry_once_for_messages_in_a_row() {
        let mut live = LiveCounts::default();
        enter(&mut live, 1, 2);
        enter(&mut live, 2, 1);
        let mut dead = Vec::new();
        let mut releaser = Releaser::new(&mut live, &mut dead);
        releaser.release(1, 1);
        releaser.release(2, 1);
        releaser.release(1, 1);
        releaser.finish();
        assert_eq!(dead, [2, 1]);
    }

    #[test]
    fn too_many_references_to_one_entry_are_refused() {
        let mut live = LiveCounts::default();
        live.open(1);
        live.add(u32::MAX).unwrap();
        assert_eq!(live.add(1), Err(TooManyReferences));
        assert_eq!(live.messages(), u64::from(u32::MAX));
    }
}
