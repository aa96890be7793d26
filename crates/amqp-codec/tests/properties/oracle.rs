//! The same methods, tables and properties in the types of another codec.

use amq_protocol::{
    frame::{AMQPFrame, WriteContext, gen_frame, parse_frame},
    protocol::{self, AMQPClass, BasicProperties as TheirProperties},
    types as theirs,
};
use amqp_codec::{BasicProperties, Method};
use bytes::Bytes;
use types::{FieldTable, FieldValue, ShortStr};

use crate::generators::for_all_methods;

/// A type of argument and its counterpart.
trait Convert<Theirs> {
    fn convert(&self) -> Theirs;
}

macro_rules! same {
    ($($scalar:ty),*) => {$(
        impl Convert<$scalar> for $scalar {
            fn convert(&self) -> $scalar {
                *self
            }
        }
    )*};
}
same!(bool, u8, u16, u32, u64);

impl Convert<theirs::ShortString> for ShortStr {
    fn convert(&self) -> theirs::ShortString {
        theirs::ShortString::from(self.as_str().expect("strict rules make UTF-8"))
    }
}

impl Convert<theirs::LongString> for Bytes {
    fn convert(&self) -> theirs::LongString {
        theirs::LongString::from(self.to_vec())
    }
}

impl Convert<theirs::FieldTable> for FieldTable {
    fn convert(&self) -> theirs::FieldTable {
        let mut table = theirs::FieldTable::default();
        for (name, field) in &self.0 {
            table.insert(name.convert(), value(field));
        }
        table
    }
}

fn value(field: &FieldValue) -> theirs::AMQPValue {
    use theirs::AMQPValue;
    match field {
        FieldValue::Bool(v) => AMQPValue::Boolean(*v),
        FieldValue::I8(v) => AMQPValue::ShortShortInt(*v),
        FieldValue::U8(v) => AMQPValue::ShortShortUInt(*v),
        FieldValue::I16(v) => AMQPValue::ShortInt(*v),
        FieldValue::U16(v) => AMQPValue::ShortUInt(*v),
        FieldValue::I32(v) => AMQPValue::LongInt(*v),
        FieldValue::U32(v) => AMQPValue::LongUInt(*v),
        FieldValue::I64(v) => AMQPValue::LongLongInt(*v),
        FieldValue::F32(v) => AMQPValue::Float(*v),
        FieldValue::F64(v) => AMQPValue::Double(*v),
        FieldValue::Decimal(scale, value) => {
            AMQPValue::DecimalValue(theirs::DecimalValue { scale: *scale, value: *value })
        }
        FieldValue::LongStr(v) => AMQPValue::LongString(v.convert()),
        FieldValue::Array(v) => AMQPValue::FieldArray(v.iter().map(value).collect::<Vec<_>>().into()),
        FieldValue::Timestamp(v) => AMQPValue::Timestamp(*v),
        FieldValue::Table(v) => AMQPValue::FieldTable(v.convert()),
        FieldValue::Void => AMQPValue::Void,
        FieldValue::Bytes(v) => AMQPValue::ByteArray(v.to_vec().into()),
    }
}

macro_rules! conversions {
    ($($variant:ident $class:ident $name:ident { $($field:ident),* ; $($ours:ident $theirs:ident),* })*) => {
        /// A method in the other codec's types, field by field.
        pub(crate) fn method(method: &Method) -> AMQPClass {
            match method {
                $(Method::$variant(_ours) => {
                    let theirs = protocol::$class::$name {
                        $($field: _ours.$field.convert(),)*
                        $($theirs: _ours.$ours.convert(),)*
                    };
                    protocol::$class::AMQPMethod::$name(theirs).lift()
                })*
                Method::BasicQos(ours) => {
                    let theirs = protocol::basic::Qos { prefetch_count: ours.prefetch_count, global: ours.global };
                    protocol::basic::AMQPMethod::Qos(theirs).lift()
                }
                Method::AccessRequestOk(_) => {
                    protocol::access::AMQPMethod::RequestOk(protocol::access::RequestOk {}).lift()
                }
            }
        }
    };
}
for_all_methods!(conversions);

/// Lifts a class's method into the enum of all.
macro_rules! lift {
    ($($class:ident $variant:ident),*) => {$(
        impl Lift for protocol::$class::AMQPMethod {
            fn lift(self) -> AMQPClass {
                AMQPClass::$variant(self)
            }
        }
    )*};
}
trait Lift {
    fn lift(self) -> AMQPClass;
}
lift!(connection Connection, channel Channel, access Access, exchange Exchange, queue Queue, basic Basic, confirm Confirm, tx Tx);

pub(crate) fn properties(ours: &BasicProperties) -> TheirProperties {
    let mut theirs = TheirProperties::default();
    macro_rules! set {
        ($($field:ident $with:ident),*) => {$(
            if let Some(field) = &ours.$field {
                theirs = theirs.$with(field.convert());
            }
        )*};
    }
    set!(content_type with_content_type, content_encoding with_content_encoding, headers with_headers);
    set!(delivery_mode with_delivery_mode, priority with_priority, correlation_id with_correlation_id);
    set!(reply_to with_reply_to, expiration with_expiration, message_id with_message_id, timestamp with_timestamp);
    set!(type_ with_type, user_id with_user_id, app_id with_app_id, cluster_id with_cluster_id);
    theirs
}

/// All frames in the bytes, as the other codec reads them.
pub(crate) fn read_frames(mut bytes: &[u8]) -> Vec<AMQPFrame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (rest, frame) = parse_frame(bytes).expect("the other codec reads what we write");
        frames.push(frame);
        bytes = rest;
    }
    frames
}

/// A frame as the other codec writes it.
pub(crate) fn write_frame(frame: &AMQPFrame) -> Vec<u8> {
    let context = WriteContext::from(Vec::new());
    gen_frame(frame)(context).expect("a vector takes any frame").into_inner().0
}
