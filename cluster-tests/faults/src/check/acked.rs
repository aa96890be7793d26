//! I7: a message whose acknowledgement is known to be committed does not come again.

use std::collections::{HashMap, HashSet};

use super::{Checker, Finding, Findings};
use crate::history::{Event, Id, Op, Phase};

/// A message of a queue.
type Message = (u16, Id);

#[derive(Debug, Default)]
pub(super) struct Acked {
    /// Acknowledged since the channel's last fence, by client and connection; the second list since that fence was begun.
    open: HashMap<(u32, u32), [Vec<Message>; 2]>,
    committed: HashSet<Message>,
    findings: Findings,
}

impl Checker for Acked {
    fn see(&mut self, event: &Event) {
        let channel = (event.proc, event.conn_epoch);
        match (event.op, event.phase, event.queue.zip(event.id)) {
            (Op::Ack, _, Some(message)) => self.open.entry(channel).or_default()[1].push(message),
            (Op::Fence, Phase::Invoke, _) => {
                let [begun, later] = self.open.entry(channel).or_default();
                begun.append(later);
            }
            (Op::Fence, Phase::Ok, _) => {
                let [begun, _] = self.open.entry(channel).or_default();
                self.committed.extend(begun.drain(..));
            }
            (Op::Disconnect, ..) => drop(self.open.remove(&channel)),
            (Op::Deliver, _, Some(message)) if self.committed.contains(&message) => {
                let example = || format!("{:?} of queue {}, at {} ms", message.1, message.0, event.t / 1_000_000);
                self.findings.add("I7", "delivered after its acknowledgement was committed", example);
            }
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        self.findings.list()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{ack, again, check, deliver, fence, invariants, lost},
        *,
    };

    fn begin(consumer: u32) -> Event {
        Event { phase: Phase::Invoke, ..fence(consumer) }
    }

    #[test]
    fn an_acknowledgement_without_a_fence_may_be_lost() {
        assert_eq!(check(Acked::default(), &[deliver(5, 1), ack(5, 1), lost(5), again(6, 1)]), []);
        assert_eq!(check(Acked::default(), &[deliver(5, 1), ack(5, 1), begin(5), lost(5), again(6, 1)]), []);
    }

    #[test]
    fn after_a_fence_it_is_not_lost() {
        let events = [deliver(5, 1), ack(5, 1), begin(5), fence(5), again(6, 1)];
        assert_eq!(invariants(&check(Acked::default(), &events)), ["I7"]);
    }

    #[test]
    fn a_fence_covers_what_was_acknowledged_before_it_began() {
        let events = [deliver(5, 1), begin(5), ack(5, 1), fence(5), lost(5), again(6, 1)];
        assert_eq!(check(Acked::default(), &events), []);
    }
}
