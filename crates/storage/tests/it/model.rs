//! The simulated store means the same as RocksDB: random operations on both, then every read compared, also after restarts.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use proptest::prelude::*;
use storage::{
    Checkpoint, Error, InstalledSnapshot, LogRecord, LogStore, RocksStore,
    sim::{SimStore, SyncMode},
};
use types::GroupId;

use crate::support::{open, wait, waiter};

/// Indexes that the operations below can reach, and some more.
const INDEX_MAX: u64 = 1200;

#[derive(Clone, Debug)]
enum Step {
    /// Appends so many entries, of which those that the mask names have blobs, off by this much from the log's end.
    Append {
        count: u64,
        blobs: u64,
        off: u64,
    },
    Vote(u8),
    Committed(u8),
    /// Keeps so many entries less than there are; everything goes when there are fewer.
    Truncate {
        less: u64,
    },
    /// Purges up to so far below the end, or above it.
    Purge {
        below: u64,
        beyond: bool,
    },
    DeleteBlobs(Vec<u64>),
    /// Stages blobs from an index on that lies so far before four above the log's end.
    PutBlobs {
        before: u64,
        count: u64,
    },
    Checkpoint {
        segments: u64,
        large: bool,
    },
    Install {
        above: u64,
        live: Vec<u64>,
        large: bool,
    },
    Forget,
    NodeValue(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..6_u64, any::<u64>(), prop_oneof![9 => Just(0), 1 => 1..3_u64])
            .prop_map(|(count, blobs, off)| Step::Append { count, blobs, off }),
        1 => (300..400_u64).prop_map(|count| Step::Append { count, blobs: u64::MAX, off: 0 }),
        1 => any::<u8>().prop_map(Step::Vote),
        1 => any::<u8>().prop_map(Step::Committed),
        2 => prop_oneof![0..5_u64, Just(300), Just(2000)].prop_map(|less| Step::Truncate { less }),
        3 => (prop_oneof![0..5_u64, Just(300)], prop::bool::weighted(0.1))
            .prop_map(|(below, beyond)| Step::Purge { below, beyond }),
        3 => prop::collection::vec(0..60_u64, 0..20).prop_map(Step::DeleteBlobs),
        1 => (0..300_u64, 256..300_u64).prop_map(|(from, count)| Step::DeleteBlobs((from..from + count).collect())),
        2 => (0..8_u64, 1..6_u64).prop_map(|(before, count)| Step::PutBlobs { before, count }),
        2 => (0..4_u64, prop::bool::weighted(0.2)).prop_map(|(segments, large)| Step::Checkpoint { segments, large }),
        1 => (0..6_u64, prop::collection::btree_set(0..500_u64, 0..8), prop::bool::weighted(0.2))
            .prop_map(|(above, live, large)| Step::Install { above, live: live.into_iter().collect(), large }),
        1 => Just(Step::Forget),
        1 => any::<u8>().prop_map(Step::NodeValue),
    ]
}

/// Where a group's log ends, to make operations that mostly fit.
#[derive(Clone, Copy, Default)]
struct End {
    purged: Option<u64>,
    last: Option<u64>,
}

impl End {
    fn next(self) -> u64 {
        self.last.or(self.purged).map_or(0, |last| last + 1)
    }

    fn purge(&mut self, up_to: u64) {
        self.purged = self.purged.max(Some(up_to));
        self.last = self.last.filter(|last| *last > up_to);
    }
}

struct Pair {
    rocks: Arc<RocksStore>,
    sim: SimStore,
    ends: [End; 2],
    large: Bytes,
}

impl Pair {
    /// Does it on both; what RocksDB answers is waited for at the next comparison.
    fn both(&self, call: impl Fn(&dyn LogStore)) {
        call(&*self.rocks);
        call(&self.sim);
    }

    fn apply(&mut self, group: usize, step: &Step, salt: u64) {
        let id = GroupId(u32::try_from(group).unwrap());
        let end = self.ends[group];
        match step {
            Step::Append { count, blobs, off } => {
                // A log that is empty takes any index, but real ones begin at zero.
                let off = if end.last.or(end.purged).is_some() { *off } else { 0 };
                self.append(group, end.next() + off, *count, *blobs, salt);
            }
            Step::Vote(vote) => self.both(|s| s.save_vote(id, Bytes::copy_from_slice(&[*vote]), Box::new(drop))),
            Step::Committed(at) => self.both(|s| s.save_committed(id, Bytes::copy_from_slice(&[*at]))),
            Step::Truncate { less } => {
                let kept = end.last.and_then(|last| last.checked_sub(*less)).filter(|kept| Some(*kept) >= end.purged);
                self.both(|s| s.truncate_after(id, kept, Box::new(drop)));
                self.ends[group].last = end.last.min(kept).filter(|last| Some(*last) > end.purged);
            }
            Step::Purge { below, beyond } => {
                let up_to = if *beyond { end.next() + below } else { end.next().saturating_sub(below + 1) };
                self.both(|s| s.purge(id, up_to, Bytes::from(format!("purged {up_to} {salt}"))));
                self.ends[group].purge(up_to);
            }
            Step::DeleteBlobs(indexes) => self.both(|s| s.delete_blobs(id, indexes.clone())),
            Step::PutBlobs { before, count } => {
                let from = (end.next() + 4).saturating_sub(*before);
                let blobs: Vec<_> =
                    (from..from + count).map(|index| (index, Bytes::from(format!("staged {index} {salt}")))).collect();
                self.both(|s| s.put_blobs(id, blobs.clone()));
            }
            Step::Checkpoint { segments, large } => {
                let checkpoint = self.checkpoint(*segments, *large, salt);
                self.both(|s| s.write_checkpoint(id, checkpoint.clone(), Box::new(drop)));
            }
            Step::Install { above, live, large } => {
                let up_to = end.next() + above;
                let snapshot = InstalledSnapshot {
                    up_to,
                    last_purged: Bytes::from(format!("installed {up_to}")),
                    checkpoint: self.checkpoint(2, *large, salt),
                    live: live.clone(),
                };
                self.both(|s| s.install_snapshot(id, snapshot.clone(), Box::new(drop)));
                self.ends[group].purge(up_to);
            }
            Step::Forget => {
                self.both(|s| s.forget(id, Box::new(drop)));
                self.ends[group] = End::default();
            }
            Step::NodeValue(value) => {
                self.both(|s| s.write_node_value("n", Bytes::copy_from_slice(&[*value])).unwrap())
            }
        }
    }

    /// Appends, and compares whether it was taken.
    fn append(&mut self, group: usize, first: u64, count: u64, blobs: u64, salt: u64) {
        let id = GroupId(u32::try_from(group).unwrap());
        let records: Vec<_> = (first..first + count)
            .map(|index| LogRecord {
                index,
                head: Bytes::from(format!("head {index} {salt}")),
                blob: if blobs >> (index % 64) & 1 == 1 { Bytes::from(format!("blob {salt}")) } else { Bytes::new() },
            })
            .collect();
        let (done, of_rocks) = waiter();
        self.rocks.append(id, records.clone(), done);
        let of_sim = wait(|done| self.sim.append(id, records, done));
        if let Err(Error::OutOfOrder { expected, found, .. }) = of_sim {
            let refused = of_rocks.recv().unwrap();
            assert!(
                matches!(refused, Err(Error::OutOfOrder { expected: e, found: f, .. }) if (e, f) == (expected, found))
            );
        } else if count > 0 {
            self.ends[group].last = Some(first + count - 1);
        }
    }

    fn checkpoint(&self, segments: u64, large: bool, salt: u64) -> Checkpoint {
        let segment = if large { self.large.clone() } else { Bytes::from(format!("segment {salt}")) };
        let segments = if large { 5 } else { segments };
        // Written in descending, read in ascending order.
        let segments = (0..segments).rev().map(|n| (n * 7, segment.clone())).collect();
        Checkpoint { meta: Bytes::from(format!("meta {salt}")), segments }
    }

    fn restart(self, folder: &Path) -> Self {
        let Pair { rocks, sim, ends, large } = self;
        drop(rocks);
        sim.crash(0);
        let pair = Pair { rocks: open(folder), sim, ends, large };
        for group in [0, 1].map(GroupId) {
            assert_eq!(pair.rocks.recover(group).unwrap(), pair.sim.recover(group).unwrap(), "group {group}");
        }
        pair
    }

    fn compare(&self) {
        wait(|done| self.rocks.barrier(done)).unwrap();
        let (rocks, sim) = (&*self.rocks, &self.sim);
        assert_eq!(rocks.read_node_value("n").unwrap(), sim.read_node_value("n").unwrap());
        for group in [0, 1].map(GroupId) {
            assert_eq!(rocks.read_checkpoint(group).unwrap(), sim.read_checkpoint(group).unwrap());
            for from in (0..INDEX_MAX).step_by(7) {
                let read = |store: &dyn LogStore, max| store.read_log(group, from..from + 5, max);
                for max in [1, 60, usize::MAX] {
                    match (read(rocks, max), read(sim, max)) {
                        (Ok(of_rocks), Ok(of_sim)) => assert_eq!(of_rocks, of_sim),
                        (Err(Error::Missing { index: a, .. }), Err(Error::Missing { index: b, .. })) => {
                            assert_eq!(a, b)
                        }
                        (of_rocks, of_sim) => panic!("{group} from {from}: {of_rocks:?}, {of_sim:?}"),
                    }
                }
            }
            for index in 0..INDEX_MAX {
                let blobs = (rocks.read_blob(group, index).unwrap(), sim.read_blob(group, index).unwrap());
                assert_eq!(blobs.0, blobs.1, "group {group}, blob {index}");
            }
        }
    }
}

proptest! {
    // Each case opens RocksDB four times.
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_simulated_store_and_rocksdb_read_the_same(
        lives in prop::collection::vec(prop::collection::vec((0..2_usize, step()), 0..40), 1..4)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut pair = Pair {
            rocks: open(folder.path()),
            sim: SimStore::new(SyncMode::Immediate),
            ends: [End::default(); 2],
            large: Bytes::from(vec![7; 1 << 20]),
        };
        let mut salt = 0;
        for life in &lives {
            for (group, step) in life {
                salt += 1;
                pair.apply(*group, step, salt);
            }
            pair.compare();
            pair = pair.restart(folder.path());
            pair.compare();
        }
    }
}
