//! Ends of channels: what is not sent goes back, consumers go, queues that go with their last consumer may go.

use std::collections::BTreeMap;

use queue::Command;
use types::{Blob, GroupId, QueueId};

use super::{channel::Channel, outbox::ChunkDraft, shared::Shared};
use crate::{
    cleanup::{self, AutoDeletes},
    metrics, registry,
};

impl Channel {
    /// The client hears nothing more. What it has sent before is still done.
    pub(crate) fn hang_up(&mut self) {
        self.is_open = false;
    }

    /// Ends the session in all its groups, with the last chunk of each.
    pub(crate) fn end(&mut self, shared: &mut Shared) {
        self.forget_backlog(shared);
        self.operation = None;
        let deletes = self.end_consumers(shared);
        for group in std::mem::take(&mut self.holding) {
            self.chunk(shared, group).push(Command::CloseSession);
        }
        for (group, queues) in &deletes {
            let chunk = self.chunk(shared, *group);
            for queue in queues {
                chunk.push(Command::DeleteQueue { queue: *queue, if_unused: true, if_empty: false });
            }
        }
        let receivers = shared.broker.registry().hand_over(self.session, deletes.len());
        for chunk in self.outbox.take() {
            let waiter = deletes.keys().position(|group| *group == chunk.group);
            let token = waiter.map_or_else(|| self.next_token(), registry::waiter_token);
            self.submit(shared, token, chunk);
        }
        for ((group, queues), replies) in deletes.into_iter().zip(receivers) {
            cleanup::finish_auto_deletes(&shared.broker, AutoDeletes { group, queues, replies });
        }
        // Nobody hears the answers any more.
        let in_flight: usize = self.pending.values().map(|chunk| chunk.bytes).sum();
        shared.in_flight_bytes -= in_flight;
        self.pending.clear();
        metrics::channel_closed();
    }

    /// Takes all consumers out; returns the queues that may have lost their last one.
    fn end_consumers(&mut self, shared: &mut Shared) -> BTreeMap<GroupId, Vec<QueueId>> {
        let numbers: Vec<u32> = self.consumers.iter().map(|(number, _)| number).collect();
        let mut deletes: BTreeMap<GroupId, Vec<QueueId>> = BTreeMap::new();
        for number in numbers {
            let Some(consumer) = self.forget_consumer(shared, number) else { continue };
            if consumer.auto_delete {
                let queues = deletes.entry(consumer.group).or_default();
                if !queues.contains(&consumer.queue) {
                    queues.push(consumer.queue);
                }
            }
            self.give_back_waiting(shared, number, consumer);
        }
        deletes
    }

    /// Submits what was gathered.
    pub(crate) fn flush(&mut self, shared: &mut Shared) {
        self.shared_confirms.seal();
        for chunk in self.outbox.take() {
            let token = self.next_token();
            self.submit(shared, token, chunk);
        }
    }

    fn submit(&mut self, shared: &mut Shared, token: u64, mut chunk: ChunkDraft) {
        let blob = if chunk.blob.is_empty() { Blob::default() } else { chunk.blob.finish() };
        chunk.pending.bytes = blob.as_bytes().len() + chunk.command_bytes();
        shared.in_flight_bytes += chunk.pending.bytes;
        self.pending.insert(token, chunk.pending);
        self.outbox.recycle(chunk.blob);
        shared.broker.groups().submit(chunk.group, self.session, token, chunk.commands, blob);
    }
}
