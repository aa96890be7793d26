//! openraft's own suite for log stores and state machines, on both stores; then what the suite does not ask.

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use openraft::{
    EntryPayload, StorageError,
    testing::log::{StoreBuilder, Suite},
};
use storage::{
    Options, RocksStore,
    sim::{SimStore, SyncMode},
};
use types::{Blob, NodeId};

use super::*;
use crate::{
    batcher::Batcher, effects::EffectQueue, entry_cache::CACHE_BYTES_MAX, raft_types::Batch, shard::ShardMachine,
    state_machine::StateMachine,
};

const GROUP: GroupId = GroupId(1);

/// Each store that the suite asks for is another group of one store.
struct Groups {
    store: Arc<dyn LogStore>,
    next: AtomicU32,
}

impl StoreBuilder<C, GroupLog, StateMachine<ShardMachine>> for Groups {
    async fn build(&self) -> Result<((), GroupLog, StateMachine<ShardMachine>), StorageError<C>> {
        let group = GroupId(self.next.fetch_add(1, Ordering::Relaxed));
        let store = Arc::clone(&self.store);
        let log = GroupLog::open(group, Arc::clone(&store), Arc::default()).unwrap();
        let effects: Arc<EffectQueue> = Arc::default();
        let machine = ShardMachine::new(group, Arc::<Batcher>::default(), effects, Arc::default(), Arc::clone(&store));
        // The suite's entries are node 0's: this node never leads.
        let machine = Arc::new(Mutex::new(machine));
        let state_machine = StateMachine::open(group, NodeId(1), store, log.clone(), machine, None).unwrap();
        Ok(((), log, state_machine))
    }
}

async fn suite(store: Arc<dyn LogStore>) {
    Box::pin(Suite::test_all(Groups { store, next: AtomicU32::new(1) })).await.unwrap();
}

fn log_id(term: u64, index: u64) -> LogId {
    log_codec::log_id(term, 1, index)
}

fn entry(term: u64, index: u64, bytes: usize) -> Entry {
    let batch = Batch { head: Bytes::from(vec![1; bytes]), blob: Blob::default() };
    Entry { log_id: log_id(term, index), payload: EntryPayload::Normal(batch) }
}

async fn append(log: &mut GroupLog, term: u64, indexes: Range<u64>, bytes: usize) {
    log.append(indexes.map(|index| entry(term, index, bytes)), IOFlushed::noop()).await.unwrap();
}

fn open(store: &Arc<dyn LogStore>) -> GroupLog {
    GroupLog::open(GROUP, Arc::clone(store), Arc::default()).unwrap()
}

fn indexes(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.log_id.index).collect()
}

#[tokio::test]
async fn openrafts_suite_passes_on_rocksdb() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(Arc::new(|_| {}));
    options.memory_bytes = Options::MEMORY_BYTES_MIN;
    suite(RocksStore::open(folder.path(), options).unwrap()).await;
}

#[tokio::test]
async fn openrafts_suite_passes_on_the_simulated_store() {
    suite(Arc::new(SimStore::new(SyncMode::Immediate))).await;
}

#[tokio::test]
async fn a_log_that_is_opened_again_is_as_it_was() {
    let store: Arc<dyn LogStore> = Arc::new(SimStore::new(SyncMode::Immediate));
    let vote = Vote::new_committed(3, 1);
    {
        let mut log = open(&store);
        append(&mut log, 3, 0..20, 10).await;
        log.save_vote(&vote).await.unwrap();
        log.save_committed(Some(log_id(3, 17))).await.unwrap();
        log.purge(log_id(3, 4)).await.unwrap();
    }
    let mut log = open(&store);
    assert_eq!(log.read_vote().await.unwrap(), Some(vote));
    assert_eq!(log.read_committed().await.unwrap(), Some(log_id(3, 17)));
    let state = log.get_log_state().await.unwrap();
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(log_id(3, 4)), Some(log_id(3, 19))));
    append(&mut log, 3, 20..23, 10).await;
    let read = log.try_get_log_entries(0..).await.unwrap();
    assert_eq!(indexes(&read), (5..23).collect::<Vec<_>>(), "the old ones from the store, the new ones from memory");
    assert!(read.iter().all(|read| *read == entry(3, read.log_id.index, 10)));
}

#[tokio::test]
async fn a_limited_read_stops_near_its_limit_and_gives_one_entry_at_least() {
    let store: Arc<dyn LogStore> = Arc::new(SimStore::new(SyncMode::Immediate));
    let mut log = open(&store);
    append(&mut log, 1, 0..8, READ_BYTES_MAX / 4).await;
    append(&mut log, 1, 8..9, READ_BYTES_MAX * 2).await;
    for mut log in [log, open(&store)] {
        let read = log.limited_get_log_entries(0, 9).await.unwrap();
        assert!((3..=5).contains(&read.len()), "{} entries", read.len());
        assert_eq!(read[0].log_id.index, 0);
        assert_eq!(indexes(&log.limited_get_log_entries(8, 9).await.unwrap()), [8]);
    }
}

#[tokio::test]
async fn the_successors_of_truncated_entries_are_not_taken_for_durable() {
    let sim = Arc::new(SimStore::new(SyncMode::Manual));
    let store: Arc<dyn LogStore> = sim.clone();
    let mut log = open(&store);
    append(&mut log, 1, 0..100, 10).await;
    // The entries become durable by the sync that the truncation waits for.
    let truncated = log.truncate_after(Some(log_id(1, 4)));
    let (truncated, _) = tokio::join!(truncated, async { sim.sync() });
    truncated.unwrap();
    let count = 4;
    append(&mut log, 2, 5..5 + count, CACHE_BYTES_MAX / 2).await;
    let (from, cached) = log.cache.range(5..5 + count, usize::MAX);
    assert_eq!((from, cached.len()), (5, 4), "entries that are not durable stay in memory");
    sim.sync();
    append(&mut log, 2, 9..10, 10).await;
    assert!(log.cache.range(0..10, usize::MAX).0 > 5, "durable ones above the limit are let go of");
}
