//! I3: a mandatory message that no queue takes comes back before it is confirmed, and one that a queue takes does not come back.

use std::collections::HashSet;

use super::{Checker, Finding, Findings};
use crate::history::{Event, Id, Op, Phase};

#[derive(Debug)]
pub(super) struct Returns {
    /// The number of the queue that is not there.
    nowhere: u16,
    returned: HashSet<Id>,
    confirmed: HashSet<Id>,
    findings: Findings,
}

impl Returns {
    pub(super) fn new(nowhere: u16) -> Self {
        Returns { nowhere, returned: HashSet::new(), confirmed: HashSet::new(), findings: Findings::default() }
    }
}

impl Checker for Returns {
    fn see(&mut self, event: &Event) {
        let Some(id) = event.id else { return };
        match (event.op, event.phase) {
            (Op::Return, _) if self.confirmed.contains(&id) => {
                self.findings.add("I3", "came back after its confirm", || format!("{id:?}"));
            }
            (Op::Return, _) => {
                let is_first = self.returned.insert(id);
                if !is_first {
                    self.findings.add("I3", "came back twice", || format!("{id:?}"));
                }
            }
            (Op::Publish, Phase::Ok) => {
                self.confirmed.insert(id);
                let (is_stray, is_returned) = (event.queue == Some(self.nowhere), self.returned.remove(&id));
                if is_stray && !is_returned {
                    let kind = "confirmed, had no queue, and did not come back before";
                    self.findings.add("I3", kind, || format!("{id:?}"));
                }
                if is_returned && !is_stray {
                    self.findings.add("I3", "came back though its queue is there", || format!("{id:?}"));
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
        super::tests::{check, confirmed, invariants, publish},
        *,
    };

    const NOWHERE: u16 = 77;

    fn stray(event: Event) -> Event {
        Event { queue: Some(NOWHERE), ..event }
    }

    fn returned(number: u64) -> Event {
        Event { op: Op::Return, ..confirmed(number) }
    }

    fn found(events: &[Event]) -> Vec<&'static str> {
        invariants(&check(Returns::new(NOWHERE), events))
    }

    #[test]
    fn what_has_no_queue_comes_back_and_is_confirmed_then() {
        assert!(found(&[stray(publish(1)), publish(2), returned(1), stray(confirmed(1)), confirmed(2)]).is_empty());
    }

    #[test]
    fn what_has_no_queue_must_come_back_before_its_confirm() {
        assert_eq!(found(&[stray(publish(1)), stray(confirmed(1))]), ["I3"]);
    }

    #[test]
    fn what_has_a_queue_must_not_come_back() {
        assert_eq!(found(&[publish(1), returned(1), confirmed(1)]), ["I3"]);
    }

    #[test]
    fn nothing_comes_back_after_its_confirm() {
        assert_eq!(found(&[publish(1), confirmed(1), returned(1)]), ["I3"]);
        assert_eq!(found(&[stray(publish(1)), returned(1), stray(confirmed(1)), returned(1)]), ["I3"]);
    }

    #[test]
    fn nothing_comes_back_twice() {
        assert_eq!(found(&[stray(publish(1)), returned(1), returned(1)]), ["I3"]);
    }
}
