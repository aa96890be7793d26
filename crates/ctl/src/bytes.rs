//! Amounts of bytes as RabbitMQ's tools take them: a number, and a unit behind it.

/// Powers of 1024 are written alone or with an i, powers of 1000 with a b alone, in any case.
const UNITS: [(&str, u64); 18] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("ki", 1 << 10),
    ("kib", 1 << 10),
    ("kb", 1_000),
    ("m", 1 << 20),
    ("mi", 1 << 20),
    ("mib", 1 << 20),
    ("mb", 1_000_000),
    ("g", 1 << 30),
    ("gi", 1 << 30),
    ("gib", 1 << 30),
    ("gb", 1_000_000_000),
    ("t", 1 << 40),
    ("ti", 1 << 40),
    ("tib", 1 << 40),
    ("tb", 1_000_000_000_000),
];

/// The number of bytes, such as 1073741824 for `1GiB`; `None` for what is none.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The same as clap takes it.
pub(crate) fn parsed(text: &str) -> Result<u64, String> {
    parse(text).ok_or_else(|| "it has to be an amount of bytes such as 2147483648, 2GiB or 2GB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_rabbitmqs_tools() {
        assert_eq!(parse("512"), Some(512));
        assert_eq!(parse("2GB"), Some(2_000_000_000));
        assert_eq!(parse("2GiB"), Some(2 << 30));
        assert_eq!(parse("2 g"), Some(2 << 30));
        assert_eq!(parse("3kB"), Some(3_000));
        for wrong in ["", "-1", "1.5GB", "1XB", "GB", "99999999999TB"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
