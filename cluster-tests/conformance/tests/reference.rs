//! The page that lists every method with its test tells the truth about which tests there are.

use std::{
    fs,
    path::{Path, PathBuf},
};

const PAGE: &str = include_str!("../../../docs/reference/amqp-conformance.md");
/// Source files that hold tests' names, below this crate.
const FOLDERS: [&str; 3] = ["src", "clients", "python"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of all source files below a folder.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("the folder is part of the checkout") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|e| ["rs", "py", "js", "go", "java"].iter().any(|known| e == *known)) {
            text += &fs::read_to_string(&path).expect("sources are text");
        }
    }
    text
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The cells of the page's tables, row by row, without heads.
fn rows() -> Vec<Vec<&'static str>> {
    let page = PAGE.split("## Known faults").next().unwrap_or_default();
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.ends_with('|'));
    let cells = rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells.filter(|cells| cells[1] != "State").collect()
}

#[test]
fn every_test_that_the_page_names_exists() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = FOLDERS.iter().map(|name| sources(&folder.join(name))).collect::<String>();
    let named = rows().iter().flat_map(|cells| quoted(cells[3])).collect::<Vec<_>>();
    assert!(named.len() > 80, "only {} tests are named", named.len());
    let missing = named.iter().filter(|name| !sources.contains(&format!("\"{name}\""))).collect::<Vec<_>>();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

#[test]
fn every_method_of_the_codec_is_on_the_page_once() {
    let codec = fs::read_to_string(root().join("crates/amqp-codec/src/generated/methods.rs")).unwrap();
    let classes = ["connection.", "channel.", "access.", "exchange.", "queue.", "basic.", "confirm.", "tx."];
    let is_method = |text: &&str| classes.iter().any(|class| text.starts_with(class)) && !text.contains(' ');
    let mut methods = codec.split('"').filter(is_method).collect::<Vec<_>>();
    methods.sort_unstable();
    methods.dedup();
    assert!(methods.len() > 60, "the codec's methods are named elsewhere: {methods:?}");
    let mut listed = rows().iter().flat_map(|cells| quoted(cells[0])).filter(is_method).collect::<Vec<_>>();
    listed.sort_unstable();
    assert_eq!(listed, methods);
}

#[test]
fn every_row_has_a_known_state_and_a_deviation_has_its_reason() {
    for cells in rows() {
        assert_eq!(cells.len(), 4, "{cells:?}");
        assert!(["yes", "more", "differs", "no"].contains(&cells[1]), "{cells:?}");
        assert!(cells[1] == "yes" || !cells[2].is_empty(), "{cells:?}");
    }
}
