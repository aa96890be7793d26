//! Channels: opening and closing them, and what a client says on an open one.

use amqp_codec::{
    EncodeMethod,
    frame::{FrameKind, RawFrame},
    methods::{Method, access, basic, channel, confirm},
};

use super::{Connection, input::decode_method};
use crate::{
    Event, Publish, SettledList, Verb,
    channel::{Channel, Session, Tx},
    confirms::Confirms,
    fault::Fault,
    held::UnknownTag,
};

/// What is open between a channel's client and the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelStats {
    /// Deliveries that the client has not settled.
    pub unacknowledged: u64,
    /// Publishes in confirm mode that the client has no answer for.
    pub unconfirmed: u64,
    /// Whether the channel is in confirm mode.
    pub confirm: bool,
    /// Whether the channel is transactional.
    pub transactional: bool,
    /// Deliveries that the client has settled in a transaction that is not committed.
    pub uncommitted_acks: u64,
}

/// What becomes of a frame on an open channel.
pub(super) type Outcome = Result<(), Fault>;

impl Connection {
    /// What is open on a channel; none if the channel is not open.
    pub fn channel_stats(&self, channel: u16) -> Option<ChannelStats> {
        match self.channels.get(&channel)? {
            Channel::Open(session) => Some(ChannelStats {
                unacknowledged: count(session.held.len()),
                unconfirmed: session.confirms.as_ref().map_or(0, |confirms| confirms.unanswered()),
                confirm: session.confirms.is_some(),
                transactional: session.tx != Tx::Off,
                uncommitted_acks: count(session.held.kept_len()),
            }),
            Channel::Closing => None,
        }
    }

    /// A frame on another channel than zero while the connection is running.
    pub(super) fn channel_frame(&mut self, frame: RawFrame) {
        if frame.kind == FrameKind::Heartbeat {
            self.fail(match frame.payload.len() {
                0 => Fault::unexpected_frame(frame.kind.octet(), &frame.payload),
                _ => Fault::unknown_frame(frame.kind.octet(), &frame.payload),
            });
            return;
        }
        let number = frame.channel;
        let outcome = match self.channels.get_mut(&number) {
            None => self.frame_on_no_channel(frame),
            Some(Channel::Closing) => {
                self.frame_on_closing_channel(frame);
                Ok(())
            }
            Some(Channel::Open(session)) if session.awaits_content() => {
                let bytes_before = session.unfinished_bytes();
                let publish = session.content_frame(frame, self.config.message_bytes_max);
                self.unfinished.bytes = self.unfinished.bytes - bytes_before + session.unfinished_bytes();
                self.unfinished.messages -= usize::from(!session.awaits_content());
                self.content(number, publish)
            }
            Some(Channel::Open(_)) if frame.kind != FrameKind::Method => Err(Fault::no_method_frame()),
            Some(Channel::Open(session)) => {
                let is_committing = session.tx == Tx::Committing;
                decode_method(frame.payload).and_then(|method| match method {
                    Method::ChannelClose(_) => self.channel_method(number, method),
                    _ if is_committing => Err(Fault::commit_is_pending().of(method.info())),
                    _ => self.channel_method(number, method),
                })
            }
        };
        if let Err(fault) = outcome {
            self.fail_channel(number, fault);
        }
    }

    fn frame_on_no_channel(&mut self, frame: RawFrame) -> Outcome {
        if frame.kind != FrameKind::Method {
            return Err(Fault::no_method_frame());
        }
        match decode_method(frame.payload)? {
            Method::ChannelOpen(_) => self.open_channel(frame.channel),
            method => Err(Fault::channel_not_open().of(method.info())),
        }
    }

    /// Nothing counts but close and close-ok; what cannot be read is passed over like everything else.
    fn frame_on_closing_channel(&mut self, frame: RawFrame) {
        if frame.kind != FrameKind::Method {
            return;
        }
        match Method::decode(frame.payload) {
            Ok(Method::ChannelClose(_)) => self.write(frame.channel, &channel::CloseOk {}),
            Ok(Method::ChannelCloseOk(_)) => {
                self.channels.remove(&frame.channel);
            }
            Ok(_) | Err(_) => {}
        }
    }

    fn open_channel(&mut self, number: u16) -> Outcome {
        let (count, channel_max) = (self.channels.len(), self.tuning.channel_max);
        if channel_max != 0 && count >= usize::from(channel_max) {
            return Err(Fault::too_many_channels(count, channel_max));
        }
        self.channels.insert(number, Channel::Open(Box::default()));
        self.write(number, &channel::OpenOk {});
        self.events.push(Event::ChannelOpened { channel: number });
        Ok(())
    }

    fn channel_method(&mut self, number: u16, method: Method) -> Outcome {
        let info = method.info();
        let outcome = match method {
            Method::BasicPublish(publish) => self.publish(number, publish),
            Method::BasicAck(basic::Ack { delivery_tag, multiple }) => {
                self.settle(number, Verb::Ack, delivery_tag, multiple)
            }
            Method::BasicNack(basic::Nack { delivery_tag, multiple, requeue }) => {
                let verb = if requeue { Verb::Requeue { failed: false } } else { Verb::Discard };
                self.settle(number, verb, delivery_tag, multiple)
            }
            Method::BasicReject(basic::Reject { delivery_tag, requeue }) => {
                let verb = if requeue { Verb::Requeue { failed: true } } else { Verb::Discard };
                self.settle(number, verb, delivery_tag, false)
            }
            Method::BasicRecover(basic::Recover { requeue }) => self.recover(number, requeue, true),
            Method::BasicRecoverAsync(basic::RecoverAsync { requeue }) => self.recover(number, requeue, false),
            Method::BasicQos(basic::Qos { prefetch_size, .. }) if prefetch_size != 0 => {
                Err(Fault::not_implemented(format!("prefetch_size!=0 ({prefetch_size})")))
            }
            method @ (Method::ExchangeDeclare(_)
            | Method::ExchangeDelete(_)
            | Method::ExchangeBind(_)
            | Method::ExchangeUnbind(_)
            | Method::QueueDeclare(_)
            | Method::QueueBind(_)
            | Method::QueuePurge(_)
            | Method::QueueDelete(_)
            | Method::QueueUnbind(_)
            | Method::BasicQos(_)
            | Method::BasicConsume(_)
            | Method::BasicCancel(_)
            | Method::BasicGet(_)) => {
                self.events.push(Event::Method { channel: number, method });
                Ok(())
            }
            method => self.own_method(number, &method),
        };
        outcome.map_err(|fault| fault.of(info))
    }

    /// Methods that the connection answers itself, and those that are refused.
    fn own_method(&mut self, number: u16, method: &Method) -> Outcome {
        match method {
            Method::ChannelOpen(_) => return Err(Fault::channel_open_twice()),
            Method::ChannelClose(_) => self.close_channel(number),
            Method::ChannelFlow(channel::Flow { active: true }) => {
                self.write(number, &channel::FlowOk { active: true });
            }
            Method::ChannelFlow(channel::Flow { active: false }) => {
                return Err(Fault::not_implemented("active=false"));
            }
            Method::AccessRequest(_) => self.write(number, &access::RequestOk { ticket: 1 }),
            Method::ConfirmSelect(select) => return self.select_confirms(number, select),
            Method::TxSelect(_) => return self.select_transactions(number),
            Method::TxCommit(_) | Method::TxRollback(_) => return self.end_transaction(number, method),
            // What only a server sends, and class connection, which belongs to channel zero.
            _ => return Err(Fault::unimplemented_method()),
        }
        Ok(())
    }

    fn publish(&mut self, number: u16, publish: basic::Publish) -> Outcome {
        if publish.immediate {
            return Err(Fault::not_implemented("immediate=true"));
        }
        if let Some(session) = self.session_mut(number) {
            session.start_content(publish);
            self.unfinished.messages += 1;
        }
        Ok(())
    }

    /// Content came: a message is complete, is not complete yet, or is at fault.
    fn content(&mut self, number: u16, publish: Result<Option<Publish>, Fault>) -> Outcome {
        let of_publish = |fault: Fault| fault.of(&basic::Publish::INFO);
        self.has_published();
        if let Some(publish) = publish.map_err(of_publish)? {
            self.events.push(Event::Publish { channel: number, publish });
            return Ok(());
        }
        let max = self.config.unfinished_bytes_max.max(self.config.message_bytes_max);
        let is_within = u64::try_from(self.unfinished.bytes).is_ok_and(|bytes| bytes <= max);
        if is_within { Ok(()) } else { Err(of_publish(Fault::too_much_unfinished(max))) }
    }

    fn settle(&mut self, number: u16, verb: Verb, tag: u64, multiple: bool) -> Outcome {
        let Some(session) = self.session_mut(number) else { return Ok(()) };
        let settled = if multiple { session.held.settle_up_to(tag) } else { session.held.settle_one(tag) };
        let deliveries: SettledList = settled.map_err(|UnknownTag| Fault::unknown_delivery_tag(tag))?;
        let transactional = session.tx != Tx::Off;
        let kept = session.held.kept_len();
        if kept > self.config.transaction_settlements_max {
            return Err(Fault::transaction_too_large(self.config.transaction_settlements_max));
        }
        if !deliveries.is_empty() {
            self.events.push_settle(number, verb, deliveries, transactional);
        }
        Ok(())
    }

    fn recover(&mut self, number: u16, requeue: bool, has_reply: bool) -> Outcome {
        if !requeue {
            return Err(Fault::not_implemented("requeue=false"));
        }
        if let Some(session) = self.session_mut(number) {
            let deliveries = session.held.recover();
            self.events.push(Event::Recover { channel: number, deliveries, has_reply });
        }
        Ok(())
    }

    fn select_confirms(&mut self, number: u16, select: &confirm::Select) -> Outcome {
        let Some(session) = self.session_mut(number) else { return Ok(()) };
        if session.tx != Tx::Off {
            return Err(Fault::cannot_switch("tx", "confirm"));
        }
        session.confirms.get_or_insert_with(|| Box::new(Confirms::new()));
        if !select.no_wait {
            self.write(number, &confirm::SelectOk {});
        }
        Ok(())
    }

    /// The client closes a channel.
    fn close_channel(&mut self, number: u16) {
        self.flush_confirms();
        if let Some(Channel::Open(session)) = self.channels.remove(&number) {
            self.end_session(number, &session);
        }
        self.write(number, &channel::CloseOk {});
    }

    /// An error on a channel: closes it, or, if it is a hard one, the connection.
    pub(super) fn fail_channel(&mut self, number: u16, fault: Fault) {
        if fault.code.is_hard_error() {
            self.fail(fault);
            return;
        }
        self.flush_confirms();
        let Some(entry @ Channel::Open(_)) = self.channels.get_mut(&number) else { return };
        let ended = std::mem::replace(entry, Channel::Closing);
        if let Channel::Open(session) = &ended {
            self.end_session(number, session);
        }
        let close = channel::Close {
            reply_code: fault.code.code(),
            reply_text: fault.code.reply_text(&fault.text),
            class_id: fault.class_id,
            method_id: fault.method_id,
        };
        self.write(number, &close);
    }

    /// A session is over, whatever the reason.
    pub(super) fn end_session(&mut self, number: u16, session: &Session) {
        self.unfinished.bytes -= session.unfinished_bytes();
        if session.awaits_content() {
            self.unfinished.messages -= 1;
        }
        self.events.push(Event::ChannelClosed { channel: number });
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).expect("usize has at most 64 bits")
}
