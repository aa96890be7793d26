//! I2: nothing is delivered that nobody tried to publish, or that was in the queue when it was emptied or deleted.

use std::collections::HashMap;

use super::{Checker, Finding, Findings};
use crate::history::{Event, Id, Op, Phase};

#[derive(Debug, Default)]
struct Emptied {
    /// When the last purge or deletion that is done began.
    begun: u64,
    /// Such operations that are not done, by client.
    open: HashMap<u32, u64>,
}

#[derive(Debug)]
pub(super) struct Phantom {
    /// Queues of other numbers have consumers, to which something may be on its way while the queue is emptied.
    first_quiet: u16,
    /// When a message was confirmed; zero before.
    published: HashMap<Id, u64>,
    emptied: HashMap<u16, Emptied>,
    findings: Findings,
}

impl Phantom {
    /// Queues from this number on have no consumers.
    pub(super) fn new(first_quiet: u16) -> Self {
        Phantom { first_quiet, published: HashMap::new(), emptied: HashMap::new(), findings: Findings::default() }
    }

    fn delivered(&mut self, queue: u16, id: Id, redelivered: bool) {
        let Some(confirmed) = self.published.get(&id) else {
            self.findings.add("I2", "delivered, but never published", || format!("{id:?} of queue {queue}"));
            return;
        };
        let begun = self.emptied.get(&queue).map_or(0, |emptied| emptied.begun);
        if queue >= self.first_quiet && !redelivered && *confirmed != 0 && *confirmed < begun {
            self.findings.add("I2", "delivered after its queue was emptied", || format!("{id:?} of queue {queue}"));
        }
    }
}

impl Checker for Phantom {
    fn see(&mut self, event: &Event) {
        let Some(queue) = event.queue else { return };
        match (event.op, event.phase, event.id) {
            (Op::Publish, Phase::Invoke, Some(id)) => drop(self.published.insert(id, 0)),
            (Op::Publish, Phase::Ok, Some(id)) => drop(self.published.insert(id, event.t)),
            (Op::Deliver | Op::Lock, _, Some(id)) => self.delivered(queue, id, event.redelivered),
            (Op::Purge | Op::Delete, phase, _) => {
                let emptied = self.emptied.entry(queue).or_default();
                if phase == Phase::Invoke {
                    emptied.open.insert(event.proc, event.t);
                } else if let Some(begun) = emptied.open.remove(&event.proc)
                    && phase == Phase::Ok
                {
                    emptied.begun = emptied.begun.max(begun);
                }
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
        super::tests::{again, check, confirmed, deliver, invariants, publish},
        *,
    };

    fn quiet() -> Phantom {
        Phantom::new(0)
    }

    fn purge(phase: Phase) -> Event {
        Event { id: None, op: Op::Purge, phase, ..publish(0) }
    }

    #[test]
    fn a_message_is_delivered_after_it_was_published() {
        assert_eq!(check(quiet(), &[publish(1), deliver(5, 1)]), []);
        assert_eq!(invariants(&check(quiet(), &[deliver(5, 1), publish(1)])), ["I2"]);
        assert_eq!(invariants(&check(quiet(), &[publish(1), deliver(5, 2)])), ["I2"]);
    }

    #[test]
    fn what_a_purge_has_removed_does_not_come() {
        let emptied = [purge(Phase::Invoke), purge(Phase::Ok)];
        let before = [&[publish(1), confirmed(1)][..], &emptied, &[deliver(5, 1)]].concat();
        assert_eq!(invariants(&check(quiet(), &before)), ["I2"]);
        let meanwhile = [publish(1), purge(Phase::Invoke), confirmed(1), purge(Phase::Ok), deliver(5, 1)];
        assert_eq!(check(quiet(), &meanwhile), []);
        let unknown = [publish(1), confirmed(1), purge(Phase::Invoke), purge(Phase::Info), deliver(5, 1)];
        assert_eq!(check(quiet(), &unknown), []);
    }

    #[test]
    fn what_somebody_held_while_the_queue_was_emptied_may_come_again() {
        let events = [publish(1), confirmed(1), deliver(5, 1), purge(Phase::Invoke), purge(Phase::Ok), again(5, 1)];
        assert_eq!(check(quiet(), &events), []);
    }
}
