//! What waits to be sent on one stream: pushed without waiting, taken in batches by the stream's task.

use parking_lot::Mutex;
use prost::Message as _;
use proto::generated::peer::Message;
use tokio::sync::Notify;

/// Most messages of one batch.
const BATCH_MESSAGES_MAX: usize = 256;
/// A batch closes when it has grown to this size.
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// Bounded by what its users have in flight: appends by [`Outbox::is_full`], submissions and deliveries by their sessions' windows.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    wake: Notify,
    /// Who waits for the stream to be up.
    opened: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    messages: std::collections::VecDeque<(Message, usize)>,
    bytes: usize,
}

/// Bytes above which appends of a group wait.
const FULL_BYTES: usize = 16 * 1024 * 1024;

impl Outbox {
    /// Queues a message; `false` when the stream is down and the message is dropped.
    pub(crate) fn push(&self, message: Message) -> bool {
        let size = message.encoded_len();
        let mut state = self.state.lock();
        if !state.open {
            return false;
        }
        state.bytes += size;
        state.messages.push_back((message, size));
        drop(state);
        self.wake.notify_one();
        true
    }

    pub(crate) fn is_full(&self) -> bool {
        self.state.lock().bytes > FULL_BYTES
    }

    /// The stream is up: messages are taken from here on.
    pub(crate) fn open(&self) {
        self.state.lock().open = true;
        self.opened.notify_waiters();
    }

    /// Waits until the stream is up. Cancel safe.
    pub(crate) async fn opened(&self) {
        loop {
            let mut opened = std::pin::pin!(self.opened.notified());
            // From here on nothing is missed.
            opened.as_mut().enable();
            if self.state.lock().open {
                return;
            }
            opened.await;
        }
    }

    /// The stream is down: what waits is dropped.
    pub(crate) fn close(&self) {
        *self.state.lock() = State::default();
    }

    /// The next batch, in order; waits for one. Cancel safe.
    pub(crate) async fn take(&self) -> Vec<Message> {
        loop {
            {
                let mut state = self.state.lock();
                let mut batch = Vec::new();
                let mut bytes = 0;
                while let Some((_, size)) = state.messages.front() {
                    if batch.len() >= BATCH_MESSAGES_MAX || (!batch.is_empty() && bytes + size > BATCH_BYTES_MAX) {
                        break;
                    }
                    bytes += size;
                    batch.extend(state.messages.pop_front().map(|(message, _)| message));
                }
                state.bytes -= bytes;
                if !batch.is_empty() {
                    return batch;
                }
            }
            self.wake.notified().await;
        }
    }
}
