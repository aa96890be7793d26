//! What must hold of a history, one invariant (or two that need the same books) per file, each in one pass.
//!
//! Checkers know the plan and the events, nothing else. Each has histories of its own that it must accept and that it must not.

mod acked;
mod confirms;
pub mod gaps;
mod holders;
pub mod linear;
mod lost;
mod order;
mod phantom;
mod redelivered;
pub mod replicas;
mod returns;
mod single;

use std::{collections::BTreeMap, fmt};

use anyhow::Result;

use crate::{
    history::Event,
    plan::Plan,
    workload::{RACED, STRAYED},
};

/// Examples that are shown of one kind of finding.
const EXAMPLES_MAX: usize = 5;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `I1`, ...
    pub invariant: &'static str,
    /// How often.
    pub count: usize,
    /// What, with a few examples.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({} times)", self.invariant, self.text, self.count)
    }
}

/// Gathers what is found, by kind, with a few examples of each.
#[derive(Debug, Default)]
pub(crate) struct Findings(BTreeMap<(&'static str, &'static str), (usize, Vec<String>)>);

impl Findings {
    /// Something of that kind is found.
    pub(crate) fn add(&mut self, invariant: &'static str, kind: &'static str, example: impl FnOnce() -> String) {
        let (count, examples) = self.0.entry((invariant, kind)).or_default();
        *count += 1;
        if examples.len() < EXAMPLES_MAX {
            examples.push(example());
        }
    }

    pub(crate) fn list(self) -> Vec<Finding> {
        let finding = |((invariant, kind), (count, examples)): ((_, &str), (usize, Vec<String>))| {
            let more = if count > examples.len() { "; ..." } else { "" };
            Finding { invariant, count, text: format!("{kind}: {}{more}", examples.join("; ")) }
        };
        self.0.into_iter().map(finding).collect()
    }
}

/// Sees all events in the order of time.
pub(crate) trait Checker {
    fn see(&mut self, event: &Event);
    fn finish(self: Box<Self>) -> Vec<Finding>;
}

/// What all checkers find, and what the history holds besides.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What must not be.
    pub findings: Vec<Finding>,
    /// Counts for the report.
    pub counts: Counts,
}

/// Counts for the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that publishers were told are safe.
    pub confirmed: u64,
    /// Messages of which nobody knows.
    pub unknown: u64,
    /// Deliveries.
    pub delivered: u64,
    /// Deliveries that were not the first of their message.
    pub repeated: u64,
}

/// Runs all checkers of messages over a history.
///
/// # Errors
/// When the history cannot be read.
pub fn all(plan: &Plan, events: impl Iterator<Item = Result<Event>>) -> Result<Verdict> {
    let mut checkers: Vec<Box<dyn Checker>> = vec![
        Box::new(lost::Lost::new(plan)),
        Box::new(phantom::Phantom::new(RACED)),
        Box::new(confirms::Confirms::default()),
        Box::new(returns::Returns::new(STRAYED)),
        Box::new(redelivered::Redelivered::default()),
        Box::new(holders::Holders::default()),
        Box::new(acked::Acked::default()),
        Box::new(order::Order::new(plan)),
        Box::new(single::Single::new(plan)),
    ];
    let mut counts = Counts::default();
    for event in events {
        let event = event?;
        counts.see(&event);
        checkers.iter_mut().for_each(|checker| checker.see(&event));
    }
    Ok(Verdict { findings: checkers.into_iter().flat_map(|checker| checker.finish()).collect(), counts })
}

impl Counts {
    fn see(&mut self, event: &Event) {
        use crate::history::{Op, Phase};
        match (event.op, event.phase) {
            (Op::Publish, Phase::Ok) => self.confirmed += 1,
            (Op::Publish, Phase::Info) => self.unknown += 1,
            (Op::Deliver, _) => {
                self.delivered += 1;
                self.repeated += u64::from(event.redelivered);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    //! Histories by hand.

    use super::*;
    use crate::history::{Id, Op, Phase};

    /// What a checker finds in the events, whose times are their places.
    pub(super) fn check(mut checker: impl Checker + 'static, events: &[Event]) -> Vec<Finding> {
        for (at, event) in (1..).zip(events) {
            checker.see(&Event { t: at, ..*event });
        }
        Box::new(checker).finish()
    }

    pub(super) fn invariants(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|finding| finding.invariant).collect()
    }

    fn event(proc: u32, op: Op, phase: Phase, number: u64) -> Event {
        Event { queue: Some(0), id: Some(Id(1, 1, number)), conn_epoch: 1, ..Event::new(0, proc, op, phase) }
    }

    /// Client 1 publishes.
    pub(super) fn publish(number: u64) -> Event {
        Event { tag: number, ..event(1, Op::Publish, Phase::Invoke, number) }
    }

    pub(super) fn confirmed(number: u64) -> Event {
        event(1, Op::Publish, Phase::Ok, number)
    }

    /// A consumer gets a message, under a tag of the same number.
    pub(super) fn deliver(consumer: u32, number: u64) -> Event {
        Event { tag: number, ..event(consumer, Op::Deliver, Phase::Ok, number) }
    }

    pub(super) fn again(consumer: u32, number: u64) -> Event {
        Event { redelivered: true, ..deliver(consumer, number) }
    }

    pub(super) fn settle(consumer: u32, op: Op, number: u64) -> Event {
        Event { tag: number, ..event(consumer, op, Phase::Ok, number) }
    }

    pub(super) fn ack(consumer: u32, number: u64) -> Event {
        settle(consumer, Op::Ack, number)
    }

    pub(super) fn fence(consumer: u32) -> Event {
        Event { id: None, ..event(consumer, Op::Fence, Phase::Ok, 0) }
    }

    /// A client's connection is lost.
    pub(super) fn lost(proc: u32) -> Event {
        Event { id: None, ..event(proc, Op::Disconnect, Phase::Info, 0) }
    }

    #[test]
    fn a_history_in_which_all_is_well_has_no_findings() {
        let plan = Plan::standard();
        let events =
            [publish(1), publish(2), deliver(5, 1), confirmed(1), ack(5, 1), confirmed(2), deliver(5, 2), ack(5, 2)];
        let events = (1..).zip(events).map(|(at, event)| Ok(Event { t: at, ..event }));
        let verdict = all(&plan, events).unwrap();
        assert_eq!(verdict.findings, []);
        assert_eq!(verdict.counts, Counts { confirmed: 2, delivered: 2, ..Counts::default() });
    }

    #[test]
    fn findings_of_a_kind_are_counted_and_few_are_shown() {
        let mut findings = Findings::default();
        (0..100).for_each(|number| findings.add("I1", "lost", || number.to_string()));
        let list = findings.list();
        assert_eq!((list.len(), list[0].count), (1, 100));
        assert_eq!(list[0].text, "lost: 0; 1; 2; 3; 4; ...");
    }
}
