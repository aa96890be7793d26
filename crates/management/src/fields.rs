//! Field tables as JSON and back, as RabbitMQ's HTTP API and its definitions write them.

use bytes::Bytes;
use serde_json::{Map, Number, Value};
use types::{FieldTable, FieldValue, ShortStr};

/// Deepest nesting that is read. AMQP's tables are bounded likewise.
const DEPTH_MAX: usize = 32;

/// A JSON value that no field table can hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum FieldsError {
    #[error("arguments have to be an object")]
    NotAnObject,
    #[error("a name of an argument is longer than 255 bytes")]
    LongName,
    #[error("arguments are nested too deeply")]
    Depth,
    #[error("a number is too large")]
    Number,
}

/// A table as a JSON object.
pub(crate) fn to_json(table: &FieldTable) -> Value {
    Value::Object(table.0.iter().map(|(name, value)| (name.to_string(), value_to_json(value))).collect())
}

/// A field's value as JSON. Bytes that are no text are written as text all the same, with marks in place of what is not.
pub(crate) fn value_to_json(value: &FieldValue) -> Value {
    match value {
        FieldValue::Bool(value) => Value::Bool(*value),
        FieldValue::I8(value) => (*value).into(),
        FieldValue::U8(value) => (*value).into(),
        FieldValue::I16(value) => (*value).into(),
        FieldValue::U16(value) => (*value).into(),
        FieldValue::I32(value) => (*value).into(),
        FieldValue::U32(value) => (*value).into(),
        FieldValue::I64(value) => (*value).into(),
        FieldValue::Timestamp(value) => (*value).into(),
        FieldValue::F32(value) => number(f64::from(*value)),
        FieldValue::F64(value) => number(*value),
        FieldValue::Decimal(scale, unscaled) => number(f64::from(*unscaled) / 10f64.powi(i32::from(*scale))),
        FieldValue::LongStr(bytes) | FieldValue::Bytes(bytes) => {
            Value::String(String::from_utf8_lossy(bytes).into_owned())
        }
        FieldValue::Array(items) => Value::Array(items.iter().map(value_to_json).collect()),
        FieldValue::Table(table) => to_json(table),
        FieldValue::Void => Value::Null,
    }
}

/// A JSON object as a table.
pub(crate) fn from_json(value: &Value) -> Result<FieldTable, FieldsError> {
    match value {
        Value::Object(fields) => table(fields, 0),
        // RabbitMQ's older exports write some tables as a list of pairs.
        Value::Array(items) => table_of_pairs(items),
        Value::Null => Ok(FieldTable::default()),
        _ => Err(FieldsError::NotAnObject),
    }
}

fn table_of_pairs(items: &[Value]) -> Result<FieldTable, FieldsError> {
    let mut table = FieldTable::default();
    for item in items {
        let Some([Value::String(name), value]) = item.as_array().map(Vec::as_slice) else {
            return Err(FieldsError::NotAnObject);
        };
        table.push(ShortStr::copy_from(name).map_err(|_| FieldsError::LongName)?, field(value, 0)?);
    }
    Ok(table)
}

fn table(fields: &Map<String, Value>, depth: usize) -> Result<FieldTable, FieldsError> {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        let name = ShortStr::copy_from(name).map_err(|_| FieldsError::LongName)?;
        table.push(name, field(value, depth)?);
    }
    Ok(table)
}

fn field(value: &Value, depth: usize) -> Result<FieldValue, FieldsError> {
    if depth >= DEPTH_MAX {
        return Err(FieldsError::Depth);
    }
    Ok(match value {
        Value::Null => FieldValue::Void,
        Value::Bool(value) => FieldValue::Bool(*value),
        Value::Number(value) => match (value.as_i64(), value.as_f64()) {
            (Some(value), _) => FieldValue::I64(value),
            (None, Some(value)) if !number_is_whole(value) => FieldValue::F64(value),
            _ => return Err(FieldsError::Number),
        },
        Value::String(text) => FieldValue::LongStr(Bytes::copy_from_slice(text.as_bytes())),
        Value::Array(items) => {
            FieldValue::Array(items.iter().map(|item| field(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => FieldValue::Table(table(fields, depth + 1)?),
    })
}

fn number(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// A whole number that is no i64: it was written as an integer, and would be changed.
fn number_is_whole(value: f64) -> bool {
    value.fract() == 0.0 && value.abs() > 1e15
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_json_can_say_comes_back() {
        let value =
            json!({"x-max-length": 10, "f": 0.5, "b": true, "n": null, "s": "text", "a": [1, "x"], "t": {"k": -1}});
        assert_eq!(to_json(&from_json(&value).unwrap()), value);
    }

    #[test]
    fn a_table_may_be_a_list_of_pairs() {
        assert_eq!(from_json(&json!([])), Ok(FieldTable::default()));
        assert_eq!(from_json(&json!([["a", 1]])), from_json(&json!({"a": 1})));
        assert_eq!(from_json(&json!([1])), Err(FieldsError::NotAnObject));
    }

    #[test]
    fn what_no_table_can_hold_is_refused() {
        assert_eq!(from_json(&json!({"a": u64::MAX})), Err(FieldsError::Number));
        assert_eq!(from_json(&json!({ "n".repeat(256): 1 })), Err(FieldsError::LongName));
        let mut deep = json!(1);
        for _ in 0..100 {
            deep = json!([deep]);
        }
        assert_eq!(from_json(&json!({ "a": deep })), Err(FieldsError::Depth));
    }
}
