//! Dead letters and their sources as numbers.

use types::{QueueId, Timestamp};

use super::values::{COUNTER_MAX, Parsed, Values};
use crate::{
    DeathReason,
    letters::{Letter, LetterCounters, Letters, reason_index},
    number,
    sources::{Source, Sources},
};

/// A queue's dead letters, without the letters.
pub(super) fn to_values(letters: &Letters) -> Vec<u64> {
    let LetterCounters { made, settled, dropped } = letters.counters;
    let mut values = vec![letters.next_number, letters.told_up_to];
    values.extend(made);
    values.extend([settled, dropped]);
    values
}

/// As it was.
pub(super) fn from_values(values: &mut Values<'_>) -> Parsed<Letters> {
    let mut letters = Letters::default();
    letters.next_number = values.counter()?;
    letters.told_up_to = values.counter()?;
    for made in &mut letters.counters.made {
        *made = values.counter()?;
    }
    letters.counters.settled = values.counter()?;
    letters.counters.dropped = values.counter()?;
    Ok(letters)
}

/// One letter, after its number or the time when it is due.
pub(super) fn letter_to_values(first: u64, letter: &Letter) -> [u64; 7] {
    let Letter { index, died_at, slot, size, delivery_count, reason } = *letter;
    let (slot, size, delivery_count) = (u64::from(slot), u64::from(size), u64::from(delivery_count));
    [first, index, slot, size, delivery_count, number::count(reason_index(reason)), died_at.0]
}

/// As it was.
pub(super) fn letter_from_values(values: &mut Values<'_>) -> Parsed<(u64, Letter)> {
    let (first, index) = (values.value()?, values.value()?);
    let (slot, size, delivery_count) = (values.small()?, values.small()?, values.small()?);
    let reason = match values.value()? {
        0 => DeathReason::Rejected,
        1 => DeathReason::Expired,
        2 => DeathReason::MaxLength,
        3 => DeathReason::DeliveryLimit,
        _ => return Err("an unknown reason of death"),
    };
    let died_at = Timestamp(values.value()?);
    Ok((first, Letter { index, died_at, slot, size, delivery_count, reason }))
}

/// A source of dead letters.
pub(super) fn source_to_values(queue: QueueId, source: &Source) -> Vec<u64> {
    let mut values = vec![queue.0, source.up_to, number::count(source.refused.len())];
    let mut last = 0;
    for number in &source.refused {
        values.push(number - last);
        last = *number;
    }
    values
}

/// As it was.
pub(super) fn source_from_values(values: &mut Values<'_>, sources: &mut Sources) -> Parsed<()> {
    let queue = QueueId(values.value()?);
    let mut source = Source { up_to: values.value()?, ..Source::default() };
    let mut last = 0_u64;
    for _ in 0..values.value()? {
        last = last
            .checked_add(values.value()?)
            .filter(|number| *number <= source.up_to)
            .ok_or("a number is too large")?;
        source.refused.insert(last);
    }
    if source.up_to > COUNTER_MAX || !sources.restore(queue, source) {
        return Err("sources of dead letters are out of order");
    }
    Ok(())
}
