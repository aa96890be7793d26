//! How long a message's life takes in the machine: enqueued, delivered, settled. Prints nanoseconds for each message.
//!
//! ```text
//! cargo run --release -p queue --example throughput
//! ```
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(clippy::disallowed_methods, reason = "measuring time is what it is for")]

use std::time::{Duration, Instant};

use queue::{At, Chunk, Command, ConsumerOptions, Enqueue, EnqueueRun, Machine, Outcome, Producer, QueueConfig};
use types::{NodeId, QueueId, SeqRange, SessionId, Timestamp};

const MESSAGES: u32 = 4_000_000;
const BACKLOG: u32 = 10_000_000;

fn main() {
    let queues = 1;
    for (what, sizes) in [("one size", vec![1024; 50]), ("many sizes", (1000..1050).collect())] {
        report(&format!("life, batches of 50, 1 consumer, {what}"), MESSAGES, life(&sizes, 1, queues));
    }
    report("life, batches of 50, 4 consumers", MESSAGES, life(&[1024; 50], 4, queues));
    report("life, batches of 50, 100,000 queues", MESSAGES, life(&[1024; 50], 1, 100_000));
    report("life, one by one, 1 consumer", MESSAGES, life(&[1024], 1, queues));
    backlog();
}

fn report(what: &str, messages: u32, took: Duration) {
    println!("{what:<60} {:>8.1} ns", took.as_secs_f64() * 1e9 / f64::from(messages));
}

/// Feeds a machine and counts its entries.
struct Feeder {
    machine: Machine,
    index: u64,
    out: Outcome,
}

impl Feeder {
    fn new(queues: u64) -> Self {
        let mut feeder = Feeder { machine: Machine::new(), index: 0, out: Outcome::default() };
        for queue in 1..=queues {
            let create = Command::CreateQueue { queue: QueueId(queue), config: QueueConfig::default() };
            feeder.apply(&[chunk(vec![create], 0)]);
        }
        feeder
    }

    fn apply(&mut self, chunks: &[Chunk]) {
        self.index += 1;
        self.out = Outcome::default();
        let at = At { index: self.index, proposed_at: Timestamp(self.index) };
        self.machine.apply_entry(at, chunks, &mut self.out);
    }

    fn attach(&mut self, queue: QueueId, number: u32) {
        let options = ConsumerOptions { prefetch: 500, ..ConsumerOptions::default() };
        self.apply(&[chunk(vec![Command::Attach { queue, number, options }], 0)]);
    }
}

fn chunk(commands: Vec<Command>, slots: u32) -> Chunk {
    Chunk { producer: Producer::default(), seq: 0, session: SessionId { node: NodeId(1), serial: 1 }, commands, slots }
}

fn enqueue(queue: QueueId, sizes: &[u32]) -> Chunk {
    let count = u32::try_from(sizes.len()).expect("few sizes");
    let runs = vec![EnqueueRun { queue, first_slot: 0, count, ..EnqueueRun::default() }];
    chunk(vec![Command::Enqueue(Enqueue { first_slot: 0, sizes: sizes.to_vec(), runs, source: None })], count)
}

/// Each entry brings a batch and settles what the entry before delivered.
fn life(sizes: &[u32], consumers: u32, queues: u64) -> Duration {
    let mut feeder = Feeder::new(queues);
    for queue in 1..=queues {
        (1..=consumers).for_each(|number| feeder.attach(QueueId(queue), number));
    }
    let batch = u32::try_from(sizes.len()).expect("few sizes");
    let mut publish = enqueue(QueueId(1), sizes);
    let start = Instant::now();
    for round in 0..MESSAGES / batch {
        // Spreads over all queues.
        let queue = QueueId(1 + u64::from(round).wrapping_mul(7919) % queues);
        let settles = std::mem::take(&mut feeder.out.deliveries).into_iter().map(|delivery| {
            let last = delivery.first_seq + u64::try_from(delivery.messages.len()).expect("few messages") - 1;
            let ranges = vec![SeqRange { first: delivery.first_seq, last }];
            Command::Settle { queue: delivery.queue, number: delivery.consumer.number, ranges }
        });
        let settle = chunk(settles.collect(), 0);
        if let [Command::Enqueue(enqueue)] = publish.commands.as_mut_slice() {
            enqueue.runs[0].queue = queue;
        }
        let chunks = [publish, settle];
        feeder.apply(&chunks);
        [publish, _] = chunks;
    }
    start.elapsed()
}

/// A large backlog of single messages: filled, cloned, written, read back, drained.
fn backlog() {
    let mut feeder = Feeder::new(1);
    let publish = [enqueue(QueueId(1), &[1024])];
    let timed =
        |what: &str, start: Instant| report(&format!("backlog of 10 M, one by one: {what}"), BACKLOG, start.elapsed());
    let start = Instant::now();
    for _ in 0..BACKLOG {
        feeder.apply(&publish);
    }
    timed("fill", start);
    let start = Instant::now();
    let clone = feeder.machine.clone();
    timed("clone", start);
    let start = Instant::now();
    let snapshot = clone.snapshot();
    timed("snapshot", start);
    let bytes: usize = snapshot.iter().map(|(_, segment)| segment.len()).sum();
    println!("{:<60} {:>8.1} bytes", "snapshot", f64::from(u32::try_from(bytes).expect("small")) / f64::from(BACKLOG));
    let start = Instant::now();
    let restored = Machine::restore(snapshot).expect("it was just written");
    timed("restore", start);
    drop((clone, restored));
    let start = Instant::now();
    let consume = Command::Attach {
        queue: QueueId(1),
        number: 1,
        options: ConsumerOptions { prefetch: 500, ..ConsumerOptions::default() },
    };
    feeder.apply(&[chunk(vec![consume], 0)]);
    while let Some(delivery) = feeder.out.deliveries.first() {
        let last = delivery.first_seq + u64::try_from(delivery.messages.len()).expect("few messages") - 1;
        let ranges = vec![SeqRange { first: delivery.first_seq, last }];
        feeder.apply(&[chunk(vec![Command::Settle { queue: QueueId(1), number: 1, ranges }], 0)]);
    }
    timed("drain", start);
}
