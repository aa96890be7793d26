//! Chunks of queue commands to bytes and back.

mod config;

use bytes::Bytes;
use prost::Message;
use queue::{Chunk, Command, ConsumerOptions, DeadLetterSource, Delay, Enqueue, EnqueueOptions, EnqueueRun, Producer};
use types::{NodeId, QueueId, SeqRange, SessionId, Timestamp};

use self::config::{config_from_wire, config_to_wire};
use crate::{DecodeError, generated::shard as wire};

/// Encodes a chunk.
pub fn encode(chunk: &Chunk) -> Bytes {
    let message = wire::Chunk {
        producer_node: chunk.producer.node.0,
        producer_boot: chunk.producer.boot,
        seq: chunk.seq,
        session_node: chunk.session.node.0,
        session_serial: chunk.session.serial,
        slots: chunk.slots,
        commands: chunk.commands.iter().map(command_to_wire).collect(),
    };
    message.encode_to_vec().into()
}

/// Decodes a chunk.
///
/// # Errors
/// When the bytes are not a chunk, or one of its commands is not known to this version.
pub fn decode(bytes: Bytes) -> Result<Chunk, DecodeError> {
    let message = wire::Chunk::decode(bytes).map_err(|_| DecodeError::new("chunk"))?;
    let enqueued: u64 = message.commands.iter().map(enqueue_count).sum();
    if enqueued > ENQUEUE_COUNT_MAX {
        return Err(DecodeError::new("enqueue count"));
    }
    Ok(Chunk {
        producer: Producer { node: NodeId(message.producer_node), boot: message.producer_boot },
        seq: message.seq,
        session: SessionId { node: NodeId(message.session_node), serial: message.session_serial },
        commands: message.commands.into_iter().map(command_from_wire).collect::<Result<_, _>>()?,
        slots: message.slots,
    })
}

fn command_to_wire(command: &Command) -> wire::Command {
    use wire::command::Command as W;
    let command = match command {
        Command::CreateQueue { queue, config } => {
            W::CreateQueue(wire::CreateQueue { queue: queue.0, config: Some(config_to_wire(config)) })
        }
        Command::ConfigureQueue { queue, config } => {
            W::ConfigureQueue(wire::CreateQueue { queue: queue.0, config: Some(config_to_wire(config)) })
        }
        Command::DeleteQueue { queue, if_unused, if_empty } => {
            W::DeleteQueue(wire::DeleteQueue { queue: queue.0, if_unused: *if_unused, if_empty: *if_empty })
        }
        Command::Enqueue(enqueue) => W::Enqueue(enqueue_to_wire(enqueue)),
        Command::Attach { queue, number, options } => W::Attach(wire::Attach {
            queue: queue.0,
            number: *number,
            no_ack: options.no_ack,
            exclusive: options.exclusive,
            prefetch: options.prefetch,
            initial_credit: options.initial_credit,
            priority: options.priority,
            timeout_ms: options.timeout_ms,
        }),
        Command::Detach { queue, number } => W::Detach(wire::Detach { queue: queue.0, number: *number }),
        Command::Credit { queue, number, up_to } => {
            W::Credit(wire::Credit { queue: queue.0, number: *number, up_to: *up_to })
        }
        Command::Settle { queue, number, ranges } => W::Settle(held_to_wire(*queue, *number, ranges)),
        Command::Return { queue, number, ranges, failed } => {
            W::Return(wire::Return { held: Some(held_to_wire(*queue, *number, ranges)), failed: *failed })
        }
        Command::Discard { queue, number, ranges } => W::Discard(held_to_wire(*queue, *number, ranges)),
        Command::Get { queue, no_ack } => W::Get(wire::Get { queue: queue.0, no_ack: *no_ack }),
        Command::Purge { queue } => W::Purge(wire::Queue { queue: queue.0 }),
        Command::Inspect { queue } => W::Inspect(wire::Queue { queue: queue.0 }),
        Command::Peek { queue, from, bytes_max } => {
            W::Peek(wire::Peek { queue: queue.0, from: *from, bytes_max: *bytes_max })
        }
        Command::CloseSession => W::CloseSession(wire::Nothing {}),
        Command::NodeDown { node, boot, sessions_up_to } => {
            W::NodeDown(wire::NodeDown { node: node.0, boot: *boot, sessions_up_to: *sessions_up_to })
        }
        Command::Tick => W::Tick(wire::Nothing {}),
        Command::Touch { queue } => W::Touch(wire::Queue { queue: queue.0 }),
        Command::SettleDead { queue, ranges } => W::SettleDead(held_to_wire(*queue, 0, ranges)),
        Command::RetryDead { queue, ranges } => W::RetryDead(held_to_wire(*queue, 0, ranges)),
        Command::Forget { queues } => W::Forget(wire::Queues { queues: queues.iter().map(|queue| queue.0).collect() }),
    };
    wire::Command { command: Some(command) }
}

fn enqueue_to_wire(enqueue: &Enqueue) -> wire::Enqueue {
    let uniform = enqueue.sizes.windows(2).all(|pair| pair[0] == pair[1]);
    let sizes = if uniform { enqueue.sizes.iter().take(1).copied().collect() } else { enqueue.sizes.clone() };
    let runs = enqueue.runs.iter();
    wire::Enqueue {
        first_slot: enqueue.first_slot,
        sizes,
        count: u32::try_from(enqueue.sizes.len()).unwrap_or(u32::MAX),
        runs: runs.map(run_to_wire).collect(),
        source: enqueue
            .source
            .as_ref()
            .map(|source| wire::DeadLetterSource { queue: source.queue.0, numbers: source.numbers.clone() }),
    }
}

fn run_to_wire(run: &EnqueueRun) -> wire::EnqueueRun {
    let EnqueueOptions { ttl_ms, priority, delay } = run.options;
    let (delay_ms, not_before) = match delay {
        Delay::None => (None, None),
        Delay::For(ms) => (Some(ms), None),
        Delay::Until(at) => (None, Some(at.0)),
    };
    wire::EnqueueRun {
        queue: run.queue.0,
        first_slot: run.first_slot,
        count: run.count,
        ttl_ms,
        priority: priority.map(u32::from),
        delay_ms,
        not_before,
    }
}

fn held_to_wire(queue: QueueId, number: u32, ranges: &[SeqRange]) -> wire::Held {
    wire::Held { queue: queue.0, number, ranges: ranges.iter().flat_map(|r| [r.first, r.last]).collect() }
}

fn command_from_wire(command: wire::Command) -> Result<Command, DecodeError> {
    use wire::command::Command as W;
    let missing = DecodeError::new("queue command");
    Ok(match command.command.ok_or(missing)? {
        W::CreateQueue(c) => {
            Command::CreateQueue { queue: QueueId(c.queue), config: config_from_wire(c.config.unwrap_or_default())? }
        }
        W::ConfigureQueue(c) => {
            Command::ConfigureQueue { queue: QueueId(c.queue), config: config_from_wire(c.config.unwrap_or_default())? }
        }
        W::DeleteQueue(c) => {
            Command::DeleteQueue { queue: QueueId(c.queue), if_unused: c.if_unused, if_empty: c.if_empty }
        }
        W::Enqueue(c) => Command::Enqueue(enqueue_from_wire(c)?),
        W::Attach(c) => Command::Attach {
            queue: QueueId(c.queue),
            number: c.number,
            options: ConsumerOptions {
                no_ack: c.no_ack,
                exclusive: c.exclusive,
                prefetch: c.prefetch,
                initial_credit: c.initial_credit,
                priority: c.priority,
                timeout_ms: c.timeout_ms,
            },
        },
        W::Detach(c) => Command::Detach { queue: QueueId(c.queue), number: c.number },
        W::Credit(c) => Command::Credit { queue: QueueId(c.queue), number: c.number, up_to: c.up_to },
        W::Settle(c) => {
            let (queue, number, ranges) = held_from_wire(&c)?;
            Command::Settle { queue, number, ranges }
        }
        W::Return(c) => {
            let (queue, number, ranges) = held_from_wire(&c.held.ok_or(missing)?)?;
            Command::Return { queue, number, ranges, failed: c.failed }
        }
        W::Discard(c) => {
            let (queue, number, ranges) = held_from_wire(&c)?;
            Command::Discard { queue, number, ranges }
        }
        W::Get(c) => Command::Get { queue: QueueId(c.queue), no_ack: c.no_ack },
        W::Purge(c) => Command::Purge { queue: QueueId(c.queue) },
        W::Inspect(c) => Command::Inspect { queue: QueueId(c.queue) },
        W::Peek(c) => Command::Peek { queue: QueueId(c.queue), from: c.from, bytes_max: c.bytes_max },
        W::CloseSession(_) => Command::CloseSession,
        W::NodeDown(c) => Command::NodeDown { node: NodeId(c.node), boot: c.boot, sessions_up_to: c.sessions_up_to },
        W::Tick(_) => Command::Tick,
        W::Touch(c) => Command::Touch { queue: QueueId(c.queue) },
        W::SettleDead(c) => {
            let (queue, _, ranges) = held_from_wire(&c)?;
            Command::SettleDead { queue, ranges }
        }
        W::RetryDead(c) => {
            let (queue, _, ranges) = held_from_wire(&c)?;
            Command::RetryDead { queue, ranges }
        }
        W::Forget(c) => Command::Forget { queues: c.queues.into_iter().map(QueueId).collect() },
    })
}

/// Most messages of one chunk, over all its commands. It comes from one read of a socket, so it stays far below; more is damage,
/// which a few bytes must not buy memory with.
const ENQUEUE_COUNT_MAX: u64 = 1 << 20;

fn enqueue_count(command: &wire::Command) -> u64 {
    match &command.command {
        Some(wire::command::Command::Enqueue(enqueue)) => u64::from(enqueue.count),
        _ => 0,
    }
}

fn enqueue_from_wire(c: wire::Enqueue) -> Result<Enqueue, DecodeError> {
    let count = usize::try_from(c.count).map_err(|_| DecodeError::new("enqueue count"))?;
    let sizes = match c.sizes[..] {
        [size] => vec![size; count],
        _ if c.sizes.len() == count => c.sizes,
        _ => return Err(DecodeError::new("enqueue sizes")),
    };
    let runs = c.runs.into_iter();
    Ok(Enqueue {
        first_slot: c.first_slot,
        sizes,
        runs: runs.map(run_from_wire).collect::<Result<_, _>>()?,
        source: c.source.map(|source| DeadLetterSource { queue: QueueId(source.queue), numbers: source.numbers }),
    })
}

fn run_from_wire(run: wire::EnqueueRun) -> Result<EnqueueRun, DecodeError> {
    let priority = run.priority.map(u8::try_from).transpose().map_err(|_| DecodeError::new("priority"))?;
    let delay = match (run.delay_ms, run.not_before) {
        (None, None) => Delay::None,
        (Some(ms), None) => Delay::For(ms),
        (None, Some(at)) => Delay::Until(Timestamp(at)),
        (Some(_), Some(_)) => return Err(DecodeError::new("delay")),
    };
    let options = EnqueueOptions { ttl_ms: run.ttl_ms, priority, delay };
    Ok(EnqueueRun { queue: QueueId(run.queue), first_slot: run.first_slot, count: run.count, options })
}

fn held_from_wire(held: &wire::Held) -> Result<(QueueId, u32, Vec<SeqRange>), DecodeError> {
    let pairs = held.ranges.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(DecodeError::new("delivery ranges"));
    }
    let ranges = pairs.map(|pair| SeqRange { first: pair[0], last: pair[1] }).collect();
    Ok((QueueId(held.queue), held.number, ranges))
}
