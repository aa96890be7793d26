//! A machine with short ways to give it one command at a time. All invariants are checked after each entry.

use queue::{
    At, Chunk, ChunkResult, Command, ConsumerOptions, Delivered, Delivery, Enqueue, EnqueueRun, Machine, Outcome,
    Producer, QueueConfig, Reply,
};
use types::{ConsumerKey, MessageRef, NodeId, QueueId, SeqRange, SessionId, Timestamp};

pub const QUEUE: QueueId = QueueId(1);
pub const OTHER: QueueId = QueueId(2);
pub const GONE: QueueId = QueueId(3);

pub fn session(node: u64, serial: u64) -> SessionId {
    SessionId { node: NodeId(node), serial }
}

/// The session on whose behalf commands are, unless said otherwise.
pub fn me() -> SessionId {
    session(1, 1)
}

pub fn consumer(number: u32) -> ConsumerKey {
    ConsumerKey { session: me(), number }
}

pub fn prefetch(prefetch: u32) -> ConsumerOptions {
    ConsumerOptions { prefetch, ..ConsumerOptions::default() }
}

pub fn credit(initial_credit: u64) -> ConsumerOptions {
    ConsumerOptions { initial_credit, ..ConsumerOptions::default() }
}

pub fn range(first: u64, last: u64) -> Vec<SeqRange> {
    vec![SeqRange { first, last }]
}

pub fn attach(number: u32, options: ConsumerOptions) -> Command {
    Command::Attach { queue: QUEUE, number, options }
}

pub fn settle(number: u32, first: u64, last: u64) -> Command {
    Command::Settle { queue: QUEUE, number, ranges: range(first, last) }
}

pub fn give_back(number: u32, first: u64, last: u64, failed: bool) -> Command {
    Command::Return { queue: QUEUE, number, ranges: range(first, last), failed }
}

/// Messages of ten bytes to each of the queues, from slot 0 on.
pub fn publish(queues: &[QueueId], count: u32) -> Command {
    let runs = queues.iter().map(|queue| EnqueueRun { queue: *queue, first_slot: 0, count, ..EnqueueRun::default() });
    Command::Enqueue(Enqueue { first_slot: 0, sizes: vec![10; count as usize], runs: runs.collect(), source: None })
}

/// A group with two queues.
pub struct Group {
    pub machine: Machine,
    pub index: u64,
    /// The time of the next entry.
    pub now: u64,
}

impl Group {
    pub fn new() -> Self {
        let mut group = Group { machine: Machine::new(), index: 0, now: 1000 };
        for queue in [QUEUE, OTHER] {
            group.run(Command::CreateQueue { queue, config: QueueConfig::default() });
        }
        group
    }

    /// One with a queue of these settings, the first.
    pub fn with(config: QueueConfig) -> Self {
        let mut group = Group::new();
        group.run(Command::ConfigureQueue { queue: QUEUE, config });
        group
    }

    /// One entry.
    pub fn entry(&mut self, chunks: &[Chunk]) -> Outcome {
        self.index += 1;
        let mut out = Outcome::default();
        let at = At { index: self.index, proposed_at: Timestamp(self.now) };
        self.machine.apply_entry(at, chunks, &mut out);
        self.machine.check().unwrap();
        out
    }

    /// One entry of commands of a session.
    pub fn batch(&mut self, session: SessionId, commands: Vec<Command>) -> (Vec<Reply>, Outcome) {
        let mut out = self.entry(&[chunk(session, commands)]);
        let ChunkResult::Applied(replies) = out.replies.remove(0).result else { panic!("not applied") };
        (replies, out)
    }

    /// One command of one's own session: its reply and what came of it.
    pub fn act(&mut self, command: Command) -> (Reply, Outcome) {
        self.act_as(me(), command)
    }

    pub fn act_as(&mut self, session: SessionId, command: Command) -> (Reply, Outcome) {
        let (mut replies, out) = self.batch(session, vec![command]);
        (replies.remove(0), out)
    }

    /// Time passes, and the leader notices.
    pub fn wait(&mut self, ms: u64) -> Outcome {
        self.now += ms;
        self.act(Command::Tick).1
    }

    /// One command that brings about nothing of interest beside its reply.
    pub fn run(&mut self, command: Command) -> Reply {
        self.act(command).0
    }

    /// Publishes to the first queue; returns the entry's index.
    pub fn publish(&mut self, count: u32) -> u64 {
        self.run(publish(&[QUEUE], count));
        self.index
    }

    pub fn ready(&self, queue: QueueId) -> u64 {
        self.machine.stats(queue).unwrap().ready
    }

    pub fn reissued(&self) -> Vec<Delivery> {
        let mut out = Outcome::default();
        self.machine.reissue(&mut out);
        out.deliveries
    }
}

/// A chunk of the group's leader on behalf of a session. Has slots for what its commands publish.
pub fn chunk(session: SessionId, commands: Vec<Command>) -> Chunk {
    let slots = |command: &Command| match command {
        Command::Enqueue(enqueue) => enqueue.first_slot + enqueue.sizes.len() as u32,
        _ => 0,
    };
    let slots = commands.iter().map(slots).max().unwrap_or(0);
    Chunk { producer: Producer::default(), seq: 0, session, commands, slots }
}

/// As [`chunk`], numbered by a node.
pub fn numbered(node: u64, boot: u64, seq: u64, commands: Vec<Command>) -> Chunk {
    let producer = Producer { node: NodeId(node), boot };
    Chunk { producer, seq, ..chunk(session(node, 1), commands) }
}

/// A message that was never delivered before.
pub fn fresh(index: u64, slot: u32) -> Delivered {
    Delivered { message: MessageRef { index, slot }, redelivered: false, delivery_count: 0 }
}

/// A message that came back.
pub fn again(index: u64, slot: u32, delivery_count: u32) -> Delivered {
    Delivered { message: MessageRef { index, slot }, redelivered: true, delivery_count }
}
