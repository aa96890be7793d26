//! I4: each publish of a channel is confirmed once, and a confirm covers something.

use std::collections::{BTreeSet, HashMap};

use super::{Checker, Finding, Findings};
use crate::history::{Event, Op, Phase};

#[derive(Debug, Default)]
pub(super) struct Confirms {
    /// Tags that are not confirmed, by client and connection.
    open: HashMap<(u32, u32), BTreeSet<u64>>,
    findings: Findings,
}

impl Checker for Confirms {
    fn see(&mut self, event: &Event) {
        let channel = (event.proc, event.conn_epoch);
        match (event.op, event.phase) {
            (Op::Publish, Phase::Invoke) => drop(self.open.entry(channel).or_default().insert(event.tag)),
            (Op::Confirm, _) => {
                let open = self.open.entry(channel).or_default();
                let covered = if event.multiple {
                    let rest = open.split_off(&(event.tag + 1));
                    let covered = std::mem::replace(open, rest);
                    covered.contains(&event.tag)
                } else {
                    open.remove(&event.tag)
                };
                if !covered {
                    let example =
                        || format!("tag {} of client {} connection {}", event.tag, event.proc, event.conn_epoch);
                    self.findings.add("I4", "confirmed twice, or never published", example);
                }
            }
            (Op::Disconnect, _) => drop(self.open.remove(&channel)),
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
        super::tests::{check, invariants, publish},
        *,
    };

    fn confirm(phase: Phase, tag: u64, multiple: bool) -> Event {
        Event { op: Op::Confirm, phase, tag, multiple, id: None, ..publish(0) }
    }

    #[test]
    fn tags_are_confirmed_in_any_order_and_in_ranges() {
        let events = [
            publish(1),
            publish(2),
            publish(3),
            confirm(Phase::Ok, 2, false),
            confirm(Phase::Ok, 3, true),
            publish(4),
            confirm(Phase::Fail, 4, false),
        ];
        assert_eq!(check(Confirms::default(), &events), []);
    }

    #[test]
    fn a_tag_is_not_confirmed_twice() {
        let twice = [publish(1), confirm(Phase::Ok, 1, false), confirm(Phase::Ok, 1, false)];
        assert_eq!(invariants(&check(Confirms::default(), &twice)), ["I4"]);
        let refused_and_confirmed = [publish(1), confirm(Phase::Fail, 1, false), confirm(Phase::Ok, 1, true)];
        assert_eq!(invariants(&check(Confirms::default(), &refused_and_confirmed)), ["I4"]);
    }

    #[test]
    fn a_tag_that_was_not_published_is_not_confirmed() {
        assert_eq!(invariants(&check(Confirms::default(), &[publish(1), confirm(Phase::Ok, 2, true)])), ["I4"]);
    }
}
