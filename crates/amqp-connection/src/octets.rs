//! Octets in error texts, printed as RabbitMQ prints them (its texts hold Erlang terms).

use std::fmt::Write;

/// How many octets of a payload an error text shows.
const SNIPPET_BYTES: usize = 16;

/// `all octets = <<..>>` or `first 16 octets = <<..>>`.
pub(crate) fn snippet(payload: &[u8]) -> String {
    match payload.get(..SNIPPET_BYTES) {
        Some(first) if payload.len() > SNIPPET_BYTES => format!("first 16 octets = {}", readable(first)),
        Some(_) | None => format!("all octets = {}", readable(payload)),
    }
}

/// As text when every octet is printable ASCII, otherwise as numbers.
fn readable(octets: &[u8]) -> String {
    let printable = |octet: &u8| matches!(octet, b' '..=b'~') && !matches!(octet, b'"' | b'\\');
    match std::str::from_utf8(octets) {
        Ok(text) if !octets.is_empty() && octets.iter().all(printable) => format!("<<\"{text}\">>"),
        Ok(_) | Err(_) => numbers(octets),
    }
}

/// As numbers. Stops when the text is longer than any error text can be.
pub(crate) fn numbers(octets: &[u8]) -> String {
    const ENOUGH: usize = 256;
    let mut text = String::from("<<");
    for (at, octet) in octets.iter().enumerate() {
        if text.len() > ENOUGH {
            break;
        }
        let comma = if at == 0 { "" } else { "," };
        write!(text, "{comma}{octet}").expect("a String takes any text");
    }
    text.push_str(">>");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_payloads_are_shown_whole_and_long_ones_in_part() {
        assert_eq!(snippet(b""), "all octets = <<>>");
        assert_eq!(snippet(&[0, 10, 255]), "all octets = <<0,10,255>>");
        assert_eq!(snippet(b"0123456789abcdef"), "all octets = <<\"0123456789abcdef\">>");
        assert_eq!(snippet(b"0123456789abcdefg"), "first 16 octets = <<\"0123456789abcdef\">>");
    }

    #[test]
    fn a_long_row_of_numbers_ends_somewhere() {
        assert_eq!(numbers(&[1, 2]), "<<1,2>>");
        assert!(numbers(&[200; 100_000]).len() < 300);
    }
}
