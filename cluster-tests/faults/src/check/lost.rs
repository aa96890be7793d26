//! I1: a confirmed message is not lost. At the end, when all queues were drained, somebody has acknowledged it: a consumer of its
//! queue, or one of the queue to which it went as a dead letter.

use std::collections::{BTreeMap, HashMap};

use super::{Checker, Finding, Findings};
use crate::{
    history::{Event, Id, Op, Phase},
    plan::Plan,
};

#[derive(Debug, Default)]
struct Fate {
    confirmed_in: Option<u16>,
    /// Queues with consumers are few: a bit each.
    acked_in: u64,
}

#[derive(Debug)]
pub(super) struct Lost {
    /// Where a queue's messages may end.
    ends: Vec<u64>,
    messages: HashMap<Id, Fate>,
}

fn bit(queue: u16) -> u64 {
    1_u64.checked_shl(u32::from(queue)).unwrap_or(0)
}

impl Lost {
    pub(super) fn new(plan: &Plan) -> Self {
        let ends = (0..).zip(&plan.queues).map(|(place, queue)| {
            let letters = queue.letters_to.map_or(0, bit);
            // Nobody drains a queue without consumers.
            if !queue.is_drained() && letters == 0 { 0 } else { bit(place) | letters }
        });
        Lost { ends: ends.collect(), messages: HashMap::new() }
    }
}

impl Checker for Lost {
    fn see(&mut self, event: &Event) {
        let (Some(queue), Some(id)) = (event.queue, event.id) else { return };
        if self.ends.get(usize::from(queue)).is_none_or(|ends| *ends == 0) {
            return;
        }
        match (event.op, event.phase) {
            (Op::Publish, Phase::Ok) => self.messages.entry(id).or_default().confirmed_in = Some(queue),
            (Op::Ack, _) => self.messages.entry(id).or_default().acked_in |= bit(queue),
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let mut findings = Findings::default();
        let mut lost = Vec::new();
        // For each publisher, the first and last of its messages that arrived: what is lost before, between and after tells why.
        let mut arrived: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for (id, fate) in &self.messages {
            if fate.acked_in != 0 {
                let range = arrived.entry(id.0).or_insert((id.2, id.2));
                *range = (range.0.min(id.2), range.1.max(id.2));
            }
            if let Some(queue) = fate.confirmed_in
                && self.ends[usize::from(queue)] & fate.acked_in == 0
            {
                lost.push((*id, queue));
            }
        }
        lost.sort_unstable();
        for (id, queue) in lost {
            let kind = match arrived.get(&id.0) {
                None => "lost, as all of its publisher's",
                Some((first, _)) if id.2 < *first => "lost before the first that arrived",
                Some((_, last)) if id.2 > *last => "lost after the last that arrived",
                Some(_) => "lost between others that arrived",
            };
            findings.add("I1", kind, || format!("{id:?} of queue {queue}"));
        }
        findings.list()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{ack, check, confirmed, deliver, invariants, publish, settle},
        *,
    };

    fn lost() -> Lost {
        Lost::new(&Plan::standard())
    }

    #[test]
    fn a_confirmed_message_that_is_acknowledged_is_not_lost() {
        assert_eq!(check(lost(), &[publish(1), confirmed(1), deliver(5, 1), ack(5, 1)]), []);
    }

    #[test]
    fn a_message_that_was_not_confirmed_may_be_gone() {
        assert_eq!(check(lost(), &[publish(1)]), []);
    }

    #[test]
    fn lost_messages_are_told_by_their_place() {
        let mut events = (1..=5).flat_map(|number| [publish(number), confirmed(number)]).collect::<Vec<_>>();
        events.extend([ack(5, 2), ack(5, 4)]);
        let kinds = check(lost(), &events).into_iter().map(|finding| finding.text).collect::<Vec<_>>();
        assert_eq!(
            kinds,
            [
                "lost after the last that arrived: Id(1, 1, 5) of queue 0",
                "lost before the first that arrived: Id(1, 1, 1) of queue 0",
                "lost between others that arrived: Id(1, 1, 3) of queue 0",
            ]
        );
    }

    #[test]
    fn a_message_that_was_delivered_and_given_back_and_never_came_again_is_lost() {
        let events = [publish(1), confirmed(1), deliver(5, 1), settle(5, Op::Requeue, 1)];
        assert_eq!(invariants(&check(lost(), &events)), ["I1"]);
    }

    #[test]
    fn a_dead_letter_ends_where_letters_go() {
        let mut plan = Plan::standard();
        plan.queues[0].letters_to = Some(1);
        let there = Event { queue: Some(1), ..ack(6, 1) };
        let elsewhere = Event { queue: Some(2), ..ack(6, 1) };
        let refused = [publish(1), confirmed(1), deliver(5, 1), settle(5, Op::Reject, 1)];
        assert_eq!(check(Lost::new(&plan), &[&refused[..], &[there]].concat()), []);
        assert_eq!(invariants(&check(Lost::new(&plan), &[&refused[..], &[elsewhere]].concat())), ["I1"]);
    }
}
