//! What outlives a replica that was deleted.

use storage::sim::{SimStore, SyncMode};

use super::*;
use crate::{
    clock::Clock,
    config::Timers,
    environment::Environment,
    log_codec::log_id,
    machine::EntryAt,
    raft_types::{Batch, LogId},
    transport::Local,
    upkeep::Checkpoints,
};

const NODE: NodeId = NodeId(1);
const GROUP: GroupId = GroupId(1);

/// A machine without state.
#[derive(Debug)]
struct Nothing {
    /// Whether it survives to lead.
    leads: bool,
}

impl Machine for Nothing {
    fn apply(&mut self, _: EntryAt, _: &Batch) {}

    fn lead(&mut self, _: u64) {
        assert!(self.leads, "the bug");
    }

    fn follow(&mut self) {}

    fn snapshot(&self) -> Vec<(u64, Bytes)> {
        Vec::new()
    }

    fn restore(&mut self, _: Vec<(u64, Bytes)>) -> Result<(), proto::DecodeError> {
        Ok(())
    }

    fn digest(&self) -> u64 {
        0
    }

    fn live(&self) -> Vec<u64> {
        Vec::new()
    }
}

fn context() -> Context {
    let config = Config {
        cluster_name: "test".to_owned(),
        name: "node".to_owned(),
        founders: Vec::new(),
        seeds: Vec::new(),
        address: None,
        shards: 1,
        timers: Timers::default(),
        checkpoints: Checkpoints::default(),
        environment: Environment::default(),
    };
    let local = Local { cluster_id: Bytes::new(), node: NODE, boot: 1 };
    let peers = Peers::new(Arc::clone(&config.environment.network), local, Vec::new());
    Context {
        node: NODE,
        config,
        store: Arc::new(SimStore::new(SyncMode::Immediate)),
        peers: Arc::new(peers),
        asked: Arc::default(),
        health: Arc::new(Health::new(Clock::default())),
        shutdown: Shutdown::new(),
    }
}

async fn open(context: &Context, founding: Option<BTreeSet<NodeId>>) -> Arc<Group<Nothing>> {
    open_with(context, Nothing { leads: true }, founding).await
}

async fn open_with(context: &Context, machine: Nothing, founding: Option<BTreeSet<NodeId>>) -> Arc<Group<Nothing>> {
    let context = Context { shutdown: context.shutdown.child(), ..context.clone() };
    Group::open(&context, GROUP, machine, Arc::default(), Arc::default(), founding).await.unwrap()
}

async fn until(is_so: impl Fn() -> bool) {
    let so = async {
        while !is_so() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), so).await.expect("it becomes so");
}

/// A replica that has voted and has entries, was deleted, and begins anew. With its last vote and log id.
async fn begun_anew() -> (Arc<Group<Nothing>>, Vote, LogId) {
    let context = context();
    let old = open(&context, Some(BTreeSet::from([NODE]))).await;
    until(|| old.raft.is_leader() && old.applied() > 0).await;
    let (vote, last) = (old.log.vote().unwrap(), old.log.last_log_id().unwrap());
    old.close().await;
    (open(&context, None).await, vote, last)
}

#[tokio::test]
async fn a_replica_whose_machine_panics_has_failed_and_one_that_is_told_to_end_has_not() {
    let context = context();
    let founding = Some(BTreeSet::from([NODE]));
    let failing = open_with(&context, Nothing { leads: false }, founding.clone()).await;
    until(|| failing.failure().is_some()).await;

    let ending = open(&self::context(), founding).await;
    until(|| ending.raft.is_leader()).await;
    let raft = ending.raft.clone();
    Arc::clone(&ending).close().await;
    assert!(raft.is_initialized().await.is_err(), "it has ended");
    assert_eq!(ending.failure(), None);
}

#[tokio::test]
async fn a_replica_that_begins_anew_goes_on_from_the_vote_of_the_one_before_it() {
    let (new, vote, _) = begun_anew().await;
    assert_eq!(new.log.last_log_id(), None, "there is nothing else left");
    assert_eq!(new.log.vote(), Some(vote));
    until(|| new.term() == vote.leader_id.term).await;
}

#[tokio::test]
async fn a_replica_that_begins_anew_votes_for_nobody_who_lacks_what_the_one_before_it_acknowledged() {
    let (new, vote, last) = begun_anew().await;
    let candidate = Vote::new(vote.leader_id.term + 10, 2);
    let behind = Some(log_id(last.leader_id.term, last.leader_id.node_id, last.index - 1));
    for lacking in [None, behind] {
        for pre_vote in [true, false] {
            let answer = new.vote(VoteRequest::new(candidate, lacking), pre_vote).await.unwrap();
            assert!(!answer.vote_granted, "{lacking:?}");
            assert_eq!(answer.last_log_id, Some(last));
        }
    }
    assert_eq!(new.log.vote(), Some(vote), "nothing was promised to it");
}

#[tokio::test]
async fn a_replica_that_begins_anew_does_not_stand_for_election_before_it_has_as_much_as_the_one_before_it() {
    let (new, vote, last) = begun_anew().await;
    assert!(!new.raft.config().enable_elect);
    assert!(!new.stand(NODE).await);
    let transfer = TransferLeaderRequest::new(vote, NODE.0, None);
    assert!(new.transfer(transfer).await.is_none());
    assert_eq!(new.log.vote(), Some(vote));
    assert!(!new.promise.allows(None) && new.promise.allows(Some(last)));
}
