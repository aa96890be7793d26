//! What each command does. One file for each; this one says which.

mod attach;
mod close_session;
mod configure_queue;
mod create_queue;
mod credit;
mod delete_queue;
mod detach;
mod discard;
mod enqueue;
mod forget;
mod get;
mod inspect;
mod node_down;
mod peek;
mod purge;
mod retry_dead;
mod return_;
mod settle;
mod settle_dead;
mod tick;
mod touch;

use types::{ConsumerKey, QueueId, SeqRange, SessionId};

use crate::{Command, Machine, Outcome, Reply, queue::Verdict};

/// The chunk that a command is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    /// Index of the log entry.
    pub(crate) index: u64,
    /// On whose behalf the chunk is.
    pub(crate) session: SessionId,
    /// Slots of the entry's blob that belong to chunks before.
    pub(crate) slots_before: u64,
    /// Slots of the chunk.
    pub(crate) slots: u32,
}

impl Scope {
    fn consumer(&self, number: u32) -> ConsumerKey {
        ConsumerKey { session: self.session, number }
    }
}

/// Applies one command. A command that is refused changes nothing.
pub(crate) fn apply(machine: &mut Machine, scope: &Scope, command: &Command, out: &mut Outcome) -> Reply {
    match command {
        Command::CreateQueue { queue, config } => create_queue::apply(machine, *queue, config, out),
        Command::DeleteQueue { queue, if_unused, if_empty } => {
            delete_queue::apply(machine, *queue, *if_unused, *if_empty, out)
        }
        Command::Enqueue(enqueue) => enqueue::apply(machine, scope, enqueue, out),
        Command::Attach { queue, number, options } => attach::apply(machine, scope, *queue, *number, *options, out),
        Command::Detach { queue, number } => detach::apply(machine, scope, *queue, *number, out),
        Command::Credit { queue, number, up_to } => credit::apply(machine, scope, *queue, *number, *up_to, out),
        Command::Settle { queue, number, ranges } => settle::apply(machine, scope, *queue, *number, ranges, out),
        Command::Return { queue, number, ranges, failed } => {
            return_::apply(machine, scope, (*queue, *number), ranges, *failed, out)
        }
        Command::Discard { queue, number, ranges } => discard::apply(machine, scope, *queue, *number, ranges, out),
        Command::Get { queue, no_ack } => get::apply(machine, scope, *queue, *no_ack, out),
        Command::Purge { queue } => purge::apply(machine, *queue, out),
        Command::Inspect { queue } => inspect::apply(machine, *queue, out),
        Command::Peek { queue, from, bytes_max } => peek::apply(machine, *queue, *from, *bytes_max, out),
        Command::CloseSession => close_session::apply(machine, scope, out),
        Command::NodeDown { node, boot, sessions_up_to } => {
            node_down::apply(machine, *node, *boot, *sessions_up_to, out)
        }
        Command::Tick => tick::apply(machine, out),
        Command::ConfigureQueue { queue, config } => configure_queue::apply(machine, *queue, config, out),
        Command::Touch { queue } => touch::apply(machine, *queue, out),
        Command::Forget { queues } => forget::apply(machine, queues),
        Command::SettleDead { queue, ranges } => settle_dead::apply(machine, *queue, ranges, out),
        Command::RetryDead { queue, ranges } => retry_dead::apply(machine, *queue, ranges, out),
    }
}

/// A consumer gives up what it holds; its record may go with it.
fn give_up(
    machine: &mut Machine,
    consumer: &ConsumerKey,
    queue: QueueId,
    ranges: &[SeqRange],
    verdict: Verdict,
    out: &mut Outcome,
) -> Reply {
    machine.with_queue(queue, out, |state, work| state.give_up(consumer, ranges, verdict, work));
    Reply::Done
}
