//! I12: how long a queue is without confirms, for each fault. Bounds hold for clients of nodes that the fault does not hit, so
//! publishers are on all nodes when it begins, and what counts is the longest time without a confirm to any of them.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::history::{Event, Op, Phase};

/// A fault and its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// What was done.
    pub name: String,
    /// When, by the run's clock. Unit: nanoseconds.
    pub begin: u64,
    /// When it was over. Unit: nanoseconds.
    pub end: u64,
    /// The longest time that a queue may be without confirms.
    pub bound: Option<Duration>,
}

/// A time without confirms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// When it begins, by the run's clock. Unit: nanoseconds.
    pub begin: u64,
    /// When it ends. Unit: nanoseconds.
    pub end: u64,
}

impl Gap {
    /// How long it is.
    pub fn length(&self) -> Duration {
        Duration::from_nanos(self.end.saturating_sub(self.begin))
    }
}

/// Finds the longest gap of any queue in and after each fault. A fault's time goes on for `after` its end, but not into the next fault, nor beyond `over`, when publishers
/// stopped. A queue that has no confirm until then has a gap until then. Only the first `queues` are looked at: those of the plan,
/// whose publishers are on all nodes.
///
/// # Errors
/// When an event cannot be read.
pub fn find(
    marks: &[Mark],
    queues: usize,
    after: Duration,
    over: u64,
    events: impl Iterator<Item = anyhow::Result<Event>>,
) -> anyhow::Result<Vec<Gap>> {
    let after = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
    let windows = marks.iter().enumerate().map(|(number, mark)| {
        let next = marks.get(number + 1).map_or(over, |next| next.begin);
        (mark.begin, mark.end.saturating_add(after).min(next).min(over))
    });
    let windows = windows.collect::<Vec<_>>();
    let mut longest = vec![Gap::default(); marks.len()];
    let mut last: BTreeMap<u16, u64> = BTreeMap::new();
    let mut gap = |from: u64, to: u64| {
        for ((begin, end), longest) in windows.iter().zip(&mut longest) {
            // What was before the fault is not its fault.
            let gap = Gap { begin: from.max(*begin), end: to };
            if from < *end && to > *begin && gap.length() > longest.length() {
                *longest = gap;
            }
        }
    };
    for event in events {
        let event = event?;
        let (Op::Publish, Phase::Ok, Some(queue)) = (event.op, event.phase, event.queue) else { continue };
        if event.t <= over && usize::from(queue) < queues {
            gap(last.insert(queue, event.t).unwrap_or(event.t), event.t);
        }
    }
    last.into_values().for_each(|from| gap(from, over));
    Ok(longest)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::confirmed, *};

    fn mark(begin: u64, end: u64) -> Mark {
        Mark { name: "fault".to_owned(), begin, end, bound: None }
    }

    fn longest(marks: &[Mark], over: u64, confirms: &[u64]) -> Vec<u64> {
        let events = confirms.iter().map(|at| Ok(Event { t: *at, ..confirmed(*at) }));
        let gaps = find(marks, 1, Duration::from_nanos(10), over, events).unwrap();
        gaps.iter().map(|gap| gap.end - gap.begin).collect()
    }

    #[test]
    fn a_gap_counts_from_the_beginning_of_the_fault() {
        assert_eq!(longest(&[mark(100, 200)], 1000, &[50, 160, 170, 300, 500]), [130]);
    }

    #[test]
    fn what_ends_before_or_begins_long_after_the_fault_does_not_count() {
        assert_eq!(longest(&[mark(100, 101)], 1000, &[10, 90, 105, 110, 900]), [790]);
        assert_eq!(longest(&[mark(100, 101)], 1000, &[10, 90, 105, 109, 110, 111, 112, 900]), [5]);
    }

    #[test]
    fn a_queue_that_is_never_confirmed_again_has_a_gap_until_the_end() {
        assert_eq!(longest(&[mark(100, 200)], 1000, &[90]), [900]);
    }

    #[test]
    fn each_fault_has_its_own_gap() {
        assert_eq!(longest(&[mark(100, 110), mark(150, 160)], 200, &[99, 140, 155, 157, 180, 199]), [40, 23]);
    }
}
