//! Events on their way to the broker. Usually there is one at most, and it needs no memory of its own.

use std::{collections::VecDeque, mem};

use crate::{Event, SettledList, Verb};

/// A queue of events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    first: Option<Event>,
    more: VecDeque<Event>,
}

impl Events {
    /// Whether there is one.
    pub(crate) fn is_ready(&self) -> bool {
        self.first.is_some()
    }

    pub(crate) fn push(&mut self, event: Event) {
        if self.first.is_none() {
            self.first = Some(event);
        } else {
            self.more.push_back(event);
        }
    }

    /// Adds a settlement, to the last event if that is one of the same kind.
    pub(crate) fn push_settle(&mut self, channel: u16, verb: Verb, deliveries: SettledList, transactional: bool) {
        match self.last_mut() {
            Some(Event::Settle {
                channel: last_channel,
                verb: last_verb,
                deliveries: last,
                transactional: last_tx,
            }) if (*last_channel, *last_verb, *last_tx) == (channel, verb, transactional) => {
                last.append(&deliveries);
            }
            Some(_) | None => self.push(Event::Settle { channel, verb, deliveries, transactional }),
        }
    }

    /// The channel of the last event, if that is a settlement.
    pub(crate) fn settling(&self) -> Option<u16> {
        match self.more.back().or(self.first.as_ref()) {
            Some(Event::Settle { channel, .. }) => Some(*channel),
            Some(_) | None => None,
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        if self.more.is_empty() {
            return self.first.take();
        }
        let event = mem::replace(&mut self.first, self.more.pop_front());
        if self.more.is_empty() {
            self.more = VecDeque::new();
        }
        event
    }

    fn last_mut(&mut self) -> Option<&mut Event> {
        self.more.back_mut().or(self.first.as_mut())
    }
}
