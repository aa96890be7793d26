//! Patterns of policies: regular expressions that are matched anywhere in a name, as RabbitMQ does.
//!
//! Expressions are those of the `regex` crate, on bytes: linear in time, so that no pattern can stall a replica, and without
//! look-around and back-references, which RabbitMQ's (PCRE) have. They are bounded in size.
//!
//! Whether an expression is good is asked before a policy is proposed. A machine takes any text, so that replicas with different
//! versions of the crate agree (decision 0029): what it cannot compile matches nothing.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// Longest text of a pattern. Unit: bytes. Far longer than any name that it could tell apart.
const TEXT_BYTES_MAX: usize = 4096;
/// Largest compiled pattern. Unit: bytes.
const COMPILED_BYTES_MAX: usize = 256 * 1024;

/// A text that is no pattern, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

/// A pattern. Two of the same text are equal.
#[derive(Clone)]
pub struct Pattern {
    text: Box<str>,
    /// `None`: it could not be compiled.
    regex: Option<Regex>,
}

impl Pattern {
    /// Takes a pattern as it is. The empty one matches every name; one that is no regular expression, or too large a one,
    /// matches none.
    pub fn new(text: &str) -> Self {
        Pattern { text: text.into(), regex: Self::compile(text).ok() }
    }

    /// Takes a pattern that this version can compile.
    ///
    /// # Errors
    /// When it is no regular expression, or too large a one.
    pub fn checked(text: &str) -> Result<Self, PatternError> {
        Ok(Pattern { text: text.into(), regex: Some(Self::compile(text)?) })
    }

    fn compile(text: &str) -> Result<Regex, PatternError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(PatternError(format!("longer than {TEXT_BYTES_MAX} bytes")));
        }
        RegexBuilder::new(text)
            .unicode(false)
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(COMPILED_BYTES_MAX)
            .build()
            .map_err(|error| PatternError(reason(&error)))
    }

    /// The expression.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches anywhere in the name.
    pub fn matches(&self, name: &[u8]) -> bool {
        self.regex.as_ref().is_some_and(|regex| regex.is_match(name))
    }
}

/// The last line of what may be a drawing of the expression.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_anywhere_in_a_name_of_any_bytes() {
        let matches = |pattern: &str, name: &[u8]| Pattern::new(pattern).matches(name);
        assert!(matches("tasks", b"my-tasks-1") && !matches("^tasks", b"my-tasks-1"));
        assert!(matches("", b"anything") && matches(".*", b""));
        assert!(matches("^q.$", b"q\xff"));
    }

    #[test]
    fn what_is_no_expression_or_too_large_is_an_error_and_matches_nothing() {
        assert_eq!(Pattern::checked("(").unwrap_err(), PatternError("unclosed group".to_owned()));
        for text in ["[a", "a{1000000000}", "(?=look)ahead", "((a{100}){100}){100}"] {
            assert!(Pattern::checked(text).is_err(), "{text}");
            assert!(!Pattern::new(text).matches(text.as_bytes()) && !Pattern::new(text).matches(b""), "{text}");
        }
        assert!(Pattern::checked(&"a".repeat(TEXT_BYTES_MAX)).is_ok());
        assert!(Pattern::checked(&"a".repeat(TEXT_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn patterns_are_equal_by_their_texts() {
        assert_eq!(Pattern::new("a"), Pattern::new("a"));
        assert_ne!(Pattern::new("a"), Pattern::new("(a)"));
    }
}
