//! Headers exchanges: bindings ask for headers.

use types::{FieldTable, FieldValue, ShortStr};

use crate::{
    routes::Routes,
    same::{header_matches, same_arguments},
    targets::Target,
    walk::Walk,
};

/// The argument that says how many of the others must match.
const MATCH: &str = "x-match";

#[derive(Clone, Debug, Default)]
pub(crate) struct Headers(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    /// As bound: what an unbind names.
    key: ShortStr,
    arguments: FieldTable,
    target: Target,
    /// What follows from it.
    all: bool,
    wanted: Vec<(ShortStr, FieldValue)>,
}

impl Headers {
    pub(crate) fn bind(&mut self, key: &ShortStr, arguments: &FieldTable, target: &Target) {
        let (all, with_x) = match arguments.get(MATCH).and_then(FieldValue::as_str) {
            Some("any") => (false, false),
            Some("any-with-x") => (false, true),
            Some("all-with-x") => (true, true),
            _ => (true, false),
        };
        let counts = |name: &ShortStr| name != MATCH && (with_x || !name.as_bytes().starts_with(b"x-"));
        self.0.push(Entry {
            key: key.clone(),
            arguments: arguments.clone(),
            target: target.clone(),
            all,
            wanted: arguments.0.iter().filter(|(name, _)| counts(name)).cloned().collect(),
        });
    }

    pub(crate) fn unbind(&mut self, key: &ShortStr, arguments: &FieldTable, target: &Target) -> bool {
        let is_it =
            |entry: &Entry| entry.key == *key && entry.target == *target && same_arguments(&entry.arguments, arguments);
        let Some(at) = self.0.iter().position(is_it) else { return false };
        self.0.remove(at);
        true
    }

    /// Removes all bindings that lead there.
    pub(crate) fn forget(&mut self, target: &Target) {
        self.0.retain(|entry| entry.target != *target);
    }

    /// Where the bindings lead, one by one.
    pub(crate) fn targets(&self) -> impl Iterator<Item = Target> {
        self.0.iter().map(|entry| entry.target.clone())
    }

    /// Adds the destinations of all bindings that match. No headers are an empty table of them.
    pub(crate) fn find(&self, walk: &Walk<'_>, routes: &mut Routes) {
        if self.0.is_empty() {
            return;
        }
        let headers = walk.headers().map_or(&[][..], |table| &table.0);
        let mut by_name: Vec<&(ShortStr, FieldValue)> = headers.iter().collect();
        by_name.sort_by(|a, b| a.0.cmp(&b.0));
        for entry in &self.0 {
            if entry.matches(&by_name) {
                routes.push_target(&entry.target);
            }
        }
    }
}

impl Entry {
    fn matches(&self, by_name: &[&(ShortStr, FieldValue)]) -> bool {
        let has = |(name, wanted): &(ShortStr, FieldValue)| {
            // Of headers with the same name the last counts.
            let after = by_name.partition_point(|(there, _)| there <= name);
            match after.checked_sub(1).map(|at| by_name[at]) {
                // A wanted void asks for the header's presence only.
                Some((there, header)) if there == name => *wanted == FieldValue::Void || header_matches(wanted, header),
                Some(_) | None => false,
            }
        };
        if self.all { self.wanted.iter().all(has) } else { self.wanted.iter().any(has) }
    }
}
