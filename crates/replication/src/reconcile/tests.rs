//! What is done about each difference.

use metadata::{ConnectionId, DeclareQueue, Home, PutPolicy, PutVhost};
use queue::{At, Chunk, Outcome, QueueConfig};
use types::{FieldTable, FieldValue, NodeId, ShortStr, Timestamp};

use super::*;

const GROUP: GroupId = GroupId(1);
const NODE: NodeId = NodeId(1);

/// Metadata and a group's machine, and the leader between them.
#[derive(Default)]
struct World {
    meta: metadata::Machine,
    queues: queue::Machine,
    index: u64,
    reconcile: Reconcile,
    changes: Changes,
}

fn name(text: &str) -> ShortStr {
    ShortStr::copy_from(text).unwrap()
}

impl World {
    fn new() -> Self {
        let mut world = World::default();
        drop(world.changes.of(GROUP));
        world.change(metadata::Command::PutVhost(PutVhost { vhost: name("/"), ..PutVhost::default() }));
        world
    }

    fn change(&mut self, command: metadata::Command) -> metadata::Reply {
        let (reply, events) = self.meta.apply(&command, Timestamp(1));
        self.changes.note(&events);
        reply
    }

    fn declare(&mut self, queue: &str, auto_delete: bool) -> QueueId {
        let declare = DeclareQueue {
            vhost: name("/"),
            name: name(queue),
            default_type: None,
            server_named: false,
            durable: true,
            auto_delete,
            exclusive: false,
            arguments: FieldTable::default(),
            connection: ConnectionId { node: NODE, serial: 1 },
            home: Home { node: NODE, boot: 1 },
            group: GROUP,
        };
        match self.change(metadata::Command::DeclareQueue(declare)) {
            metadata::Reply::Queue { queue, created: true, .. } => queue,
            other => panic!("{other:?}"),
        }
    }

    fn policy(&mut self, max_length: i32) {
        let mut definition = FieldTable::default();
        definition.push(name("max-length"), FieldValue::I32(max_length));
        self.change(metadata::Command::PutPolicy(PutPolicy {
            vhost: name("/"),
            name: name("p"),
            pattern: ".*".to_owned(),
            priority: 0,
            apply_to: name("queues"),
            definition,
            operator: false,
        }));
    }

    fn apply(&mut self, commands: Vec<Command>) {
        self.index += 1;
        let chunk = Chunk { commands, ..Chunk::default() };
        let at = At { index: self.index, proposed_at: Timestamp(self.index) };
        self.queues.apply_entry(at, &[chunk], &mut Outcome::default());
    }

    fn round(&mut self) -> Round {
        self.reconcile.round(GROUP, &self.changes.of(GROUP), &self.meta, &self.queues)
    }

    /// Rounds until nothing is left to do.
    fn agree(&mut self) {
        for _ in 0..20 {
            // As if it had taken its time.
            self.reconcile.compared_at = None;
            let round = self.round();
            if round.commands.is_empty() && !round.again {
                return;
            }
            self.apply(round.commands);
        }
        panic!("they never agree");
    }
}

#[test]
fn a_queue_that_was_declared_and_not_created_is_created_with_its_settings() {
    let mut world = World::new();
    world.policy(7);
    let queue = world.declare("q", true);
    world.agree();
    let expected = QueueConfig { max_length: Some(7), auto_delete: true, ..QueueConfig::default() };
    assert_eq!(world.queues.config(queue), Some(&expected));
}

#[test]
fn a_queue_that_metadata_has_forgotten_goes_and_then_its_tombstone() {
    let mut world = World::new();
    let (kept, queue) = (world.declare("kept", false), world.declare("q", false));
    world.agree();
    world.change(metadata::Command::DeleteQueue { queue });
    world.agree();
    assert_eq!(world.queues.queues().collect::<Vec<_>>(), [kept]);
    assert_eq!(world.queues.ended().count(), 0);
}

#[test]
fn a_queue_that_its_machine_has_ended_is_not_created_again_but_told_until_it_is_forgotten() {
    let mut world = World::new();
    let queue = world.declare("q", true);
    world.agree();
    world.apply(vec![Command::DeleteQueue { queue, if_unused: false, if_empty: false }]);
    world.reconcile = Reconcile::default();
    let round = world.round();
    assert_eq!(round.ended, [QueueEnded { queue, reason: EndReason::LastConsumer }], "a new leader tells at once");
    assert_eq!(round.commands, []);
    world.reconcile.reminded_at = Instant::now().checked_sub(REMIND_EVERY);
    assert_eq!(world.round().ended.len(), 1, "it is told again");
    assert_eq!(world.round().ended.len(), 0, "but not all the time");
    world.agree();
    assert_eq!(world.queues.ended().count(), 1);
    world.change(metadata::Command::DeleteQueue { queue });
    assert_eq!(world.round().commands, [Command::Forget { queues: vec![queue] }]);
}

#[test]
fn who_was_told_when_it_happened_is_given_time() {
    let mut world = World::new();
    let queue = world.declare("q", true);
    world.agree();
    world.apply(vec![Command::DeleteQueue { queue, if_unused: false, if_empty: false }]);
    world.reconcile.reminded_at = Instant::now().checked_sub(REMIND_EVERY);
    assert_eq!(world.round().ended, []);
    world.reconcile.reminded_at = Instant::now().checked_sub(REMIND_EVERY);
    assert_eq!(world.round().ended.len(), 1);
}

#[test]
fn settings_that_change_are_told_at_once_also_to_a_queue_that_is_created_later() {
    let mut world = World::new();
    let queues: Vec<QueueId> = ["a", "b"].map(|queue| world.declare(queue, false)).to_vec();
    let create = |queue| Command::CreateQueue { queue, config: QueueConfig::default() };
    world.apply(vec![create(queues[0])]);
    world.agree();
    world.apply(vec![Command::DeleteQueue { queue: queues[1], if_unused: false, if_empty: false }]);
    world.apply(vec![Command::Forget { queues: vec![queues[1]] }]);
    world.policy(3);
    let told = |round: Round| round.commands;
    let config = QueueConfig { max_length: Some(3), ..QueueConfig::default() };
    let configure = |queue| Command::ConfigureQueue { queue, config: config.clone() };
    let commands = told(world.round());
    assert!(commands.contains(&configure(queues[0])), "{commands:?}");
    assert!(!commands.contains(&configure(queues[1])), "it is not there");
    world.apply(commands);
    // Whoever created it had read the settings before they changed.
    world.apply(vec![create(queues[1])]);
    let commands = told(world.round());
    assert!(commands.contains(&configure(queues[1])), "{commands:?}");
}

#[test]
fn a_new_leader_finds_settings_that_the_last_one_did_not_come_to() {
    let mut world = World::new();
    let queues: Vec<QueueId> = (0..2500).map(|n| world.declare(&format!("q-{n}"), false)).collect();
    world.agree();
    world.policy(5);
    drop(world.changes.of(GROUP).take());
    world.reconcile = Reconcile::default();
    let mut rounds = 0;
    loop {
        let round = world.round();
        rounds += 1;
        world.apply(round.commands);
        if !round.again {
            break;
        }
    }
    assert_eq!(rounds, 3);
    assert!(queues.iter().all(|queue| world.queues.config(*queue).unwrap().max_length == Some(5)));
}

#[test]
fn queues_are_compared_some_at_a_time_until_all_have_had_their_turn() {
    let mut world = World::new();
    let count = 2 * LOOKED_MAX + 10;
    let queues: Vec<QueueId> = (0..count).map(|n| world.declare(&format!("q-{n}"), false)).collect();
    let create = |queue: &QueueId| Command::CreateQueue { queue: *queue, config: QueueConfig::default() };
    let (missing, there) = queues.split_last().unwrap();
    world.apply(there.iter().map(create).collect());
    let mut created = 0;
    for round in 1..=3 {
        let commands = world.round().commands;
        created += commands.iter().filter(|command| **command == create(missing)).count();
        assert_eq!(created, usize::from(round == 3), "in round {round}");
        world.apply(commands);
    }
    assert!(world.queues.config(*missing).is_some());
    assert_eq!(world.reconcile.comparing, None);
}

#[test]
fn what_many_rounds_find_is_found_though_much_is_to_be_done() {
    let mut world = World::new();
    let queues: Vec<QueueId> = (0..2 * WORK_MAX + 10).map(|n| world.declare(&format!("q-{n}"), false)).collect();
    world.agree();
    assert!(queues.iter().all(|queue| world.queues.config(*queue).is_some()));
    queues.iter().for_each(|queue| drop(world.change(metadata::Command::DeleteQueue { queue: *queue })));
    world.agree();
    assert_eq!(world.queues.queues().count(), 0);
}
