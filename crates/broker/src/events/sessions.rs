//! What clients of this node do, as events.

use types::{QueueId, ShortStr};

use super::{Facts, changes::milliseconds};
use crate::{
    listing,
    session::{Shared, consumer::Consumer, describe},
};

impl Shared {
    /// A login succeeded, or did not.
    pub(crate) fn tell_login(&self, user: &ShortStr, mechanism: &ShortStr, error: Option<&str>) {
        let event = if error.is_some() { "user.authentication.failure" } else { "user.authentication.success" };
        self.broker.tell(event, |facts| {
            facts.text("name", user);
            facts.string("connection_type", "network");
            self.addresses(facts);
            facts.string("protocol", listing::PROTOCOL);
            facts.text("auth_mechanism", mechanism);
            facts.flag("ssl", false);
            if let Some(error) = error {
                facts.string("error", error);
            }
        });
    }

    /// A virtual host was opened.
    pub(crate) fn tell_connection_created(&self) {
        self.broker.tell("connection.created", |facts| {
            self.connection(facts);
            facts.string("type", "network");
            self.addresses(facts);
            facts.text("user", &self.user_name());
            facts.text("vhost", &self.vhost);
            facts.string("protocol", listing::PROTOCOL);
            facts.text("auth_mechanism", &self.mechanism);
            facts.flag("ssl", false);
            facts.number("connected_at", milliseconds(self.connected_at));
            facts.table("client_properties", describe::decoded(&self.client_properties));
            facts.text("user_who_performed_action", &self.user_name());
        });
    }

    /// The connection is over.
    pub(crate) fn tell_connection_closed(&self) {
        self.broker.tell("connection.closed", |facts| {
            self.connection(facts);
            facts.table("client_properties", describe::decoded(&self.client_properties));
            facts.text("user_who_performed_action", &self.user_name());
        });
    }

    /// A channel was opened.
    pub(crate) fn tell_channel_created(&self, channel: u16) {
        self.broker.tell("channel.created", |facts| {
            self.channel(facts, channel);
            self.connection_name(facts);
            facts.text("user", &self.user_name());
            facts.text("vhost", &self.vhost);
            facts.text("user_who_performed_action", &self.user_name());
        });
    }

    /// A channel is over.
    pub(crate) fn tell_channel_closed(&self, channel: u16) {
        self.broker.tell("channel.closed", |facts| {
            self.channel(facts, channel);
            self.connection_name(facts);
            facts.text("user_who_performed_action", &self.user_name());
        });
    }

    /// A consumer has begun.
    pub(crate) fn tell_consumer_created(&self, channel: u16, consumer: &Consumer) {
        self.broker.tell("consumer.created", |facts| {
            facts.text("consumer_tag", &consumer.tag);
            facts.flag("exclusive", consumer.exclusive);
            facts.flag("ack_required", !consumer.no_ack);
            self.channel_name(facts, channel);
            self.queue(facts, consumer.queue);
            facts.number("prefetch_count", consumer.prefetch);
            facts.table("arguments", describe::decoded(&consumer.arguments));
            facts.text("user_who_performed_action", &self.user_name());
        });
    }

    /// A consumer is over.
    pub(crate) fn tell_consumer_deleted(&self, channel: u16, consumer: &Consumer) {
        self.broker.tell("consumer.deleted", |facts| {
            facts.text("consumer_tag", &consumer.tag);
            self.channel_name(facts, channel);
            self.queue(facts, consumer.queue);
            facts.text("user_who_performed_action", &self.user_name());
        });
    }

    fn connection(&self, facts: &mut Facts) {
        facts.string("name", &listing::connection_name(self.peer, self.local));
        facts.text("node", &self.broker.config().node_name);
    }

    fn connection_name(&self, facts: &mut Facts) {
        facts.string("connection", &listing::connection_name(self.peer, self.local));
    }

    fn channel(&self, facts: &mut Facts, channel: u16) {
        facts.string("name", &format!("{} ({channel})", listing::connection_name(self.peer, self.local)));
        facts.number("number", channel);
    }

    fn channel_name(&self, facts: &mut Facts, channel: u16) {
        facts.string("channel", &format!("{} ({channel})", listing::connection_name(self.peer, self.local)));
    }

    fn queue(&self, facts: &mut Facts, queue: QueueId) {
        let name = self.broker.metadata().read().queue_by_id(queue).map(|queue| queue.name.clone());
        facts.text("queue", &name.unwrap_or_default());
        facts.text("vhost", &self.vhost);
    }

    fn addresses(&self, facts: &mut Facts) {
        facts.string("peer_host", &self.peer.ip().to_string());
        facts.number("peer_port", self.peer.port());
        facts.string("host", &self.local.ip().to_string());
        facts.number("port", self.local.port());
    }
}
