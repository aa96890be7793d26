//! What a death writes into a message.

use types::{MessageRef, Timestamp};

use super::*;

fn short(text: &'static str) -> ShortStr {
    ShortStr::from_static(text)
}

fn letter(reason: DeathReason) -> DeadLetter {
    DeadLetter { number: 1, message: MessageRef::default(), reason, died_at: Timestamp(5_999), delivery_count: 0 }
}

fn message(headers: &[(&'static str, FieldValue)]) -> MessageRecord {
    let headers = FieldTable(headers.iter().map(|(name, value)| (short(name), value.clone())).collect());
    let properties = BasicProperties {
        headers: (!headers.is_empty()).then_some(headers),
        expiration: Some(short("250")),
        priority: Some(3),
        message_id: Some(short("m")),
        ..BasicProperties::default()
    };
    MessageRecord {
        exchange: short("x"),
        routing_key: short("k"),
        properties: properties.to_bytes(),
        body: Bytes::from_static(b"body"),
    }
}

fn array(keys: &[&'static str]) -> FieldValue {
    FieldValue::Array(keys.iter().map(|key| text(key)).collect())
}

fn headers_of(rewritten: &Rewritten) -> FieldTable {
    BasicProperties::decode(rewritten.properties.clone()).unwrap().headers.unwrap()
}

fn death(headers: &FieldTable, at: usize) -> FieldTable {
    let Some(FieldValue::Array(deaths)) = headers.get("x-death") else { panic!("no x-death: {headers:?}") };
    let FieldValue::Table(death) = &deaths[at] else { panic!("no table: {deaths:?}") };
    death.clone()
}

/// The message after a death, as it is stored in the next queue.
fn again(message: &MessageRecord, rewritten: &Rewritten) -> MessageRecord {
    MessageRecord {
        exchange: short("dlx"),
        routing_key: rewritten.routing_keys[0].clone(),
        properties: rewritten.properties.clone(),
        body: message.body.clone(),
    }
}

#[test]
fn the_first_death_is_written_as_rabbitmq_does() {
    let rewritten =
        rewrite(&message(&[("own", FieldValue::I32(1))]), false, &short("q"), &letter(DeathReason::Expired), None)
            .unwrap();
    let headers = headers_of(&rewritten);
    let names: Vec<_> = headers.0.iter().map(|(name, _)| name.to_string_lossy()).collect();
    let expected = [
        "own",
        "x-death",
        "x-first-death-exchange",
        "x-first-death-queue",
        "x-first-death-reason",
        "x-last-death-exchange",
        "x-last-death-queue",
        "x-last-death-reason",
    ];
    assert_eq!(names, expected);
    let expected = FieldTable(vec![
        (short("original-expiration"), text("250")),
        (short("count"), FieldValue::I64(1)),
        (short("reason"), text("expired")),
        (short("queue"), text("q")),
        (short("time"), FieldValue::Timestamp(5)),
        (short("exchange"), text("x")),
        (short("routing-keys"), array(&["k"])),
    ]);
    assert_eq!(death(&headers, 0), expected);
    assert_eq!(headers.get("x-first-death-reason"), Some(&text("expired")));
    assert_eq!(headers.get("x-last-death-exchange"), Some(&text("x")));
    let properties = BasicProperties::decode(rewritten.properties).unwrap();
    assert_eq!((properties.expiration, properties.priority, properties.message_id), (None, Some(3), Some(short("m"))));
}

#[test]
fn a_second_death_in_the_same_place_is_counted_and_comes_first() {
    let one = message(&[]);
    let first = rewrite(&one, false, &short("q"), &letter(DeathReason::Rejected), None).unwrap();
    let two = again(&one, &first);
    let second = rewrite(&two, true, &short("other"), &letter(DeathReason::Expired), None).unwrap();
    let three = again(&two, &second);
    let third = rewrite(&three, true, &short("q"), &letter(DeathReason::Rejected), None).unwrap();
    let headers = headers_of(&third);
    assert_eq!(death(&headers, 0).get("queue"), Some(&text("q")));
    assert_eq!(death(&headers, 0).get("count"), Some(&FieldValue::I64(2)));
    assert_eq!(death(&headers, 0).get("exchange"), Some(&text("x")));
    assert_eq!(death(&headers, 1).get("queue"), Some(&text("other")));
    assert_eq!(death(&headers, 1).get("original-expiration"), None);
    assert_eq!(headers.get("x-first-death-queue"), Some(&text("q")));
    assert_eq!(headers.get("x-first-death-exchange"), Some(&text("x")));
    assert_eq!(headers.get("x-last-death-exchange"), Some(&text("dlx")));
}

#[test]
fn deaths_that_a_client_has_made_up_are_overwritten() {
    let made_up = FieldTable(vec![
        (short("queue"), text("q")),
        (short("reason"), text("expired")),
        (short("count"), FieldValue::I64(99)),
    ]);
    let lying = message(&[
        ("x-death", FieldValue::Array(vec![FieldValue::Table(made_up)])),
        ("x-first-death-queue", text("elsewhere")),
    ]);
    let rewritten = rewrite(&lying, false, &short("q"), &letter(DeathReason::Expired), None).unwrap();
    let headers = headers_of(&rewritten);
    assert_eq!(death(&headers, 0).get("count"), Some(&FieldValue::I64(1)));
    assert_eq!(headers.get("x-first-death-queue"), Some(&text("q")));
}

#[test]
fn the_messages_own_keys_are_used_unless_the_queue_says_otherwise() {
    let copied = message(&[("CC", array(&["c"])), ("BCC", array(&["b"]))]);
    let own = rewrite(&copied, false, &short("q"), &letter(DeathReason::MaxLength), None).unwrap();
    assert_eq!(own.routing_keys, ["k", "c", "b"].map(short));
    let headers = headers_of(&own);
    assert_eq!((headers.get("CC"), headers.get("BCC")), (Some(&array(&["c"])), None));
    assert_eq!(death(&headers, 0).get("routing-keys"), Some(&array(&["k", "c"])));

    let key = short("dead");
    let other = rewrite(&copied, false, &short("q"), &letter(DeathReason::MaxLength), Some(&key)).unwrap();
    assert_eq!(other.routing_keys, [key]);
    let headers = headers_of(&other);
    assert_eq!((headers.get("CC"), headers.get("BCC")), (None, None));
    assert_eq!(death(&headers, 0).get("routing-keys"), Some(&array(&["k", "c"])));
}

#[test]
fn deliveries_that_failed_are_told() {
    let tried = DeadLetter { delivery_count: 21, ..letter(DeathReason::DeliveryLimit) };
    let rewritten = rewrite(&message(&[]), false, &short("q"), &tried, None).unwrap();
    assert_eq!(headers_of(&rewritten).get("x-delivery-count"), Some(&FieldValue::I64(21)));
}

#[test]
fn only_a_rejection_breaks_a_circle() {
    let one = message(&[]);
    let first = rewrite(&one, false, &short("q"), &letter(DeathReason::Expired), None).unwrap();
    assert!(first.is_cycle(&short("q")));
    assert!(!first.is_cycle(&short("other")));
    let two = again(&one, &first);
    let refused = rewrite(&two, true, &short("other"), &letter(DeathReason::Rejected), None).unwrap();
    assert!(!refused.is_cycle(&short("q")));
    let expired = rewrite(&two, true, &short("other"), &letter(DeathReason::Expired), None).unwrap();
    assert!(expired.is_cycle(&short("q")));
}

#[test]
fn an_exchange_that_delays_does_so_once() {
    let delayed = message(&[("x-delay", FieldValue::I32(500))]);
    let mut rewritten = rewrite(&delayed, false, &short("q"), &letter(DeathReason::Rejected), None).unwrap();
    assert_eq!(rewritten.take_delay_ms(), Some(500));
    assert_eq!(headers_of(&rewritten).get("x-delay"), Some(&FieldValue::I32(-500)));
    assert_eq!(rewritten.take_delay_ms(), None);
}
