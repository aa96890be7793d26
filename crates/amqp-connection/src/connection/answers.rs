//! What the broker says to the client. Whatever it says to a channel that is not open (any more) is dropped.

use std::slice;

use amqp_codec::{
    EncodeMethod, ReplyCode,
    content::Content,
    frame,
    methods::{basic, connection},
    properties,
};
use bytes::Bytes;
use types::{FieldValue, SeqRange, ShortStr};

use super::Connection;
use crate::{Delivery, Publish, channel::Channel, fault::Fault};

/// What both sides agreed on; zero means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Largest frame. Unit: bytes.
    pub frame_max: u32,
    /// Most channels at once.
    pub channel_max: u16,
    /// Heartbeat interval. Unit: seconds.
    pub heartbeat_s: u16,
}

/// The largest frame before both sides have agreed on one; as RabbitMQ's `initial_frame_max`. Unit: bytes.
const INITIAL_FRAME_MAX: u32 = 8192;

impl Tuning {
    /// What holds before `connection.tune-ok`.
    pub(super) const INITIAL: Tuning = Tuning { frame_max: INITIAL_FRAME_MAX, channel_max: 0, heartbeat_s: 0 };
}

impl Connection {
    /// What both sides agreed on, or what holds before they do.
    pub fn tuning(&self) -> Tuning {
        self.tuning
    }

    /// Sends an answer on a channel: a method's struct or a `Method`.
    pub fn send(&mut self, channel: u16, method: impl EncodeMethod) {
        if self.session_mut(channel).is_some() {
            self.transaction_answered(channel, &method);
            self.write(channel, &method);
        }
    }

    /// Delivers a message to a consumer. The client holds it until it settles it, unless the delivery says no-ack.
    pub fn deliver(&mut self, channel: u16, delivery: &Delivery) {
        let Some(delivery_tag) = self.tag(channel, delivery) else { return };
        let method = basic::DeliverRef {
            consumer_tag: delivery.consumer_tag.as_bytes(),
            delivery_tag,
            redelivered: delivery.redelivered,
            exchange: delivery.message.exchange.as_bytes(),
            routing_key: delivery.message.routing_key.as_bytes(),
        };
        self.write_delivery(channel, &method, delivery);
    }

    /// Answers `basic.get` with a message; `message_count` more are ready in the queue.
    pub fn get_ok(&mut self, channel: u16, delivery: &Delivery, message_count: u32) {
        let Some(delivery_tag) = self.tag(channel, delivery) else { return };
        let method = basic::GetOkRef {
            delivery_tag,
            redelivered: delivery.redelivered,
            exchange: delivery.message.exchange.as_bytes(),
            routing_key: delivery.message.routing_key.as_bytes(),
            message_count,
        };
        self.write_delivery(channel, &method, delivery);
    }

    /// Returns a message to its publisher. To be called before its confirm.
    pub fn return_message(&mut self, channel: u16, code: ReplyCode, publish: &Publish) {
        if self.session_mut(channel).is_none() {
            return;
        }
        let method = basic::ReturnRef {
            reply_code: code.code(),
            reply_text: code.name().as_bytes(),
            exchange: publish.exchange.as_bytes(),
            routing_key: publish.routing_key.as_bytes(),
        };
        let content = Content { properties: &publish.properties, body: publish.body.pieces() };
        self.output.push_message(channel, self.tuning.frame_max, &method, &content);
    }

    /// Tells the fate of publishes by their numbers: taken (`basic.ack`) or not (`basic.nack`). They are gathered and sent in
    /// as few frames as possible with the next [`Connection::poll_transmit`].
    pub fn confirm(&mut self, channel: u16, range: SeqRange, ok: bool) {
        let Some(Channel::Open(session)) = self.channels.get_mut(&channel) else { return };
        let Some(confirms) = &mut session.confirms else { return };
        let was_pending = confirms.is_pending();
        confirms.settle(range, ok);
        if !was_pending && confirms.is_pending() {
            self.unflushed.push(channel);
        }
    }

    /// Tells the client that a consumer is over, if it wants to know (`consumer_cancel_notify`).
    pub fn cancel_consumer(&mut self, channel: u16, consumer_tag: &ShortStr) {
        if self.capabilities.has("consumer_cancel_notify") {
            self.send(channel, basic::Cancel { consumer_tag: consumer_tag.clone(), no_wait: true });
        }
    }

    /// The client has held a delivery of a consumer for longer than `timeout_ms`: tells it that the consumer is over, or, if
    /// it would not understand that, closes the channel (then [`Event::ChannelClosed`](crate::Event::ChannelClosed) comes).
    pub fn consumer_timed_out(&mut self, channel: u16, consumer_tag: &ShortStr, timeout_ms: u64) {
        if self.client_has_capability("consumer_cancel_notify") {
            self.cancel_consumer(channel, consumer_tag);
        } else if self.session_mut(channel).is_some() {
            self.fail_channel(channel, Fault::consumer_timeout(channel, timeout_ms));
        }
    }

    /// Closes a channel because of an error that the broker found. `text` follows the code's name on the wire; class and
    /// method are the culprit's, or zero. A code that is a hard error closes the connection, as with
    /// [`Connection::hard_error`].
    pub fn soft_error(&mut self, channel: u16, code: ReplyCode, text: &str, class_id: u16, method_id: u16) {
        if self.session_mut(channel).is_some() {
            self.fail_channel(channel, Fault::new(code, text).of_ids(class_id, method_id));
        }
    }

    /// Publishing is blocked by an alarm (`low on memory`, `low on disk`). The client is told if it wants to know, as soon as
    /// it has published something.
    pub fn blocked(&mut self, reason: ShortStr) {
        self.blocked.reason = Some(reason);
        self.tell_blocked();
    }

    /// Publishing is not blocked any more.
    pub fn unblocked(&mut self) {
        self.blocked.reason = None;
        if std::mem::take(&mut self.blocked.is_told) && self.phase.is_open() {
            self.write(0, &connection::Unblocked {});
        }
    }

    /// Content came in.
    pub(super) fn has_published(&mut self) {
        if !self.blocked.has_published {
            self.blocked.has_published = true;
            self.tell_blocked();
        }
    }

    fn tell_blocked(&mut self) {
        let is_due = self.blocked.has_published && !self.blocked.is_told && self.phase.is_open();
        let is_wanted = is_due && self.capabilities.has("connection.blocked");
        if let Some(reason) = self.blocked.reason.clone().filter(|_| is_wanted) {
            self.write(0, &connection::Blocked { reason });
            self.blocked.is_told = true;
        }
    }

    /// Writes the confirms that were gathered.
    pub(super) fn flush_confirms(&mut self) {
        let mut numbers = std::mem::take(&mut self.unflushed);
        for number in numbers.drain(..) {
            let Some(Channel::Open(session)) = self.channels.get_mut(&number) else { continue };
            let Some(confirms) = &mut session.confirms else { continue };
            let buf = self.output.buffer();
            confirms.flush(|answer| {
                let (delivery_tag, multiple) = (answer.seq, answer.multiple);
                if answer.ok {
                    frame::encode_method(buf, number, &basic::Ack { delivery_tag, multiple });
                } else {
                    frame::encode_method(buf, number, &basic::Nack { delivery_tag, multiple, requeue: false });
                }
            });
        }
        self.unflushed = numbers;
    }

    /// The next delivery tag of an open channel, for that delivery.
    fn tag(&mut self, channel: u16, delivery: &Delivery) -> Option<u64> {
        let held = &mut self.session_mut(channel)?.held;
        Some(if delivery.no_ack { held.skip() } else { held.hold(delivery.origin) })
    }

    fn write_delivery(&mut self, channel: u16, method: &impl EncodeMethod, delivery: &Delivery) {
        let counted = with_delivery_count(delivery);
        let properties = counted.as_ref().unwrap_or(&delivery.message.properties);
        let content = Content { properties, body: slice::from_ref(&delivery.message.body) };
        self.output.push_message(channel, self.tuning.frame_max, method, &content);
    }
}

/// The properties with the header `x-delivery-count`, if deliveries have failed before.
fn with_delivery_count(delivery: &Delivery) -> Option<Bytes> {
    const NAME: ShortStr = ShortStr::from_static("x-delivery-count");
    if delivery.delivery_count == 0 {
        return None;
    }
    let count = FieldValue::I64(delivery.delivery_count.into());
    // Only properties that did not come from `Event::Publish` can be damaged; they go out as they are.
    properties::set_header(&delivery.message.properties, &NAME, &count).ok()
}
