//! Proportions, stability and bounds of consistent hashing.

use bytes::Bytes;
use proptest::{collection::btree_map, prelude::*};
use types::{GroupId, QueueId};

use super::*;
use crate::targets::QueueRef;

fn short(text: &str) -> ShortStr {
    ShortStr::copy_from(text).unwrap()
}

fn queue(id: u64) -> Target {
    Target::Queue(QueueRef { queue: QueueId(id), group: GroupId(1) })
}

fn exchange(bindings: &[(u64, &str)]) -> ConsistentHash {
    let mut exchange = ConsistentHash::default();
    for (id, weight) in bindings {
        exchange.bind(&short(weight), &queue(*id));
    }
    exchange
}

fn owner(exchange: &ConsistentHash, key: u64) -> Option<u64> {
    exchange.find(|| StableHash::new().bytes(&key.to_be_bytes()).finish()).map(|target| match target {
        Target::Queue(queue) => queue.queue.0,
        Target::Exchange(name) => panic!("nothing was bound to {name:?}"),
    })
}

fn counts<const N: usize>(exchange: &ConsistentHash, keys: u64) -> [u64; N] {
    let mut counts = [0; N];
    for key in 0..keys {
        counts[usize::try_from(owner(exchange, key).unwrap()).unwrap()] += 1;
    }
    counts
}

#[test]
fn keys_are_shared_out_in_the_proportion_of_the_weights() {
    let [one, two, five] = counts(&exchange(&[(0, "1"), (1, "2"), (2, "5")]), 80_000);
    for (count, expected) in [(one, 10_000_u64), (two, 20_000), (five, 50_000)] {
        // Six standard deviations are 720 at most.
        assert!(count.abs_diff(expected) < 800, "{count} {expected}");
    }
}

#[test]
fn a_huge_weight_takes_one_entry_and_nearly_all_keys() {
    let exchange = exchange(&[(0, "1"), (1, "100000000"), (2, "1")]);
    assert_eq!(exchange.0.len(), 3);
    assert_eq!(exchange.0.iter().map(|entry| entry.weights.len()).sum::<usize>(), 3);
    let [few, most, few_too] = counts(&exchange, 20_000);
    assert!(most > 19_990 && few + few_too < 10);
}

#[test]
fn one_destination_needs_no_hash_and_none_has_no_owner() {
    assert_eq!(exchange(&[(7, "3")]).find(|| panic!("nothing to choose")), Some(&queue(7)));
    assert_eq!(exchange(&[]).find(|| panic!("nothing to choose")), None);
}

#[test]
fn of_several_bindings_of_a_queue_one_weight_counts_and_the_last_one_stays() {
    let mut twice = exchange(&[(0, "1"), (0, "3"), (1, "3"), (0, "1")]);
    let once = exchange(&[(0, "3"), (1, "3")]);
    for key in 0..1_000 {
        assert_eq!(owner(&twice, key), owner(&once, key));
    }
    assert!(twice.unbind(&short("3"), &queue(0)));
    assert!(!twice.unbind(&short("3"), &queue(0)));
    let lighter = exchange(&[(0, "1"), (1, "3")]);
    for key in 0..1_000 {
        assert_eq!(owner(&twice, key), owner(&lighter, key));
    }
    assert!(twice.unbind(&short("1"), &queue(0)) && twice.unbind(&short("1"), &queue(0)));
    assert_eq!(twice.find(|| panic!("nothing to choose")), Some(&queue(1)));
}

#[test]
fn owners_never_change_between_versions() {
    let exchange = exchange(&[(1, "1"), (2, "2"), (3, "3"), (4, "4")]);
    let owners: Vec<_> = (0..16).map(|key| owner(&exchange, key).unwrap()).collect();
    assert_eq!(owners, OWNERS);
}

/// Written down once. A change here moves keys of running systems to other queues.
const OWNERS: [u64; 16] = [2, 4, 2, 2, 4, 2, 3, 3, 1, 4, 3, 4, 4, 4, 4, 4];

#[test]
fn weights_are_read_as_rabbitmq_reads_them() {
    let check = |key: &'static [u8]| check_weight(&ShortStr::from_bytes(Bytes::from_static(key)).unwrap());
    for (key, weight) in [(&b"1"[..], 1), (b"+12", 12), (b"007", 7), (b"100000000", 100_000_000)] {
        assert_eq!(check(key), Ok(weight));
    }
    assert_eq!(check(b"99999999999999999999999999"), Ok(u64::MAX));
    for key in [&b"0"[..], b"-0", b"-5", b"+0"] {
        assert_eq!(check(key), Err(WeightError::TooSmall));
    }
    for key in [&b""[..], b"a", b"1.5", b" 1", b"1 ", b"+", b"-", b"--1", b"\xff"] {
        assert!(matches!(check(key), Err(WeightError::NotInteger(_))), "{key:?}");
    }
    assert_eq!(check(b"big").unwrap_err().to_string(), "The binding key must be an integer: <<\"big\">>");
    assert_eq!(check(b"0").unwrap_err().to_string(), "The binding key must be greater than 0");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_or_goes_moves_no_key_between_the_others(
        weights in btree_map(0..20_u64, 1..1_000_u64, 1..12),
        newcomer in 1..1_000_u64,
        keys in any::<u64>(),
    ) {
        let mut exchange = ConsistentHash::default();
        for (id, weight) in &weights {
            exchange.bind(&short(&weight.to_string()), &queue(*id));
        }
        let keys = keys..keys.saturating_add(200);
        let before: Vec<_> = keys.clone().map(|key| owner(&exchange, key)).collect();
        exchange.bind(&short(&newcomer.to_string()), &queue(99));
        for (key, before) in keys.clone().zip(&before) {
            let now = owner(&exchange, key);
            prop_assert!(now == Some(99) || now == *before);
        }
        prop_assert!(exchange.unbind(&short(&newcomer.to_string()), &queue(99)));
        for (key, before) in keys.zip(&before) {
            prop_assert_eq!(owner(&exchange, key), *before);
        }
    }
}
