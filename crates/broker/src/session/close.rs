//! Ends of channels: what is not sent goes back, consumers go.

use queue::Command;
use types::Blob;

use super::{channel::Channel, outbox::ChunkDraft, shared::Shared};
use crate::metrics;

impl Channel {
    /// The client hears nothing more. What it has sent before is still done.
    pub(crate) fn hang_up(&mut self) {
        self.is_open = false;
    }

    /// Ends the session in all its groups, with the last chunk of each.
    pub(crate) fn end(&mut self, shared: &mut Shared) {
        self.forget_backlog(shared);
        self.forget_transaction(shared);
        self.operations.clear();
        self.end_consumers(shared);
        for group in std::mem::take(&mut self.holding) {
            self.chunk(shared, group).push(Command::CloseSession);
        }
        self.flush(shared);
        shared.broker.registry().close(self.session);
        // Nobody hears the answers any more.
        let chunks = self.pending.values().chain(self.doubts.values().map(|doubt| &doubt.chunk));
        shared.in_flight_bytes -= chunks.map(|chunk| chunk.bytes).sum::<usize>();
        self.pending.clear();
        self.doubts.clear();
        metrics::channel_closed();
    }

    /// Takes all consumers out.
    fn end_consumers(&mut self, shared: &mut Shared) {
        let numbers: Vec<u32> = self.consumers.iter().map(|(number, _)| number).collect();
        for number in numbers {
            if let Some(consumer) = self.forget_consumer(shared, number) {
                self.give_back_waiting(shared, number, consumer);
            }
        }
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
