//! `[default_limits]` and `[default_policies]`: what every new virtual host gets whose name fits.

use anyhow::{Context, bail};
use broker::VhostTemplates;
use metadata::{Pattern, PutPolicy, VhostLimits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use types::ShortStr;

/// `[default_limits]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DefaultLimitsSection {
    pub vhosts: Vec<LimitsEntry>,
}

/// One entry of `[default_limits] vhosts`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsEntry {
    #[serde(default = "anything")]
    pub pattern: String,
    pub max_connections: Option<i64>,
    pub max_queues: Option<i64>,
}

/// `[default_policies]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DefaultPoliciesSection {
    pub operator: Vec<PolicyEntry>,
}

/// One entry of `[default_policies] operator`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyEntry {
    pub name: String,
    #[serde(default = "anything")]
    pub vhost_pattern: String,
    #[serde(default = "anything")]
    pub queue_pattern: String,
    #[serde(default)]
    pub apply_to: String,
    #[serde(default)]
    pub priority: i64,
    pub definition: Map<String, Value>,
}

fn anything() -> String {
    ".*".to_owned()
}

/// Both sections as the broker takes them.
///
/// # Errors
/// For the first entry that is not right.
pub(crate) fn templates(
    limits: &DefaultLimitsSection,
    policies: &DefaultPoliciesSection,
) -> anyhow::Result<VhostTemplates> {
    let limits = limits.vhosts.iter().enumerate().map(|(at, entry)| {
        limits_of(entry).with_context(|| format!("default_limits.vhosts: entry {} is not right", at + 1))
    });
    let policies = policies.operator.iter().map(|entry| {
        policy_of(entry).with_context(|| format!("default_policies.operator: '{}' is not right", entry.name))
    });
    Ok(VhostTemplates {
        limits: limits.collect::<anyhow::Result<_>>()?,
        operator_policies: policies.collect::<anyhow::Result<_>>()?,
    })
}

fn limits_of(entry: &LimitsEntry) -> anyhow::Result<(Pattern, VhostLimits)> {
    let limits = VhostLimits { max_connections: entry.max_connections, max_queues: entry.max_queues };
    Ok((Pattern::checked(&entry.pattern).context("pattern")?, limits))
}

fn policy_of(entry: &PolicyEntry) -> anyhow::Result<(Pattern, PutPolicy)> {
    let definition = management::field_table(&Value::Object(entry.definition.clone())).map_err(anyhow::Error::msg)?;
    let policy = PutPolicy {
        vhost: ShortStr::EMPTY,
        name: ShortStr::copy_from(&entry.name).context("name")?,
        pattern: entry.queue_pattern.clone(),
        priority: entry.priority,
        apply_to: ShortStr::copy_from(&entry.apply_to).context("apply_to")?,
        definition,
        operator: true,
    };
    let problems = policy.problems();
    if !problems.is_empty() {
        bail!("{}", problems.join("; "));
    }
    Ok((Pattern::checked(&entry.vhost_pattern).context("vhost_pattern")?, policy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn read(text: &str) -> anyhow::Result<VhostTemplates> {
        let config: Config = toml::from_str(text)?;
        templates(&config.default_limits, &config.default_policies)
    }

    #[test]
    fn limits_and_policies_are_read_as_the_broker_takes_them() {
        let text = r#"
            [[default_limits.vhosts]]
            pattern = "^tenant"
            max_queues = 10
            [[default_policies.operator]]
            name = "bounded"
            vhost_pattern = "^tenant"
            apply_to = "queues"
            definition = { max-length = 100, overflow = "reject-publish" }
        "#;
        let templates = read(text).unwrap();
        let tenant = templates.of(&ShortStr::from_static("tenant-1"));
        assert_eq!((tenant.limits.max_queues, tenant.limits.max_connections), (Some(10), None));
        assert_eq!(tenant.operator_policies.len(), 1);
        assert_eq!(tenant.operator_policies[0].definition.0.len(), 2);
        let other = templates.of(&ShortStr::from_static("other"));
        assert_eq!(other, metadata::VhostDefaults::default());
    }

    #[test]
    fn what_is_not_right_is_named() {
        let policy = |rest: &str| read(&format!("[[default_policies.operator]]\nname = \"p\"\n{rest}"));
        for (text, expected) in [
            ("definition = { max-length = -1 }", "'p'"),
            ("definition = { unheard-of = 1 }", "unheard-of"),
            ("vhost_pattern = \"(\"\ndefinition = { max-length = 1 }", "vhost_pattern"),
        ] {
            let error = format!("{:#}", policy(text).unwrap_err());
            assert!(error.contains(expected) && error.contains("default_policies.operator"), "{error}");
        }
        let error = format!("{:#}", read("[[default_limits.vhosts]]\npattern = \"(\"\n").unwrap_err());
        assert!(error.contains("default_limits.vhosts: entry 1"), "{error}");
    }
}
