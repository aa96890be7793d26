//! Why bytes could not be read. Methods, tables and properties share it; frames have an error of their own.

/// A method's arguments, a field table or a property list do not have the layout they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end before the value does.
    #[error("the bytes end too early")]
    CutShort,
    /// Bytes are left over after the last value. Holds their number.
    #[error("{0} bytes too many")]
    LeftOver(usize),
    /// A field value has a tag that RabbitMQ does not know either.
    #[error("unknown field value type {0}")]
    UnknownFieldType(u8),
    /// A field table is nested deeper than [`crate::table::DEPTH_MAX`].
    #[error("a field table is nested deeper than {0} levels")]
    TooDeep(u32),
    /// The property flags name properties that class basic does not have.
    #[error("property flags {0:#06x} name unknown properties")]
    UnknownProperties(u16),
    /// A content header's weight, which must be zero. Holds the weight.
    #[error("content header has weight {0}")]
    Weight(u16),
}
