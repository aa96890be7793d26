//! Reading a segment value by value, each within its range.

use types::Timestamp;

use super::varint;

/// Counters and sequence numbers beyond this are damage: counting on from them must not overflow.
pub(super) const COUNTER_MAX: u64 = 1 << 60;

/// What was read, or what is wrong with it.
pub(super) type Parsed<T> = Result<T, &'static str>;

/// The values that are left of a segment.
pub(super) struct Values<'a>(pub(super) &'a [u8]);

impl Values<'_> {
    /// Any number.
    pub(super) fn value(&mut self) -> Parsed<u64> {
        varint::take(&mut self.0).ok_or("a number is cut short")
    }

    /// A number of 32 bits.
    pub(super) fn small(&mut self) -> Parsed<u32> {
        u32::try_from(self.value()?).map_err(|_| "a number is too large")
    }

    /// A number that is counted on from.
    pub(super) fn counter(&mut self) -> Parsed<u64> {
        let value = self.value()?;
        if value <= COUNTER_MAX { Ok(value) } else { Err("a counter is too large") }
    }

    /// One or zero.
    pub(super) fn flag(&mut self) -> Parsed<bool> {
        match self.value()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err("a flag is neither set nor not"),
        }
    }

    /// One and a number, or zero and zero.
    pub(super) fn option(&mut self) -> Parsed<Option<u64>> {
        match (self.flag()?, self.value()?) {
            (true, value) => Ok(Some(value)),
            (false, 0) => Ok(None),
            (false, _) => Err("what is not there has a value"),
        }
    }

    /// A time plus one, or zero for never.
    pub(super) fn expiry(&mut self) -> Parsed<Timestamp> {
        Ok(Timestamp(self.value()?.wrapping_sub(1)))
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Parsed<()> {
        if self.0.is_empty() { Ok(()) } else { Err("bytes are left over") }
    }
}
