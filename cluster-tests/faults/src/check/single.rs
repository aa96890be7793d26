//! I9: of the consumers of a queue that serves one at a time, one gets messages until it ends. Only one of higher priority may take
//! over before, and then the first holds nothing any more.

use std::collections::{HashMap, HashSet};

use super::{Checker, Finding, Findings};
use crate::{
    history::{Event, Id, Op, Phase},
    plan::Plan,
};

/// Client and connection.
type Channel = (u32, u32);

#[derive(Debug)]
pub(super) struct Single {
    /// Queues that serve one at a time, and whether priorities may change who that is.
    queues: HashMap<u16, bool>,
    active: HashMap<u16, Channel>,
    held: HashMap<Channel, HashSet<Id>>,
    ended: HashSet<Channel>,
    lost: HashSet<Channel>,
    /// Another got a message while this one was active.
    doubted: Vec<(Channel, u16, u64)>,
}

impl Single {
    pub(super) fn new(plan: &Plan) -> Self {
        let queues = (0..).zip(&plan.queues).filter(|(_, queue)| queue.is_single);
        let queues = queues.map(|(place, queue)| (place, queue.consumers.iter().any(|one| one.priority != 0)));
        Single {
            queues: queues.collect(),
            active: HashMap::new(),
            held: HashMap::new(),
            ended: HashSet::new(),
            lost: HashSet::new(),
            doubted: Vec::new(),
        }
    }

    fn delivered(&mut self, queue: u16, channel: Channel, at: u64) {
        let Some(with_priorities) = self.queues.get(&queue) else { return };
        let Some(before) = self.active.insert(queue, channel).filter(|before| *before != channel) else { return };
        let holds = self.held.get(&before).is_some_and(|held| !held.is_empty());
        if !self.ended.contains(&before) && (!with_priorities || holds) {
            self.doubted.push((before, queue, at));
        }
    }
}

impl Checker for Single {
    fn see(&mut self, event: &Event) {
        let channel = (event.proc, event.conn_epoch);
        match (event.op, event.queue.zip(event.id)) {
            (Op::Deliver, Some((queue, id))) => {
                self.delivered(queue, channel, event.t);
                self.held.entry(channel).or_default().insert(id);
            }
            (Op::Ack | Op::Requeue | Op::Reject, Some((_, id))) => {
                self.held.entry(channel).or_default().remove(&id);
            }
            (Op::Disconnect | Op::Cancelled, _) => {
                self.held.remove(&channel);
                self.ended.insert(channel);
                if event.phase == Phase::Info {
                    self.lost.insert(channel);
                }
            }
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> Vec<Finding> {
        let mut findings = Findings::default();
        for (before, queue, at) in self.doubted {
            // Who is cut off learns late that it is not the one any more.
            if !self.lost.contains(&before) {
                let example = || format!("client {} of queue {queue}, at {} ms", before.0, at / 1_000_000);
                findings.add("I9", "another consumer was served beside the active one", example);
            }
        }
        findings.list()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{ack, check, deliver, invariants, lost},
        *,
    };

    fn single(priority: i32) -> Single {
        let mut plan = Plan::standard();
        plan.queues[0].is_single = true;
        plan.queues[0].consumers[0].priority = priority;
        Single::new(&plan)
    }

    #[test]
    fn another_consumer_is_served_when_the_first_has_ended() {
        assert_eq!(check(single(0), &[deliver(5, 1), ack(5, 1), lost(5), deliver(6, 2)]), []);
        assert_eq!(check(single(0), &[deliver(5, 1), deliver(6, 2), lost(5)]), []);
        assert_eq!(invariants(&check(single(0), &[deliver(5, 1), ack(5, 1), deliver(6, 2)])), ["I9"]);
    }

    #[test]
    fn one_of_higher_priority_takes_over_from_one_that_holds_nothing() {
        assert_eq!(check(single(1), &[deliver(5, 1), ack(5, 1), deliver(6, 2)]), []);
        assert_eq!(invariants(&check(single(1), &[deliver(5, 1), deliver(6, 2)])), ["I9"]);
    }

    #[test]
    fn a_queue_that_serves_all_is_not_looked_at() {
        assert_eq!(check(Single::new(&Plan::standard()), &[deliver(5, 1), deliver(6, 2)]), []);
    }
}
