//! Chunks of queue commands, and checkpoints of the machines that they make.

use queue::{
    At, Chunk, Command, ConsumerOptions, DeadLetterStrategy, Delay, DelayedRetry, Enqueue, EnqueueOptions, EnqueueRun,
    Machine, Outcome, Overflow, Producer, QueueConfig,
};
use types::{NodeId, QueueId, SeqRange, SessionId, Timestamp};

use super::Seed;
use crate::input::piece;

const ONE: QueueId = QueueId(1);
const TWO: QueueId = QueueId(2);

pub(super) fn seeds() -> Vec<Seed> {
    let histories = [("work", work()), ("limits", limits()), ("times", times()), ("sessions", sessions())];
    let numbered = [1, 2, 2, 4].map(|seq| {
        let producer = Producer { node: NodeId(1), boot: 7 };
        piece(&proto::chunk::encode(&Chunk { producer, seq, ..chunk(vec![plain(ONE, &[1; 2])]) }))
    });
    let mut seeds = vec![Seed::new("chunks", "numbered", numbered.concat())];
    for (name, commands) in histories {
        let chunks: Vec<Chunk> = commands.into_iter().map(chunk).collect();
        let pieces = chunks.iter().flat_map(|chunk| piece(&proto::chunk::encode(chunk)));
        seeds.push(Seed::new("chunks", name, pieces.collect::<Vec<u8>>()));
        let together = Chunk {
            commands: chunks.iter().flat_map(|chunk| chunk.commands.clone()).collect(),
            slots: 8,
            ..chunk(Vec::new())
        };
        seeds.push(Seed::new("chunks", format!("{name}-together"), piece(&proto::chunk::encode(&together))));
        let segments = machine(&chunks).snapshot();
        let pieces = segments.iter().flat_map(|(_, segment)| piece(segment));
        seeds.push(Seed::new("checkpoints", name, pieces.collect::<Vec<u8>>()));
    }
    seeds
}

fn session() -> SessionId {
    SessionId { node: NodeId(1), serial: 4 }
}

fn chunk(commands: Vec<Command>) -> Chunk {
    Chunk { session: session(), commands, slots: 8, ..Chunk::default() }
}

fn machine(chunks: &[Chunk]) -> Machine {
    let mut machine = Machine::new();
    for (index, chunk) in (1..).zip(chunks) {
        let at = At { index, proposed_at: Timestamp(1_000 * index) };
        machine.apply_entry(at, std::slice::from_ref(chunk), &mut Outcome::default());
    }
    machine
}

fn enqueue(queue: QueueId, sizes: &[u32], options: EnqueueOptions) -> Command {
    let count = u32::try_from(sizes.len()).expect("it is short");
    let run = EnqueueRun { queue, first_slot: 0, count, options };
    Command::Enqueue(Enqueue { first_slot: 0, sizes: sizes.to_vec(), runs: vec![run], source: None })
}

fn plain(queue: QueueId, sizes: &[u32]) -> Command {
    enqueue(queue, sizes, EnqueueOptions::default())
}

fn create(queue: QueueId, config: QueueConfig) -> Command {
    Command::CreateQueue { queue, config }
}

fn attach(number: u32, options: ConsumerOptions) -> Command {
    Command::Attach { queue: ONE, number, options }
}

fn range(first: u64, last: u64) -> Vec<SeqRange> {
    vec![SeqRange { first, last }]
}

/// Consumers settle, return and discard what they hold.
fn work() -> Vec<Vec<Command>> {
    vec![
        vec![create(ONE, QueueConfig::default()), create(TWO, QueueConfig::default())],
        vec![plain(ONE, &[10, 10, 10]), plain(TWO, &[1, 2, 3, 4]), Command::Get { queue: TWO, no_ack: false }],
        vec![attach(1, ConsumerOptions { prefetch: 2, ..ConsumerOptions::default() })],
        vec![Command::Settle { queue: ONE, number: 1, ranges: range(1, 1) }, plain(ONE, &[5; 8])],
        vec![Command::Return { queue: ONE, number: 1, ranges: range(2, 2), failed: true }],
        vec![Command::Discard { queue: ONE, number: 1, ranges: range(3, 3) }],
        vec![Command::Peek { queue: ONE, from: 0, bytes_max: 100 }, Command::Inspect { queue: ONE }],
        vec![Command::DeleteQueue { queue: TWO, if_unused: true, if_empty: false }],
    ]
}

/// Queues that refuse, drop and dead-letter.
fn limits() -> Vec<Vec<Command>> {
    let config = QueueConfig {
        max_length: Some(3),
        max_length_bytes: Some(100),
        overflow: Overflow::DropHead,
        dead_letter: Some(DeadLetterStrategy::AtLeastOnce),
        delivery_limit: Some(1),
        ..QueueConfig::default()
    };
    let rejecting = QueueConfig { overflow: Overflow::RejectPublish, ..config.clone() };
    vec![
        vec![create(ONE, config), create(TWO, rejecting)],
        vec![plain(ONE, &[40; 8]), plain(TWO, &[1; 8])],
        vec![attach(1, ConsumerOptions { no_ack: true, initial_credit: 1, ..ConsumerOptions::default() })],
        vec![Command::Credit { queue: ONE, number: 1, up_to: 2 }],
        vec![Command::Purge { queue: TWO }, Command::Detach { queue: ONE, number: 1 }],
        vec![Command::RetryDead { queue: ONE, ranges: range(1, 2) }],
        vec![Command::SettleDead { queue: ONE, ranges: range(1, 9) }],
    ]
}

/// Priorities, times of life and delays.
fn times() -> Vec<Vec<Command>> {
    let options = |ttl_ms, priority, delay| EnqueueOptions { ttl_ms, priority, delay };
    vec![
        vec![create(
            ONE,
            QueueConfig {
                message_ttl_ms: Some(5_000),
                delayed_retry: Some(DelayedRetry { min_ms: 700, ..DelayedRetry::default() }),
                ..QueueConfig::default()
            },
        )],
        vec![enqueue(ONE, &[7; 4], options(Some(2_000), Some(3), Delay::None))],
        vec![enqueue(ONE, &[8; 4], options(None, None, Delay::For(1_500)))],
        vec![enqueue(ONE, &[9; 4], options(None, Some(255), Delay::Until(Timestamp(60_000))))],
        vec![attach(1, ConsumerOptions { prefetch: 1, timeout_ms: Some(500), ..ConsumerOptions::default() })],
        vec![Command::Return { queue: ONE, number: 1, ranges: range(1, 1), failed: false }],
        vec![Command::Tick, Command::Touch { queue: ONE }],
    ]
}

/// Consumers of several priorities, one of which is exclusive, and sessions that end.
fn sessions() -> Vec<Vec<Command>> {
    vec![
        vec![create(ONE, QueueConfig { single_active_consumer: true, ..QueueConfig::default() })],
        vec![attach(1, ConsumerOptions { prefetch: 2, priority: -5, ..ConsumerOptions::default() })],
        vec![attach(2, ConsumerOptions { prefetch: 2, priority: 5, ..ConsumerOptions::default() })],
        vec![plain(ONE, &[3; 5]), attach(3, ConsumerOptions { exclusive: true, ..ConsumerOptions::default() })],
        vec![Command::CloseSession],
        vec![Command::NodeDown { node: NodeId(2), boot: 3, sessions_up_to: 9 }],
        vec![Command::Forget { queues: vec![TWO] }],
    ]
}
