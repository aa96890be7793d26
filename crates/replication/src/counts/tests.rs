//! What two nodes know of each other's counts.

use super::*;
use crate::{
    api::Counts as _,
    environment::Environment,
    features::Features,
    transport::{Down, Local},
};

const HERE: NodeId = NodeId(1);
const THERE: NodeId = NodeId(2);

fn counts() -> (Counts, Arc<Liveness>) {
    let local = Local { cluster_id: Bytes::from_static(b"c"), node: HERE, boot: 1 };
    let liveness = Arc::new(Liveness::default());
    (
        Counts::new(
            HERE,
            Arc::new(Peers::new(Environment::default().network, local, Vec::new())),
            Arc::clone(&liveness),
        ),
        liveness,
    )
}

fn said(afresh: bool, counts: &[(&'static str, u64)]) -> p::Counts {
    let count =
        |(name, count): &(&'static str, u64)| p::Count { name: Bytes::from_static(name.as_bytes()), count: *count };
    p::Counts { afresh, counts: counts.iter().map(count).collect() }
}

#[test]
fn counts_of_nodes_that_are_there_are_added_up() {
    let (counts, liveness) = counts();
    counts.add(b"a", 2);
    counts.add(b"a", -1);
    counts.heard(THERE, said(true, &[("a", 5), ("b", 1)]));
    assert_eq!((counts.total(b"a"), counts.total(b"b")), (1, 0), "the other is not there");
    liveness.up(THERE, 1, Features::OWN);
    assert_eq!((counts.total(b"a"), counts.total(b"b")), (6, 1));
    counts.heard(THERE, said(false, &[("a", 0)]));
    assert_eq!((counts.total(b"a"), counts.total(b"b")), (1, 1));
    counts.heard(THERE, said(true, &[("a", 3)]));
    assert_eq!((counts.total(b"a"), counts.total(b"b")), (4, 0));
    liveness.down(THERE, Down::Refused);
    assert_eq!(counts.total(b"a"), 1);
}

#[test]
fn nothing_is_kept_of_what_is_over() {
    let (counts, _) = counts();
    for name in 0..100_u32 {
        counts.add(&name.to_be_bytes(), 1);
        counts.add(&name.to_be_bytes(), -1);
    }
    counts.tell();
    let state = counts.state.lock();
    assert!(state.own(HERE).is_empty() && state.news.is_empty(), "{state:?}");
}

#[test]
fn all_that_is_told_afresh_fits_in_messages_of_bounded_size() {
    let many = u32::try_from(MESSAGE_COUNTS_MAX).unwrap() + 1;
    let all = (0..many).map(|name| (Bytes::copy_from_slice(&name.to_be_bytes()), 1)).collect();
    let kinds = messages(all, true).into_iter().map(|message| message.kind);
    let parts = kinds.map(|kind| match kind {
        Some(p::message::Kind::Counts(part)) => (part.afresh, part.counts.len()),
        other => panic!("{other:?}"),
    });
    assert_eq!(parts.collect::<Vec<_>>(), [(true, MESSAGE_COUNTS_MAX), (false, 1)]);
    assert_eq!(messages(Vec::new(), true).len(), 1);
    assert_eq!(messages(Vec::new(), false), []);
}
