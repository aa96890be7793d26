//! Conversions between `usize` and the machine's widths, in one place with the reason why they cannot fail.

/// A slot, count or table position as an index into memory.
pub(crate) fn index(n: u32) -> usize {
    usize::try_from(n).expect("usize has at least 32 bits")
}

/// A length as a count.
pub(crate) fn count(len: usize) -> u64 {
    u64::try_from(len).expect("usize has at most 64 bits")
}
