//! Copies of values in memory of their own. What a command holds is cut from a log entry's bytes, and would keep them all.

use bytes::Bytes;
use types::{FieldTable, FieldValue};

use crate::PasswordHash;

pub(crate) fn table(table: &FieldTable) -> FieldTable {
    FieldTable(table.0.iter().map(|(name, field)| (name.compact(), value(field))).collect())
}

pub(crate) fn password(hash: &PasswordHash) -> PasswordHash {
    PasswordHash { algorithm: hash.algorithm, salted: Bytes::copy_from_slice(&hash.salted) }
}

fn value(field: &FieldValue) -> FieldValue {
    match field {
        FieldValue::LongStr(bytes) => FieldValue::LongStr(Bytes::copy_from_slice(bytes)),
        FieldValue::Bytes(bytes) => FieldValue::Bytes(Bytes::copy_from_slice(bytes)),
        FieldValue::Array(values) => FieldValue::Array(values.iter().map(value).collect()),
        FieldValue::Table(fields) => FieldValue::Table(table(fields)),
        FieldValue::Bool(_)
        | FieldValue::I8(_)
        | FieldValue::U8(_)
        | FieldValue::I16(_)
        | FieldValue::U16(_)
        | FieldValue::I32(_)
        | FieldValue::U32(_)
        | FieldValue::I64(_)
        | FieldValue::F32(_)
        | FieldValue::F64(_)
        | FieldValue::Decimal(..)
        | FieldValue::Timestamp(_)
        | FieldValue::Void => field.clone(),
    }
}
