//! What a message asks for in its properties, beside its route: expiration, priority, delay, further routing keys, a reply
//! to its channel.
//!
//! Most messages ask for nothing; the property flags tell, and nothing else is looked at then.

use amqp_codec::{
    properties::{PropertiesEdit, PropertiesView, set_header},
    table::RawValue,
};
use amqp_connection::Publish;
use bytes::Bytes;
use queue::{Delay, EnqueueOptions};
use types::{FieldValue, ShortStr, Timestamp};

use super::{expiration, route::Asks, shared::Shared};
use crate::{failure::Failure, reply_to};

/// Bits of the property flags (AMQP 0-9-1 §4.2.6.1) whose properties are looked at: headers, priority, reply-to, expiration
const FIRST_FLAGS: u8 = 0x20 | 0x08 | 0x02 | 0x01; // of the first byte
/// and user-id.
const SECOND_FLAGS: u8 = 0x10; // of the second byte

/// The longest `x-delay` of the delayed message exchange, a timer's limit in Erlang; beyond it there is no delay at all.
/// Unit: milliseconds.
const DELAY_MS_MAX: i64 = 0xFFFF_FFFF;

/// The headers that are looked at.
const HEADERS: [&[u8]; 4] = [b"CC", b"BCC", b"x-opt-delivery-time", b"x-delay"];

/// What a message asks for.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    options: EnqueueOptions,
    /// Its routing keys beside the first: those in `CC`, then those in `BCC`.
    pub(crate) more_keys: Vec<Bytes>,
    /// How long exchanges that delay are to delay it. Unit: milliseconds.
    delay_ms: Option<i64>,
    rewrites: Rewrites,
}

/// Whether a message with these properties may ask for anything.
pub(crate) fn asks_something(properties: &[u8]) -> bool {
    matches!(properties, [first, second, ..] if first & FIRST_FLAGS != 0 || second & SECOND_FLAGS != 0)
}

impl Wishes {
    /// Reads a message's properties. `reply_name` is the name of the channel's direct reply-to consumer. The connection has checked
    /// the layout; what cannot be read is not there.
    pub(crate) fn read(shared: &Shared, publish: &Publish, reply_name: Option<&ShortStr>) -> Result<Wishes, Failure> {
        let mut wishes = Wishes::default();
        let Ok(view) = PropertiesView::new(&publish.properties) else { return Ok(wishes) };
        if view.reply_to().is_some_and(|reply_to| reply_to == reply_to::QUEUE) {
            let name = reply_name.ok_or_else(|| Failure::precondition("fast reply consumer does not exist"))?;
            wishes.rewrites.reply_to = Some(name.clone());
        }
        wishes.options.priority = view.priority();
        wishes.options.ttl_ms = view.expiration().map(|expiration| expiration::parse(&expiration)).transpose()?;
        wishes.read_headers(&view)?;
        check_user(shared, &view)?;
        Ok(wishes)
    }

    /// What the message asks of its queues, and what is stored in place of the properties that came. `is_delayed`: some of its queues
    /// are behind an exchange that delays.
    pub(crate) fn settle(mut self, properties: &Bytes, is_delayed: bool) -> (Asks, Option<Bytes>) {
        let delay_ms = self.delay_ms.filter(|_| is_delayed);
        self.rewrites.passed_delay_ms = delay_ms;
        let delay = delay_ms.map_or(Delay::None, |ms| Delay::For(ms.unsigned_abs()));
        (Asks { options: self.options, delay }, self.rewrites.apply(properties))
    }

    fn read_headers(&mut self, view: &PropertiesView<'_>) -> Result<(), Failure> {
        let Ok([cc, bcc, delivery_time, delay]) = view.find_headers(&HEADERS) else { return Ok(()) };
        for (name, keys) in [("CC", cc), ("BCC", bcc)] {
            if let Some(keys) = keys {
                self.add_keys(name, keys)?;
            }
        }
        self.rewrites.strips_bcc = bcc.is_some();
        if let Some(at) = delivery_time.as_ref().and_then(delivery_time_of) {
            self.options.delay = Delay::Until(at);
        }
        self.delay_ms = delay.and_then(|delay| delay_ms(&delay.decode()));
        Ok(())
    }

    /// The long strings of an array. A key of more than 255 bytes is bound nowhere.
    fn add_keys(&mut self, header: &str, keys: RawValue<'_>) -> Result<(), Failure> {
        let Some(items) = keys.items() else {
            let kind = keys.decode().type_name();
            return Err(Failure::precondition(format!(
                "invalid message: {{unacceptable_type_in_header,\"{header}\",{kind}}}"
            )));
        };
        for item in items {
            if let FieldValue::LongStr(key) = item.decode()
                && key.len() <= usize::from(u8::MAX)
            {
                self.more_keys.push(key);
            }
        }
        Ok(())
    }
}

/// How long the header `x-delay` asks an exchange that delays to keep a message. Unit: milliseconds.
pub(crate) fn delay_ms(delay: &FieldValue) -> Option<i64> {
    whole_number(delay).filter(|ms| (1..=DELAY_MS_MAX).contains(ms))
}

/// What the header says when the delay is over: nobody delays the message again.
fn passed(delay_ms: i64) -> FieldValue {
    i32::try_from(-delay_ms).map_or(FieldValue::I64(-delay_ms), FieldValue::I32)
}

/// The delay that a message asks for, and its properties when that has passed. Unit: milliseconds.
pub(crate) fn take_delay(properties: &Bytes) -> Option<(u64, Bytes)> {
    let delay = PropertiesView::new(properties).ok()?.header(b"x-delay").ok()??;
    let ms = delay_ms(&delay)?;
    let passed = set_header(properties, &ShortStr::from_static("x-delay"), &passed(ms)).ok()?;
    Some((ms.unsigned_abs(), passed))
}

/// When a message is to be delivered, where it says so.
pub(crate) fn delivery_time(view: &PropertiesView<'_>) -> Option<Timestamp> {
    let [at] = view.find_headers(&[&b"x-opt-delivery-time"[..]]).ok()?;
    at.as_ref().and_then(delivery_time_of)
}

/// How a message is stored otherwise than it came.
#[derive(Debug, Default)]
struct Rewrites {
    /// Nobody is to see who got a blind copy.
    strips_bcc: bool,
    /// As the plugin does: whoever gets the message sees how long it was delayed, and no exchange delays it again.
    passed_delay_ms: Option<i64>,
    /// Where a reply goes.
    reply_to: Option<ShortStr>,
}

impl Rewrites {
    fn apply(self, raw: &Bytes) -> Option<Bytes> {
        let Rewrites { strips_bcc, passed_delay_ms, reply_to } = self;
        if !strips_bcc && passed_delay_ms.is_none() && reply_to.is_none() {
            return None;
        }
        let mut edit = PropertiesEdit::new(raw).ok()?;
        if strips_bcc {
            edit.remove_header(ShortStr::from_static("BCC"));
        }
        if let Some(ms) = passed_delay_ms {
            edit.set_header(ShortStr::from_static("x-delay"), passed(ms));
        }
        if reply_to.is_some() {
            edit.set_reply_to(reply_to.as_ref());
        }
        edit.finish().ok()
    }
}

/// Milliseconds; a timestamp of AMQP 0-9-1 counts seconds.
fn delivery_time_of(value: &RawValue<'_>) -> Option<Timestamp> {
    match value.decode() {
        FieldValue::Timestamp(seconds) => Some(Timestamp(seconds.saturating_mul(1000))),
        other => u64::try_from(other.as_i64()?).ok().map(Timestamp),
    }
}

/// A delay may come as a number of any type, or as text.
fn whole_number(value: &FieldValue) -> Option<i64> {
    match value {
        FieldValue::LongStr(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        FieldValue::F32(number) => truncated(f64::from(*number)),
        FieldValue::F64(number) => truncated(*number),
        other => other.as_i64(),
    }
}

#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "the number was found to be in range")]
fn truncated(number: f64) -> Option<i64> {
    const BOUND: f64 = 9.0e15;
    (-BOUND..BOUND).contains(&number).then_some(number as i64)
}

fn check_user(shared: &Shared, view: &PropertiesView<'_>) -> Result<(), Failure> {
    if let Some(user_id) = view.user_id()
        && let Some(user) = &shared.user
        && user_id != user.name
        && !user.is_impersonator
    {
        let name = &user.name;
        return Err(Failure::precondition(format!(
            "user_id property set to '{user_id}' but authenticated user was '{name}'"
        )));
    }
    Ok(())
}
