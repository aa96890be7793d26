//! The property `expiration`: decimal digits, milliseconds.

use types::ShortStr;

use crate::failure::Failure;

/// RabbitMQ's limit of timers: ten years. Unit: milliseconds.
const EXPIRATION_MS_MAX: i64 = 315_360_000_000;

/// The number of milliseconds; what is none is refused in RabbitMQ's words.
pub(crate) fn parse(expiration: &ShortStr) -> Result<u64, Failure> {
    let text = expiration.to_string_lossy();
    let why = match leading_integer(&text) {
        None => "no_integer".to_owned(),
        Some((value, "")) if value < 0 => format!("{{value_negative,{value}}}"),
        Some((value, "")) if value > EXPIRATION_MS_MAX => format!("{{value_too_large,{value}}}"),
        Some((value, "")) => return Ok(value.unsigned_abs()),
        Some((_, rest)) => format!("{{leftover_string,{rest:?}}}"),
    };
    Err(Failure::precondition(format!("invalid expiration '{text}': {why}")))
}

/// The number that a text begins with, and what follows it.
fn leading_integer(text: &str) -> Option<(i64, &str)> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return None;
    }
    let (number, rest) = text.split_at(text.len() - unsigned.len() + digits);
    let saturated = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    Some((number.parse().unwrap_or(saturated), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &'static str) -> String {
        parse(&ShortStr::from_static(text)).unwrap_err().text
    }

    #[test]
    fn milliseconds_up_to_ten_years_are_taken() {
        for (text, ms) in [("0", 0), ("60000", 60_000), ("+5", 5), ("315360000000", 315_360_000_000)] {
            assert_eq!(parse(&ShortStr::from_static(text)), Ok(ms));
        }
    }

    #[test]
    fn everything_else_is_refused_in_rabbitmqs_words() {
        assert_eq!(refusal("soon"), "invalid expiration 'soon': no_integer");
        assert_eq!(refusal("-1"), "invalid expiration '-1': {value_negative,-1}");
        assert_eq!(refusal("10s"), "invalid expiration '10s': {leftover_string,\"s\"}");
        assert_eq!(refusal("315360000001"), "invalid expiration '315360000001': {value_too_large,315360000001}");
    }
}
