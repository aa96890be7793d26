//! A policy or operator policy comes or changes.

use crate::{ApplyTo, Change, Event, Machine, Pattern, Policy, PutPolicy, Refusal, Reply, compact, policy};

pub(crate) fn apply(machine: &mut Machine, c: &PutPolicy, events: &mut Vec<Event>) -> Result<Reply, Refusal> {
    if machine.vhost(c.vhost.as_bytes()).is_none() {
        return Err(Refusal::NoSuchVhost(c.vhost.clone()));
    }
    let policy = read(c).map_err(Refusal::ValidationFailed)?;
    let change = match machine.policy(c.vhost.as_bytes(), c.name.as_bytes(), c.operator) {
        Some(there) if *there == policy => return Ok(Reply::Done(Change::Unchanged)),
        Some(_) => Change::Updated,
        None => Change::Created,
    };
    machine.put_policy(policy, c.operator, events);
    Ok(Reply::Done(change))
}

impl PutPolicy {
    /// All that is wrong with the policy itself, in the order in which RabbitMQ says it. Whether its vhost is there is not looked at.
    pub fn problems(&self) -> Vec<String> {
        let mut wrong = read(self).err().unwrap_or_default();
        // Here alone: another version may read patterns otherwise.
        if let Err(reason) = Pattern::checked(&self.pattern) {
            wrong.push(format!("pattern should be regular expression but is invalid: {reason}"));
        }
        wrong
    }
}

/// Why the command is not to be proposed.
pub(crate) fn check(machine: &Machine, c: &PutPolicy) -> Result<(), Refusal> {
    if machine.vhost(c.vhost.as_bytes()).is_none() {
        return Err(Refusal::NoSuchVhost(c.vhost.clone()));
    }
    match c.problems() {
        wrong if wrong.is_empty() => Ok(()),
        wrong => Err(Refusal::ValidationFailed(wrong)),
    }
}

/// The policy as it is kept, or what is wrong with it beside its pattern.
pub(super) fn read(c: &PutPolicy) -> Result<Policy, Vec<String>> {
    let mut wrong = Vec::new();
    if let Err(reason) = policy::check_definition(&c.definition, c.operator) {
        wrong.push(reason);
    }
    let apply_to = if c.apply_to.is_empty() { Some(ApplyTo::All) } else { ApplyTo::parse(c.apply_to.as_bytes()) };
    if apply_to.is_none() {
        // The two spaces are RabbitMQ's.
        wrong.push(format!(
            "apply-to '{}' unrecognised; should be one of: 'queues', 'classic_queues',  'quorum_queues', 'streams', \
             'exchanges', or 'all'",
            c.apply_to
        ));
    }
    let (Some(apply_to), true) = (apply_to, wrong.is_empty()) else { return Err(wrong) };
    let mut definition = compact::table(&c.definition);
    definition.0.sort_by(|a, b| a.0.cmp(&b.0));
    let (vhost, name, pattern) = (c.vhost.clone(), c.name.compact(), Pattern::new(&c.pattern));
    Ok(Policy { vhost, name, pattern, apply_to, priority: c.priority, definition })
}
