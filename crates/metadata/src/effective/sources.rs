//! Where a setting of a queue comes from, and which of several values is in force.

use bytes::Bytes;
use types::{FieldTable, FieldValue};

use crate::AppliedPolicies;

/// A queue's arguments and policies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sources<'a> {
    arguments: &'a FieldTable,
    policies: Option<&'a AppliedPolicies>,
}

/// The names of a setting: as an argument, and in policies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names(pub(super) &'static str, pub(super) &'static str);

/// Which of two numbers is in force: the policies', or the argument's, which comes second.
pub(super) type Rule = fn(i64, i64) -> i64;

/// Who wins where an argument and a policy name a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Winner {
    Argument,
    Policy,
}

impl<'a> Sources<'a> {
    pub(super) fn new(arguments: &'a FieldTable, policies: Option<&'a AppliedPolicies>) -> Self {
        Sources { arguments, policies }
    }

    pub(super) fn number(&self, names: Names, rule: Rule) -> Option<i64> {
        let by_policies = self.policies.and_then(|policies| policies.value(names.1)?.as_i64());
        let by_argument = self.arguments.get(names.0).and_then(FieldValue::as_i64);
        match (by_policies, by_argument) {
            (Some(a), Some(b)) => Some(rule(a, b)),
            (one, None) | (None, one) => one,
        }
    }

    pub(super) fn text(&self, names: Names, winner: Winner) -> Option<&'a Bytes> {
        let by_policies = self.policies.and_then(|policies| text(policies.value(names.1)?));
        let by_argument = self.arguments.get(names.0).and_then(text);
        match winner {
            Winner::Argument => by_argument.or(by_policies),
            Winner::Policy => by_policies.or(by_argument),
        }
    }

    /// What only an argument can say.
    pub(super) fn argument(&self, name: &str) -> Option<&'a FieldValue> {
        self.arguments.get(name)
    }
}

fn text(value: &FieldValue) -> Option<&Bytes> {
    match value {
        FieldValue::LongStr(text) => Some(text),
        _ => None,
    }
}
