//! Field tables (AMQP 0-9-1 §4.2.5.5) with the types that RabbitMQ knows.

use bytes::Bytes;

use crate::{ShortStr, Timestamp};

/// A table of named values. Keeps the order in which they came; of two with the same name, lookups see the first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldTable(pub Vec<(ShortStr, FieldValue)>);

/// One value of a field table. The letter is the type's tag on the wire, as RabbitMQ uses it.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// `t`
    Bool(bool),
    /// `b`
    I8(i8),
    /// `B`
    U8(u8),
    /// `s`
    I16(i16),
    /// `u`
    U16(u16),
    /// `I`
    I32(i32),
    /// `i`
    U32(u32),
    /// `l` (and `L`, which is read but not written)
    I64(i64),
    /// `f`
    F32(f32),
    /// `d`
    F64(f64),
    /// `D`: scale (decimal digits after the point) and unscaled value.
    Decimal(u8, u32),
    /// `S`: any bytes.
    LongStr(Bytes),
    /// `A`
    Array(Vec<FieldValue>),
    /// `T`. Unit on the wire: seconds since the Unix epoch. Held here as it came, in seconds.
    Timestamp(u64),
    /// `F`
    Table(FieldTable),
    /// `V`
    Void,
    /// `x`: any bytes.
    Bytes(Bytes),
}

impl FieldTable {
    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&FieldValue> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// Adds a value at the end.
    pub fn push(&mut self, name: ShortStr, value: FieldValue) {
        self.0.push((name, value));
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FieldValue {
    /// The value as a whole number, whichever of AMQP's integer types it came as.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            FieldValue::I8(v) => Some(i64::from(*v)),
            FieldValue::U8(v) => Some(i64::from(*v)),
            FieldValue::I16(v) => Some(i64::from(*v)),
            FieldValue::U16(v) => Some(i64::from(*v)),
            FieldValue::I32(v) => Some(i64::from(*v)),
            FieldValue::U32(v) => Some(i64::from(*v)),
            FieldValue::I64(v) => Some(*v),
            FieldValue::Bool(_)
            | FieldValue::F32(_)
            | FieldValue::F64(_)
            | FieldValue::Decimal(..)
            | FieldValue::LongStr(_)
            | FieldValue::Array(_)
            | FieldValue::Timestamp(_)
            | FieldValue::Table(_)
            | FieldValue::Void
            | FieldValue::Bytes(_) => None,
        }
    }

    /// The text of a long string, when it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            FieldValue::LongStr(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// RabbitMQ's name of the type, as its error texts use it (`longstr`, `signedint`, ...).
    pub fn type_name(&self) -> &'static str {
        match self {
            FieldValue::Bool(_) => "bool",
            FieldValue::I8(_) => "byte",
            FieldValue::U8(_) => "unsignedbyte",
            FieldValue::I16(_) => "short",
            FieldValue::U16(_) => "unsignedshort",
            FieldValue::I32(_) => "signedint",
            FieldValue::U32(_) => "unsignedint",
            FieldValue::I64(_) => "long",
            FieldValue::F32(_) => "float",
            FieldValue::F64(_) => "double",
            FieldValue::Decimal(..) => "decimal",
            FieldValue::LongStr(_) => "longstr",
            FieldValue::Array(_) => "array",
            FieldValue::Timestamp(_) => "timestamp",
            FieldValue::Table(_) => "table",
            FieldValue::Void => "void",
            FieldValue::Bytes(_) => "binary",
        }
    }
}

impl From<Timestamp> for FieldValue {
    fn from(at: Timestamp) -> Self {
        FieldValue::Timestamp(at.0 / 1000)
    }
}
