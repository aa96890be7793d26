//! I6: a message has one holder at a time. Somebody else may get it only when the first settled it, or lost its connection; that it
//! did may be seen later, since who is cut off does not know it yet. The same holds for locks that are messages.

use std::collections::{HashMap, HashSet};

use super::{Checker, Finding, Findings};
use crate::history::{Event, Id, Op, Phase};

/// Client and connection.
type Channel = (u32, u32);

#[derive(Debug, Default)]
pub(super) struct Holders {
    held: HashMap<(u16, Id), Vec<Channel>>,
    by_channel: HashMap<Channel, HashSet<(u16, Id)>>,
    /// Connections that were lost.
    lost: HashSet<Channel>,
    /// A message came to somebody while a channel held it.
    doubted: Vec<(Channel, u16, Id, u64)>,
}

impl Holders {
    fn hold(&mut self, channel: Channel, message: (u16, Id), at: u64) {
        let holders = self.held.entry(message).or_default();
        let others = holders.iter().filter(|other| **other != channel);
        self.doubted.extend(others.map(|other| (*other, message.0, message.1, at)));
        if !holders.contains(&channel) {
            holders.push(channel);
        }
        self.by_channel.entry(channel).or_default().insert(message);
    }

    fn let_go(&mut self, channel: Channel, message: (u16, Id)) {
        if let Some(holders) = self.held.get_mut(&message) {
            holders.retain(|holder| *holder != channel);
            if holders.is_empty() {
                self.held.remove(&message);
            }
        }
        if let Some(messages) = self.by_channel.get_mut(&channel) {
            messages.remove(&message);
        }
    }
}

impl Checker for Holders {
    fn see(&mut self, event: &Event) {
        let channel = (event.proc, event.conn_epoch);
        match (event.op, event.queue.zip(event.id)) {
            (Op::Deliver | Op::Lock, Some(message)) => self.hold(channel, message, event.t),
            (Op::Ack | Op::Requeue | Op::Reject | Op::Unlock, Some(message)) => self.let_go(channel, message),
            (Op::Disconnect | Op::Cancelled, _) => {
                for message in self.by_channel.remove(&channel).unwrap_or_default() {
                    self.let_go(channel, message);
                }
                if event.phase == Phase::Info || event.op == Op::Cancelled {
                    self.lost.insert(channel);
                }
            }
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let mut findings = Findings::default();
        for (holder, queue, id, at) in self.doubted {
            if !self.lost.contains(&holder) {
                let example =
                    || format!("{id:?} of queue {queue}, held by client {}, at {} ms", holder.0, at / 1_000_000);
                findings.add("I6", "given to another while it was held", example);
            }
        }
        findings.list()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{ack, again, check, deliver, invariants, lost, settle},
        *,
    };

    #[test]
    fn a_message_comes_to_another_when_the_first_has_settled_it() {
        let events = [deliver(5, 1), settle(5, Op::Requeue, 1), again(6, 1), ack(6, 1)];
        assert_eq!(check(Holders::default(), &events), []);
    }

    #[test]
    fn a_message_that_is_held_comes_to_nobody_else() {
        let events = [deliver(5, 1), again(6, 1), ack(5, 1)];
        assert_eq!(invariants(&check(Holders::default(), &events)), ["I6"]);
    }

    #[test]
    fn who_has_lost_its_connection_holds_nothing_even_when_it_learns_that_later() {
        assert_eq!(check(Holders::default(), &[deliver(5, 1), lost(5), again(6, 1)]), []);
        assert_eq!(check(Holders::default(), &[deliver(5, 1), again(6, 1), lost(5)]), []);
        let good_end = Event { phase: Phase::Ok, ..lost(5) };
        assert_eq!(invariants(&check(Holders::default(), &[deliver(5, 1), again(6, 1), good_end])), ["I6"]);
    }

    #[test]
    fn a_lock_has_one_holder() {
        let lock = |proc| settle(proc, Op::Lock, 1);
        assert_eq!(check(Holders::default(), &[lock(5), settle(5, Op::Unlock, 1), lock(6)]), []);
        assert_eq!(invariants(&check(Holders::default(), &[lock(5), lock(6)])), ["I6"]);
    }
}
