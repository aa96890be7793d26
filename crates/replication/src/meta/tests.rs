//! What becomes of proposals that come twice.

use metadata::{Change, Command, PutVhost, Reply};
use types::ShortStr;

use super::*;
use crate::{environment::Environment, transport::Local};

const NODE: NodeId = NodeId(1);
const AT: types::Timestamp = types::Timestamp(1);

/// Keeps what is sent.
#[derive(Default)]
struct Sent(Mutex<Vec<Submission>>);

impl Route for Sent {
    fn submit(&self, _: NodeId, _: GroupId, submission: Submission) {
        self.0.lock().push(submission);
    }
}

/// Counts events.
#[derive(Default)]
struct Observer(Mutex<Vec<metadata::Event>>);

impl MetadataObserver for Observer {
    fn changed(&self, _: &metadata::Machine, events: &[metadata::Event]) {
        self.0.lock().extend_from_slice(events);
    }

    fn replaced(&self, _: &metadata::Machine) {}
}

/// One node that proposes, and its machine.
struct World {
    sent: Arc<Sent>,
    observer: Arc<Observer>,
    state: Arc<MetaState>,
    machine: MetaMachine,
    index: u64,
}

impl World {
    fn new() -> Self {
        let (sent, observer) = (Arc::<Sent>::default(), Arc::<Observer>::default());
        let local = Local { cluster_id: Bytes::new(), node: NODE, boot: 7 };
        let peers = Arc::new(Peers::new(Environment::default().network, local, Vec::new()));
        let members = Arc::new(Members::new(NODE, metadata::Cluster::default()));
        let others = Others { peers, route: sent.clone(), liveness: Arc::default(), members };
        let state = MetaState::new(NODE, 7, observer.clone(), others);
        let state = Arc::new(state);
        state.leader(NODE, 1);
        let machine = MetaMachine::new(Arc::clone(&state), Arc::default());
        World { sent, observer, state, machine, index: 0 }
    }

    fn propose(&self, description: &str) -> oneshot::Receiver<(u64, Reply)> {
        let vhost = ShortStr::copy_from("v").unwrap();
        let put = PutVhost { vhost, description: Some(description.to_owned()), ..PutVhost::default() };
        let (sender, answer) = oneshot::channel();
        self.state.send(&Command::PutVhost(put), sender).unwrap();
        answer
    }

    /// Applies everything that was sent, as one entry.
    fn apply(&mut self) {
        let batcher = Batcher::default();
        batcher.lead(1, AT);
        self.sent.0.lock().drain(..).for_each(|submission| batcher.push(submission));
        let batch = batcher.next(|| AT).unwrap();
        self.index += 1;
        self.machine.apply(EntryAt { index: self.index, leading: false }, &batch);
    }

    fn description(&self) -> String {
        self.state.read().vhost(b"v").unwrap().description.clone()
    }
}

#[test]
fn what_is_sent_again_to_a_new_leader_is_applied_once() {
    let mut world = World::new();
    let answers = [world.propose("one"), world.propose("two")];
    let copies = world.sent.0.lock().clone();
    world.apply();
    for (mut answer, change) in answers.into_iter().zip([Change::Created, Change::Updated]) {
        assert_eq!(answer.try_recv().unwrap().1, Reply::Done(change));
    }
    let events = world.observer.0.lock().len();
    world.sent.0.lock().extend(copies);
    world.apply();
    assert_eq!(world.description(), "two");
    assert_eq!(world.observer.0.lock().len(), events);
}

#[test]
fn a_new_leader_gets_everything_that_is_not_answered() {
    let mut world = World::new();
    let mut first = world.propose("one");
    world.sent.0.lock().clear();
    world.state.leader(NodeId(2), 2);
    let mut second = world.propose("two");
    world.apply();
    assert_eq!(first.try_recv().unwrap().1, Reply::Done(Change::Created));
    assert_eq!(second.try_recv().unwrap().1, Reply::Done(Change::Updated));
}

#[test]
fn copies_are_known_after_a_checkpoint_and_whoever_waits_for_one_is_not_kept_waiting() {
    let mut world = World::new();
    let mut answer = world.propose("one");
    let copy = world.sent.0.lock().clone();
    world.sent.0.lock().clear();
    // Another replica has applied it, and something after it, before this one is given its snapshot.
    let mut other = World::new();
    other.sent.0.lock().extend(copy.clone());
    other.apply();
    world.machine.restore(other.machine.snapshot()).unwrap();
    assert_eq!(world.description(), "one");
    world.sent.0.lock().extend(copy);
    world.apply();
    assert!(matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
}

#[test]
fn a_snapshot_without_seen_proposals_is_read() {
    let mut world = World::new();
    drop(world.propose("one"));
    world.apply();
    let old = proto::metadata::encode_snapshot(&world.state.read());
    world.machine.restore(old).unwrap();
    assert_eq!(world.description(), "one");
}
