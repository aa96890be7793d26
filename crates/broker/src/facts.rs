//! Headers of messages that the broker itself publishes.

use bytes::Bytes;
use types::{FieldTable, FieldValue, ShortStr};

/// A table in the making.
#[derive(Debug, Default)]
pub(crate) struct Facts(FieldTable);

impl Facts {
    /// Adds a value.
    pub(crate) fn push(&mut self, name: &'static str, value: FieldValue) {
        self.0.push(ShortStr::from_static(name), value);
    }

    /// Adds a name.
    pub(crate) fn text(&mut self, name: &'static str, value: &ShortStr) {
        self.push(name, FieldValue::LongStr(value.bytes()));
    }

    /// Adds a text.
    pub(crate) fn string(&mut self, name: &'static str, value: &str) {
        self.push(name, FieldValue::LongStr(Bytes::copy_from_slice(value.as_bytes())));
    }

    /// Adds a number.
    pub(crate) fn number(&mut self, name: &'static str, value: impl Into<i64>) {
        self.push(name, FieldValue::I64(value.into()));
    }

    /// Adds a yes or no.
    pub(crate) fn flag(&mut self, name: &'static str, value: bool) {
        self.push(name, FieldValue::Bool(value));
    }

    /// Adds a table.
    pub(crate) fn table(&mut self, name: &'static str, value: FieldTable) {
        self.push(name, FieldValue::Table(value));
    }

    /// The table.
    pub(crate) fn into_table(self) -> FieldTable {
        self.0
    }
}
