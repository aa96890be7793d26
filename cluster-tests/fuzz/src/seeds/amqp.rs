//! What clients send.

use amqp_codec::{
    BasicProperties, EncodeMethod,
    frame::{self, FRAME_HEADER_BYTES},
    methods::{basic, channel, confirm, connection, exchange, queue, tx},
    table,
};
use bytes::{Bytes, BytesMut};
use types::{FieldTable, FieldValue, ShortStr};

use super::Seed;
use crate::{input::piece, targets::handshake};

const KEY: ShortStr = ShortStr::from_static("a.b");
const QUEUE: ShortStr = ShortStr::from_static("q");

pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds = vec![
        Seed::new("frames", "session", [handshake(), session()].concat()),
        Seed::new("frames", "settlements", settlements()),
        Seed::new("headers", "all", header(&all_properties())),
        Seed::new("headers", "none", header(&BasicProperties::default())),
        Seed::new("tables", "all", encoded_table(&every_type())),
        Seed::new("tables", "empty", encoded_table(&FieldTable::default())),
        Seed::new("connection", "raw", connection_input(8, &[handshake()[8..].to_vec(), session()].concat())),
        Seed::new("connection", "opened", connection_input(1, &session())),
        Seed::new("connection", "lazy", connection_input(5, &[session(), settlements()].concat())),
        Seed::new("connection", "framed", connection_input(3, &framed_input(&[session(), settlements()].concat()))),
        Seed::new("topics", "words", &b"stock.usd.nyse\nstock.#\n*.usd.*\n#.nyse\nstock.*\n#"[..]),
        Seed::new("topics", "empty-words", &b"..a.\n#.#\n*.*.*.*\n..#\n\n#.a.#.#.*"[..]),
        Seed::new("logins", "plain", &b"\x00\x00guest\x00secret"[..]),
        Seed::new("logins", "amqplain", [&b"\x01"[..], &encoded_table(&login())[4..]].concat()),
        Seed::new("logins", "challenged", &b"\x02My password is secret"[..]),
        Seed::new("logins", "hash", &b"\x03kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"[..]),
    ];
    let payload = |bytes: Vec<u8>| bytes[FRAME_HEADER_BYTES..bytes.len() - 1].to_vec();
    let methods: [(&str, Vec<u8>); 6] = [
        ("declare", method(&declare())),
        ("publish", method(&publish())),
        ("consume", method(&basic::Consume { queue: QUEUE, arguments: every_type(), ..basic::Consume::default() })),
        ("nack", method(&basic::Nack { delivery_tag: 3, multiple: true, requeue: true })),
        ("start-ok", handshake()[8..].to_vec()),
        ("exchange-declare", method(&exchange::Declare { exchange: KEY, type_: KEY, ..exchange::Declare::default() })),
    ];
    seeds.extend(methods.map(|(name, bytes)| Seed::new("methods", name, payload(first_frame(bytes)))));
    seeds
}

fn connection_input(flags: u8, bytes: &[u8]) -> Vec<u8> {
    [&[flags][..], &piece(&[0, 6, 99]), bytes].concat()
}

/// Whole frames as the target `connection` builds them again: kind, channel, and the payload as a piece.
fn framed_input(mut bytes: &[u8]) -> Vec<u8> {
    let mut input = Vec::new();
    while let [kind, _, channel, a, b, c, d, rest @ ..] = bytes {
        let len = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).expect("it is short");
        input.extend([*kind, *channel]);
        input.extend(piece(&rest[..len]));
        bytes = &rest[len + 1..];
    }
    input
}

fn first_frame(bytes: Vec<u8>) -> Vec<u8> {
    let len = u32::from_be_bytes([bytes[3], bytes[4], bytes[5], bytes[6]]);
    let end = FRAME_HEADER_BYTES + usize::try_from(len).expect("it is short") + 1;
    bytes[..end].to_vec()
}

fn method(method: &impl EncodeMethod) -> Vec<u8> {
    let mut buf = BytesMut::new();
    frame::encode_method(&mut buf, 1, method);
    buf.to_vec()
}

fn declare() -> queue::Declare {
    queue::Declare { queue: QUEUE, durable: true, arguments: every_type(), ..queue::Declare::default() }
}

fn publish() -> basic::Publish {
    basic::Publish { exchange: KEY, routing_key: KEY, mandatory: true, ..basic::Publish::default() }
}

/// A channel on which something is published and fetched.
fn session() -> Vec<u8> {
    let mut bytes = method(&channel::Open {});
    bytes.extend(method(&confirm::Select { no_wait: false }));
    bytes.extend(method(&declare()));
    for body in [&b""[..], b"body"] {
        bytes.extend(method(&publish()));
        let mut buf = BytesMut::new();
        let size = u64::try_from(body.len()).expect("it is short");
        frame::encode_content_header(&mut buf, 1, 60, size, &all_properties().to_bytes());
        bytes.extend(buf);
        if !body.is_empty() {
            bytes.extend([3, 0, 1, 0, 0, 0, 4]);
            bytes.extend(body);
            bytes.push(0xce);
        }
    }
    bytes.extend(method(&basic::Get { queue: QUEUE, no_ack: false }));
    bytes.extend([8, 0, 0, 0, 0, 0, 0, 0xce]);
    bytes
}

fn settlements() -> Vec<u8> {
    let mut bytes = method(&channel::Open {});
    bytes.extend(method(&tx::Select {}));
    bytes.extend(method(&basic::Ack { delivery_tag: 2, multiple: true }));
    bytes.extend(method(&basic::Ack { delivery_tag: 3, multiple: false }));
    bytes.extend(method(&basic::Nack { delivery_tag: 4, multiple: false, requeue: false }));
    bytes.extend(method(&tx::Commit {}));
    bytes.extend(method(&basic::Reject { delivery_tag: 5, requeue: true }));
    bytes.extend(method(&basic::Recover { requeue: true }));
    let mut buf = BytesMut::new();
    let close = connection::Close { reply_code: 200, reply_text: KEY, class_id: 0, method_id: 0 };
    frame::encode_method(&mut buf, 0, &close);
    bytes.extend(buf);
    bytes
}

fn header(properties: &BasicProperties) -> Vec<u8> {
    let mut buf = BytesMut::new();
    frame::encode_content_header(&mut buf, 1, 60, 7, &properties.to_bytes());
    buf[FRAME_HEADER_BYTES..buf.len() - 1].to_vec()
}

fn all_properties() -> BasicProperties {
    BasicProperties {
        content_type: Some(KEY),
        headers: Some(every_type()),
        delivery_mode: Some(2),
        priority: Some(5),
        correlation_id: Some(KEY),
        expiration: Some(ShortStr::from_static("1000")),
        timestamp: Some(1_700_000_000),
        user_id: Some(ShortStr::from_static("guest")),
        ..BasicProperties::default()
    }
}

fn login() -> FieldTable {
    let text = |text: &'static str| FieldValue::LongStr(Bytes::from_static(text.as_bytes()));
    FieldTable(vec![
        (ShortStr::from_static("LOGIN"), text("guest")),
        (ShortStr::from_static("PASSWORD"), text("secret")),
    ])
}

fn encoded_table(fields: &FieldTable) -> Vec<u8> {
    let mut buf = BytesMut::new();
    table::encode(fields, &mut buf);
    buf.to_vec()
}

/// A field of each type.
fn every_type() -> FieldTable {
    let text = FieldValue::LongStr(Bytes::from_static(b"text"));
    let inner = FieldTable(vec![(KEY, FieldValue::Bool(true)), (QUEUE, FieldValue::Void)]);
    let values = [
        FieldValue::Bool(true),
        FieldValue::I8(-1),
        FieldValue::U8(1),
        FieldValue::I16(-2),
        FieldValue::U16(2),
        FieldValue::I32(-3),
        FieldValue::U32(3),
        FieldValue::I64(-4),
        FieldValue::F32(0.5),
        FieldValue::F64(0.25),
        FieldValue::Decimal(2, 314),
        text.clone(),
        FieldValue::Array(vec![text, FieldValue::Array(Vec::new()), FieldValue::Table(inner.clone())]),
        FieldValue::Timestamp(1_700_000_000),
        FieldValue::Table(inner),
        FieldValue::Void,
        FieldValue::Bytes(Bytes::from_static(b"\x00\xff")),
    ];
    let name = |at: usize| ShortStr::copy_from(&format!("x-{at}")).expect("it is short");
    FieldTable(values.into_iter().enumerate().map(|(at, value)| (name(at), value)).collect())
}
