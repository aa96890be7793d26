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
        if let ClusterCommand::Place { group, wanted } = step.command {
            let before = self.voters(group);
            let live = |voters: &BTreeSet<NodeId>| voters.intersection(&self.observed.live).count();
            assert!(2 * live(&before) > before.len(), "group {group} is moved without a majority of {before:?}");
            assert!(2 * live(&wanted) > wanted.len(), "group {group} is moved to where it has no majority: {wanted:?}");
            self.apply(ClusterCommand::Moved { group, voters: wanted }).unwrap();
        }
        true
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
    let wanted = BTreeSet::from([NodeId(1), NodeId(3), NodeId(4)]);
    world.apply(ClusterCommand::Place { group: GroupId(1), wanted }).unwrap();
    assert!(world.waits_for().contains("group 1 moves"), "{}", world.waits_for());
    world.gone(4);
    assert!(world.step());
    assert!(world.cluster.placements[&GroupId(1)].is_settled());
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
