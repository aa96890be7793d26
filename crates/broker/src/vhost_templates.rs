//! What operators give every new virtual host whose name fits: limits and operator policies, by the node's settings.

use metadata::{Command, Pattern, PutPolicy, VhostDefaults, VhostLimits};
use types::ShortStr;

/// The settings, each with the pattern of the virtual hosts that it is for.
#[derive(Clone, Debug, Default)]
pub struct VhostTemplates {
    /// The first that fits counts, as in RabbitMQ.
    pub limits: Vec<(Pattern, VhostLimits)>,
    /// All that fit count.
    pub operator_policies: Vec<(Pattern, PutPolicy)>,
}

impl VhostTemplates {
    /// What a new virtual host of that name starts with.
    pub fn of(&self, vhost: &ShortStr) -> VhostDefaults {
        let fits = |pattern: &Pattern| pattern.matches(vhost.as_bytes());
        let limits = self.limits.iter().find(|(pattern, _)| fits(pattern)).map(|(_, limits)| *limits);
        let policies = self.operator_policies.iter().filter(|(pattern, _)| fits(pattern));
        let policies = policies.map(|(_, policy)| PutPolicy { vhost: vhost.clone(), operator: true, ..policy.clone() });
        VhostDefaults { limits: limits.unwrap_or_default(), operator_policies: policies.collect() }
    }

    /// The command, with what a virtual host starts with when it makes one.
    pub(crate) fn fill_in(&self, mut command: Command) -> Command {
        if let Command::PutVhost(put) = &mut command {
            put.defaults = self.of(&put.vhost);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use metadata::PutVhost;
    use types::FieldTable;

    use super::*;

    fn limits(pattern: &str, max_queues: i64) -> (Pattern, VhostLimits) {
        (Pattern::new(pattern), VhostLimits { max_queues: Some(max_queues), ..VhostLimits::default() })
    }

    fn policy(pattern: &str, name: &'static str) -> (Pattern, PutPolicy) {
        let policy = PutPolicy {
            vhost: ShortStr::EMPTY,
            name: ShortStr::from_static(name),
            pattern: ".*".to_owned(),
            priority: 0,
            apply_to: ShortStr::from_static("queues"),
            definition: FieldTable::default(),
            operator: false,
        };
        (Pattern::new(pattern), policy)
    }

    #[test]
    fn of_limits_the_first_that_fits_counts_and_of_policies_all() {
        let templates = VhostTemplates {
            limits: vec![limits("^a", 1), limits(".*", 2)],
            operator_policies: vec![policy("^a", "one"), policy("^b", "two"), policy(".*", "three")],
        };
        let seen = |vhost: &'static str| {
            let put = PutVhost { vhost: ShortStr::from_static(vhost), ..PutVhost::default() };
            let Command::PutVhost(filled) = templates.fill_in(Command::PutVhost(put)) else {
                panic!("another command")
            };
            let policies = filled.defaults.operator_policies.iter();
            assert!(policies.clone().all(|policy| policy.operator && policy.vhost == vhost));
            let names: Vec<String> = policies.map(|policy| policy.name.to_string()).collect();
            (filled.defaults.limits.max_queues, names.join(" "))
        };
        assert_eq!(seen("a1"), (Some(1), "one three".to_owned()));
        assert_eq!(seen("b1"), (Some(2), "two three".to_owned()));
    }
}
