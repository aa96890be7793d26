//! Groups and metadata in memory: the real machines, with no log and no network. A group's answers can be held back, lost and
//! repeated as a change of leader would.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, OnceLock, Weak},
};

use broker::{Broker, Config};
use bytes::Bytes;
use metadata::{Bootstrap, HashAlgorithm, Machine as MetadataMachine, PasswordHash, VhostDefaults};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use queue::{At, Chunk, ChunkResult, Command, Outcome, Producer, Reply, SlotRange};
use replication::{
    Answer, AppliedChange, BoxFuture, ChunkReplies, Counts, DeadLetterBatch, DeliveredRecord, Groups, Metadata,
    MetadataObserver, MetadataUnavailable, PeekedRecords, SessionDelivery, Sessions,
};
use tokio::sync::oneshot;
use types::{Blob, GroupId, MessageRef, NodeId, SessionId, ShortStr, Timestamp};

pub(crate) const NODE: NodeId = NodeId(1);
pub(crate) const SHARDS: [GroupId; 2] = [GroupId(1), GroupId(2)];

/// A chunk that a broker has submitted.
#[derive(Clone, Debug)]
pub(crate) struct Submitted {
    pub(crate) group: GroupId,
    pub(crate) session: SessionId,
    pub(crate) token: u64,
    pub(crate) commands: Vec<Command>,
    pub(crate) blob: Blob,
}

#[derive(Debug, Default)]
struct Group {
    machine: queue::Machine,
    last_index: u64,
    last_seq: u64,
    blobs: BTreeMap<u64, Blob>,
}

#[derive(Debug, Default)]
struct State {
    groups: BTreeMap<GroupId, Group>,
    held: Vec<Submitted>,
    is_holding: bool,
    log: Vec<Submitted>,
    metadata_is_down: bool,
    is_holding_metadata: bool,
    proposals: VecDeque<Proposal>,
    proposed: usize,
    /// Changes that are applied here and that other nodes have not heard of, while those are held back.
    unspread: Option<Vec<oneshot::Sender<()>>>,
    rejected: Vec<SlotRange>,
    /// Beyond the first millisecond. Unit: milliseconds.
    time: u64,
}

/// A change of metadata that is not applied yet.
#[derive(Debug)]
struct Proposal {
    command: metadata::Command,
    sender: oneshot::Sender<AppliedChange>,
}

/// The fake, shared by all brokers of a test.
#[derive(Debug)]
pub(crate) struct Fake {
    state: Mutex<State>,
    metadata: RwLock<MetadataMachine>,
    broker: OnceLock<Weak<Broker>>,
    counts: Mutex<BTreeMap<Vec<u8>, u64>>,
}

impl Fake {
    /// A bootstrapped cluster of one node, and its broker.
    pub(crate) fn start() -> (Arc<Fake>, Arc<Broker>) {
        Fake::start_with(|_| {})
    }

    pub(crate) fn start_with(configure: impl FnOnce(&mut Config)) -> (Arc<Fake>, Arc<Broker>) {
        let fake = Arc::new(Fake {
            state: Mutex::default(),
            metadata: RwLock::new(MetadataMachine::default()),
            broker: OnceLock::new(),
            counts: Mutex::default(),
        });
        let mut config = Config::new(NODE, 1, 1000);
        configure(&mut config);
        let broker = Broker::new(config);
        fake.broker.set(Arc::downgrade(&broker)).unwrap();
        let (groups, metadata): (Arc<dyn Groups>, Arc<dyn Metadata>) = (fake.clone(), fake.clone());
        broker.attach(groups, metadata, fake.clone());
        fake.change(metadata::Command::Bootstrap(Bootstrap {
            vhost: ShortStr::from_static("/"),
            user: ShortStr::from_static("guest"),
            password: password("guest"),
            defaults: VhostDefaults::default(),
        }));
        (fake, broker)
    }

    /// Applies a change of metadata at once.
    pub(crate) fn change(&self, command: metadata::Command) -> metadata::Reply {
        let mut machine = self.metadata.write();
        let (reply, events) = machine.apply(&command, Timestamp(1));
        self.broker().changed(&machine, &events);
        reply
    }

    /// Another node has so many more under a name.
    pub(crate) fn count_elsewhere(&self, name: &[u8], by: i64) {
        self.add(name, by);
    }

    /// Whether nothing is counted.
    pub(crate) fn counts_nothing(&self) -> bool {
        self.counts.lock().values().all(|count| *count == 0)
    }

    /// From now on no majority answers, or it does again.
    pub(crate) fn set_metadata_down(&self, is_down: bool) {
        self.state.lock().metadata_is_down = is_down;
    }

    /// From now on proposals are kept instead of being applied.
    pub(crate) fn hold_metadata(&self) {
        self.state.lock().is_holding_metadata = true;
    }

    /// The proposals that are kept, in the order in which they would be applied.
    pub(crate) fn held_proposals(&self) -> Vec<metadata::Command> {
        self.state.lock().proposals.iter().map(|proposal| proposal.command.clone()).collect()
    }

    /// How many proposals there were.
    pub(crate) fn proposed(&self) -> usize {
        self.state.lock().proposed
    }

    /// What is kept is applied in the order that `next` chooses: given how many there are, which of them is next.
    pub(crate) fn reorder_proposals(&self, mut next: impl FnMut(usize) -> usize) {
        let mut state = self.state.lock();
        let mut kept: Vec<Proposal> = state.proposals.drain(..).collect();
        while !kept.is_empty() {
            let at = next(kept.len());
            let proposal = kept.remove(at);
            state.proposals.push_back(proposal);
        }
    }

    /// Applies the next proposals that are kept, so many of them.
    pub(crate) fn apply_proposals(&self, count: usize) {
        for _ in 0..count {
            let Some(Proposal { command, sender }) = self.state.lock().proposals.pop_front() else { return };
            let reply = self.change(command);
            let spread: BoxFuture<()> = match &mut self.state.lock().unspread {
                Some(unspread) => {
                    let (sender, spread) = oneshot::channel();
                    unspread.push(sender);
                    Box::pin(async { drop(spread.await) })
                }
                None => Box::pin(std::future::ready(())),
            };
            sender.send(AppliedChange { reply, spread }).ok();
        }
    }

    /// Applies the proposals that were kept, and from now on proposals as they come.
    pub(crate) fn release_metadata(&self) {
        self.state.lock().is_holding_metadata = false;
        self.apply_proposals(usize::MAX);
    }

    /// Nobody answers what is kept.
    pub(crate) fn forget_proposals(&self) {
        self.state.lock().proposals.clear();
    }

    /// From now on other nodes do not hear of changes.
    pub(crate) fn hold_spread(&self) {
        self.state.lock().unspread.get_or_insert_default();
    }

    /// They do.
    pub(crate) fn release_spread(&self) {
        self.state.lock().unspread = None;
    }

    /// From now on chunks are kept instead of being applied.
    pub(crate) fn hold(&self) {
        self.state.lock().is_holding = true;
    }

    /// Applies what was kept, and from now on chunks as they come.
    pub(crate) fn release(&self) {
        for submitted in self.take_held() {
            self.apply(submitted);
        }
    }

    /// Applies what was kept, with all answers lost, and sends again what sessions hold: a leader has changed.
    pub(crate) fn release_by_another_leader(&self) {
        for submitted in self.take_held() {
            let (outcome, group) = self.commit(&submitted);
            drop(outcome);
            let Submitted { session, token, .. } = submitted;
            self.reissue(group);
            self.broker().replied(session, group, token, ChunkReplies::AppliedUnanswered);
        }
    }

    /// Applies what was kept, with all answers lost.
    pub(crate) fn release_without_answers(&self) {
        self.answers_are_lost(self.apply_held());
    }

    /// Applies what was kept, and keeps quiet about it so far.
    pub(crate) fn apply_held(&self) -> Vec<Submitted> {
        let held = self.take_held();
        for submitted in &held {
            self.commit(submitted);
        }
        held
    }

    /// Whoever waits for an answer to these hears that it is lost.
    pub(crate) fn answers_are_lost(&self, applied: Vec<Submitted>) {
        for Submitted { session, token, group, .. } in applied {
            self.broker().replied(session, group, token, ChunkReplies::AppliedUnanswered);
        }
    }

    /// Gives up what was kept.
    pub(crate) fn fail_held(&self) {
        for Submitted { session, group, token, .. } in self.take_held() {
            self.broker().replied(session, group, token, ChunkReplies::Unavailable);
        }
    }

    /// Sends all that sessions hold again.
    pub(crate) fn reissue(&self, group: GroupId) {
        let mut outcome = Outcome::default();
        self.state.lock().groups.entry(group).or_default().machine.reissue(&mut outcome);
        self.send_deliveries(group, &outcome);
    }

    /// Time passes, and groups notice it.
    pub(crate) fn pass_ms(&self, ms: u64) {
        self.state.lock().time += ms;
        let groups: Vec<GroupId> = self.state.lock().groups.keys().copied().collect();
        for group in groups {
            self.submit(group, SessionId::default(), 0, vec![Command::Tick], Blob::default());
        }
    }

    /// The next chunk with messages is answered as if a queue had rejected these (first slot, count).
    pub(crate) fn reject_next(&self, slots: &[(u32, u32)]) {
        let slots = slots.iter().map(|(first, count)| SlotRange { first: *first, count: *count });
        self.state.lock().rejected = slots.collect();
    }

    /// All chunks that were submitted so far, those that were kept included.
    pub(crate) fn log(&self) -> Vec<Submitted> {
        self.state.lock().log.clone()
    }

    /// Starts the log anew.
    pub(crate) fn clear_log(&self) {
        self.state.lock().log.clear();
    }

    fn take_held(&self) -> Vec<Submitted> {
        let mut state = self.state.lock();
        state.is_holding = false;
        std::mem::take(&mut state.held)
    }

    fn apply(&self, submitted: Submitted) {
        let (outcome, group) = self.commit(&submitted);
        for reply in &outcome.replies {
            let ChunkResult::Applied(replies) = &reply.result else { panic!("{:?}", reply.result) };
            let mut replies = replies.clone();
            self.reject(&submitted.commands, &mut replies);
            let answers = replies.iter().map(|reply| self.answer(group, reply)).collect();
            self.broker().replied(submitted.session, group, submitted.token, ChunkReplies::Applied(answers));
        }
        self.send_deliveries(group, &outcome);
        for cancelled in &outcome.cancelled {
            self.broker().cancelled(*cancelled);
        }
        for dead in &outcome.dead_letters {
            let letters = dead.messages.iter().map(|letter| (*letter, self.record(group, letter.message)));
            let letters = letters.collect();
            self.broker().dead_letters(group, DeadLetterBatch { queue: dead.queue, letters });
        }
        if !outcome.ended.is_empty() {
            self.broker().queues_ended(group, outcome.ended.clone());
        }
        let mut state = self.state.lock();
        for index in &outcome.dead {
            state.groups.entry(group).or_default().blobs.remove(index);
        }
    }

    fn commit(&self, submitted: &Submitted) -> (Outcome, GroupId) {
        let mut state = self.state.lock();
        let time = state.time;
        let group = state.groups.entry(submitted.group).or_default();
        group.last_index += 1;
        group.last_seq += 1;
        group.blobs.insert(group.last_index, submitted.blob.clone());
        let chunk = Chunk {
            producer: Producer { node: NODE, boot: 1 },
            seq: group.last_seq,
            session: submitted.session,
            commands: submitted.commands.clone(),
            slots: submitted.blob.slot_count(),
        };
        let mut outcome = Outcome::default();
        let at = At { index: group.last_index, proposed_at: Timestamp(1 + time) };
        group.machine.apply_entry(at, &[chunk], &mut outcome);
        group.machine.check().unwrap();
        (outcome, submitted.group)
    }

    fn reject(&self, commands: &[Command], replies: &mut [Reply]) {
        let enqueue = commands.iter().position(|command| matches!(command, Command::Enqueue(_)));
        let mut state = self.state.lock();
        if let Some(at) = enqueue
            && !state.rejected.is_empty()
        {
            replies[at] = Reply::NotTaken { rejected: std::mem::take(&mut state.rejected), missing: Vec::new() };
        }
    }

    fn answer(&self, group: GroupId, reply: &Reply) -> Answer {
        match reply {
            Reply::Got(got) => Answer::Got(*got, self.record(group, got.message)),
            Reply::Peeked(peeked) => Answer::Peeked(PeekedRecords {
                records: peeked.messages.iter().map(|message| self.record(group, *message)).collect(),
                next: peeked.next,
            }),
            other => Answer::Reply(other.clone()),
        }
    }

    fn send_deliveries(&self, group: GroupId, outcome: &Outcome) {
        for delivery in &outcome.deliveries {
            let messages = delivery.messages.iter().map(|message| DeliveredRecord {
                record: self.record(group, message.message),
                redelivered: message.redelivered,
                delivery_count: message.delivery_count,
            });
            self.broker().deliver(SessionDelivery {
                consumer: delivery.consumer,
                queue: delivery.queue,
                first_seq: delivery.first_seq,
                messages: messages.collect(),
            });
        }
    }

    fn record(&self, group: GroupId, message: MessageRef) -> Bytes {
        self.state.lock().groups[&group].blobs[&message.index].record(message.slot).unwrap()
    }

    fn broker(&self) -> Arc<Broker> {
        self.broker.get().unwrap().upgrade().unwrap()
    }
}

impl Groups for Fake {
    fn submit(&self, group: GroupId, session: SessionId, token: u64, commands: Vec<Command>, blob: Blob) {
        let submitted = Submitted { group, session, token, commands, blob };
        let mut state = self.state.lock();
        state.log.push(submitted.clone());
        if state.is_holding {
            state.held.push(submitted);
        } else {
            drop(state);
            self.apply(submitted);
        }
    }

    fn is_leader(&self, group: GroupId) -> bool {
        group == SHARDS[0]
    }

    fn shards(&self) -> Vec<GroupId> {
        SHARDS.to_vec()
    }

    fn is_node_up(&self, node: NodeId) -> bool {
        node == NODE
    }
}

impl Counts for Fake {
    fn add(&self, name: &[u8], by: i64) {
        let mut counts = self.counts.lock();
        let count = counts.entry(name.to_owned()).or_default();
        *count = count.checked_add_signed(by).expect("what is taken away was added");
    }

    fn total(&self, name: &[u8]) -> u64 {
        self.counts.lock().get(name).copied().unwrap_or(0)
    }
}

impl Metadata for Fake {
    fn change(&self, command: metadata::Command) -> BoxFuture<Result<AppliedChange, MetadataUnavailable>> {
        let mut state = self.state.lock();
        if state.metadata_is_down {
            return Box::pin(std::future::ready(Err(MetadataUnavailable)));
        }
        let (sender, applied) = oneshot::channel();
        state.proposals.push_back(Proposal { command, sender });
        state.proposed += 1;
        let is_holding = state.is_holding_metadata;
        drop(state);
        if !is_holding {
            self.apply_proposals(usize::MAX);
        }
        Box::pin(async { applied.await.map_err(|_| MetadataUnavailable) })
    }

    fn read(&self) -> RwLockReadGuard<'_, MetadataMachine> {
        self.metadata.read()
    }
}

/// The hash of a password.
pub(crate) fn password(text: &str) -> PasswordHash {
    let salted = auth::hash_password(auth::Algorithm::Sha256, text.as_bytes());
    PasswordHash { algorithm: HashAlgorithm::Sha256, salted }
}
