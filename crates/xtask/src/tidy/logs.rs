//! Log messages are lowercase fragments without a period; facts are fields.

use regex::Regex;

use super::Source;

/// Checks one Rust file.
pub(super) fn check(source: &Source) -> Vec<String> {
    let call = Regex::new(r"\b(?:trace|debug|info|warn|error)!\s*\(").expect("the pattern is right");
    let mut findings = Vec::new();
    for found in call.find_iter(&source.text) {
        let (before, after) = source.text.split_at(found.end());
        let number = before.lines().count();
        if let Some(text) = message(after).filter(|text| !is_fragment(text)) {
            findings.push(format!("{}:{number}: log message is not a lowercase fragment: {text:?}", source.path));
        }
    }
    findings
}

/// The first string literal that is an argument of its own: `warn!(group, queue = "q", "leader stepped down")`.
fn message(arguments: &str) -> Option<String> {
    let mut depth = 0_usize;
    let mut before = ',';
    let mut chars = arguments.chars();
    while let Some(c) = chars.next() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            '"' => {
                let text = literal(&mut chars);
                if depth == 0 && before == ',' {
                    return Some(text);
                }
            }
            _ => {}
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
    None
}

/// The rest of a string literal whose opening quote was read, escapes left as they are.
fn literal(chars: &mut std::str::Chars<'_>) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next().filter(|c| *c != '"') {
        text.push(c);
        if c == '\\' {
            text.extend(chars.next());
        }
    }
    text
}

/// A name such as TLS may stand first; a sentence may not.
fn is_fragment(text: &str) -> bool {
    let mut chars = text.chars();
    let (first, second) = (chars.next(), chars.next());
    let capital = |c: Option<char>| c.is_some_and(char::is_uppercase);
    !text.ends_with('.') && (!capital(first) || capital(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The macro's name apart from its arguments, so that this file obeys its own rule.
    fn findings(name: &str, arguments: &str) -> usize {
        check(&Source { path: "a.rs".to_owned(), text: format!("{name}!{arguments};") }).len()
    }

    #[test]
    fn fragments_pass() {
        assert_eq!(findings("warn", r#"(%vhost, queue = "Q.", n = f("A."), "leader stepped down")"#), 0);
        assert_eq!(findings("info", "(\n    group_id,\n    \"TLS is off for {peer}\",\n)"), 0);
        assert_eq!(findings("error", "(?error)"), 0);
    }

    #[test]
    fn sentences_are_found() {
        assert_eq!(findings("tracing::warn", r#"(%vhost, "Leader stepped down")"#), 1);
        assert_eq!(findings("info", r#"("it says \"no\".")"#), 1);
    }
}
