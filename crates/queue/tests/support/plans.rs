//! Random work for a machine: plans of entries that do not depend on its state, and the entries that are made of them.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use queue::{
    Chunk, Command, ConsumerOptions, DeadLetterSource, DeadLetterStrategy, Delay, DelayedRetry, Enqueue,
    EnqueueOptions, EnqueueRun, Overflow, Producer, QueueConfig, RetryKind,
};
use types::{NodeId, QueueId, SeqRange, SessionId, Timestamp};

/// What a chunk will be.
#[derive(Clone, Debug)]
pub struct ChunkPlan {
    node: u64,
    serial: u64,
    numbering: Numbering,
    steps: Vec<Step>,
}

/// How a chunk is numbered.
#[derive(Clone, Copy, Debug)]
enum Numbering {
    /// By the group's leader: not at all.
    System,
    /// The next of its node.
    Next,
    /// The last of its node once more.
    Again,
    /// With one before it missing.
    Gap,
    /// As by an incarnation before.
    Old,
    /// The first of a new incarnation.
    Reborn,
}

#[derive(Clone, Debug)]
enum Step {
    Command(Command),
    /// Queue, how far into the message batch, how many: with the sizes of the batch.
    Publish(Vec<u32>, Vec<(u64, u32, u32, EnqueueOptions)>, Option<DeadLetterSource>),
}

/// Numbers chunks as nodes would.
#[derive(Clone, Debug, Default)]
pub struct Numberer {
    nodes: BTreeMap<u64, (u64, u64)>,
}

impl Numberer {
    /// The entry of a plan.
    pub fn entry(&mut self, plan: &[ChunkPlan]) -> Vec<Chunk> {
        plan.iter().map(|chunk| self.chunk(chunk)).collect()
    }

    fn chunk(&mut self, plan: &ChunkPlan) -> Chunk {
        let (boot, last) = self.nodes.entry(plan.node).or_insert((10, 0));
        let (node, boot, seq) = match plan.numbering {
            Numbering::System => (0, 0, 0),
            Numbering::Next => {
                *last += 1;
                (plan.node, *boot, *last)
            }
            Numbering::Again => (plan.node, *boot, *last),
            Numbering::Gap => (plan.node, *boot, *last + 2),
            Numbering::Old => (plan.node, *boot - 1, 1),
            Numbering::Reborn => {
                (*boot, *last) = (*boot + 1, 1);
                (plan.node, *boot, 1)
            }
        };
        let mut slots = 0;
        let commands = plan.steps.iter().map(|step| step.command(&mut slots)).collect();
        let session = SessionId { node: NodeId(plan.node), serial: plan.serial };
        Chunk { producer: Producer { node: NodeId(node), boot }, seq, session, commands, slots }
    }
}

impl Step {
    fn command(&self, slots: &mut u32) -> Command {
        match self {
            Step::Command(command) => command.clone(),
            Step::Publish(sizes, runs, source) => {
                let first_slot = *slots;
                *slots += sizes.len() as u32;
                let run = |(queue, offset, count, options): &(u64, u32, u32, EnqueueOptions)| EnqueueRun {
                    queue: QueueId(*queue),
                    first_slot: first_slot.saturating_add(*offset),
                    count: *count,
                    options: *options,
                };
                Command::Enqueue(Enqueue {
                    first_slot,
                    sizes: sizes.clone(),
                    runs: runs.iter().map(run).collect(),
                    source: source.clone(),
                })
            }
        }
    }
}

/// Entries that make the queues 1 to 3 and then do anything. Queue 4 is never there at first.
pub fn plans(entries_max: usize) -> impl Strategy<Value = Vec<Vec<ChunkPlan>>> {
    let plain = Just([QueueConfig::default(), QueueConfig::default(), QueueConfig::default()]);
    let configs = prop_oneof![1 => plain, 3 => [config(), config(), config()]];
    (configs, vec(vec(chunk(), 1..4), 1..entries_max)).prop_map(move |(configs, mut entries)| {
        let create = (1..).zip(configs).map(|(queue, config)| Step::Command(create_queue(queue, config))).collect();
        let first = ChunkPlan { node: 1, serial: 1, numbering: Numbering::System, steps: create };
        entries.insert(0, vec![first]);
        entries
    })
}

fn create_queue(queue: u64, config: QueueConfig) -> Command {
    Command::CreateQueue { queue: QueueId(queue), config }
}

/// Settings, each of them rarely there.
fn config() -> impl Strategy<Value = QueueConfig> {
    let expires_ms = prop::option::weighted(0.1, 100..600_u64);
    let message_ttl_ms = prop::option::weighted(0.2, prop_oneof![1 => Just(0), 6 => 50..500_u64]);
    let max_priority = prop::option::weighted(0.2, 0..5_u8);
    let lengths = (prop::option::weighted(0.3, 0..12_u64), prop::option::weighted(0.1, 0..1500_u64));
    let overflow = prop_oneof![2 => Just(Overflow::DropHead), 1 => Just(Overflow::RejectPublish), 1 => Just(Overflow::RejectPublishDlx)];
    let strategy = prop_oneof![Just(DeadLetterStrategy::AtMostOnce), Just(DeadLetterStrategy::AtLeastOnce)];
    let kind = prop_oneof![Just(RetryKind::All), Just(RetryKind::Failed), Just(RetryKind::Returned)];
    let retry = (kind, 0..300_u64, prop::option::of(100..400_u64)).prop_map(|(kind, min_ms, max_ms)| DelayedRetry {
        kind,
        min_ms,
        max_ms,
    });
    let retry = prop::option::weighted(0.2, retry);
    let deaths = (prop::option::weighted(0.5, strategy), prop::option::weighted(0.2, 0..3_u32), retry);
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.2));
    let lives = (expires_ms, flags, message_ttl_ms, max_priority);
    (lives, lengths, overflow, deaths).prop_map(|(lives, lengths, overflow, deaths)| {
        let (expires_ms, (auto_delete, single_active_consumer), message_ttl_ms, max_priority) = lives;
        let (max_length, max_length_bytes) = lengths;
        let (dead_letter, delivery_limit, delayed_retry) = deaths;
        QueueConfig {
            expires_ms,
            auto_delete,
            single_active_consumer,
            message_ttl_ms,
            max_priority,
            max_length,
            max_length_bytes,
            overflow,
            dead_letter,
            delivery_limit,
            delayed_retry,
        }
    })
}

fn chunk() -> impl Strategy<Value = ChunkPlan> {
    let numbering = prop_oneof![
        12 => Just(Numbering::Next),
        2 => Just(Numbering::System),
        2 => Just(Numbering::Again),
        1 => Just(Numbering::Gap),
        1 => Just(Numbering::Old),
        1 => Just(Numbering::Reborn),
    ];
    (1..3_u64, 1..4_u64, numbering, vec(step(), 0..5)).prop_map(|(node, serial, numbering, steps)| ChunkPlan {
        node,
        serial,
        numbering,
        steps,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![5 => publish(), 14 => command().prop_map(Step::Command)]
}

fn publish() -> impl Strategy<Value = Step> {
    let sizes = prop_oneof![vec(100..103_u32, 0..12), (0..12_usize).prop_map(|count| vec![100; count])];
    let run = prop_oneof![
        12 => (queue(), 0..6_u32, 1..7_u32, wishes()),
        1 => (queue(), Just(u32::MAX), 1..3_u32, wishes()),
        1 => (queue(), 0..3_u32, Just(u32::MAX), wishes()),
        1 => (queue(), 0..3_u32, Just(0), wishes()),
    ];
    let all_to_one = (queue(), sizes.clone(), wishes()).prop_map(|(queue, sizes, wishes)| {
        let runs = vec![(queue, 0, sizes.len() as u32, wishes)];
        (sizes, runs)
    });
    let steps = prop_oneof![2 => all_to_one, 1 => (sizes, vec(run, 0..4))];
    let numbers = vec(0..40_u64, 0..12);
    let source = (queue(), numbers).prop_map(|(queue, mut numbers)| {
        numbers.sort_unstable();
        numbers.dedup();
        DeadLetterSource { queue: QueueId(queue), numbers }
    });
    (steps, prop::option::weighted(0.1, source)).prop_map(|((sizes, runs), source)| Step::Publish(sizes, runs, source))
}

/// What messages ask of their queue.
fn wishes() -> impl Strategy<Value = EnqueueOptions> {
    let ttl_ms = prop::option::weighted(0.2, prop_oneof![1 => Just(0), 4 => 50..500_u64]);
    let priority = prop::option::weighted(0.2, 0..40_u8);
    let delay = prop_oneof![
        4 => Just(Delay::None),
        1 => (0..500_u64).prop_map(Delay::For),
        1 => (1_000_000..1_004_000_u64).prop_map(|at| Delay::Until(Timestamp(at))),
    ];
    prop_oneof![
        3 => Just(EnqueueOptions::default()),
        2 => (ttl_ms, priority, delay).prop_map(|(ttl_ms, priority, delay)| EnqueueOptions { ttl_ms, priority, delay }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let consumer = || (queue().prop_map(QueueId), number());
    prop_oneof![
        4 => (consumer(), options()).prop_map(|((queue, number), options)| Command::Attach { queue, number, options }),
        2 => consumer().prop_map(|(queue, number)| Command::Detach { queue, number }),
        2 => (consumer(), 0..30_u64).prop_map(|((queue, number), up_to)| Command::Credit { queue, number, up_to }),
        5 => (consumer(), ranges()).prop_map(|((queue, number), ranges)| Command::Settle { queue, number, ranges }),
        4 => (consumer(), ranges(), any::<bool>())
            .prop_map(|((queue, number), ranges, failed)| Command::Return { queue, number, ranges, failed }),
        2 => (consumer(), ranges()).prop_map(|((queue, number), ranges)| Command::Discard { queue, number, ranges }),
        4 => (queue(), any::<bool>()).prop_map(|(queue, no_ack)| Command::Get { queue: QueueId(queue), no_ack }),
        1 => queue().prop_map(|queue| Command::Purge { queue: QueueId(queue) }),
        1 => queue().prop_map(|queue| Command::Inspect { queue: QueueId(queue) }),
        1 => (queue(), 0_u64..40, 0_u64..200)
            .prop_map(|(queue, from, bytes_max)| Command::Peek { queue: QueueId(queue), from, bytes_max }),
        1 => (queue(), config()).prop_map(|(queue, config)| create_queue(queue, config)),
        1 => (queue(), config())
            .prop_map(|(queue, config)| Command::ConfigureQueue { queue: QueueId(queue), config }),
        1 => queue().prop_map(|queue| Command::Touch { queue: QueueId(queue) }),
        1 => vec(queue().prop_map(QueueId), 0..3).prop_map(|queues| Command::Forget { queues }),
        1 => (queue(), any::<bool>(), any::<bool>()).prop_map(|(queue, if_unused, if_empty)| Command::DeleteQueue {
            queue: QueueId(queue),
            if_unused,
            if_empty,
        }),
        2 => (queue(), ranges()).prop_map(|(queue, ranges)| Command::SettleDead { queue: QueueId(queue), ranges }),
        2 => (queue(), ranges()).prop_map(|(queue, ranges)| Command::RetryDead { queue: QueueId(queue), ranges }),
        1 => Just(Command::CloseSession),
        1 => (1..3_u64, 5..14_u64, 0..4_u64).prop_map(|(node, boot, sessions_up_to)| Command::NodeDown {
            node: NodeId(node),
            boot,
            sessions_up_to,
        }),
        6 => Just(Command::Tick),
    ]
}

fn queue() -> impl Strategy<Value = u64> {
    prop_oneof![12 => Just(1_u64), 6 => Just(2), 2 => Just(3), 1 => Just(4)]
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![2 => Just(0_u32), 6 => Just(1), 3 => Just(2)]
}

fn options() -> impl Strategy<Value = ConsumerOptions> {
    let priority = prop_oneof![3 => Just(0), 1 => -2..4_i64];
    let timeout_ms = prop::option::weighted(0.15, 50..500_u64);
    let limits = (0..5_u32, 0..20_u64);
    (prop::bool::weighted(0.2), prop::bool::weighted(0.1), limits, priority, timeout_ms).prop_map(
        |(no_ack, exclusive, (prefetch, initial_credit), priority, timeout_ms)| ConsumerOptions {
            no_ack,
            exclusive,
            prefetch,
            initial_credit,
            priority,
            timeout_ms,
        },
    )
}

fn ranges() -> impl Strategy<Value = Vec<SeqRange>> {
    let range = prop_oneof![
        8 => (0..25_u64, 0..4_u64).prop_map(|(first, more)| SeqRange { first, last: first + more }),
        2 => (0..15_u64).prop_map(|first| SeqRange { first, last: u64::MAX }),
        1 => (0..5_u64, 0..5_u64).prop_map(|(first, last)| SeqRange { first, last }),
    ];
    vec(range, 0..4)
}
