//! Which arguments a queue may be declared with.

use bytes::Bytes;

use super::*;

fn text(text: &'static str) -> FieldValue {
    FieldValue::LongStr(Bytes::from_static(text.as_bytes()))
}

fn table(fields: &[(&'static str, FieldValue)]) -> FieldTable {
    FieldTable(fields.iter().map(|(name, value)| (ShortStr::from_static(name), value.clone())).collect())
}

fn refusal(fields: &[(&'static str, FieldValue)]) -> Option<(&'static str, InvalidArg)> {
    let (vhost, queue) = (ShortStr::from_static("/"), ShortStr::from_static("q"));
    match check_queue_arguments(&vhost, &queue, &table(fields)) {
        Ok(()) => None,
        Err(Refusal::InvalidArg { resource, arg, reason }) => {
            assert_eq!(resource, Resource::queue(&vhost, &queue));
            Some((arg, reason))
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn word(word: &'static str) -> InvalidArg {
    InvalidArg::Word(word)
}

#[test]
fn valid_arguments_of_all_kinds_are_accepted() {
    let fields = [
        ("x-expires", FieldValue::I32(1)),
        ("x-message-ttl", FieldValue::U8(0)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("k")),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-max-length", FieldValue::I64(i64::MAX)),
        ("x-max-length-bytes", FieldValue::U32(0)),
        ("x-max-priority", FieldValue::I16(255)),
        ("x-overflow", text("reject-publish-dlx")),
        ("x-single-active-consumer", FieldValue::Bool(true)),
        ("x-quorum-initial-group-size", FieldValue::I8(3)),
        ("x-queue-leader-locator", text("balanced")),
        ("x-delivery-limit", FieldValue::I8(-1)),
        ("x-delayed-retry-type", text("failed")),
    ];
    assert_eq!(refusal(&fields), None);
    for field in fields {
        if field.0 != "x-dead-letter-routing-key" {
            assert_eq!(refusal(std::slice::from_ref(&field)), None, "{field:?}");
        }
    }
}

#[test]
fn arguments_without_effect_are_accepted_whatever_they_say() {
    for name in
        ["x-queue-mode", "x-queue-version", "x-max-in-memory-length", "x-queue-master-locator", "x-mine", "mine"]
    {
        assert_eq!(refusal(&[(name, FieldValue::Void)]), None, "{name}");
    }
}

#[test]
fn values_that_cannot_be_are_refused_with_the_reason() {
    let cases = [
        ("x-expires", FieldValue::I32(0), InvalidArg::Zero(0)),
        ("x-expires", FieldValue::I32(-1), InvalidArg::Negative(-1)),
        ("x-message-ttl", FieldValue::I64(-7), InvalidArg::Negative(-7)),
        ("x-message-ttl", FieldValue::I64(EXPIRY_MS_MAX + 1), InvalidArg::TooBig(EXPIRY_MS_MAX + 1)),
        ("x-message-ttl", text("60000"), InvalidArg::NotInteger("longstr")),
        ("x-max-length", FieldValue::I8(-5), InvalidArg::Negative(-5)),
        ("x-max-length-bytes", FieldValue::F64(5.0), InvalidArg::NotInteger("double")),
        ("x-max-priority", FieldValue::I16(256), InvalidArg::MaxExceeded(256)),
        ("x-overflow", text("drop-tail"), word("invalid_overflow")),
        ("x-overflow", FieldValue::Bool(true), InvalidArg::UnacceptableType("bool")),
        ("x-single-active-consumer", text("true"), InvalidArg::UnacceptableType("longstr")),
        ("x-dead-letter-routing-key", text("k"), word("routing_key_but_no_dlx_defined")),
        ("x-dead-letter-strategy", text("twice"), word("invalid_dlx_strategy")),
        ("x-quorum-initial-group-size", FieldValue::I32(0), InvalidArg::Zero(0)),
        ("x-queue-leader-locator", text("here"), word("invalid_queue_locator_arg")),
        ("x-delivery-limit", FieldValue::Void, InvalidArg::NotInteger("void")),
    ];
    for (name, value, reason) in cases {
        assert_eq!(refusal(&[(name, value)]), Some((name, reason)));
    }
}

#[test]
fn the_type_is_classic_unless_declared_otherwise() {
    let declared = |fields: &[(&'static str, FieldValue)]| {
        declared_queue_type(&ShortStr::from_static("/"), &ShortStr::from_static("q"), &table(fields))
    };
    assert_eq!(declared(&[]), Ok(QueueType::Classic));
    assert_eq!(declared(&[("x-queue-type", text("classic"))]), Ok(QueueType::Classic));
    assert_eq!(declared(&[("x-queue-type", text("quorum"))]), Ok(QueueType::Quorum));
    assert_eq!(
        declared(&[("x-queue-type", text("stream"))]).unwrap_err().reply_text(),
        "invalid arg 'x-queue-type' for queue 'q' in vhost '/': \"unsupported queue type 'stream'\""
    );
    assert_eq!(
        declared(&[("x-queue-type", FieldValue::I32(1))]).unwrap_err().reply_text(),
        "invalid arg 'x-queue-type' for queue 'q' in vhost '/': {unacceptable_type,signedint}"
    );
}
