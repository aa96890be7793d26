//! Metadata is the same everywhere, and whoever is answered finds it so.

use ::metadata::{Change, Command, PutVhost, Reply};
use replication::Metadata;
use types::ShortStr;

use crate::{cluster::Cluster, recorder::until};

pub(crate) fn put(vhost: &str) -> Command {
    let vhost = ShortStr::copy_from(vhost).unwrap();
    Command::PutVhost(PutVhost { vhost, ..PutVhost::default() })
}

#[test]
fn what_one_node_changes_is_seen_on_all_when_it_is_answered() {
    let cluster = Cluster::in_memory();
    cluster.settle();
    for proposer in cluster.nodes() {
        let name = format!("from-{}", proposer.id);
        assert_eq!(proposer.propose(put(&name)), Reply::Done(Change::Created));
        for node in cluster.nodes() {
            let seen = node.replication.read().vhost(name.as_bytes()).is_some();
            assert!(seen, "node {} has not seen what node {} was answered", node.id, proposer.id);
        }
    }
}

#[test]
fn concurrent_proposals_of_all_nodes_end_in_one_state_with_the_same_events() {
    const EACH: usize = 30;
    let cluster = Cluster::in_memory();
    let proposals: Vec<_> = cluster
        .nodes()
        .flat_map(|node| (0..EACH).map(move |n| (node, n)))
        .map(|(node, n)| {
            // Half of them are contested: only one node creates it.
            let name = if n % 2 == 0 { format!("shared-{n}") } else { format!("own-{}-{n}", node.id) };
            node.runtime().spawn(node.replication.propose(put(&name)))
        })
        .collect();
    let created = proposals
        .into_iter()
        .map(|proposal| cluster.node(0).runtime().block_on(proposal).unwrap().unwrap() == Reply::Done(Change::Created));
    let created = created.filter(|created| *created).count();
    assert_eq!(created, EACH / 2 + 3 * EACH / 2);
    let digest = || cluster.nodes().map(|node| node.replication.read().digest()).collect::<Vec<_>>();
    until("all have the same state", || digest().iter().all(|other| *other == digest()[0]));
    let events = cluster.node(0).recorder.wait("events", |told| Some(told.events.clone()));
    assert!(events.len() >= created);
    for node in cluster.nodes() {
        let others =
            node.recorder.wait("events", |told| (told.events.len() >= events.len()).then(|| told.events.clone()));
        assert!(others == events, "the observers of all nodes are told the same in the same order");
    }
}
