//! Permission patterns: regular expressions that are matched anywhere in a name, as RabbitMQ does.
//!
//! Expressions are those of the `regex` crate, on bytes: linear in time, so no pattern of a user can stall a node, and without
//! look-around and back-references, which RabbitMQ's (PCRE) have. A pattern that cannot be read matches nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use regex::bytes::{Regex, RegexBuilder};

/// Most compiled patterns that are kept. A cluster has far fewer; more than this only costs time.
const CACHED_MAX: usize = 1024;
/// Largest compiled pattern. Unit: bytes. A permission is a short expression.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// A permission pattern that is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a regular expression that can be used as permission: {0}")]
pub struct PatternError(String);

/// A compiled permission pattern.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// `.*`
    Everything,
    /// Cannot be read.
    Nothing,
    /// Anything else.
    Regex(Regex),
}

impl Pattern {
    /// Compiles a pattern. The empty one stands for `^$`: it matches the empty name alone.
    ///
    /// # Errors
    /// When it is no regular expression, or too large a one.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let text = match text {
            ".*" | "^.*$" | "^.*" | ".*$" => return Ok(Pattern::Everything),
            "" => "^$",
            text => text,
        };
        RegexBuilder::new(text)
            .unicode(false)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX)
            .build()
            .map(Pattern::Regex)
            .map_err(|error| PatternError(error.to_string()))
    }

    /// Whether it matches anywhere in the name.
    pub fn matches(&self, name: &[u8]) -> bool {
        match self {
            Pattern::Everything => true,
            Pattern::Nothing => false,
            Pattern::Regex(regex) => regex.is_match(name),
        }
    }
}

/// Compiled patterns, by their texts. Shared by all sessions of a node.
#[derive(Debug, Default)]
pub struct PatternCache(RwLock<BTreeMap<String, Arc<Pattern>>>);

impl PatternCache {
    /// An empty cache.
    pub fn new() -> Self {
        PatternCache::default()
    }

    /// The compiled pattern; one that matches nothing when it cannot be compiled.
    pub fn get(&self, text: &str) -> Arc<Pattern> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(text) {
            return Arc::clone(known);
        }
        let pattern = Arc::new(Pattern::new(text).unwrap_or(Pattern::Nothing));
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CACHED_MAX {
            known.clear();
        }
        known.insert(text.to_owned(), Arc::clone(&pattern));
        pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        PatternCache::new().get(pattern).matches(name.as_bytes())
    }

    #[test]
    fn a_pattern_matches_anywhere_in_the_name() {
        assert!(matches("tasks", "my-tasks-1"));
        assert!(!matches("^tasks", "my-tasks-1"));
        assert!(matches("^(tasks|results)$", "results"));
        assert!(matches(".*", "") && matches(".*", "anything\nat all"));
        assert!(matches("(?i)tasks", "TASKS"));
    }

    #[test]
    fn the_empty_pattern_matches_the_empty_name_alone() {
        assert!(matches("", ""));
        assert!(!matches("", "tasks"));
        assert!(matches("^$", "") && !matches("^$", "tasks"));
    }

    #[test]
    fn names_that_are_not_text_are_matched_as_bytes() {
        let pattern = Pattern::new("^q.$").unwrap();
        assert!(pattern.matches(b"q\xff"));
    }

    #[test]
    fn what_is_no_expression_is_an_error_and_matches_nothing() {
        for text in ["(", "[a", "a{1000000000}", "(?=look)ahead", "((a{100}){100}){100}"] {
            assert!(Pattern::new(text).is_err(), "{text}");
            assert!(!matches(text, text), "{text}");
        }
    }

    #[test]
    fn the_cache_stays_bounded_and_right() {
        let cache = PatternCache::new();
        for i in 0..3 * CACHED_MAX {
            let text = format!("^{i}$");
            assert!(cache.get(&text).matches(i.to_string().as_bytes()));
            assert!(!cache.get(&text).matches(b"x"));
        }
        assert!(cache.0.read().unwrap().len() <= CACHED_MAX);
    }
}
