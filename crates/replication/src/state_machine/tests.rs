//! When this node leads as its state machine sees it; checkpoints and snapshots.

use bytes::Bytes;
use openraft::{impls::EmptyNode, storage::RaftLogStorage};
use storage::sim::{SimStore, SyncMode};

use super::*;
use crate::{
    log_codec::log_id,
    raft_types::{Batch, Entry, Payload, Vote},
};

const GROUP: GroupId = GroupId(1);
const NODE: NodeId = NodeId(1);

/// Notes what it is told; its state is the sum of the heads that it applied.
#[derive(Debug, Default)]
struct Notes {
    told: Vec<String>,
    sum: u64,
}

impl Machine for Notes {
    fn apply(&mut self, at: EntryAt, batch: &Batch) {
        self.sum += u64::from(batch.head[0]);
        self.told.push(format!("apply {}{}", at.index, if at.leading { " leading" } else { "" }));
    }

    fn lead(&mut self, term: u64) {
        self.told.push(format!("lead {term}"));
    }

    fn follow(&mut self) {
        self.told.push("follow".to_owned());
    }

    fn snapshot(&self) -> Vec<(u64, Bytes)> {
        vec![(0, Bytes::copy_from_slice(&self.sum.to_le_bytes()))]
    }

    fn restore(&mut self, segments: Vec<(u64, Bytes)>) -> Result<(), proto::DecodeError> {
        let sum = segments.first().and_then(|(_, bytes)| <[u8; 8]>::try_from(bytes.as_ref()).ok());
        self.sum = u64::from_le_bytes(sum.ok_or_else(|| proto::DecodeError::new("sum"))?);
        Ok(())
    }

    fn digest(&self) -> u64 {
        0
    }

    fn live(&self) -> Vec<u64> {
        Vec::new()
    }
}

fn open(store: &Arc<dyn LogStore>) -> (GroupLog, StateMachine<Notes>) {
    let log = GroupLog::open(GROUP, Arc::clone(store), Arc::default()).unwrap();
    let machine = StateMachine::open(GROUP, NODE, Arc::clone(store), log.clone(), Arc::default(), None).unwrap();
    (log, machine)
}

fn sim() -> Arc<dyn LogStore> {
    Arc::new(SimStore::new(SyncMode::Immediate))
}

fn batch(value: u8) -> Payload {
    EntryPayload::Normal(Batch { head: Bytes::copy_from_slice(&[value]), ..Batch::default() })
}

async fn apply(machine: &mut StateMachine<Notes>, entries: Vec<(u64, u64, u64, Payload)>) {
    let entries = entries
        .into_iter()
        .map(|(term, node, index, payload)| Ok((Entry { log_id: log_id(term, node, index), payload }, None)));
    machine.apply(futures_util::stream::iter(entries)).await.unwrap();
}

fn told(machine: &StateMachine<Notes>) -> Vec<String> {
    std::mem::take(&mut machine.machine.lock().told)
}

#[tokio::test]
async fn effects_are_acted_on_between_the_own_first_entry_of_a_term_and_the_first_of_another() {
    let (_, mut machine) = open(&sim());
    apply(
        &mut machine,
        vec![
            (1, 2, 1, EntryPayload::Blank),
            (1, 2, 2, batch(1)),
            (2, 1, 3, EntryPayload::Blank),
            (2, 1, 4, batch(1)),
            (3, 3, 5, EntryPayload::Blank),
            (3, 3, 6, batch(1)),
            (5, 1, 7, EntryPayload::Blank),
            (5, 1, 8, batch(1)),
            (6, 1, 9, EntryPayload::Blank),
        ],
    )
    .await;
    let expected = ["apply 2", "lead 2", "apply 4 leading", "follow", "apply 6", "lead 5", "apply 8 leading", "lead 6"];
    assert_eq!(told(&machine), expected);
}

#[tokio::test]
async fn entries_that_an_earlier_incarnation_proposed_are_applied_without_leading() {
    let store = sim();
    let (mut log, _) = open(&store);
    log.save_vote(&Vote::new_committed(4, NODE.0)).await.unwrap();
    let (_, mut machine) = open(&store);
    apply(&mut machine, vec![(4, 1, 1, EntryPayload::Blank), (4, 1, 2, batch(1)), (5, 1, 3, EntryPayload::Blank)])
        .await;
    assert_eq!(told(&machine), ["apply 2", "lead 5"]);
}

#[tokio::test]
async fn a_checkpoint_is_found_at_the_next_start() {
    let store = sim();
    let (_, mut machine) = open(&store);
    let members = openraft::Membership::new_with_defaults(vec![[1, 2, 3].into()], []);
    apply(&mut machine, vec![(1, 2, 1, EntryPayload::Membership(members)), (1, 2, 2, batch(7)), (1, 2, 3, batch(8))])
        .await;
    let built = machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    let (_, mut again) = open(&store);
    assert_eq!(again.applied_state().await.unwrap(), machine.applied_state().await.unwrap());
    assert_eq!(again.applied_state().await.unwrap().0, Some(log_id(1, 2, 3)));
    assert_eq!(again.machine.lock().sum, 15);
    assert_eq!(again.get_current_snapshot().await.unwrap().unwrap().meta, built.meta);
}

#[tokio::test]
async fn a_leader_that_is_given_a_snapshot_leads_no_more() {
    let (_, mut other) = open(&sim());
    apply(&mut other, vec![(2, 2, 8, EntryPayload::Blank), (2, 2, 9, batch(42))]).await;
    let snapshot = other.get_snapshot_builder().await.build_snapshot().await.unwrap();

    let (log, mut machine) = open(&sim());
    apply(&mut machine, vec![(1, 1, 1, EntryPayload::Blank), (1, 1, 2, batch(1))]).await;
    machine.install_snapshot(&snapshot.meta, snapshot.snapshot.clone()).await.unwrap();
    assert_eq!(told(&machine), ["lead 1", "apply 2 leading", "follow"]);
    assert_eq!(machine.machine.lock().sum, 42);
    assert_eq!(log.last_log_id(), Some(log_id(2, 2, 9)));
    apply(&mut machine, vec![(2, 2, 10, batch(1))]).await;
    assert_eq!(told(&machine), ["apply 10"]);

    machine.install_snapshot(&snapshot.meta, snapshot.snapshot).await.unwrap();
    assert_eq!(machine.machine.lock().sum, 43, "an older snapshot changes nothing");
}

#[tokio::test]
async fn a_snapshot_that_is_no_state_is_refused() {
    let (_, mut machine) = open(&sim());
    let meta = SnapshotMeta {
        last_log_id: Some(log_id(1, 2, 3)),
        last_membership: StoredMembership::new(None, openraft::Membership::<u64, EmptyNode>::default()),
    };
    assert!(machine.install_snapshot(&meta, SnapshotData::default()).await.is_err());
    assert_eq!(machine.applied_state().await.unwrap().0, None);
}
