//! Round trips, and bytes that are damaged: an error or another value, never a panic.

use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::*,
};
use types::{BlobBuilder, RecordParts};

use super::*;

fn log_ids() -> impl Strategy<Value = LogId> {
    (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(term, node, index)| log_id(term, node, index))
}

fn memberships() -> impl Strategy<Value = Membership> {
    let nodes = || btree_set(any::<u64>(), 0..6);
    (vec(nodes(), 0..3), nodes()).prop_map(|(configs, nodes)| Membership::new_with_defaults(configs, nodes))
}

fn blobs() -> impl Strategy<Value = Blob> {
    vec(vec(any::<u8>(), 0..50), 0..5).prop_map(|bodies| {
        let mut builder = BlobBuilder::default();
        for body in bodies {
            builder.push(&RecordParts {
                exchange: b"e",
                routing_key: b"key",
                properties: b"",
                body: &[Bytes::from(body)],
            });
        }
        builder.finish()
    })
}

pub(crate) fn entries() -> impl Strategy<Value = Entry> {
    let batch = (vec(any::<u8>(), 0..100), blobs()).prop_map(|(head, blob)| Batch { head: head.into(), blob });
    let payload = prop_oneof![
        Just(EntryPayload::Blank),
        batch.prop_map(EntryPayload::Normal),
        memberships().prop_map(EntryPayload::Membership),
    ];
    (log_ids(), payload).prop_map(|(log_id, payload)| Entry { log_id, payload })
}

fn metas() -> impl Strategy<Value = SnapshotMeta> {
    (option::of(log_ids()), option::of(log_ids()), memberships()).prop_map(|(last_log_id, at, membership)| {
        SnapshotMeta { last_log_id, last_membership: StoredMembership::new(at, membership) }
    })
}

/// Bytes with some of them changed, and cut at some place.
fn damaged(bytes: &Bytes, changes: &[(usize, u8)], cut: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    for (at, value) in changes {
        let len = bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(at % len) {
            *byte = *value;
        }
    }
    bytes.truncate(cut % (bytes.len() + 1));
    bytes.into()
}

fn damages() -> impl Strategy<Value = (Vec<(usize, u8)>, usize)> {
    (vec((any::<usize>(), any::<u8>()), 0..4), any::<usize>())
}

proptest! {
    #[test]
    fn an_entry_comes_back_from_its_record(original in entries()) {
        let stored = record(&original);
        prop_assert_eq!(stored.index, original.log_id.index);
        prop_assert_eq!(record_log_id(&stored).unwrap(), original.log_id);
        prop_assert_eq!(entry(stored).unwrap(), original);
    }

    #[test]
    fn a_record_keeps_its_log_id_when_its_blob_is_gone(original in entries()) {
        let stored = LogRecord { blob: Bytes::new(), ..record(&original) };
        prop_assert_eq!(entry(stored).unwrap().log_id, original.log_id);
    }

    #[test]
    fn votes_log_ids_and_snapshot_metas_come_back(
        term in any::<u64>(), node in any::<u64>(), committed in any::<bool>(), id in option::of(log_ids()), meta in metas(),
    ) {
        let original = if committed { Vote::new_committed(term, node) } else { Vote::new(term, node) };
        prop_assert_eq!(vote(vote_bytes(&original)).unwrap(), original);
        prop_assert_eq!(log_id_from(log_id_bytes(id.as_ref())).unwrap(), id);
        prop_assert_eq!(snapshot_meta(snapshot_meta_bytes(&meta)).unwrap(), meta);
    }

    #[test]
    fn damaged_bytes_never_panic(original in entries(), meta in metas(), (changes, cut) in damages()) {
        let stored = record(&original);
        let head = damaged(&stored.head, &changes, cut);
        let blob = damaged(&stored.blob, &changes, cut);
        drop(entry(LogRecord { head: head.clone(), blob: stored.blob.clone(), ..stored }));
        drop(entry(LogRecord { head: stored.head, blob, ..stored }));
        drop(snapshot_meta(damaged(&snapshot_meta_bytes(&meta), &changes, cut)));
        log_id_from(damaged(&log_id_bytes(Some(&original.log_id)), &changes, cut)).ok();
        vote(damaged(&vote_bytes(&Vote::new(1, 2)), &changes, cut)).ok();
        drop(payload(changes.first().map_or(MEMBERSHIP, |(_, kind)| *kind), head.clone(), head));
    }

    #[test]
    fn noise_never_panics(noise in vec(any::<u8>(), 0..60)) {
        let noise = Bytes::from(noise);
        drop(entry(LogRecord { index: 1, head: noise.clone(), blob: noise.clone() }));
        drop(snapshot_meta(noise.clone()));
        log_id_from(noise.clone()).ok();
        vote(noise.clone()).ok();
        drop(payload(MEMBERSHIP, noise, Bytes::new()));
    }
}

#[test]
fn a_head_of_another_version_is_refused() {
    let stored = record(&Entry { log_id: log_id(1, 1, 1), payload: EntryPayload::Blank });
    let mut head = stored.head.to_vec();
    head[0] = VERSION + 1;
    assert!(entry(LogRecord { head: head.into(), ..stored }).is_err());
}

#[test]
fn a_membership_that_is_cut_short_is_refused() {
    let members = Membership::new_with_defaults(vec![[1, 2, 3].into()], [4]);
    let (kind, head, _) = payload_parts(&EntryPayload::Membership(members));
    for cut in 0..head.len() {
        assert!(payload(kind, head.slice(..cut), Bytes::new()).is_err(), "cut at {cut}");
    }
}
