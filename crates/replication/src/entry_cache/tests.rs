//! What stays in memory and what is let go of.

use bytes::Bytes;
use types::{BlobBuilder, RecordParts};

use super::*;
use crate::{
    log_codec::log_id,
    raft_types::{Batch, Payload},
};

const MIB: usize = 1 << 20;

fn entry(term: u64, index: u64, payload: Payload) -> Entry {
    Entry { log_id: log_id(term, 1, index), payload }
}

fn blanks(term: u64, indexes: Range<u64>) -> Vec<Entry> {
    indexes.map(|index| entry(term, index, EntryPayload::Blank)).collect()
}

fn large(indexes: Range<u64>, bytes: usize) -> Vec<Entry> {
    let head = Bytes::from(vec![0; bytes]);
    let payload = || EntryPayload::Normal(Batch { head: head.clone(), blob: Blob::default() });
    indexes.map(|index| entry(1, index, payload())).collect()
}

/// The first index that is not asked of the store, and the log ids that are found.
fn found(cache: &EntryCache, range: Range<u64>) -> (u64, Vec<(u64, u64)>) {
    let (from, entries) = cache.range(range, usize::MAX);
    (from, entries.iter().map(|entry| (entry.log_id.leader_id.term, entry.log_id.index)).collect())
}

#[test]
fn the_end_of_a_range_is_found_and_the_rest_is_asked_of_the_store() {
    let cache = EntryCache::default();
    assert_eq!(found(&cache, 3..7), (7, vec![]), "nothing is here");
    cache.reset(4);
    cache.append(&blanks(1, 5..10));
    assert_eq!(found(&cache, 3..7), (5, vec![(1, 5), (1, 6)]));
    assert_eq!(found(&cache, 6..8), (6, vec![(1, 6), (1, 7)]));
    assert_eq!(found(&cache, 8..20), (8, vec![(1, 8), (1, 9)]));
    assert_eq!(found(&cache, 1..4), (4, vec![]), "all of it lies before what is here");
    assert_eq!(found(&cache, 12..15), (12, vec![]), "all of it lies behind");
    assert_eq!(found(&cache, 6..6), (6, vec![]));
}

#[test]
fn a_range_ends_before_the_entry_that_exceeds_its_bytes_but_has_one_at_least() {
    let cache = EntryCache::default();
    cache.append(&large(1..5, MIB));
    assert_eq!(cache.range(1..5, 5 * MIB).1.len(), 4);
    assert_eq!(cache.range(1..5, 2 * MIB + 1000).1.len(), 2);
    assert_eq!(cache.range(2..5, 1).1.len(), 1);
}

#[test]
fn only_durable_entries_are_evicted_and_only_above_the_limit() {
    let cache = EntryCache::default();
    cache.append(&large(1..41, MIB));
    assert_eq!(found(&cache, 1..41).1.len(), 40, "none is durable");
    cache.durable(3);
    assert_eq!(found(&cache, 1..41).0, 4, "the first three were durable");
    cache.durable(40);
    let (from, kept) = found(&cache, 1..41);
    assert!((9..=11).contains(&from), "{from}");
    assert!(kept.len() * MIB <= CACHE_BYTES_MAX);
    cache.durable(2);
    cache.append(&large(41..42, MIB));
    assert_eq!(found(&cache, 1..42).0, from + 1, "what was durable stays so");
}

#[test]
fn truncated_entries_are_gone_and_their_places_are_taken_by_others() {
    let cache = EntryCache::default();
    cache.append(&blanks(1, 1..10));
    cache.durable(9);
    cache.truncate_after(Some(4));
    assert_eq!(found(&cache, 3..10), (3, vec![(1, 3), (1, 4)]));
    cache.append(&blanks(2, 5..7));
    assert_eq!(found(&cache, 4..10), (4, vec![(1, 4), (2, 5), (2, 6)]));
    cache.truncate_after(Some(20));
    assert_eq!(found(&cache, 4..10).1.len(), 3, "nothing lies above");
    cache.truncate_after(None);
    assert_eq!(found(&cache, 1..10), (10, vec![]));
}

#[test]
fn entries_after_a_truncation_are_not_evicted_before_they_are_durable_again() {
    let cache = EntryCache::default();
    cache.append(&large(1..10, MIB));
    cache.durable(9);
    cache.truncate_after(Some(4));
    cache.append(&large(5..60, MIB));
    assert_eq!(found(&cache, 1..60).0, 5);
}

#[test]
fn entries_that_do_not_follow_start_anew() {
    let cache = EntryCache::default();
    cache.append(&blanks(1, 1..5));
    cache.append(&blanks(1, 8..10));
    assert_eq!(found(&cache, 1..10), (8, vec![(1, 8), (1, 9)]));
    cache.reset(20);
    assert_eq!(found(&cache, 1..10), (10, vec![]));
}

#[test]
fn a_blob_is_found_by_its_entry_and_empty_ones_are_not() {
    let mut builder = BlobBuilder::default();
    builder.push(&RecordParts { exchange: b"", routing_key: b"q", properties: b"", body: &[] });
    let blob = builder.finish();
    let batch = |blob: &Blob| EntryPayload::Normal(Batch { head: Bytes::new(), blob: blob.clone() });
    let cache = EntryCache::default();
    assert_eq!(cache.blob(5), None);
    cache.append(&[entry(1, 5, EntryPayload::Blank), entry(1, 6, batch(&blob)), entry(1, 7, batch(&Blob::default()))]);
    assert_eq!(cache.blob(6), Some(blob));
    for index in [0, 4, 5, 7, 8] {
        assert_eq!(cache.blob(index), None, "entry {index}");
    }
}
