//! Where a setting of a queue comes from, and which of several values is in force.

use bytes::Bytes;
use types::{FieldTable, FieldValue};

use crate::{AppliedPolicies, Policy};

/// A queue's arguments and policies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sources<'a> {
    arguments: &'a FieldTable,
    policy: Option<&'a Policy>,
    operator: Option<&'a Policy>,
}

/// The names of a setting: as an argument, and in policies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names(pub(super) &'static str, pub(super) &'static str);

/// Which of two values is in force: the operator policy's comes second to the policy's, the argument's to both.
pub(super) type Rule = fn(i64, i64) -> i64;

/// Who wins where an argument and a policy name a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Winner {
    Argument,
    Policy,
}

impl<'a> Sources<'a> {
    pub(super) fn new(arguments: &'a FieldTable, applied: Option<&'a AppliedPolicies>) -> Self {
        Sources {
            arguments,
            policy: applied.and_then(|applied| applied.policy.as_deref()),
            operator: applied.and_then(|applied| applied.operator.as_deref()),
        }
    }

    pub(super) fn number(&self, names: Names, rule: Rule) -> Option<i64> {
        let of = |policy: Option<&Policy>| policy?.value(names.1)?.as_i64();
        let by_policies = merge(of(self.policy), of(self.operator), rule);
        merge(by_policies, self.arguments.get(names.0).and_then(FieldValue::as_i64), rule)
    }

    pub(super) fn text(&self, names: Names, winner: Winner) -> Option<&'a Bytes> {
        let of = |policy: Option<&'a Policy>| text(policy?.value(names.1)?);
        let by_policies = of(self.operator).or_else(|| of(self.policy));
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

fn merge(a: Option<i64>, b: Option<i64>, rule: Rule) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(rule(a, b)),
        (one, None) | (None, one) => one,
    }
}
