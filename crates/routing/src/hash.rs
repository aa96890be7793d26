//! Hashes that are the same on every node, in every version and on every machine: they decide which queue a key belongs to.
//!
//! Only operations whose results IEEE 754 and two's complement fix are used; the logarithm of a standard library is not among
//! them.

use types::{FieldValue, ShortStr};

/// Hashes bytes piece by piece (FNV-1a, 64 bits), and mixes the result so that all of its bits can be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StableHash(u64);

impl StableHash {
    pub(crate) fn new() -> Self {
        StableHash(0xcbf2_9ce4_8422_2325)
    }

    #[must_use]
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        bytes
            .iter()
            .fold(self, |hash, byte| StableHash((hash.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)))
    }

    /// Bytes that can be told from those that follow.
    #[must_use]
    pub(crate) fn field(self, bytes: &[u8]) -> Self {
        let length = u64::try_from(bytes.len()).expect("a length has at most 64 bits");
        self.bytes(&length.to_be_bytes()).bytes(bytes)
    }

    /// A header's value. As where headers are compared, the types of whole numbers and of texts do not matter.
    #[must_use]
    pub(crate) fn value(self, value: &FieldValue) -> Self {
        match value {
            FieldValue::LongStr(text) | FieldValue::Bytes(text) => self.bytes(b"s").field(text),
            FieldValue::Timestamp(seconds) => self.bytes(b"T").bytes(&seconds.to_be_bytes()),
            FieldValue::Bool(truth) => self.bytes(if *truth { b"t" } else { b"f" }),
            FieldValue::F32(number) => self.bytes(b"d").bytes(&f64::from(*number).to_bits().to_be_bytes()),
            FieldValue::F64(number) => self.bytes(b"d").bytes(&number.to_bits().to_be_bytes()),
            FieldValue::Decimal(scale, number) => self.bytes(b"D").bytes(&[*scale]).bytes(&number.to_be_bytes()),
            FieldValue::Array(items) => items.iter().fold(self.bytes(b"A"), |hash, item| hash.value(item)).bytes(b"."),
            FieldValue::Table(table) => {
                let field = |hash: Self, (name, value): &(ShortStr, _)| hash.field(name.as_bytes()).value(value);
                table.0.iter().fold(self.bytes(b"F"), field).bytes(b".")
            }
            FieldValue::Void => self.bytes(b"V"),
            FieldValue::I8(_)
            | FieldValue::U8(_)
            | FieldValue::I16(_)
            | FieldValue::U16(_)
            | FieldValue::I32(_)
            | FieldValue::U32(_)
            | FieldValue::I64(_) => {
                let number = value.as_i64().expect("it is one of the types of whole numbers");
                self.bytes(b"i").bytes(&number.to_be_bytes())
            }
        }
    }

    pub(crate) fn finish(self) -> u64 {
        mix(self.0)
    }
}

/// Spreads the bits of a number (the finalizer of SplitMix64, which maps one to one).
pub(crate) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A place below `count`, each as probable as the others, from evenly distributed bits. `count` is not zero.
pub(crate) fn place(bits: u64, count: usize) -> usize {
    let count = u128::try_from(count).expect("a count has at most 64 bits");
    usize::try_from((u128::from(bits) * count) >> 64).expect("it is less than the count")
}

/// An exponentially distributed number above zero (mean 1) from evenly distributed bits.
#[expect(clippy::as_conversions, reason = "53 bits fit in a float")]
pub(crate) fn exponential(bits: u64) -> f64 {
    // Odd, so neither 0 nor 1 comes out: the logarithm exists and is not zero.
    let odd = (bits >> 12) * 2 + 1;
    -logarithm(odd as f64 / (1_u64 << 53) as f64)
}

/// The natural logarithm of a normal number above zero, with an error of less than 10⁻¹³.
fn logarithm(number: f64) -> f64 {
    const EXPONENT_BITS: u64 = 0x7ff;
    const MANTISSA_BITS: u64 = (1 << 52) - 1;
    let bits = number.to_bits();
    let exponent = i32::try_from((bits >> 52) & EXPONENT_BITS).expect("eleven bits") - 1023;
    let mantissa = f64::from_bits((bits & MANTISSA_BITS) | 1.0_f64.to_bits());
    let (mantissa, exponent) =
        if mantissa > std::f64::consts::SQRT_2 { (mantissa / 2.0, exponent + 1) } else { (mantissa, exponent) };
    // ln m = 2 (s + s³/3 + s⁵/5 + …) with s = (m - 1) / (m + 1), here at most 0.172.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (0..9_u8).rev().fold(0.0, |sum, term| sum * square + 1.0 / (2.0 * f64::from(term) + 1.0));
    f64::from(exponent) * std::f64::consts::LN_2 + 2.0 * s * series
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_logarithm_is_that_of_the_library(bits in any::<u64>()) {
            let ours = exponential(bits);
            let odd = (bits >> 12) * 2 + 1;
            #[expect(clippy::as_conversions, reason = "53 bits fit in a float")]
            let theirs = -(odd as f64 / 2.0_f64.powi(53)).ln();
            prop_assert!(ours > 0.0 && (ours - theirs).abs() <= 1e-12 * theirs, "{ours} {theirs}");
        }

        #[test]
        fn a_place_is_below_the_count(bits in any::<u64>(), count in 1..=usize::MAX) {
            prop_assert!(place(bits, count) < count);
        }
    }

    #[test]
    fn the_logarithm_is_exact_enough_at_the_ends() {
        assert!((exponential(u64::MAX) - 2.0_f64.powi(-53)).abs() < 1e-28);
        assert!((exponential(0) - 53.0 * std::f64::consts::LN_2).abs() < 1e-12);
    }

    #[test]
    fn hashes_never_change() {
        assert_eq!(StableHash::new().bytes(b"").finish(), mix(0xcbf2_9ce4_8422_2325));
        assert_eq!(StableHash::new().bytes(b"a").finish(), mix(0xaf63_dc4c_8601_ec8c), "FNV-1a's published vector");
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf, "SplitMix64's first number from seed 0");
    }

    #[test]
    fn values_hash_alike_whatever_integer_type_they_came_as() {
        let hash = |value: FieldValue| StableHash::new().value(&value).finish();
        assert_eq!(hash(FieldValue::I8(5)), hash(FieldValue::I64(5)));
        assert_ne!(hash(FieldValue::I8(5)), hash(FieldValue::F64(5.0)));
        let array = |items: &[i64]| FieldValue::Array(items.iter().map(|item| FieldValue::I64(*item)).collect());
        let nested = |a, b| hash(FieldValue::Array(vec![a, b]));
        assert_ne!(nested(array(&[1]), array(&[2, 3])), nested(array(&[1, 2]), array(&[3])));
    }
}
