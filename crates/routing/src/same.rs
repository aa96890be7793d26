//! Two ways in which field values are equal: bit by bit, which tells bindings apart, and as RabbitMQ compares headers.

use types::{FieldTable, FieldValue};

/// Whether two tables are the same binding arguments, in any order.
pub(crate) fn same_arguments(a: &FieldTable, b: &FieldTable) -> bool {
    if a.0.len() != b.0.len() {
        return false;
    }
    let (a, b) = (sorted(a), sorted(b));
    a.iter().zip(&b).all(|((name_a, value_a), (name_b, value_b))| name_a == name_b && same(value_a, value_b))
}

/// Like `==`, but a float that is not a number is the same as itself.
fn same(a: &FieldValue, b: &FieldValue) -> bool {
    match (a, b) {
        (FieldValue::F32(a), FieldValue::F32(b)) => a.to_bits() == b.to_bits(),
        (FieldValue::F64(a), FieldValue::F64(b)) => a.to_bits() == b.to_bits(),
        (FieldValue::Array(a), FieldValue::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (FieldValue::Table(a), FieldValue::Table(b)) => {
            a.0.len() == b.0.len() && a.0.iter().zip(&b.0).all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1))
        }
        (a, b) => a == b,
    }
}

/// By name; equal names stay in their order.
pub(crate) fn sorted(table: &FieldTable) -> Vec<&(types::ShortStr, FieldValue)> {
    let mut fields: Vec<_> = table.0.iter().collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields
}

/// Whether a header has the value that a binding asks for. The types of whole numbers do not matter, nor whether a text came
/// as long string or as bytes: RabbitMQ compares Erlang terms without their AMQP types, and exactly, so that no float equals a
/// whole number. What is inside an array or a table is compared with its types. (RabbitMQ reads a timestamp among the headers
/// as milliseconds and one among the arguments as seconds, so that these never match; here they do.)
pub(crate) fn header_matches(wanted: &FieldValue, header: &FieldValue) -> bool {
    if let (Some(a), Some(b)) = (text(wanted), text(header)) {
        return a == b;
    }
    if let (Some(a), Some(b)) = (whole(wanted), whole(header)) {
        return a == b;
    }
    match (float(wanted), float(header)) {
        (Some(a), Some(b)) => a.to_bits() == b.to_bits(),
        (None, None) => same(wanted, header),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn text(value: &FieldValue) -> Option<&[u8]> {
    match value {
        FieldValue::LongStr(bytes) | FieldValue::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

fn whole(value: &FieldValue) -> Option<i128> {
    match value {
        FieldValue::Timestamp(seconds) => Some(i128::from(*seconds)),
        value => value.as_i64().map(i128::from),
    }
}

fn float(value: &FieldValue) -> Option<f64> {
    match value {
        FieldValue::F32(number) => Some(f64::from(*number)),
        FieldValue::F64(number) => Some(*number),
        _ => None,
    }
}
