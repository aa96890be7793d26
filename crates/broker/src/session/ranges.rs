//! Lists of ranges that mostly grow at their end.

use types::SeqRange;

/// Adds a range; one that continues the last is merged into it.
pub(crate) fn add(ranges: &mut Vec<SeqRange>, range: SeqRange) {
    match ranges.last_mut() {
        Some(last) if last.last + 1 == range.first => last.last = range.last,
        _ => ranges.push(range),
    }
}

/// Sorts ranges, and merges those that overlap or adjoin.
pub(crate) fn normalize(ranges: &mut Vec<SeqRange>) {
    ranges.sort_unstable();
    ranges.dedup_by(|range, before| {
        let joins = range.first <= before.last.saturating_add(1);
        if joins {
            before.last = before.last.max(range.last);
        }
        joins
    });
}

/// What is in `ranges` and not in `holes`, which are normalized.
pub(crate) fn without(ranges: &[SeqRange], holes: &[SeqRange]) -> Vec<SeqRange> {
    let mut left = Vec::new();
    for range in ranges {
        let mut first = range.first;
        let from = holes.partition_point(|hole| hole.last < range.first);
        for hole in holes[from..].iter().take_while(|hole| hole.first <= range.last) {
            if hole.first > first {
                left.push(SeqRange { first, last: hole.first - 1 });
            }
            first = hole.last + 1;
        }
        if first <= range.last {
            left.push(SeqRange { first, last: range.last });
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(pairs: &[(u64, u64)]) -> Vec<SeqRange> {
        pairs.iter().map(|(first, last)| SeqRange { first: *first, last: *last }).collect()
    }

    #[test]
    fn adjacent_ranges_become_one() {
        let mut list = Vec::new();
        for range in ranges(&[(1, 2), (3, 3), (5, 6), (7, 7), (4, 4)]) {
            add(&mut list, range);
        }
        assert_eq!(list, ranges(&[(1, 3), (5, 7), (4, 4)]));
    }

    #[test]
    fn ranges_in_no_order_are_sorted_and_merged() {
        let mut list = ranges(&[(7, 9), (1, 2), (8, 8), (3, 4), (12, 12), (9, 10)]);
        normalize(&mut list);
        assert_eq!(list, ranges(&[(1, 4), (7, 10), (12, 12)]));
    }

    #[test]
    fn holes_are_taken_out_of_ranges() {
        let left = without(&ranges(&[(1, 10), (20, 22), (30, 31)]), &ranges(&[(1, 1), (4, 5), (10, 20), (30, 40)]));
        assert_eq!(left, ranges(&[(2, 3), (6, 9), (21, 22)]));
    }
}
