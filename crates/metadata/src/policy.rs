//! Policies: settings for all exchanges and queues of a vhost whose names match.
//!
//! At most one policy and one operator policy apply to an exchange or queue: those of the highest priority, and of the first
//! name among equals. How the two and the declared arguments come together is in `effective`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use types::{FieldTable, FieldValue, ShortStr};

use crate::{Pattern, QueueType};

mod definition;

pub(crate) use definition::{check as check_definition, delivery_limit_of_two};

/// A policy, or an operator policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its vhost.
    pub vhost: ShortStr,
    /// Its name.
    pub name: ShortStr,
    /// Names that it applies to.
    pub pattern: Pattern,
    /// Things that it applies to.
    pub apply_to: ApplyTo,
    /// The highest one applies.
    pub priority: i64,
    /// Its settings, by key.
    pub definition: FieldTable,
}

/// What a policy may apply to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApplyTo {
    /// Exchanges and queues.
    #[default]
    All,
    /// Exchanges.
    Exchanges,
    /// Queues of all types.
    Queues,
    /// Queues that were declared `classic`.
    ClassicQueues,
    /// Queues that were declared `quorum`.
    QuorumQueues,
    /// Streams, of which there are none.
    Streams,
}

/// What is looked for a policy for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Exchange,
    Queue(QueueType),
}

/// The policies that apply to an exchange or queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppliedPolicies {
    /// The policy.
    pub policy: Option<Arc<Policy>>,
    /// The operator policy.
    pub operator: Option<Arc<Policy>>,
}

/// The policies of a vhost.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Policies {
    ordinary: BTreeMap<ShortStr, Arc<Policy>>,
    operator: BTreeMap<ShortStr, Arc<Policy>>,
}

impl Policy {
    /// The value of a setting.
    pub fn value(&self, key: &str) -> Option<&FieldValue> {
        self.definition.get(key)
    }

    pub(crate) fn covers(&self, subject: Subject, name: &[u8]) -> bool {
        self.apply_to.covers(subject) && self.pattern.matches(name)
    }
}

impl ApplyTo {
    /// The meaning of `apply-to`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"all" => Some(ApplyTo::All),
            b"exchanges" => Some(ApplyTo::Exchanges),
            b"queues" => Some(ApplyTo::Queues),
            b"classic_queues" => Some(ApplyTo::ClassicQueues),
            b"quorum_queues" => Some(ApplyTo::QuorumQueues),
            b"streams" => Some(ApplyTo::Streams),
            _ => None,
        }
    }

    /// Its word in `apply-to`.
    pub fn as_str(self) -> &'static str {
        match self {
            ApplyTo::All => "all",
            ApplyTo::Exchanges => "exchanges",
            ApplyTo::Queues => "queues",
            ApplyTo::ClassicQueues => "classic_queues",
            ApplyTo::QuorumQueues => "quorum_queues",
            ApplyTo::Streams => "streams",
        }
    }

    fn covers(self, subject: Subject) -> bool {
        match (self, subject) {
            (ApplyTo::All, _)
            | (ApplyTo::Exchanges, Subject::Exchange)
            | (ApplyTo::Queues, Subject::Queue(_))
            | (ApplyTo::ClassicQueues, Subject::Queue(QueueType::Classic))
            | (ApplyTo::QuorumQueues, Subject::Queue(QueueType::Quorum)) => true,
            (ApplyTo::Exchanges, Subject::Queue(_))
            | (ApplyTo::Queues, Subject::Exchange)
            | (ApplyTo::ClassicQueues, Subject::Exchange | Subject::Queue(QueueType::Quorum))
            | (ApplyTo::QuorumQueues, Subject::Exchange | Subject::Queue(QueueType::Classic))
            | (ApplyTo::Streams, _) => false,
        }
    }
}

impl AppliedPolicies {
    /// The name of the policy, for listings.
    pub fn policy_name(&self) -> Option<&ShortStr> {
        self.policy.as_ref().map(|policy| &policy.name)
    }

    /// The name of the operator policy, for listings.
    pub fn operator_name(&self) -> Option<&ShortStr> {
        self.operator.as_ref().map(|policy| &policy.name)
    }

    /// The value of a setting that is in force by the policies together.
    pub fn value(&self, key: &str) -> Option<&FieldValue> {
        let policy = self.policy.as_deref().and_then(|policy| policy.value(key));
        let operator = self.operator.as_deref().and_then(|policy| policy.value(key));
        match (policy, operator) {
            (Some(policy), Some(operator)) => Some(definition::merged(key, policy, operator)),
            (one, None) | (None, one) => one,
        }
    }

    /// All settings that are in force by the policies together, by key, for listings.
    pub fn effective_definition(&self) -> FieldTable {
        let policies = [&self.policy, &self.operator].into_iter().flatten();
        let keys: BTreeSet<_> = policies.flat_map(|policy| policy.definition.0.iter().map(|(key, _)| key)).collect();
        let of = |key: &ShortStr| {
            let value = self.value(std::str::from_utf8(key.as_bytes()).ok()?)?;
            Some((key.clone(), value.clone()))
        };
        FieldTable(keys.into_iter().filter_map(of).collect())
    }

    pub(crate) fn of(&self, operator: bool) -> Option<&Arc<Policy>> {
        if operator { self.operator.as_ref() } else { self.policy.as_ref() }
    }
}

impl Policies {
    pub(crate) fn of(&self, operator: bool) -> &BTreeMap<ShortStr, Arc<Policy>> {
        if operator { &self.operator } else { &self.ordinary }
    }

    pub(crate) fn of_mut(&mut self, operator: bool) -> &mut BTreeMap<ShortStr, Arc<Policy>> {
        if operator { &mut self.operator } else { &mut self.ordinary }
    }

    /// What applies to a thing of that name; `None`: neither a policy nor an operator policy.
    pub(crate) fn applied(&self, subject: Subject, name: &[u8]) -> Option<AppliedPolicies> {
        let applied = AppliedPolicies {
            policy: best(&self.ordinary, subject, name),
            operator: best(&self.operator, subject, name),
        };
        (applied.policy.is_some() || applied.operator.is_some()).then_some(applied)
    }
}

fn best(policies: &BTreeMap<ShortStr, Arc<Policy>>, subject: Subject, name: &[u8]) -> Option<Arc<Policy>> {
    let mut best: Option<&Arc<Policy>> = None;
    for policy in policies.values() {
        let wins = best.is_none_or(|best| policy.priority > best.priority);
        if wins && policy.covers(subject, name) {
            best = Some(policy);
        }
    }
    best.map(Arc::clone)
}
