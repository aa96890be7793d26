//! Every refusal's code and text, as RabbitMQ gives them.

use types::ShortStr;

use super::*;
use crate::{BindingInvalid, Inequivalence, QueueType};

fn queue() -> Resource {
    Resource::queue(&ShortStr::from_static("/"), &ShortStr::from_static("q"))
}

fn exchange(name: &'static str) -> Resource {
    Resource::exchange(&ShortStr::from_static("/"), &ShortStr::from_static(name))
}

fn inequivalent(arg: &'static str, received: Shown, current: Shown) -> Refusal {
    Refusal::Inequivalent(Box::new(Inequivalence { resource: queue(), arg, received, current }))
}

fn invalid_arg(arg: &'static str, reason: InvalidArg) -> Refusal {
    Refusal::InvalidArg { resource: queue(), arg, reason }
}

fn value(text: &str) -> Shown {
    Shown::Value(text.to_owned())
}

fn assert_table(table: &[(Refusal, u16, &str)]) {
    for (refusal, code, text) in table {
        assert_eq!((refusal.reply_code(), refusal.reply_text().as_str()), (*code, *text));
    }
}

#[test]
fn refusals_about_names_have_rabbitmqs_codes_and_texts() {
    assert_table(&[
        (Refusal::NoSuchVhost(ShortStr::from_static("v")), 530, "vhost v not found"),
        (Refusal::NotFound(queue()), 404, "no queue 'q' in vhost '/'"),
        (Refusal::NotFound(exchange("x")), 404, "no exchange 'x' in vhost '/'"),
        (Refusal::InUse(queue()), 406, "queue 'q' in vhost '/' in use"),
        (Refusal::InUse(exchange("x")), 406, "exchange 'x' in vhost '/' in use"),
        (Refusal::NotEmpty(queue()), 406, "queue 'q' in vhost '/' not empty"),
        (Refusal::ReservedName(exchange("amq.x")), 403, "exchange name 'amq.x' contains reserved prefix 'amq.*'"),
        (Refusal::ReservedName(queue()), 403, "queue name 'q' contains reserved prefix 'amq.*'"),
        (Refusal::DefaultExchange, 403, "operation not permitted on the default exchange"),
        (
            Refusal::SystemExchange(exchange("amq.direct")),
            403,
            "deletion of system exchange 'amq.direct' in vhost '/' not allowed",
        ),
        (
            Refusal::Locked(queue()),
            405,
            "cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared on another \
             connection or the exclusive property value does not match that of the original declaration.",
        ),
        (Refusal::UnknownExchangeType(ShortStr::from_static("x")), 406, "unknown exchange type 'x'"),
    ]);
}

#[test]
fn equivalence_failures_have_rabbitmqs_texts() {
    let quorum = Shown::Typed { value: "quorum".to_owned(), type_name: "longstr" };
    assert_table(&[
        (
            inequivalent("durable", value("false"), value("true")),
            406,
            "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'",
        ),
        (
            inequivalent("x-queue-type", Shown::None, quorum),
            406,
            "inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received none but current is the value 'quorum' \
             of type 'longstr'",
        ),
    ]);
}

#[test]
fn invalid_declares_have_rabbitmqs_texts() {
    assert_table(&[
        (
            invalid_arg("x-max-length", InvalidArg::Negative(-5)),
            406,
            "invalid arg 'x-max-length' for queue 'q' in vhost '/': {value_negative,-5}",
        ),
        (
            invalid_arg("x-queue-type", InvalidArg::UnsupportedQueueType("fake-queue-type".to_owned())),
            406,
            "invalid arg 'x-queue-type' for queue 'q' in vhost '/': \"unsupported queue type 'fake-queue-type'\"",
        ),
        (
            invalid_arg("x-max-length", InvalidArg::NotInteger("longstr")),
            406,
            "invalid arg 'x-max-length' for queue 'q' in vhost '/': \"expected integer, got longstr\"",
        ),
        (
            invalid_arg("x-overflow", InvalidArg::UnacceptableType("long")),
            406,
            "invalid arg 'x-overflow' for queue 'q' in vhost '/': {unacceptable_type,long}",
        ),
        (
            Refusal::InvalidArgType { resource: queue(), arg: "x-dead-letter-exchange", type_name: "signedint" },
            406,
            "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'",
        ),
        (
            Refusal::InvalidProperty { resource: queue(), property: "non-durable" },
            406,
            "invalid property 'non-durable' for queue 'q' in vhost '/'",
        ),
        (
            Refusal::ServerNamed(QueueType::Quorum),
            406,
            "Cannot declare a server-named queue for type rabbit_quorum_queue",
        ),
        (
            Refusal::BindingInvalid(BindingInvalid::Match("some".to_owned())),
            406,
            "Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or any-with-x",
        ),
        (
            Refusal::BindingInvalid(BindingInvalid::MatchType { type_name: "signedint", value: "7".to_owned() }),
            406,
            "Invalid x-match field type signedint (value 7); expected longstr",
        ),
    ]);
}

#[test]
fn values_are_shown_as_erlang_terms() {
    let text = |text: &'static str| FieldValue::LongStr(bytes::Bytes::from_static(text.as_bytes()));
    for (value, shown) in [
        (text("a"), "a"),
        (FieldValue::U8(7), "7"),
        (FieldValue::Bool(true), "true"),
        (FieldValue::F64(1.0), "1.0"),
        (FieldValue::Void, "undefined"),
        (FieldValue::Array(vec![FieldValue::I32(1), text("b")]), "[{signedint,1},{longstr,<<\"b\">>}]"),
        (
            FieldValue::Table(FieldTable(vec![(ShortStr::from_static("k"), FieldValue::Bool(false))])),
            "[{<<\"k\">>,bool,false}]",
        ),
    ] {
        assert_eq!(show(&value), shown);
    }
}
