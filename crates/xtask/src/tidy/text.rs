//! Rules about a file's text and name.

use std::path::Path;

use regex::Regex;

use super::Source;

/// Folders of single machines. A path in the repository is relative to its top, or made from the environment.
/// (Written in two halves, so that this file obeys its own rule.)
const MACHINE_FOLDERS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/fa", "rm/")];

/// Checks one file.
pub(super) fn check(source: &Source) -> Vec<String> {
    let path = &source.path;
    let mut findings = Vec::new();
    if source.is_rust() && !source.text.starts_with("//! ") {
        findings.push(format!("{path}: does not open with `//!`"));
    }
    if path.ends_with("/mod.rs") {
        findings.push(format!("{path}: is named mod.rs"));
    }
    for (number, line) in (1..).zip(source.text.lines()) {
        if MACHINE_FOLDERS.iter().any(|folder| line.contains(folder)) {
            findings.push(format!("{path}:{number}: names a folder of one machine"));
        }
    }
    findings
}

/// Checks that links from one document to another file lead somewhere.
pub(super) fn check_links(root: &Path, sources: &[Source]) -> Vec<String> {
    let link = Regex::new(r"\]\(([^)#\s]+)[^)]*\)").expect("the pattern is right");
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".md")) {
        let document = root.join(&source.path);
        let folder = document.parent().expect("a file is in a folder");
        for target in link.captures_iter(&source.text).filter_map(|found| found.get(1)) {
            if !target.as_str().contains("://") && !folder.join(target.as_str()).exists() {
                findings.push(format!("{}: link to {}, which is not there", source.path, target.as_str()));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_rust_file_opens_with_its_purpose() {
        assert_eq!(check(&source("a/b.rs", "//! What it does.\n")), Vec::<String>::new());
        assert_eq!(check(&source("a/b.rs", "use std::fs;\n")).len(), 1);
        assert_eq!(check(&source("a/mod.rs", "//! What it does.\n")).len(), 1);
    }

    #[test]
    fn folders_of_one_machine_are_found() {
        let text = format!("see {}x\n", MACHINE_FOLDERS[0]);
        assert_eq!(check(&source("a.md", &text)), ["a.md:1: names a folder of one machine"]);
    }

    #[test]
    fn a_link_must_lead_somewhere() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("there.md"), "").unwrap();
        let good = source("a.md", "[x](there.md) [y](there.md#part) [z](https://example.org/missing)");
        let bad = source("a.md", "[x](missing.md)");
        assert_eq!(check_links(folder.path(), &[good, bad]), ["a.md: link to missing.md, which is not there"]);
    }
}
