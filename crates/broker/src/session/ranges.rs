//! Lists of ranges that mostly grow at their end.

use types::SeqRange;

/// Adds a range; one that continues the last is merged into it.
pub(crate) fn add(ranges: &mut Vec<SeqRange>, range: SeqRange) {
    match ranges.last_mut() {
        Some(last) if last.last + 1 == range.first => last.last = range.last,
        _ => ranges.push(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_ranges_become_one() {
        let mut ranges = Vec::new();
        for (first, last) in [(1, 2), (3, 3), (5, 6), (7, 7), (4, 4)] {
            add(&mut ranges, SeqRange { first, last });
        }
        let expected = [(1, 3), (5, 7), (4, 4)].map(|(first, last)| SeqRange { first, last });
        assert_eq!(ranges, expected);
    }
}
