//! Which crate may depend on which, and which foreign crate has one room to live in.

use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// A crate's normal dependencies are all in lower layers.
const LAYERS: [(&str, u8); 21] = [
    ("types", 0),
    ("telemetry", 0),
    ("amqp-codec", 1),
    ("routing", 1),
    ("queue", 1),
    ("metadata", 1),
    ("amqp-connection", 2),
    ("proto", 2),
    ("auth", 2),
    ("storage", 3),
    ("replication", 4),
    ("broker", 5),
    ("amqp-server", 6),
    ("management", 6),
    ("perf", 6),
    ("ctl", 6),
    ("node", 7),
    ("test-support", DEVELOPMENT),
    ("xtask", DEVELOPMENT),
    ("conformance", DEVELOPMENT + 1),
    ("faults", DEVELOPMENT + 1),
];

/// From this layer on crates are for development: the product does not depend on them, they may depend on all of it.
const DEVELOPMENT: u8 = 100;

/// Foreign crates that only some of ours may name.
const ROOMS: [(&str, &[&str]); 4] = [
    ("rocksdb", &["storage"]),
    ("openraft", &["replication"]),
    ("axum", &["management"]),
    ("tonic", &["proto", "replication"]),
];

/// One crate of the workspace and what it names.
#[derive(Clone, Debug)]
struct Crate {
    name: String,
    dependencies: Vec<(String, bool)>,
}

/// Checks the workspace at `root`.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let metadata = MetadataCommand::new().manifest_path(root.join("Cargo.toml")).no_deps().exec();
    let metadata = metadata.context("cannot read the workspace")?;
    let crates = metadata.workspace_packages().into_iter().map(read).collect::<Vec<_>>();
    Ok(crates.iter().flat_map(findings).collect())
}

fn read(package: &Package) -> Crate {
    // What is used only to test a crate may lie anywhere.
    let dependencies = package.dependencies.iter().map(|d| (d.name.clone(), d.kind != DependencyKind::Development));
    Crate { name: package.name.to_string(), dependencies: dependencies.collect() }
}

fn findings(one: &Crate) -> Vec<String> {
    let Some(layer) = layer(&one.name) else {
        return vec![format!("{}: not in the table of layers", one.name)];
    };
    let mut findings = Vec::new();
    for (dependency, is_normal) in &one.dependencies {
        if self::layer(dependency).is_some_and(|below| *is_normal && below >= layer) {
            findings.push(format!("{}: depends on {dependency}, which is not in a lower layer", one.name));
        }
        let room = ROOMS.iter().find(|(foreign, _)| foreign == dependency);
        if room.is_some_and(|(_, rooms)| !rooms.contains(&&*one.name)) {
            findings.push(format!("{}: names {dependency}, which has another room", one.name));
        }
    }
    findings
}

fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings_of(name: &str, dependencies: &[(&str, bool)]) -> usize {
        let dependencies = dependencies.iter().map(|(name, normal)| ((*name).to_owned(), *normal)).collect();
        findings(&Crate { name: name.to_owned(), dependencies }).len()
    }

    #[test]
    fn a_crate_may_depend_on_lower_layers_and_in_tests_on_any() {
        assert_eq!(findings_of("broker", &[("queue", true), ("replication", true), ("bytes", true)]), 0);
        assert_eq!(findings_of("queue", &[("test-support", false), ("replication", false)]), 0);
    }

    #[test]
    fn a_crate_may_not_depend_on_its_own_layer_or_a_higher_one() {
        assert_eq!(findings_of("queue", &[("routing", true)]), 1);
        assert_eq!(findings_of("storage", &[("broker", true)]), 1);
        assert_eq!(findings_of("node", &[("test-support", true)]), 1);
    }

    #[test]
    fn a_foreign_crate_with_a_room_is_named_only_there() {
        assert_eq!(findings_of("storage", &[("rocksdb", true)]), 0);
        assert_eq!(findings_of("replication", &[("rocksdb", false)]), 1);
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        assert_eq!(findings_of("utils", &[]), 1);
    }
}
