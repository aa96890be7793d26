//! What the exchanges on one message's way share.

use std::cell::{Cell, OnceCell};

use types::FieldTable;

use crate::{hash::mix, message::Message};

/// One message on its way.
pub(crate) struct Walk<'m> {
    pub(crate) message: &'m Message<'m>,
    headers: OnceCell<Option<FieldTable>>,
    asks_for_delay: OnceCell<bool>,
    may_be_kept: OnceCell<bool>,
    draws: Cell<u64>,
    only_key: Cell<bool>,
}

impl<'m> Walk<'m> {
    pub(crate) fn new(message: &'m Message<'m>) -> Self {
        let only_key = Cell::new(message.more_keys.is_empty());
        Walk {
            message,
            headers: OnceCell::new(),
            asks_for_delay: OnceCell::new(),
            may_be_kept: OnceCell::new(),
            draws: Cell::new(message.random),
            only_key,
        }
    }

    /// Whether an exchange that delays is to delay it.
    pub(crate) fn asks_for_delay(&self) -> bool {
        self.depends_on_more_than_the_key();
        *self.asks_for_delay.get_or_init(|| self.message.properties.asks_for_delay())
    }

    /// Whether an exchange that keeps a history may keep it.
    pub(crate) fn may_be_kept(&self) -> bool {
        self.depends_on_more_than_the_key();
        *self.may_be_kept.get_or_init(|| self.message.properties.may_be_kept())
    }

    /// The headers, read when first asked for.
    pub(crate) fn headers(&self) -> Option<&FieldTable> {
        self.depends_on_more_than_the_key();
        self.headers.get_or_init(|| self.message.properties.headers()).as_ref()
    }

    /// Evenly distributed bits, others each time.
    pub(crate) fn draw(&self) -> u64 {
        self.depends_on_more_than_the_key();
        // The increment of SplitMix64.
        self.draws.set(self.draws.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        mix(self.draws.get())
    }

    /// Another message with the same routing key may go elsewhere.
    pub(crate) fn depends_on_more_than_the_key(&self) {
        self.only_key.set(false);
    }

    /// Whether all messages with this routing key go where this one goes.
    pub(crate) fn depends_on_the_key_only(&self) -> bool {
        self.only_key.get()
    }
}
