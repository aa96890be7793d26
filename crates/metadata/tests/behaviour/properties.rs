//! What holds for all sequences of commands.

use std::collections::{BTreeMap, BTreeSet};

use metadata::{Command, Event, Machine, Record, Reply, RestoreError};
use proptest::prelude::*;
use types::{GroupId, NodeId, Timestamp};

use crate::{generate::commands, mirror::Mirror, world::World};

fn replay(commands: &[Command]) -> Machine {
    let mut machine = Machine::new();
    for (at, command) in (1..).zip(commands) {
        machine.apply(command, Timestamp(at));
    }
    machine
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_after_every_command(commands in commands(60)) {
        let mut machine = Machine::new();
        for (at, command) in (1..).zip(&commands) {
            let before = machine.clone();
            let (reply, events) = machine.apply(command, Timestamp(at));
            machine.check().unwrap();
            prop_assert_eq!(events.is_empty(), machine == before || matches!(command, Command::Bootstrap(_)) && at > 1);
            if matches!(reply, Reply::Refused(_)) {
                prop_assert!(events.is_empty());
            }
            prop_assert_eq!(machine.digest() == before.digest(), machine == before);
        }
    }

    #[test]
    fn events_tell_everything_in_an_order_that_can_be_followed(commands in commands(60)) {
        let mut machine = Machine::new();
        let mut mirror = Mirror::default();
        for (at, command) in (1..).zip(&commands) {
            let (_, events) = machine.apply(command, Timestamp(at));
            for event in &events {
                mirror.follow(event);
            }
            mirror.assert_is(&machine);
        }
    }

    #[test]
    fn events_tell_of_the_queues_whose_settings_changed_and_of_no_others(commands in commands(60)) {
        let mut machine = Machine::new();
        for (at, command) in (1..).zip(&commands) {
            let before: BTreeMap<_, _> =
                machine.queues().map(|queue| (queue.id, machine.effective_queue(queue))).collect();
            let (_, events) = machine.apply(command, Timestamp(at));
            let told: BTreeSet<_> = events.iter().filter_map(|event| match event {
                Event::QueueSettingsChanged { queue, .. } => Some(*queue),
                _ => None,
            }).collect();
            let changed: BTreeSet<_> = machine.queues().filter(|queue| {
                let now = machine.effective_queue(queue);
                before.get(&queue.id).is_some_and(|before| !before.has_same_effect(&now))
            }).map(|queue| queue.id).collect();
            prop_assert_eq!(told, changed);
        }
    }

    #[test]
    fn two_machines_agree_on_replies_events_and_state(commands in commands(60)) {
        let (mut a, mut b) = (Machine::new(), Machine::new());
        for (at, command) in (1..).zip(&commands) {
            prop_assert_eq!(a.apply(command, Timestamp(at)), b.apply(command, Timestamp(at)));
        }
        prop_assert_eq!(&a, &b);
        prop_assert_eq!(a.digest(), b.digest());
    }

    #[test]
    fn what_is_said_beforehand_is_what_happens(commands in commands(60)) {
        let mut machine = Machine::new();
        for (at, command) in (1..).zip(&commands) {
            let known = machine.answer_if_unchanged(command);
            let refusal = machine.refusal_now(command);
            let (reply, events) = machine.apply(command, Timestamp(at));
            if let Some(known) = known {
                prop_assert_eq!(&reply, &known);
                prop_assert!(events.is_empty());
            }
            match (command, refusal) {
                // The pattern of a policy is looked at beforehand alone.
                (Command::PutPolicy(_), refusal) => {
                    prop_assert!(refusal.is_some() || !matches!(reply, Reply::Refused(_)));
                }
                (_, Some(refusal)) => prop_assert_eq!(&reply, &Reply::Refused(refusal)),
                (_, None) => {}
            }
        }
    }

    #[test]
    fn applying_a_command_again_changes_nothing(commands in commands(60)) {
        let mut machine = Machine::new();
        for (at, command) in (1..).zip(&commands) {
            machine.apply(command, Timestamp(at));
            // A node that takes over from itself begins anew each time.
            if matches!(command, Command::NodeGone(_)) {
                continue;
            }
            let once = machine.clone();
            let (_, events) = machine.apply(command, Timestamp(at));
            prop_assert!(machine == once && events.is_empty(), "{:?}", command);
        }
    }

    #[test]
    fn applying_a_declare_again_changes_nothing(commands in commands(40)) {
        let mut machine = Machine::new();
        for (at, command) in (1..).zip(&commands) {
            let (first, _) = machine.apply(command, Timestamp(at));
            let repeatable = matches!(command, Command::DeclareQueue(_) | Command::DeclareExchange(_) | Command::Bind(_));
            if repeatable && !matches!(first, Reply::Refused(_)) {
                prop_assert!(machine.answer_if_unchanged(command).is_some(), "{:?}", command);
            }
        }
    }

    #[test]
    fn records_make_the_same_machine_at_any_point(commands in commands(60), cut in 0..60_usize) {
        let (prefix, suffix) = commands.split_at(cut.min(commands.len()));
        let mut restored = Machine::from_records(replay(prefix).records()).unwrap();
        prop_assert_eq!(&restored, &replay(prefix));
        for (at, command) in (1 + u64::try_from(prefix.len()).unwrap()..).zip(suffix) {
            restored.apply(command, Timestamp(at));
        }
        prop_assert_eq!(restored, replay(&commands));
    }

    #[test]
    fn indexes_agree_with_a_search(commands in commands(60)) {
        let machine = replay(&commands);
        let histories = machine.vhosts().flat_map(|vhost| {
            let exchanges = machine.exchanges(vhost.name.as_bytes());
            exchanges.filter_map(|exchange| machine.history(vhost.name.as_bytes(), exchange.name.as_bytes()))
        });
        let histories: Vec<_> = histories.collect();
        for group in [GroupId(1), GroupId(2), GroupId::local(NodeId(1)), GroupId::local(NodeId(2))] {
            let all = machine.queues().chain(histories.iter().copied());
            let found: BTreeSet<_> = all.filter(|queue| queue.group == group).map(|queue| queue.id).collect();
            prop_assert!(machine.queues_in_group(group).map(|queue| queue.id).eq(found.iter().copied()));
            prop_assert_eq!(machine.queue_count_in_group(group), found.len());
        }
        for owner in machine.queues().filter_map(|queue| queue.owner).collect::<BTreeSet<_>>() {
            let found = machine.queues().filter(|queue| queue.owner == Some(owner)).map(|queue| queue.id);
            prop_assert!(machine.queues_of_connection(owner).map(|queue| queue.id).eq(found));
        }
    }

    #[test]
    fn records_with_one_missing_never_make_a_broken_machine(commands in commands(40), missing in 0..200_usize) {
        let mut records: Vec<_> = replay(&commands).records().collect();
        records.remove(missing % records.len());
        if let Ok(machine) = Machine::from_records(records) {
            machine.check().unwrap();
        }
    }
}

#[test]
fn records_out_of_order_are_refused() {
    let machine = World::new().machine;
    let reversed: Vec<_> = machine.records().collect::<Vec<_>>().into_iter().rev().collect();
    assert_eq!(Machine::from_records(reversed), Err(RestoreError::OutOfOrder));
    let twice: Vec<Record> = machine.records().flat_map(|record| [record.clone(), record]).collect();
    assert_eq!(Machine::from_records(twice), Err(RestoreError::OutOfOrder));
}
