//! Names that the broker makes, and what it does to names that clients give.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use types::ShortStr;

/// The prefix that clients may not use for what they create.
pub(crate) const RESERVED: &[u8] = b"amq.";

/// A name such as `amq.gen-…`, which nobody can guess (128 random bits).
pub(crate) fn generate(prefix: &str) -> ShortStr {
    let random: [u8; 16] = rand::random();
    ShortStr::truncated(&format!("{prefix}-{}", URL_SAFE_NO_PAD.encode(random)))
}

/// Whether the name starts with `amq.`.
pub(crate) fn is_reserved(name: &ShortStr) -> bool {
    name.as_bytes().starts_with(RESERVED)
}

/// The name without carriage returns and line feeds, in memory of its own.
pub(crate) fn stripped(name: &ShortStr) -> ShortStr {
    let is_kept = |byte: &u8| !matches!(byte, b'\r' | b'\n');
    let kept: Bytes = name.as_bytes().iter().copied().filter(is_kept).collect();
    ShortStr::from_bytes(kept).expect("a name does not grow by losing bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_have_their_prefix_and_differ() {
        let (one, two) = (generate("amq.gen"), generate("amq.gen"));
        assert!(one.as_bytes().starts_with(b"amq.gen-"));
        assert_eq!(one.len(), "amq.gen-".len() + 22);
        assert_ne!(one, two);
    }

    #[test]
    fn line_ends_are_stripped_from_names() {
        assert_eq!(stripped(&ShortStr::from_static("a\r\nb\n")), "ab");
    }
}
