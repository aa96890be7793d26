//! Topic matching against the definition, and its bound.

use proptest::{collection::vec, prelude::*, sample::select};
use types::{GroupId, QueueId};

use super::*;
use crate::targets::QueueRef;

fn queue(id: u64) -> QueueRef {
    QueueRef { queue: QueueId(id), group: GroupId(1) }
}

fn target(id: u64) -> Target {
    Target::Queue(queue(id))
}

fn short(text: &str) -> ShortStr {
    ShortStr::copy_from(text).unwrap()
}

/// A trie with the patterns, whose destinations are their places.
fn topic(patterns: &[String]) -> Topic {
    let mut topic = Topic::default();
    for (id, pattern) in (0..).zip(patterns) {
        topic.bind(&short(pattern), &target(id));
    }
    topic
}

fn found(topic: &Topic, key: &str, routes: &mut Routes) -> Vec<u64> {
    routes.clear();
    topic.find(key.as_bytes(), routes);
    routes.finish();
    routes.queues().iter().map(|queue| queue.queue.0).collect()
}

fn matches(pattern: &str, key: &str) -> bool {
    !found(&topic(&[pattern.to_owned()]), key, &mut Routes::new()).is_empty()
}

/// The definition: exponential, but plain.
fn naive(pattern: &[&[u8]], key: &[&[u8]]) -> bool {
    match (pattern, key) {
        ([], key) => key.is_empty(),
        ([b"#", rest @ ..], key) => (0..=key.len()).any(|skipped| naive(rest, &key[skipped..])),
        ([_, ..], []) => false,
        ([b"*", pattern @ ..], [_, key @ ..]) => naive(pattern, key),
        ([word, pattern @ ..], [first, key @ ..]) => word == first && naive(pattern, key),
    }
}

fn naive_matches(pattern: &str, key: &str) -> bool {
    naive(&words(pattern.as_bytes()).collect::<Vec<_>>(), &words(key.as_bytes()).collect::<Vec<_>>())
}

fn key() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b", "", "*", "#", "ab"]), 0..6).prop_map(|words| words.join("."))
}

fn pattern() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b", "", "*", "*", "#", "#", "ab"]), 0..7).prop_map(|words| words.join("."))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_trie_finds_what_the_definition_finds(patterns in vec(pattern(), 0..12), keys in vec(key(), 1..4)) {
        let topic = topic(&patterns);
        let mut routes = Routes::new();
        for key in keys {
            let expected: Vec<u64> =
                (0..).zip(&patterns).filter(|(_, pattern)| naive_matches(pattern, &key)).map(|(id, _)| id).collect();
            prop_assert_eq!(found(&topic, &key, &mut routes), expected, "{:?} {:?}", key, patterns);
        }
    }

    #[test]
    fn what_is_unbound_leaves_the_trie_as_if_it_had_never_been(
        patterns in vec(pattern(), 1..12),
        remove in vec(any::<bool>(), 12),
        keys in vec(key(), 1..4),
    ) {
        let mut topic = topic(&patterns);
        let mut kept = Topic::default();
        for ((id, pattern), remove) in (0..).zip(&patterns).zip(remove) {
            if remove {
                prop_assert!(topic.unbind(&short(pattern), &target(id)));
                prop_assert!(!topic.unbind(&short(pattern), &target(id)));
            } else {
                kept.bind(&short(pattern), &target(id));
            }
        }
        prop_assert_eq!(topic.nodes.len() - topic.free.len(), kept.nodes.len());
        let mut routes = Routes::new();
        for key in keys {
            prop_assert_eq!(found(&topic, &key, &mut routes), found(&kept, &key, &mut routes));
        }
    }

    #[test]
    fn what_leads_to_one_destination_is_forgotten_with_its_nodes(
        patterns in vec((pattern(), 0..3_u64), 1..12),
        keys in vec(key(), 1..4),
    ) {
        let (mut topic, mut kept) = (Topic::default(), Topic::default());
        for (pattern, id) in &patterns {
            topic.bind(&short(pattern), &target(*id));
            if *id != 0 {
                kept.bind(&short(pattern), &target(*id));
            }
        }
        topic.forget(&target(0));
        prop_assert_eq!(topic.nodes.len() - topic.free.len(), kept.nodes.len());
        prop_assert_eq!(topic.targets().count(), kept.targets().count());
        let mut routes = Routes::new();
        for key in keys {
            prop_assert_eq!(found(&topic, &key, &mut routes), found(&kept, &key, &mut routes));
        }
    }

    #[test]
    fn a_walk_visits_each_node_at_most_once_a_word(patterns in vec(pattern(), 0..30), key in key()) {
        let topic = topic(&patterns);
        let mut routes = Routes::new();
        found(&topic, &key, &mut routes);
        prop_assert!(routes.scratch.visits <= words(key.as_bytes()).count() * topic.nodes.len());
        prop_assert!(routes.scratch.seen.iter().all(|bits| *bits == 0));
    }
}

#[test]
fn words_and_wildcards_match_as_the_specification_says() {
    for (pattern, key, expected) in [
        ("stock.usd.nyse", "stock.usd.nyse", true),
        ("stock.*.nyse", "stock.usd.nyse", true),
        ("stock.*.nyse", "stock.nyse", false),
        ("*.usd", "stock.usd", true),
        ("stock.#", "stock", true),
        ("stock.#", "stock.usd.nyse", true),
        ("#.nyse", "nyse", true),
        ("#.nyse", "stock.usd.nyse", true),
        ("#.usd.#", "stock.usd.nyse", true),
        ("#.usd.#", "usd", true),
        ("#.usd.#", "stock.eur", false),
        ("#", "", true),
        ("*", "", false),
        ("", "", true),
        ("", "a", false),
        ("*", ".", false),
        ("*.*", ".", true),
        ("a.*", "a.", true),
        ("a*", "ab", false),
        ("*.#.*", "a", false),
        ("*.#.*", "a.b", true),
        ("#.*", "", false),
        ("#.*.#", "a", true),
    ] {
        assert_eq!(matches(pattern, key), expected, "{pattern} {key}");
    }
}

#[test]
fn keys_need_not_be_text() {
    let mut topic = Topic::default();
    let pattern = ShortStr::from_bytes(bytes::Bytes::from_static(b"\xff.*.\x00")).unwrap();
    topic.bind(&pattern, &target(1));
    let mut routes = Routes::new();
    topic.find(b"\xff.\xfe.\x00", &mut routes);
    assert_eq!(routes.queues(), [queue(1)]);
}

#[test]
fn many_hashes_in_one_pattern_cost_no_more_than_its_length_per_word() {
    let hashes = |last: &str| [vec!["#.a"; 62], vec![last]].concat().join(".");
    let patterns = [vec!["#"; 128].join("."), hashes("#"), hashes("b"), hashes("*.#.*")];
    assert!(patterns.iter().all(|pattern| pattern.len() <= 255));
    let topic = topic(&patterns);
    let key = ["a"; 128].join(".");
    let mut routes = Routes::new();
    assert_eq!(found(&topic, &key, &mut routes), [0, 1, 3]);
    assert!(routes.scratch.visits <= 128 * topic.nodes.len(), "{}", routes.scratch.visits);
    assert!(topic.nodes.len() < 3 * 64 * 2);
}

#[test]
fn work_grows_with_the_words_of_the_key_for_adversarial_patterns() {
    let repeat = |part: &str, last: &str| {
        let mut pattern = String::new();
        while pattern.len() + part.len() + 1 + last.len() <= 255 {
            pattern.push_str(part);
            pattern.push('.');
        }
        pattern + last
    };
    for part in ["#", "#.*", "*.#", "#.a", "#.a.#.b", "*.#.*.#", "#.a.*", "#."] {
        for last in ["b", "#", "*", "c.#"] {
            let topic = topic(&[repeat(part, last)]);
            let visits = |words: usize, word: &str| {
                let mut routes = Routes::new();
                found(&topic, &vec![word; words].join("."), &mut routes);
                routes.scratch.visits
            };
            for word in ["a", "", "b", "*", "#"] {
                for words in [16, 64, 128, 255] {
                    let bound = words * topic.nodes.len();
                    assert!(visits(words, word) <= bound, "{part} {last} {word} {words}");
                }
                let (half, whole) = (visits(512, word), visits(1_024, word));
                assert!(whole <= 2 * half + topic.nodes.len() * topic.nodes.len(), "{part} {last} {word}");
            }
        }
    }
}

#[test]
fn a_key_of_255_empty_words_is_matched() {
    let key = ".".repeat(254);
    assert_eq!(words(key.as_bytes()).count(), 255);
    let patterns = [vec!["*"; 127].join(".") + ".#", "#.a".to_owned(), "#.".to_owned(), ".#.".to_owned(), key.clone()];
    assert_eq!(found(&topic(&patterns), &key, &mut Routes::new()), [0, 2, 3, 4]);
}

#[test]
fn hashes_in_a_row_are_one() {
    let mut topic = topic(&["#.#.#".to_owned(), "#".to_owned()]);
    assert_eq!(topic.nodes.len(), 2);
    assert_eq!(found(&topic, "a.b", &mut Routes::new()), [0, 1]);
    assert!(topic.unbind(&short("#.#.#"), &target(0)));
    assert_eq!(found(&topic, "a.b", &mut Routes::new()), [1]);
}

#[test]
fn the_memory_of_unbound_patterns_is_used_again() {
    let mut topic = Topic::default();
    for round in 0..1_000 {
        let pattern = short(&format!("a.{round}.#.b"));
        topic.bind(&pattern, &target(round));
        assert!(topic.unbind(&pattern, &target(round)));
    }
    assert!(topic.nodes.len() <= 5 && topic.hashes <= 1);
}
