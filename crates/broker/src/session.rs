//! The session of one connection: what its client asks, done with the groups of this cluster.
//!
//! Synchronous, for one task: the driver hands in events and calls [`ConnectionSession::on_mail`] when there is mail, then
//! [`ConnectionSession::flush`], which submits all that a batch brought, one chunk for each channel and group. Nothing here waits:
//! what takes time answers by mail.

mod ahead;
mod answers;
mod bind;
mod channel;
mod chunk;
mod close;
mod confirm;
mod consume;
pub(crate) mod consumer;
mod declare;
mod delete;
mod deliver;
pub(crate) mod describe;
mod direct_reply;
mod doubt;
mod exchange;
pub(crate) mod expiration;
mod get;
mod login;
mod look_again;
mod method;
mod operation;
mod operations;
pub(crate) mod outbox;
mod publish;
mod qos;
pub(crate) mod ranges;
pub(crate) mod route;
mod settle;
mod shared;
mod transaction;
pub(crate) mod wishes;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use amqp_codec::ReplyCode;
use amqp_connection::{Connection, Event};
use types::{GroupId, ShortStr};

pub(crate) use self::{ahead::AHEAD_MAX, shared::Shared};
use self::{
    channel::{Caller, Channel},
    shared::Context,
};
use crate::{
    broker::Broker,
    cleanup,
    failure::Failure,
    mailbox::{Address, Mail, Mailbox},
    metrics,
};

/// The session of one connection.
#[derive(Debug)]
pub struct ConnectionSession {
    shared: Shared,
    channels: BTreeMap<u16, Channel>,
    /// Channels that the client has closed while something that it sent before was still to be done.
    lingering: Vec<Channel>,
    mails: Vec<Mail>,
    is_closed: bool,
    /// When it was closed, something that the client had sent was still to be done.
    was_busy_at_close: bool,
}

impl ConnectionSession {
    /// The session of a client that has connected from that address, by other means than a socket.
    ///
    /// # Panics
    /// When the broker is not attached yet.
    pub fn new(broker: &Arc<Broker>, peer: IpAddr) -> Self {
        let address = SocketAddr::new(peer, 0);
        Self::accepted(broker, address, address)
    }

    /// The session of a client whose socket has these ends: the client's, and this node's.
    ///
    /// # Panics
    /// When the broker is not attached yet.
    pub fn accepted(broker: &Arc<Broker>, peer: SocketAddr, local: SocketAddr) -> Self {
        assert!(broker.is_attached(), "connections come after the broker is attached");
        ConnectionSession {
            shared: Shared::new(broker, peer, local),
            channels: BTreeMap::new(),
            lingering: Vec::new(),
            mails: Vec::new(),
            is_closed: false,
            was_busy_at_close: false,
        }
    }

    /// Where to wait for mail.
    pub fn mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.shared.mailbox)
    }

    /// A number of this connection, for logs.
    pub fn serial(&self) -> u64 {
        self.shared.id.serial
    }

    /// Acts on an event of the connection, or keeps it until its channel's turn.
    pub fn on_event(&mut self, conn: &mut Connection, event: Event) {
        match event {
            Event::Login { mechanism, response, client_properties } => {
                self.shared.log_in(conn, &mechanism, &response, &client_properties);
            }
            Event::LoginResponse { response } => self.shared.answer_challenge(conn, &response),
            Event::Open { vhost } => self.shared.open(conn, &vhost),
            Event::UpdateSecret { reason, .. } => self.update_secret(conn, &reason),
            Event::ChannelOpened { channel } => self.open_channel(conn, channel),
            Event::ChannelClosed { channel } => self.close_channel(channel),
            Event::Closed => self.close(conn),
            Event::Method { channel, .. }
            | Event::Publish { channel, .. }
            | Event::Settle { channel, .. }
            | Event::Recover { channel, .. } => {
                if let Some(entry) = self.channels.get_mut(&channel) {
                    entry.accept(&mut Context { shared: &mut self.shared, conn }, event);
                }
            }
        }
    }

    /// Acts on all mail that has come.
    pub fn on_mail(&mut self, conn: &mut Connection) {
        let mut mails = std::mem::take(&mut self.mails);
        self.shared.mailbox.take(&mut mails);
        for mail in mails.drain(..) {
            self.on_one_mail(conn, mail);
        }
        self.mails = mails;
        self.end_lingering();
    }

    /// Submits what was gathered, sends on what has waited for the client to read, and grants credit. To be called after each
    /// batch of events or mail, and when output was written.
    pub fn flush(&mut self, conn: &mut Connection) {
        let mut cx = Context { shared: &mut self.shared, conn };
        for number in std::mem::take(&mut cx.shared.busy) {
            if let Some(channel) = self.channels.get_mut(&number) {
                channel.send_all_waiting(&mut cx);
                channel.grant_credit(cx.shared);
                channel.rest(cx.shared);
            }
        }
        for number in std::mem::take(&mut cx.shared.dirty) {
            if let Some(channel) = self.channels.get_mut(&number) {
                channel.flush(cx.shared);
            }
        }
        for channel in &mut self.lingering {
            channel.flush(cx.shared);
        }
        self.shared.tally.publish();
    }

    /// Whether the client's bytes may be read: not while an alarm blocks it, nor while it has too much under way.
    pub fn wants_input(&self) -> bool {
        let config = self.shared.broker.config();
        !self.shared.is_blocked
            && self.shared.in_flight_bytes < config.in_flight_bytes_max
            && self.shared.backlog_bytes < config.backlog_bytes_max
    }

    /// Bytes came from the client, or went to it; for those who ask.
    pub fn note_traffic(&mut self, received: usize, sent: usize) {
        let count = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        self.shared.received_bytes += count(received);
        self.shared.sent_bytes += count(sent);
    }

    /// Bytes of what was submitted and is not answered.
    pub fn publish_bytes_in_flight(&self) -> usize {
        self.shared.in_flight_bytes
    }

    /// Whether nothing that the client sent is left to be done. A connection's task goes on handing in mail until then (or until
    /// its patience ends), also when the socket is gone.
    pub fn is_finished(&self) -> bool {
        self.is_closed && self.lingering.is_empty()
    }

    /// Gives memory back that only a busy connection needs.
    pub fn trim(&mut self) {
        self.mails = Vec::new();
        self.shared.trim();
        for channel in self.channels.values_mut() {
            channel.outbox.trim();
        }
    }

    fn on_one_mail(&mut self, conn: &mut Connection, mail: Mail) {
        match mail {
            Mail::Replied { to, token, replies } => {
                self.with_channel(conn, to, |channel, cx| channel.replied(cx, token, replies));
            }
            Mail::Delivery { to, delivery } => {
                self.with_channel(conn, to, |channel, cx| channel.deliver(cx, delivery));
            }
            Mail::Cancelled { to, number, reason } => {
                self.with_channel(conn, to, |channel, cx| channel.cancelled(cx, number, reason));
            }
            Mail::Completed { to, operation, completion, is_spread } => {
                self.with_channel(conn, to, |channel, cx| channel.completed(cx, operation, completion, is_spread));
            }
            Mail::Spread { to, operation } => {
                self.with_channel(conn, to, |channel, cx| channel.spread(cx, operation));
            }
            Mail::Resume { to } => self.with_channel(conn, to, Channel::next_turn),
            Mail::SessionsLost(group) => self.on_sessions_lost(conn, group),
            Mail::AlarmChanged => self.shared.follow_alarm(conn),
            Mail::ForceClose(reason) => conn.close(ReplyCode::ConnectionForced, &reason),
            Mail::Released => conn.release(),
            // Whoever asks makes room for every answer, and may have gone.
            Mail::Describe(asker) => {
                if let Some(description) = self.describe(conn) {
                    asker.try_send(Box::new(description)).ok();
                }
            }
        }
    }

    fn with_channel(&mut self, conn: &mut Connection, to: Address, act: impl FnOnce(&mut Channel, &mut Context<'_>)) {
        let open = self.channels.get_mut(&to.channel).filter(|channel| channel.session == to.session);
        let channel = open.or_else(|| self.lingering.iter_mut().find(|channel| channel.session == to.session));
        if let Some(channel) = channel {
            act(channel, &mut Context { shared: &mut self.shared, conn });
        }
    }

    fn update_secret(&mut self, conn: &mut Connection, reason: &ShortStr) {
        if !self.shared.update_secret(conn, reason) {
            return;
        }
        for channel in self.channels.values_mut() {
            channel.recheck_consumers(&mut Context { shared: &mut self.shared, conn });
        }
        conn.update_secret_ok();
    }

    fn open_channel(&mut self, conn: &mut Connection, number: u16) {
        if let Err(failure) = self.shared.check_channel_limits() {
            metrics::client_error();
            conn.hard_error(failure.code, &failure.text, 0, 0);
            return;
        }
        self.shared.broker.channel_opened(self.shared.id, &self.shared.user_name());
        let session = self.shared.broker.registry().open(Arc::clone(&self.shared.mailbox), number);
        self.channels.insert(number, Channel::new(number, session));
        self.shared.tell_channel_created(number);
        metrics::channel_opened();
    }

    fn close_channel(&mut self, number: u16) {
        let Some(mut channel) = self.channels.remove(&number) else { return };
        self.shared.broker.channel_closed(self.shared.id, &self.shared.user_name());
        self.shared.tell_channel_closed(number);
        channel.hang_up();
        if channel.is_idle() {
            channel.end(&mut self.shared);
        } else {
            self.lingering.push(channel);
        }
    }

    fn end_lingering(&mut self) {
        for mut channel in self.lingering.extract_if(.., |channel| channel.is_idle()) {
            channel.end(&mut self.shared);
        }
    }

    /// The connection is over: what was exclusive to it goes, then the client may know.
    fn close(&mut self, conn: &mut Connection) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        self.was_busy_at_close = !self.channels.values().chain(&self.lingering).all(Channel::is_idle);
        if !self.has_exclusive_queues() && !self.is_declaring() {
            conn.release();
            return;
        }
        let mailbox = Arc::clone(&self.shared.mailbox);
        cleanup::delete_exclusive(&self.shared.broker, self.shared.id, move || mailbox.push(Mail::Released));
    }

    fn has_exclusive_queues(&self) -> bool {
        self.shared.broker.metadata().read().queues_of_connection(self.shared.id).next().is_some()
    }

    /// Whether queues may come yet that go with it.
    fn is_declaring(&self) -> bool {
        self.channels.values().chain(&self.lingering).any(|channel| channel.operations.declares_exclusive())
    }

    /// Consumers and unanswered chunks in the group are lost: their channels end.
    fn on_sessions_lost(&mut self, conn: &mut Connection, group: GroupId) {
        let mut cx = Context { shared: &mut self.shared, conn };
        for channel in self.channels.values_mut().chain(&mut self.lingering) {
            if channel.is_concerned_by(group) && !channel.has_failed {
                let text =
                    "the cluster took this node for dead and has ended its sessions; consume again on a new channel";
                channel.fail(&mut cx, &Failure::internal(text), Caller::default());
            }
        }
    }
}

impl Drop for ConnectionSession {
    /// The task is over, in whatever way: the sessions end in their groups, and exclusive queues go.
    fn drop(&mut self) {
        let is_declaring = self.is_declaring();
        for channel in self.channels.values_mut().chain(&mut self.lingering) {
            channel.end(&mut self.shared);
        }
        // Also when it was closed in good order: what was under way then may have declared some since.
        let may_have_some = !self.is_closed || self.was_busy_at_close;
        if is_declaring || (may_have_some && self.has_exclusive_queues()) {
            cleanup::delete_exclusive(&self.shared.broker, self.shared.id, || {});
        }
        if self.shared.is_open {
            self.shared.tell_connection_closed();
        }
        self.shared.broker.disconnect(self.shared.id);
    }
}
