//! What a user may do with the routing keys of a topic exchange.
//!
//! Patterns may hold variables, which stand for the literal text of the one who asks. Nothing in a name can widen a pattern.

use std::{fmt::Write, sync::Arc};

use crate::{
    pattern::{Pattern, PatternCache},
    permission::Access,
};

/// The one who asks: what the variables of patterns stand for.
#[derive(Clone, Copy, Debug)]
pub struct TopicContext<'a> {
    /// `{username}`
    pub username: &'a [u8],
    /// `{vhost}`
    pub vhost: &'a [u8],
    /// `{client_id}`, which MQTT clients have. Without one, patterns that ask for it match nothing.
    pub client_id: Option<&'a [u8]>,
}

/// A user's compiled permissions for a topic exchange. Where none are set for it, all keys are allowed.
#[derive(Clone, Debug)]
pub struct TopicGrants {
    write: Arc<Pattern>,
    read: Arc<Pattern>,
}

impl TopicGrants {
    /// Compiles a user's patterns, or takes them from the cache.
    pub fn new(cache: &PatternCache, context: &TopicContext<'_>, write: &str, read: &str) -> Self {
        let compile = |pattern: &str| match expand(pattern, context) {
            Some(pattern) => cache.get(&pattern),
            None => Arc::new(Pattern::Nothing),
        };
        TopicGrants { write: compile(write), read: compile(read) }
    }

    /// Whether the user may publish to, or bind, that routing key. Configuring has nothing to do with routing keys.
    pub fn allows(&self, access: Access, routing_key: &[u8]) -> bool {
        match access {
            Access::Write => self.write.matches(routing_key),
            Access::Read => self.read.matches(routing_key),
            Access::Configure => true,
        }
    }
}

/// Checks that a pattern can be used as a topic permission, with its variables.
///
/// # Errors
/// When it is no regular expression, or too large a one.
pub fn check_topic_pattern(pattern: &str) -> Result<(), crate::PatternError> {
    let context = TopicContext { username: b"u", vhost: b"v", client_id: Some(b"c") };
    Pattern::new(&expand(pattern, &context).unwrap_or_default()).map(drop)
}

/// The pattern with its variables replaced; `None` when it asks for one that has no value.
fn expand(pattern: &str, context: &TopicContext<'_>) -> Option<String> {
    let mut expanded = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, from_brace)) = rest.find('{').and_then(|at| rest.split_at_checked(at)) {
        expanded.push_str(before);
        let variables = [
            ("{username}", Some(context.username)),
            ("{vhost}", Some(context.vhost)),
            ("{client_id}", context.client_id),
        ];
        let known = variables.into_iter().find_map(|(name, value)| Some((from_brace.strip_prefix(name)?, value)));
        match known {
            Some((after, value)) => {
                push_escaped(&mut expanded, value?);
                rest = after;
            }
            None => {
                expanded.push('{');
                rest = from_brace.strip_prefix('{').unwrap_or_default();
            }
        }
    }
    expanded.push_str(rest);
    Some(expanded)
}

/// Any bytes, as an expression that matches them alone.
fn push_escaped(out: &mut String, value: &[u8]) {
    for byte in value {
        if byte.is_ascii_alphanumeric() || *byte == b'_' {
            out.push(char::from(*byte));
        } else {
            write!(out, "\\x{byte:02x}").expect("a string takes everything");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: TopicContext<'_> = TopicContext { username: b"ann", vhost: b"/", client_id: None };

    fn allows(pattern: &str, context: &TopicContext<'_>, key: &[u8]) -> bool {
        TopicGrants::new(&PatternCache::new(), context, pattern, "^$").allows(Access::Write, key)
    }

    #[test]
    fn publishing_and_binding_have_their_own_patterns() {
        let grants = TopicGrants::new(&PatternCache::new(), &CONTEXT, r"^w\.", r"^r\.");
        assert!(grants.allows(Access::Write, b"w.1") && !grants.allows(Access::Write, b"r.1"));
        assert!(grants.allows(Access::Read, b"r.1") && !grants.allows(Access::Read, b"w.1"));
        assert!(!TopicGrants::new(&PatternCache::new(), &CONTEXT, "", "").allows(Access::Write, b"w"), "empty is ^$");
    }

    #[test]
    fn variables_stand_for_the_one_who_asks() {
        assert!(allows(r"^{username}\.", &CONTEXT, b"ann.1"));
        assert!(!allows(r"^{username}\.", &CONTEXT, b"bob.1"));
        assert!(allows("^{vhost}{username}$", &CONTEXT, b"/ann"));
        let with_id = TopicContext { client_id: Some(b"id-1"), ..CONTEXT };
        assert!(allows("^{client_id}$", &with_id, b"id-1") && !allows("^{client_id}$", &with_id, b"id_1"));
        assert!(!allows("^{client_id}$|.*", &CONTEXT, b"anything"), "without an id nothing is allowed");
    }

    #[test]
    fn a_name_cannot_widen_a_pattern() {
        for name in [&b".*"[..], b"a|b", b"(", b"{vhost}", b"\xff"] {
            let context = TopicContext { username: name, ..CONTEXT };
            assert!(allows("^{username}$", &context, name), "{name:?}");
            assert!(!allows("^{username}$", &context, b"a"), "{name:?}");
        }
    }

    #[test]
    fn other_braces_stay_repetitions() {
        assert!(allows("^a{2}{username}{1}$", &CONTEXT, b"aaann"));
        assert!(check_topic_pattern(r"^{username}-a{2,3}\.{client_id}").is_ok());
        assert!(check_topic_pattern("({username}").is_err());
    }
}
