//! I8: first deliveries come in the order in which a channel published: to each consumer, and where one consumer at a time gets
//! messages, to all of them together.

use std::collections::{HashMap, HashSet};

use super::{Checker, Finding, Findings};
use crate::{
    history::{Event, Id, Op, Phase},
    plan::Plan,
};

/// Client and connection.
type Channel = (u32, u32);

#[derive(Debug)]
pub(super) struct Order {
    single: Vec<bool>,
    /// Queues of dead letters, which come as they died.
    letters: HashSet<u16>,
    /// The last first delivery, by consumer, queue and publisher's channel.
    last: HashMap<(Channel, u16, Channel), u64>,
    /// The same for all consumers of a queue together.
    last_of_all: HashMap<(u16, Channel), u64>,
    /// Out of order between consumers, by the consumer that got the later one late.
    doubted: Vec<(Channel, u16, Id, u64)>,
    lost: HashSet<Channel>,
    findings: Findings,
}

impl Order {
    pub(super) fn new(plan: &Plan) -> Self {
        Order {
            single: plan.queues.iter().map(|queue| queue.is_single).collect(),
            letters: plan.queues.iter().filter_map(|queue| queue.letters_to).collect(),
            last: HashMap::new(),
            last_of_all: HashMap::new(),
            doubted: Vec::new(),
            lost: HashSet::new(),
            findings: Findings::default(),
        }
    }
}

impl Checker for Order {
    fn see(&mut self, event: &Event) {
        let channel = (event.proc, event.conn_epoch);
        if event.op == Op::Disconnect && event.phase == Phase::Info {
            self.lost.insert(channel);
        }
        let (Op::Deliver, false, Some((queue, id))) = (event.op, event.redelivered, event.queue.zip(event.id)) else {
            return;
        };
        if self.letters.contains(&queue) {
            return;
        }
        let publisher = (id.0, id.1);
        let last = self.last.entry((channel, queue, publisher)).or_default();
        if id.2 <= *last {
            let example = || format!("{id:?} of queue {queue} after {last}, at client {}", event.proc);
            self.findings.add("I8", "out of order at one consumer", example);
        }
        *last = id.2;
        if self.single.get(usize::from(queue)).is_some_and(|single| *single) {
            let last = self.last_of_all.entry((queue, publisher)).or_default();
            if id.2 <= *last {
                self.doubted.push((channel, queue, id, *last));
            }
            *last = id.2.max(*last);
        }
    }

    fn finish(mut self: Box<Self>) -> Vec<Finding> {
        for (channel, queue, id, last) in self.doubted {
            // What lay in the socket of a consumer that was cut off is seen late.
            if !self.lost.contains(&channel) {
                let example = || format!("{id:?} of queue {queue} after {last}, at client {}", channel.0);
                self.findings.add("I8", "out of order between consumers", example);
            }
        }
        self.findings.list()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{again, check, deliver, invariants, lost},
        *,
    };

    fn order(is_single: bool) -> Order {
        let mut plan = Plan::standard();
        plan.queues[0].is_single = is_single;
        Order::new(&plan)
    }

    #[test]
    fn first_deliveries_are_in_order_and_repeated_ones_need_not_be() {
        assert_eq!(check(order(false), &[deliver(5, 1), deliver(5, 3), again(5, 2), deliver(5, 4)]), []);
        assert_eq!(invariants(&check(order(false), &[deliver(5, 3), deliver(5, 1)])), ["I8"]);
    }

    #[test]
    fn consumers_side_by_side_have_no_common_order() {
        assert_eq!(check(order(false), &[deliver(5, 3), deliver(6, 1)]), []);
        assert_eq!(invariants(&check(order(true), &[deliver(5, 3), deliver(6, 1)])), ["I8"]);
        assert_eq!(check(order(true), &[deliver(5, 3), deliver(6, 1), lost(6)]), []);
    }

    #[test]
    fn another_channel_of_the_publisher_begins_anew() {
        let other = Event { id: Some(Id(1, 2, 1)), ..deliver(5, 1) };
        assert_eq!(check(order(true), &[deliver(5, 3), other]), []);
    }
}
