//! The table as a whole.

use std::collections::BTreeSet;

use super::*;

/// The page that names all commands.
const PAGE: &str = include_str!("../../../../../docs/reference/ctl.md");

#[test]
fn every_command_is_there_once() {
    let mut seen = BTreeSet::new();
    for command in commands() {
        assert!(seen.insert(command.name), "{} is there twice", command.name);
    }
}

#[test]
fn every_command_is_in_the_reference() {
    let missing: Vec<&str> =
        commands().map(|command| command.name).filter(|name| !PAGE.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn an_option_means_the_same_in_every_command() {
    for command in commands() {
        for option in command.options {
            let first = super::option(&format!("--{}", option.name)).unwrap();
            assert_eq!(first.takes_value, option.takes_value, "--{} of {}", option.name, command.name);
        }
    }
}

#[test]
fn defaults_of_lists_are_columns_of_theirs() {
    for command in commands() {
        let Action::List(listing) = command.action else { continue };
        let shown = if listing.defaults.is_empty() { listing.keys.len() } else { listing.defaults.len() };
        assert_eq!(listing.columns(&[]).len(), shown, "{}", command.name);
        for name in listing.defaults {
            assert!(listing.keys.iter().any(|key| key.name == *name), "{} of {}", name, command.name);
        }
    }
}
