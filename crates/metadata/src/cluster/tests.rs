//! Clusters that grow, shrink, and lose disks; each step is carried out as a group's leader would.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use types::{GroupId, NodeId, ShortStr};

use super::*;
use crate::{Change, Reply};

const SHARDS: u32 = 6;

fn member(node: u64) -> Member {
    Member {
        node: NodeId(node),
        name: ShortStr::copy_from(&format!("n{node}")).unwrap(),
        uuid: Bytes::from(format!("disk {node}")),
        address: format!("host-{node}:1"),
        state: MemberState::Up,
        replaces: None,
    }
}

/// A cluster and what its metadata leader sees.
struct World {
    cluster: Cluster,
    observed: Observed,
    /// How many steps there were.
    steps: usize,
}

impl World {
    fn of(nodes: u64) -> Self {
        let cluster = Cluster::founded((1..=nodes).map(member), SHARDS);
        let mut world = World { cluster, observed: Observed::default(), steps: 0 };
        (1..=nodes).for_each(|node| world.there(node));
        world
    }

    fn there(&mut self, node: u64) {
        for nodes in [&mut self.observed.live, &mut self.observed.caught_up] {
            nodes.insert(NodeId(node));
        }
        for nodes in [&mut self.observed.silent, &mut self.observed.lost] {
            nodes.remove(&NodeId(node));
        }
    }

    fn gone(&mut self, node: u64) {
        for nodes in [&mut self.observed.live, &mut self.observed.caught_up] {
            nodes.remove(&NodeId(node));
        }
        self.observed.silent.insert(NodeId(node));
    }

    fn apply(&mut self, command: ClusterCommand) -> Result<Reply, ClusterRefusal> {
        let reply = self.cluster.apply(&command);
        self.cluster.check().unwrap();
        reply
    }

    fn admit(&mut self, name: &str, uuid: &str, replaces: Option<u64>) -> Result<Reply, ClusterRefusal> {
        self.apply(ClusterCommand::Admit(Admission {
            name: ShortStr::copy_from(name).unwrap(),
            uuid: Bytes::copy_from_slice(uuid.as_bytes()),
            address: "new:1".to_owned(),
            replaces: replaces.map(NodeId),
        }))
    }

    fn state(&mut self, node: u64, state: MemberState, force: bool) -> Result<Reply, ClusterRefusal> {
        self.apply(ClusterCommand::SetState { node: NodeId(node), state, force })
    }

    /// Carries out the next step; `false` when there is none. A group's leader moves it at once.
    fn step(&mut self) -> bool {
        let Plan::Do(step) = self.cluster.plan(&self.observed) else { return false };
        self.steps += 1;
        assert!(self.steps < 200, "it comes to no end: {step:?}");
        self.apply(step.command.clone()).unwrap();
        if let ClusterCommand::Place { group, wanted, .. } = step.command {
            let before = self.voters(group);
            let live = |voters: &BTreeSet<NodeId>| voters.intersection(&self.observed.live).count();
            assert!(2 * live(&before) > before.len(), "group {group} is moved without a majority of {before:?}");
            assert!(2 * live(&wanted) > wanted.len(), "group {group} is moved to where it has no majority: {wanted:?}");
            self.moved(group, wanted);
        }
        true
    }

    /// The group's leader reports what was wanted last, or something else.
    fn moved(&mut self, group: GroupId, voters: BTreeSet<NodeId>) {
        let Placement { round, moved_at, .. } = self.cluster.placements[&group];
        self.apply(ClusterCommand::Moved { group, voters, round, index: moved_at + 1 }).unwrap();
    }

    fn place(&mut self, group: u32, wanted: &[u64]) -> Result<Reply, ClusterRefusal> {
        let (group, wanted) = (GroupId(group), nodes(wanted));
        let round = self.cluster.placements[&group].round;
        self.apply(ClusterCommand::Place { group, wanted, round })
    }

    fn settle(&mut self) {
        while self.step() {}
        assert_eq!(self.cluster.plan(&self.observed), Plan::Idle);
    }

    fn voters(&self, group: GroupId) -> BTreeSet<NodeId> {
        self.cluster.placements[&group].voters.clone()
    }

    fn replicas(&self) -> BTreeMap<u64, usize> {
        self.cluster.members.keys().map(|node| (node.0, self.cluster.replicas(*node))).collect()
    }

    fn waits_for(&self) -> String {
        match self.cluster.plan(&self.observed) {
            Plan::Wait(why) => why,
            plan => panic!("it does not wait: {plan:?}"),
        }
    }
}

fn nodes(nodes: &[u64]) -> BTreeSet<NodeId> {
    nodes.iter().copied().map(NodeId).collect()
}

#[test]
fn a_founded_cluster_has_its_replicas_spread_and_nothing_to_do() {
    for (nodes, voters) in [(1, 1), (2, 2), (3, 3), (4, 3), (7, 3)] {
        let mut world = World::of(nodes);
        world.settle();
        assert_eq!(world.steps, 0, "{nodes} nodes");
        assert!((1..=SHARDS).all(|group| world.voters(GroupId(group)).len() == voters));
        assert_eq!(world.voters(GroupId::META).len(), if nodes == 7 { 5 } else { voters });
    }
}

#[test]
fn a_single_node_grows_to_three_replicas_and_a_fourth_node_gets_its_share() {
    let mut world = World::of(1);
    for node in 2..=4 {
        assert_eq!(world.admit(&format!("n{node}"), &format!("disk {node}"), None), admitted(node));
        world.settle();
        assert!((0..=SHARDS).all(|group| !world.voters(GroupId(group)).contains(&NodeId(node))), "it is not there yet");
        world.there(node);
        world.settle();
    }
    assert!((0..=SHARDS).all(|group| world.voters(GroupId(group)).len() == 3));
    let replicas = world.replicas();
    assert!(replicas.values().all(|count| (4..=5).contains(count)), "{replicas:?}");
    let mut led: BTreeMap<NodeId, usize> = BTreeMap::new();
    world.cluster.leaders().values().for_each(|leader| *led.entry(*leader).or_default() += 1);
    assert_eq!(world.cluster.leaders().len(), 7);
    assert!(led.len() == 4 && led.values().all(|count| (1..=2).contains(count)), "{led:?}");
}

fn admitted(node: u64) -> Result<Reply, ClusterRefusal> {
    Ok(Reply::Admitted { node: NodeId(node) })
}

#[test]
fn a_node_that_asks_again_is_the_same_and_has_perhaps_moved() {
    let mut world = World::of(3);
    assert_eq!(world.admit("n2", "disk 2", None), admitted(2));
    assert_eq!(world.cluster.members[&NodeId(2)].address, "new:1");
    assert_eq!(world.admit("n3", "disk 2", None), Err(ClusterRefusal::NameTaken(member(2).name)));
}

#[test]
fn an_emptied_disk_takes_its_predecessors_place_in_one_step_per_group_when_that_is_silent() {
    let mut world = World::of(3);
    assert_eq!(world.admit("n2", "new disk", None), Err(ClusterRefusal::NameTaken(member(2).name)));
    world.gone(2);
    world.observed.silent.remove(&NodeId(2));
    assert_eq!(world.admit("n2", "new disk", Some(2)), admitted(4));
    assert_eq!(world.cluster.by_name(b"n2").unwrap().node, NodeId(4));
    world.there(4);
    assert!(world.step(), "it is up");
    assert!(world.waits_for().contains("heard from"), "{}", world.waits_for());
    assert_eq!(world.admit("n3", "another new disk", Some(3)), Err(ClusterRefusal::ReplacementUnderWay));
    world.observed.silent.insert(NodeId(2));
    world.steps = 0;
    world.settle();
    let expected = BTreeSet::from([NodeId(1), NodeId(3), NodeId(4)]);
    assert!((0..=SHARDS).all(|group| world.voters(GroupId(group)) == expected));
    assert_eq!(world.steps, 1 + usize::try_from(SHARDS).unwrap() + 1, "each group once, and the removal");
    assert!(world.cluster.is_gone(NodeId(2)) && !world.cluster.is_gone(NodeId(5)));
    assert_eq!(world.cluster.members[&NodeId(4)].replaces, None);
}

#[test]
fn a_replacement_that_loses_its_disk_before_it_has_replicas_leaves_its_claim_to_the_next() {
    let mut world = World::of(3);
    world.gone(2);
    world.admit("n2", "second disk", Some(2)).unwrap();
    assert_eq!(world.admit("n2", "third disk", Some(4)), admitted(5));
    assert!(world.cluster.is_gone(NodeId(4)));
    assert_eq!(world.cluster.members[&NodeId(5)].replaces, Some(NodeId(2)));
}

#[test]
fn a_group_without_a_live_majority_is_not_moved() {
    let mut world = World::of(3);
    world.gone(2);
    world.admit("n2", "new disk", Some(2)).unwrap();
    world.there(4);
    world.step();
    world.gone(3);
    assert!(!world.step());
    assert!(world.waits_for().contains("no majority"), "{}", world.waits_for());
}

#[test]
fn a_node_leaves_when_others_have_its_replicas_and_not_when_there_would_be_too_few() {
    let mut world = World::of(4);
    world.state(2, MemberState::Leaving, false).unwrap();
    assert_eq!(world.apply(ClusterCommand::Remove { node: NodeId(2), heir: None }), Err(ClusterRefusal::HasReplicas));
    world.settle();
    assert!(world.cluster.is_gone(NodeId(2)));
    assert!((0..=SHARDS).all(|group| world.voters(GroupId(group)).len() == 3));
    let refused = world.state(3, MemberState::Leaving, false);
    assert_eq!(refused, Err(ClusterRefusal::TooFewNodes { nodes: 2, replicas: 3 }));
    world.state(3, MemberState::Leaving, true).unwrap();
    world.settle();
    assert!((0..=SHARDS).all(|group| world.voters(GroupId(group)) == BTreeSet::from([NodeId(1), NodeId(4)])));
    world.state(4, MemberState::Leaving, true).unwrap();
    world.settle();
    assert_eq!(world.state(1, MemberState::Leaving, true), Err(ClusterRefusal::LastNode));
    assert_eq!(world.replicas(), BTreeMap::from([(1, 6)]));
}

#[test]
fn a_node_does_not_leave_before_its_clients() {
    let mut world = World::of(4);
    world.observed.serving = nodes(&[1, 2, 3, 4]);
    world.state(2, MemberState::Leaving, false).unwrap();
    while world.step() {}
    assert_eq!(world.cluster.replicas(NodeId(2)), 0);
    assert!(world.waits_for().contains("clients of node n2 go first"), "{}", world.waits_for());
    world.observed.serving.remove(&NodeId(2));
    world.settle();
    assert!(world.cluster.is_gone(NodeId(2)));
}

#[test]
fn a_group_does_not_shrink_when_a_node_leaves_while_another_joins() {
    let mut world = World::of(3);
    world.admit("n4", "disk 4", None).unwrap();
    world.state(3, MemberState::Leaving, false).unwrap();
    assert!(!world.step(), "nobody can take its replicas yet");
    world.there(4);
    world.settle();
    assert!((0..=SHARDS).all(|group| world.voters(GroupId(group)) == nodes(&[1, 2, 4])));
}

#[test]
fn a_move_that_would_end_without_a_majority_is_given_up_when_a_node_that_stays_has_lost_its_disk() {
    let mut world = World::of(3);
    world.place(0, &[1, 2]).unwrap();
    world.gone(2);
    world.admit("n2", "new disk", Some(2)).unwrap();
    world.there(4);
    world.settle();
    assert!((0..=SHARDS).all(|group| world.voters(GroupId(group)) == nodes(&[1, 3, 4])));
}

#[test]
fn a_node_does_not_leave_while_the_node_that_could_take_its_replicas_is_away() {
    let mut world = World::of(4);
    world.gone(1);
    world.state(2, MemberState::Leaving, false).unwrap();
    while world.step() {}
    assert!(world.waits_for().contains("no node can take"), "{}", world.waits_for());
    world.there(1);
    world.settle();
    assert!(world.cluster.is_gone(NodeId(2)));
}

#[test]
fn replicas_of_a_node_that_is_lost_for_long_go_elsewhere_if_there_is_a_place() {
    let mut world = World::of(4);
    world.gone(3);
    world.settle();
    assert_eq!(world.steps, 0, "it may come back");
    world.observed.lost.insert(NodeId(3));
    world.settle();
    assert!((0..=SHARDS).all(|group| !world.voters(GroupId(group)).contains(&NodeId(3))));
    world.there(3);
    world.settle();
    assert!(world.replicas()[&3] >= 4, "back, it gets its share again: {:?}", world.replicas());
    let mut world = World::of(3);
    world.gone(3);
    world.observed.lost.insert(NodeId(3));
    world.settle();
    assert_eq!(world.steps, 0, "nobody else is there");
}

#[test]
fn a_move_to_a_node_that_is_gone_is_given_up() {
    let mut world = World::of(3);
    world.admit("n4", "disk 4", None).unwrap();
    world.there(4);
    assert!(world.step());
    world.place(1, &[1, 3, 4]).unwrap();
    assert!(world.waits_for().contains("group 1 moves"), "{}", world.waits_for());
    world.gone(4);
    assert!(world.step());
    assert!(world.cluster.placements[&GroupId(1)].is_settled());
}

#[test]
fn a_move_that_takes_for_ever_or_to_a_node_that_leaves_is_given_up_and_the_node_avoided() {
    for leaves in [false, true] {
        let mut world = World::of(5);
        world.place(1, &[2, 3, 5]).unwrap();
        world.place(1, &[2, 3, 1]).unwrap();
        assert!(world.waits_for().contains("group 1 moves"), "{}", world.waits_for());
        if leaves {
            world.state(1, MemberState::Leaving, false).unwrap();
        } else {
            world.observed.stalled.insert(GroupId(1));
            world.observed.avoided.insert(NodeId(1));
        }
        assert!(world.step());
        world.observed.stalled.clear();
        world.state(4, MemberState::Leaving, false).unwrap();
        world.settle();
        assert!(world.cluster.is_gone(NodeId(4)));
        assert!(!world.voters(GroupId(1)).contains(&NodeId(1)));
    }
}

#[test]
fn who_was_wanted_holds_the_group_until_its_leader_says_that_it_knows_better() {
    let mut world = World::of(6);
    let group = GroupId(1);
    let before = world.voters(group);
    assert_eq!(before, nodes(&[2, 3, 4]));
    world.place(1, &[2, 3, 6]).unwrap();
    world.place(1, &[2, 3, 4]).unwrap();
    let holds = |world: &World, node| world.cluster.placements[&group].concerns(NodeId(node));
    assert!(holds(&world, 6), "a leader may have moved it there");
    // The report of a leader that has seen the first of these only.
    world.apply(ClusterCommand::Moved { group, voters: before.clone(), round: 1, index: 0 }).unwrap();
    assert!(holds(&world, 6));
    world.apply(ClusterCommand::Moved { group, voters: nodes(&[2, 3, 6]), round: 1, index: 7 }).unwrap();
    assert!(!world.cluster.placements[&group].is_settled());
    // Late: it has moved since.
    world.apply(ClusterCommand::Moved { group, voters: before.clone(), round: 2, index: 5 }).unwrap();
    assert!(holds(&world, 6) && world.voters(group) == nodes(&[2, 3, 6]));
    world.apply(ClusterCommand::Moved { group, voters: before, round: 2, index: 9 }).unwrap();
    assert!(!holds(&world, 6) && world.cluster.placements[&group].is_settled());
}

#[test]
fn a_placement_that_goes_on_from_an_older_one_is_refused() {
    let mut world = World::of(4);
    let stale = ClusterCommand::Place { group: GroupId(1), wanted: nodes(&[1, 2, 3]), round: 0 };
    world.apply(stale.clone()).unwrap();
    assert_eq!(world.apply(stale), Err(ClusterRefusal::Outdated));
}

#[test]
fn a_group_without_majority_keeps_nobody_from_healing_the_others() {
    let mut world = World::of(6);
    for node in [2, 3] {
        world.gone(node);
        world.observed.lost.insert(NodeId(node));
    }
    while world.step() {}
    let without = world.cluster.placements.iter().filter(|(_, p)| !has_majority(&world, &p.voters)).count();
    assert!(without > 0 && world.waits_for().contains("no majority"), "{}", world.waits_for());
    // Of the metadata's five voters one cannot be replaced: four nodes are there.
    for (group, placement) in world.cluster.placements.iter().filter(|(group, _)| **group != GroupId::META) {
        let is_healed = placement.voters.is_subset(&world.observed.live);
        assert!(is_healed || !has_majority(&world, &placement.voters), "group {group}: {placement:?}");
    }
}

fn has_majority(world: &World, voters: &BTreeSet<NodeId>) -> bool {
    2 * voters.intersection(&world.observed.live).count() > voters.len()
}

#[test]
fn a_replacement_that_dies_halfway_can_be_replaced_or_forgotten() {
    let half_replaced = || {
        let mut world = World::of(4);
        world.gone(2);
        world.admit("n2", "second disk", Some(2)).unwrap();
        world.there(5);
        assert!(world.step() && world.step() && world.step());
        assert!(world.cluster.replicas(NodeId(5)) > 0 && world.cluster.replicas(NodeId(2)) > 0);
        world.gone(5);
        world
    };
    let mut world = half_replaced();
    assert!(!world.step(), "it may come back");
    assert_eq!(world.admit("n2", "third disk", Some(5)), admitted(6));
    world.there(6);
    world.settle();
    assert!(world.cluster.is_gone(NodeId(2)) && world.cluster.is_gone(NodeId(5)));
    assert!(world.replicas()[&6] >= 4, "{:?}", world.replicas());
    let mut world = half_replaced();
    for (node, name) in [(5, "the new disk"), (2, "the old one")] {
        assert_eq!(world.cluster.by_name(b"n2").unwrap().node, NodeId(node), "{name}");
        world.state(node, MemberState::Leaving, true).unwrap();
        world.settle();
        assert!(world.cluster.is_gone(NodeId(node)), "{name}");
    }
    assert_eq!(world.cluster.members.len(), 3);
}

#[test]
fn a_node_that_leaves_is_not_drained_and_one_that_joins_neither() {
    let mut world = World::of(4);
    world.state(2, MemberState::Leaving, false).unwrap();
    assert_eq!(world.state(2, MemberState::Draining, false), Err(ClusterRefusal::Leaving));
    world.admit("n5", "disk 5", None).unwrap();
    assert_eq!(world.state(5, MemberState::Draining, false), Err(ClusterRefusal::Joining));
}

#[test]
fn a_draining_node_leads_nothing_and_keeps_its_replicas() {
    let mut world = World::of(3);
    world.state(2, MemberState::Draining, false).unwrap();
    world.settle();
    assert_eq!((world.steps, world.replicas()[&2]), (0, 6));
    assert!(world.cluster.leaders().values().all(|leader| *leader != NodeId(2)));
    world.state(2, MemberState::Up, false).unwrap();
    assert!(world.cluster.leaders().values().any(|leader| *leader == NodeId(2)));
}

#[test]
fn an_operator_says_who_leads_a_group() {
    let mut world = World::of(4);
    let other = world.voters(GroupId(2)).into_iter().find(|node| world.cluster.leaders()[&GroupId(2)] != *node);
    let prefer = |leader| ClusterCommand::Prefer { group: GroupId(2), leader };
    world.apply(prefer(other)).unwrap();
    assert_eq!(world.cluster.leaders().get(&GroupId(2)).copied(), other);
    let stranger = (1..=4).map(NodeId).find(|node| !world.voters(GroupId(2)).contains(node));
    assert_eq!(world.apply(prefer(stranger)), Err(ClusterRefusal::NotAVoter));
    assert_eq!(world.apply(prefer(None)), Ok(Reply::Done(Change::Updated)));
}

#[test]
fn five_nodes_have_five_voters_of_metadata_and_four_have_three() {
    let mut world = World::of(4);
    world.admit("n5", "disk 5", None).unwrap();
    world.there(5);
    world.settle();
    assert_eq!(world.voters(GroupId::META).len(), 5);
    world.state(1, MemberState::Leaving, false).unwrap();
    world.settle();
    assert_eq!(world.voters(GroupId::META).len(), 3);
}

#[test]
fn nothing_changes_before_the_founders_are_recorded_and_they_are_recorded_once() {
    let mut cluster = Cluster::default();
    let prefer = ClusterCommand::Prefer { group: GroupId(1), leader: None };
    assert_eq!(cluster.apply(&prefer), Err(ClusterRefusal::NotRecorded));
    let record = |nodes| ClusterCommand::Record(Cluster::founded((1..=nodes).map(member), SHARDS));
    assert_eq!(cluster.apply(&record(3)), Ok(Reply::Done(Change::Created)));
    assert_eq!(cluster.apply(&record(2)), Ok(Reply::Done(Change::Unchanged)));
    assert_eq!(cluster.members.len(), 3);
}
