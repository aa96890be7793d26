//! I10: declarations, deletions and passive declarations of a queue are linearizable: there is an order of them, in which each stands
//! between its beginning and its end, that a single node could have answered so.
//!
//! Each queue is looked at alone. All states that the queue may be in are carried along (Wing and Gong's search, breadth first). An
//! operation of which nobody knows may take effect at any time from its beginning on, or never. Of these only their number by kind
//! counts, and a way that used fewer of them is as good as one that used more, which keeps the ways few.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Finding, Findings};
use crate::history::{Event, Op, Phase};

/// Ways that are carried along at most; beyond that the history is too much for this checker.
const WAYS_MAX: usize = 50_000;

/// What is asked, with the arguments of a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    op: Op,
    variant: u64,
}

/// A call with its answer; `None` when it is not known.
#[derive(Clone, Copy, Debug)]
struct Answered {
    call: Call,
    is_ok: Option<bool>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin(usize),
    End(usize),
}

/// A way to explain the history so far: the queue's state (the variant that it was declared with), the calls that are under way
/// and have taken effect, and how many unknown calls of each kind have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    state: Option<u64>,
    done: BTreeSet<usize>,
    used: Used,
}

/// Checks the events of all queues whose number is at least `first`.
///
/// # Errors
/// When an event cannot be read.
pub fn check(first: u16, events: impl Iterator<Item = anyhow::Result<Event>>) -> anyhow::Result<Vec<Finding>> {
    let mut queues: BTreeMap<u16, (Vec<Answered>, Vec<Step>)> = BTreeMap::new();
    let mut open: HashMap<u32, usize> = HashMap::new();
    for event in events {
        let event = event?;
        let Some(queue) = event.queue.filter(|queue| *queue >= first) else { continue };
        if !matches!(event.op, Op::Declare | Op::Passive | Op::Delete) {
            continue;
        }
        let (calls, steps) = queues.entry(queue).or_default();
        if event.phase == Phase::Invoke {
            let variant = if event.op == Op::Declare { event.variant } else { 0 };
            open.insert(event.proc, calls.len());
            steps.push(Step::Begin(calls.len()));
            calls.push(Answered { call: Call { op: event.op, variant }, is_ok: None });
        } else if let Some(call) = open.remove(&event.proc)
            && event.phase != Phase::Info
        {
            calls[call].is_ok = Some(event.phase == Phase::Ok);
            steps.push(Step::End(call));
        }
    }
    let mut findings = Findings::default();
    for (queue, (calls, steps)) in &queues {
        if let Err(why) = explain(calls, steps) {
            findings.add("I10", "not linearizable", || format!("queue {queue}: {why}"));
        }
    }
    Ok(findings.list())
}

fn explain(calls: &[Answered], steps: &[Step]) -> Result<(), String> {
    let mut ways = BTreeSet::from([Way { state: None, done: BTreeSet::new(), used: BTreeMap::new() }]);
    let mut under_way: BTreeSet<usize> = BTreeSet::new();
    let mut unknown: Used = BTreeMap::new();
    for (place, step) in steps.iter().enumerate() {
        match step {
            Step::Begin(call) if calls[*call].is_ok.is_some() => drop(under_way.insert(*call)),
            Step::Begin(call) => *unknown.entry(calls[*call].call).or_default() += 1,
            Step::End(call) => {
                ways = go_on(ways, calls, &under_way, &unknown)?;
                ways.retain(|way| way.done.contains(call));
                if ways.is_empty() {
                    return Err(format!("no order explains {:?}, answer {place}", calls[*call]));
                }
                under_way.remove(call);
                let forget = |mut way: Way| {
                    way.done.remove(call);
                    way
                };
                ways = fewest(ways.into_iter().map(forget).collect());
            }
        }
    }
    Ok(())
}

/// All ways that are reached when any calls under way take effect, in any order.
fn go_on(
    ways: BTreeSet<Way>,
    calls: &[Answered],
    under_way: &BTreeSet<usize>,
    unknown: &Used,
) -> Result<BTreeSet<Way>, String> {
    let mut reached = ways.clone();
    let mut next: Vec<Way> = ways.into_iter().collect();
    while let Some(way) = next.pop() {
        let mut found = Vec::new();
        for call in under_way.difference(&way.done) {
            let Answered { call: what, is_ok } = calls[*call];
            let (state, answer) = apply(way.state, what);
            if is_ok == Some(answer) {
                let mut way = Way { state, ..way.clone() };
                way.done.insert(*call);
                found.push(way);
            }
        }
        for (what, number) in unknown {
            let used = way.used.get(what).copied().unwrap_or(0);
            let (state, _) = apply(way.state, *what);
            if used < *number && state != way.state {
                let mut way = Way { state, ..way.clone() };
                way.used.insert(*what, used + 1);
                found.push(way);
            }
        }
        for way in found {
            // A detour by calls of unknown outcome explains nothing that the direct way does not.
            let is_better =
                |other: &Way| other.state == way.state && other.done == way.done && is_at_most(&other.used, &way.used);
            if !reached.iter().any(is_better) {
                reached.insert(way.clone());
                next.push(way);
            }
        }
        if reached.len() > WAYS_MAX {
            return Err(format!("more than {WAYS_MAX} ways to explain it"));
        }
    }
    Ok(reached)
}

/// The state after a call, and whether it is answered with ok. To delete a queue that is not there is fine.
fn apply(state: Option<u64>, call: Call) -> (Option<u64>, bool) {
    match (call.op, state) {
        (Op::Declare, None) => (Some(call.variant), true),
        (Op::Declare, Some(variant)) => (state, variant == call.variant),
        (Op::Delete, _) => (None, true),
        (_, state) => (state, state.is_some()),
    }
}

/// How often each call whose outcome is unknown was used.
type Used = BTreeMap<Call, usize>;

/// Without the ways that used more than another that is the same otherwise.
fn fewest(ways: BTreeSet<Way>) -> BTreeSet<Way> {
    let mut groups: BTreeMap<(Option<u64>, BTreeSet<usize>), Vec<Used>> = BTreeMap::new();
    for way in ways {
        groups.entry((way.state, way.done)).or_default().push(way.used);
    }
    let mut kept = BTreeSet::new();
    for ((state, done), all) in groups {
        for used in &all {
            let is_beaten = all.iter().any(|other| other != used && is_at_most(other, used));
            if !is_beaten {
                kept.insert(Way { state, done: done.clone(), used: used.clone() });
            }
        }
    }
    kept
}

fn is_at_most(one: &Used, other: &Used) -> bool {
    one.iter().all(|(call, used)| other.get(call).is_some_and(|more| used <= more))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Client, operation, phase, variant.
    fn findings(events: &[(u32, Op, Phase, u64)]) -> usize {
        let events = (1..).zip(events).map(|(at, (proc, op, phase, variant))| {
            Ok(Event { queue: Some(1000), variant: *variant, ..Event::new(at, *proc, *op, *phase) })
        });
        check(1000, events).unwrap().len()
    }

    const BEGIN: Phase = Phase::Invoke;

    #[test]
    fn what_is_declared_is_there_until_it_is_deleted() {
        let declared = [(1, Op::Declare, BEGIN, 1), (1, Op::Declare, Phase::Ok, 1), (2, Op::Passive, BEGIN, 0)];
        assert_eq!(findings(&[&declared[..], &[(2, Op::Passive, Phase::Ok, 0)]].concat()), 0);
        assert_eq!(findings(&[&declared[..], &[(2, Op::Passive, Phase::Fail, 0)]].concat()), 1);
        let deleted = [(1, Op::Delete, BEGIN, 0), (1, Op::Delete, Phase::Ok, 0), (2, Op::Passive, BEGIN, 0)];
        assert_eq!(findings(&[&declared[..2], &deleted, &[(2, Op::Passive, Phase::Fail, 0)]].concat()), 0);
        assert_eq!(findings(&[&declared[..2], &deleted, &[(2, Op::Passive, Phase::Ok, 0)]].concat()), 1);
    }

    #[test]
    fn calls_at_the_same_time_may_take_effect_in_any_order() {
        let begun = [(1, Op::Declare, BEGIN, 1), (2, Op::Passive, BEGIN, 0)];
        for seen in [Phase::Ok, Phase::Fail] {
            let ended = [(2, Op::Passive, seen, 0), (1, Op::Declare, Phase::Ok, 1)];
            assert_eq!(findings(&[begun, ended].concat()), 0, "{seen:?}");
        }
    }

    #[test]
    fn two_declarations_with_other_arguments_do_not_both_succeed() {
        let both = [(1, Op::Declare, BEGIN, 1), (2, Op::Declare, BEGIN, 2), (1, Op::Declare, Phase::Ok, 1)];
        assert_eq!(findings(&[&both[..], &[(2, Op::Declare, Phase::Fail, 2)]].concat()), 0);
        assert_eq!(findings(&[&both[..], &[(2, Op::Declare, Phase::Ok, 2)]].concat()), 1);
    }

    #[test]
    fn what_nobody_knows_may_take_effect_late_once_or_never() {
        let unknown = [(1, Op::Declare, BEGIN, 1), (1, Op::Declare, Phase::Info, 1)];
        let look = |proc, phase| [(proc, Op::Passive, BEGIN, 0), (proc, Op::Passive, phase, 0)];
        let (there, gone) = (look(2, Phase::Ok), look(2, Phase::Fail));
        assert_eq!(findings(&[unknown, gone, there, there].concat()), 0);
        assert_eq!(findings(&[unknown, gone, gone].concat()), 0);
        assert_eq!(findings(&[unknown, there, gone].concat()), 1);
        let deleted = [(3, Op::Delete, BEGIN, 0), (3, Op::Delete, Phase::Ok, 0)];
        assert_eq!(findings(&[unknown, there, deleted, gone, there].concat()), 1);
    }

    #[test]
    fn many_unknown_calls_are_not_too_many() {
        let mut events = Vec::new();
        for proc in 1..200 {
            let op = if proc % 2 == 0 { Op::Declare } else { Op::Delete };
            events.extend([(proc, op, BEGIN, u64::from(proc % 3)), (proc, op, Phase::Info, 0)]);
            events.extend([(1000, Op::Passive, BEGIN, 0), (1000, Op::Passive, Phase::Fail, 0)]);
        }
        assert_eq!(findings(&events), 0);
    }
}
