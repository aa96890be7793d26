//! I5: whatever comes a second time says so, and the count of failed deliveries never goes back.

use std::collections::HashMap;

use super::{Checker, Finding, Findings};
use crate::history::{Event, Id, Op};

#[derive(Debug, Default)]
struct Seen {
    unflagged: u32,
    count: u64,
}

#[derive(Debug, Default)]
pub(super) struct Redelivered {
    seen: HashMap<(u16, Id), Seen>,
    findings: Findings,
}

impl Checker for Redelivered {
    fn see(&mut self, event: &Event) {
        let (Op::Deliver, Some(queue), Some(id)) = (event.op, event.queue, event.id) else { return };
        let seen = self.seen.entry((queue, id)).or_default();
        if event.redelivered {
            if event.delivery_count < seen.count {
                let example = || format!("{id:?} of queue {queue}: {} after {}", event.delivery_count, seen.count);
                self.findings.add("I5", "the delivery count went back", example);
            }
            seen.count = event.delivery_count;
            return;
        }
        // The order in which two clients see two deliveries says nothing; one of all may be the first.
        seen.unflagged += 1;
        if seen.unflagged > 1 {
            let example = || format!("{id:?} of queue {queue}, at client {} at {} ms", event.proc, event.t / 1_000_000);
            self.findings.add("I5", "delivered twice without saying so", example);
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        self.findings.list()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{again, check, deliver, invariants},
        *,
    };

    #[test]
    fn a_second_delivery_says_so() {
        assert_eq!(check(Redelivered::default(), &[deliver(5, 1), again(6, 1), again(5, 1), deliver(5, 2)]), []);
        assert_eq!(invariants(&check(Redelivered::default(), &[deliver(5, 1), deliver(6, 1)])), ["I5"]);
    }

    #[test]
    fn a_message_whose_first_delivery_never_arrived_may_say_so_at_once() {
        assert_eq!(check(Redelivered::default(), &[again(5, 1)]), []);
    }

    #[test]
    fn the_same_message_in_another_queue_is_another() {
        assert_eq!(check(Redelivered::default(), &[deliver(5, 1), Event { queue: Some(1), ..deliver(6, 1) }]), []);
    }

    #[test]
    fn the_delivery_count_does_not_go_back() {
        let counted = |count| Event { delivery_count: count, ..again(5, 1) };
        assert_eq!(check(Redelivered::default(), &[counted(1), counted(1), counted(2)]), []);
        assert_eq!(invariants(&check(Redelivered::default(), &[counted(2), counted(1)])), ["I5"]);
    }
}
