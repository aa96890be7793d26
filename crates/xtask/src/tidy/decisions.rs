//! Architecture decision records: numbered without gap, complete, and listed.

use super::Source;

const FOLDER: &str = "docs/adr/";
const SECTIONS: [&str; 5] =
    ["\nStatus: ", "\n## Context\n", "\n## Decision\n", "\n## Consequences\n", "\n## Evidence\n"];

/// Checks all records together.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    let records = sources.iter().filter_map(|source| Some((source.path.strip_prefix(FOLDER)?, &source.text)));
    let (index, records): (Vec<_>, Vec<_>) = records.partition(|(name, _)| *name == "README.md");
    let index = index.first().map_or("", |(_, text)| text);
    for (number, (name, text)) in (1..).zip(records) {
        if !name.starts_with(&format!("{number:04}-")) {
            findings.push(format!("{FOLDER}{name}: decision {number:04} is missing, or its number stands twice"));
        }
        if !index.contains(&format!("({name})")) {
            findings.push(format!("{FOLDER}README.md: does not list {name}"));
        }
        for section in SECTIONS.iter().filter(|section| !text.contains(*section)) {
            findings.push(format!("{FOLDER}{name}: has no {:?}", section.trim()));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, text: &str) -> Source {
        Source { path: format!("{FOLDER}{name}"), text: text.to_owned() }
    }

    #[test]
    fn numbered_complete_and_listed_records_pass() {
        let index = source("README.md", "[a](0001-a.md) [b](0002-b.md)");
        let text = "# 0001: A\n\nStatus: accepted\n\n## Context\n\n## Decision\n\n## Consequences\n\n## Evidence\n";
        assert_eq!(check(&[source("0001-a.md", text), source("0002-b.md", text), index]), Vec::<String>::new());
    }

    #[test]
    fn gaps_missing_sections_and_unlisted_records_are_found() {
        assert_eq!(check(&[source("0002-b.md", "# 0002\n")]).len(), 2 + SECTIONS.len());
    }
}
