//! What a message's death does to its properties: `x-death` and the headers beside it, as RabbitMQ writes them.

use amqp_codec::BasicProperties;
use bytes::Bytes;
use queue::{DeadLetter, DeathReason};
use types::{FieldTable, FieldValue, MessageRecord, ShortStr};

use crate::session::wishes;

const DEATHS: ShortStr = ShortStr::from_static("x-death");
const DELIVERY_COUNT: ShortStr = ShortStr::from_static("x-delivery-count");
const FIRST: [ShortStr; 3] = [
    ShortStr::from_static("x-first-death-reason"),
    ShortStr::from_static("x-first-death-queue"),
    ShortStr::from_static("x-first-death-exchange"),
];
const LAST: [ShortStr; 3] = [
    ShortStr::from_static("x-last-death-reason"),
    ShortStr::from_static("x-last-death-queue"),
    ShortStr::from_static("x-last-death-exchange"),
];

/// A message after its death.
#[derive(Debug)]
pub(crate) struct Rewritten {
    /// Its properties.
    pub(crate) properties: Bytes,
    /// Its priority.
    pub(crate) priority: Option<u8>,
    /// Its routing keys; the first is shown to consumers.
    pub(crate) routing_keys: Vec<ShortStr>,
    /// Where and why it died, the last death first.
    deaths: Vec<(Bytes, bool)>,
}

/// The word for it.
pub(crate) fn word(reason: DeathReason) -> &'static str {
    match reason {
        DeathReason::Rejected => "rejected",
        DeathReason::Expired => "expired",
        DeathReason::MaxLength => "maxlen",
        DeathReason::DeliveryLimit => "delivery_limit",
    }
}

/// Rewrites a message that has died in that queue. `is_dead_letter`: its `x-death` is the broker's own, from an earlier death;
/// else a client has put it there, and it is overwritten. `None` when the properties cannot be read.
pub(crate) fn rewrite(
    message: &MessageRecord,
    is_dead_letter: bool,
    queue: &ShortStr,
    letter: &DeadLetter,
    dead_letter_key: Option<&ShortStr>,
) -> Option<Rewritten> {
    let mut properties = BasicProperties::decode(message.properties.clone()).ok()?;
    let mut headers = properties.headers.take().unwrap_or_default();
    let (cc, bcc) = (keys(&headers, "CC"), keys(&headers, "BCC"));
    let mut deaths = if is_dead_letter { tables(&headers) } else { Vec::new() };
    let expiration = properties.expiration.take();
    let own_keys: Vec<ShortStr> = std::iter::once(message.routing_key.clone()).chain(cc).collect();
    let death = match position(&deaths, queue, letter.reason) {
        Some(at) => once_more(deaths.remove(at)),
        None => first_time(message, &own_keys, expiration, queue, letter),
    };
    deaths.insert(0, death);
    let summary = summary(&deaths);
    set_headers(&mut headers, deaths, is_dead_letter, message, queue, letter);
    headers.0.retain(|(name, _)| name != "BCC" && (dead_letter_key.is_none() || name != "CC"));
    let routing_keys = match dead_letter_key {
        Some(key) => vec![key.clone()],
        None => own_keys.into_iter().chain(bcc).collect(),
    };
    properties.headers = Some(headers);
    let raw = properties.to_bytes();
    Some(Rewritten { properties: raw, priority: properties.priority, routing_keys, deaths: summary })
}

impl Rewritten {
    /// How long an exchange that delays is to keep the message, which then says that it was kept. Unit: milliseconds.
    pub(crate) fn take_delay_ms(&mut self) -> Option<u64> {
        let (delay_ms, passed) = wishes::take_delay(&self.properties)?;
        self.properties = passed;
        Some(delay_ms)
    }

    /// Whether the message has come from that queue before, and nobody has refused it since: a circle that would never end.
    pub(crate) fn is_cycle(&self, target: &ShortStr) -> bool {
        let known = self.deaths.iter().position(|(queue, _)| queue[..] == *target.as_bytes());
        known.is_some_and(|at| self.deaths[..=at].iter().all(|(_, is_rejected)| !is_rejected))
    }
}

fn set_headers(
    headers: &mut FieldTable,
    deaths: Vec<FieldTable>,
    is_dead_letter: bool,
    message: &MessageRecord,
    queue: &ShortStr,
    letter: &DeadLetter,
) {
    let counted = letter.delivery_count > 0;
    headers.0.retain(|(name, _)| {
        let is_replaced = *name == DEATHS
            || LAST.contains(name)
            || (!is_dead_letter && FIRST.contains(name))
            || (counted && *name == DELIVERY_COUNT);
        !is_replaced
    });
    headers.push(DEATHS, FieldValue::Array(deaths.into_iter().map(FieldValue::Table).collect()));
    let facts = || [text(word(letter.reason)), long(queue), long(&message.exchange)];
    for (name, fact) in LAST.into_iter().zip(facts()) {
        headers.push(name, fact);
    }
    if !is_dead_letter {
        for (name, fact) in FIRST.into_iter().zip(facts()) {
            headers.push(name, fact);
        }
    }
    if counted {
        headers.push(DELIVERY_COUNT, FieldValue::I64(i64::from(letter.delivery_count)));
    }
    // RabbitMQ sorts them, too, and of two with one name shows the first.
    headers.0.sort_by(|(one, _), (other, _)| one.cmp(other));
    headers.0.dedup_by(|(later, _), (first, _)| later == first);
}

fn position(deaths: &[FieldTable], queue: &ShortStr, reason: DeathReason) -> Option<usize> {
    let is = |death: &FieldTable, name: &str, value: &[u8]| match death.get(name) {
        Some(FieldValue::LongStr(text)) => text[..] == *value,
        _ => false,
    };
    deaths.iter().position(|death| is(death, "queue", queue.as_bytes()) && is(death, "reason", word(reason).as_bytes()))
}

/// It has died there and so before: everything but the count stays that of the first time.
fn once_more(mut death: FieldTable) -> FieldTable {
    for (name, value) in &mut death.0 {
        if name == "count" {
            *value = FieldValue::I64(value.as_i64().unwrap_or(0).saturating_add(1));
        }
    }
    death
}

fn first_time(
    message: &MessageRecord,
    keys: &[ShortStr],
    expiration: Option<ShortStr>,
    queue: &ShortStr,
    letter: &DeadLetter,
) -> FieldTable {
    let mut death = FieldTable::default();
    if let Some(expiration) = expiration {
        death.push(ShortStr::from_static("original-expiration"), long(&expiration));
    }
    death.push(ShortStr::from_static("count"), FieldValue::I64(1));
    death.push(ShortStr::from_static("reason"), text(word(letter.reason)));
    death.push(ShortStr::from_static("queue"), long(queue));
    death.push(ShortStr::from_static("time"), FieldValue::from(letter.died_at));
    death.push(ShortStr::from_static("exchange"), long(&message.exchange));
    death.push(ShortStr::from_static("routing-keys"), FieldValue::Array(keys.iter().map(long).collect()));
    death
}

fn summary(deaths: &[FieldTable]) -> Vec<(Bytes, bool)> {
    let of = |death: &FieldTable| {
        let queue = match death.get("queue") {
            Some(FieldValue::LongStr(queue)) => queue.clone(),
            _ => Bytes::new(),
        };
        (queue, death.get("reason").and_then(FieldValue::as_str) == Some(word(DeathReason::Rejected)))
    };
    deaths.iter().map(of).collect()
}

/// The earlier deaths.
fn tables(headers: &FieldTable) -> Vec<FieldTable> {
    let Some(FieldValue::Array(deaths)) = headers.get("x-death") else { return Vec::new() };
    let tables = deaths.iter().filter_map(|death| match death {
        FieldValue::Table(death) => Some(death.clone()),
        _ => None,
    });
    tables.collect()
}

/// The keys of a header `CC` or `BCC`.
pub(crate) fn keys(headers: &FieldTable, name: &str) -> Vec<ShortStr> {
    let Some(FieldValue::Array(keys)) = headers.get(name) else { return Vec::new() };
    let keys = keys.iter().filter_map(|key| match key {
        FieldValue::LongStr(key) => ShortStr::from_bytes(key.clone()).ok(),
        _ => None,
    });
    keys.collect()
}

fn long(text: &ShortStr) -> FieldValue {
    FieldValue::LongStr(text.bytes())
}

fn text(text: &'static str) -> FieldValue {
    FieldValue::LongStr(Bytes::from_static(text.as_bytes()))
}

#[cfg(test)]
mod tests;
