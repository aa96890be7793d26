//! Conversions between numbers, and numbers as people read them.

#![expect(
    clippy::as_conversions,
    reason = "the casts between integers and floats that std has no From for, in one place"
)]

use std::time::Duration;

/// Nanoseconds of a second.
pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// Bytes of a mebibyte.
const MIB: f64 = 1024.0 * 1024.0;

/// For rates and means: exact below 2^53.
pub(crate) fn float(value: u64) -> f64 {
    value as f64
}

/// Cuts the fraction; negative values and NaN are zero.
pub(crate) fn whole(value: f64) -> u64 {
    value as u64
}

/// A count of things in memory.
pub(crate) fn count(value: usize) -> u64 {
    value as u64
}

/// A number from the wire or the command line as an index; saturates on machines with small words.
pub(crate) fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Seconds as nanoseconds.
pub(crate) fn seconds_to_ns(seconds: f64) -> u64 {
    whole(seconds * 1e9)
}

/// Nanoseconds as seconds.
pub(crate) fn ns_to_seconds(ns: u64) -> f64 {
    float(ns) / 1e9
}

/// Per second; zero over no time.
pub(crate) fn rate(amount: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { float(amount) / seconds } else { 0.0 }
}

/// Mebibytes per second for messages of one size.
pub(crate) fn mib_rate(messages_per_second: f64, size: usize) -> f64 {
    messages_per_second * size as f64 / MIB
}

/// A whole number with its thousands set apart: `1,234,567`.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate as people read it: whole from 100 up, else with one decimal.
pub(crate) fn human_rate(per_second: f64) -> String {
    if per_second >= 100.0 { grouped(whole(per_second.round())) } else { format!("{per_second:.1}") }
}

/// A time given in microseconds, in the unit that keeps it short.
pub(crate) fn human_us(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..10_000 => format!("{:.2} ms", float(us) / 1e3),
        10_000..1_000_000 => format!("{:.1} ms", float(us) / 1e3),
        _ => format!("{:.2} s", float(us) / 1e6),
    }
}

/// Reads a positive number of seconds from the command line.
pub(crate) fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("'{text}' is not a number of seconds"))?;
    if Duration::try_from_secs_f64(seconds).is_err() {
        return Err(format!("'{text}' is not a length of time"));
    }
    Ok(seconds)
}

/// Reads a rate: a number that is not negative.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("'{text}' is not a number"))?;
    if rate.is_finite() && rate >= 0.0 { Ok(rate) } else { Err(format!("'{text}' is not a rate")) }
}

/// Reads a whole number with an optional decimal suffix `k` or `M`: `10M` is ten million.
pub(crate) fn parse_amount(text: &str) -> Result<u64, String> {
    parse_with_suffix(text, 1000)
}

/// Reads a size in bytes with an optional binary suffix `k` or `M`: `16k` is 16,384.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let bytes = parse_with_suffix(text, 1024)?;
    usize::try_from(bytes).map_err(|_| format!("'{text}' is too large"))
}

fn parse_with_suffix(text: &str, kilo: u64) -> Result<u64, String> {
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, kilo),
        None => match text.strip_suffix(['m', 'M']) {
            Some(digits) => (digits, kilo * kilo),
            None => (text, 1),
        },
    };
    let value: u64 = digits.parse().map_err(|_| format!("'{text}' is not a whole number"))?;
    value.checked_mul(factor).ok_or_else(|| format!("'{text}' is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn times_keep_three_digits() {
        assert_eq!(human_us(850), "850 us");
        assert_eq!(human_us(1_234), "1.23 ms");
        assert_eq!(human_us(45_600), "45.6 ms");
        assert_eq!(human_us(2_340_000), "2.34 s");
    }

    #[test]
    fn sizes_are_binary_and_amounts_decimal() {
        assert_eq!(parse_size("16k"), Ok(16_384));
        assert_eq!(parse_amount("10M"), Ok(10_000_000));
        assert_eq!(parse_amount("7"), Ok(7));
        assert!(parse_amount("-1").is_err());
        assert!(parse_amount("M").is_err());
        assert!(parse_amount("99999999999999999M").is_err());
    }

    #[test]
    fn seconds_and_rates_must_make_sense() {
        assert_eq!(parse_seconds("2.5"), Ok(2.5));
        assert!(parse_seconds("-1").is_err());
        assert!(parse_seconds("nan").is_err());
        assert_eq!(parse_rate("0"), Ok(0.0));
        assert!(parse_rate("inf").is_err());
    }
}
