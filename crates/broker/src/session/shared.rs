//! What all channels of one connection share.

use std::{net::SocketAddr, sync::Arc};

use amqp_connection::Connection;
use auth::{Access, Grants, Kind, TopicContext, text};
use bytes::Bytes;
use metadata::ConnectionId;
use replication::clock;
use routing::Routes;
use types::{ShortStr, Timestamp};

use super::{login::Challenged, route::TablesVersion};
use crate::{broker::Broker, failure::Failure, mailbox::Mailbox, metrics::Tally};

/// Output beyond which deliveries wait in the session. Enough to fill a socket's buffer more than once. Unit: bytes.
pub(crate) const OUTPUT_HIGH: usize = 1024 * 1024;

/// The state of a connection apart from its channels.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) broker: Arc<Broker>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) id: ConnectionId,
    /// From where the client has connected.
    pub(crate) peer: SocketAddr,
    /// Where it has connected to.
    pub(crate) local: SocketAddr,
    /// When.
    pub(crate) connected_at: Timestamp,
    /// How it has logged in.
    pub(crate) mechanism: ShortStr,
    /// Between the rounds of a mechanism that has several.
    pub(crate) challenged: Option<Box<Challenged>>,
    /// What it says of itself, encoded.
    pub(crate) client_properties: Bytes,
    /// What has come from it. Unit: bytes.
    pub(crate) received_bytes: u64,
    /// What it was sent. Unit: bytes.
    pub(crate) sent_bytes: u64,
    /// Who logged in.
    pub(crate) user: Option<User>,
    /// The virtual host that was opened.
    pub(crate) vhost: ShortStr,
    /// Whether it was opened.
    pub(crate) is_open: bool,
    /// Bytes of chunks that are submitted and not answered.
    pub(crate) in_flight_bytes: usize,
    /// Bytes of events that wait behind methods that are not answered.
    pub(crate) backlog_bytes: usize,
    /// Bytes of messages that wait for the commits of their transactions.
    pub(crate) transaction_bytes: usize,
    /// The channels with something to submit.
    pub(crate) dirty: Vec<u16>,
    /// The channels with something to send, or credit to grant.
    pub(crate) busy: Vec<u16>,
    /// Whether the client has published: only such connections are blocked by an alarm.
    pub(crate) has_published: bool,
    /// Whether the client was told to be blocked.
    pub(crate) is_blocked: bool,
    /// Where routing puts its results.
    pub(crate) routes: Routes,
    pub(crate) tally: Tally,
    grants: Option<(u64, Option<Arc<Grants>>)>,
}

/// An authenticated user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    /// The login name.
    pub(crate) name: ShortStr,
    /// May set any `user_id` in its messages.
    pub(crate) is_impersonator: bool,
}

impl User {
    /// As metadata has them.
    pub(crate) fn of(user: &metadata::User) -> Self {
        User { name: user.name.clone(), is_impersonator: user.has_tag("impersonator") }
    }
}

/// What the handlers of a channel act on, beside the channel.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) shared: &'a mut Shared,
    pub(crate) conn: &'a mut Connection,
}

impl Context<'_> {
    /// The client publishes: from now on an alarm concerns it.
    pub(crate) fn note_publisher(&mut self) {
        if !self.shared.has_published {
            self.shared.has_published = true;
            self.shared.follow_alarm(self.conn);
        }
    }
}

impl Shared {
    pub(crate) fn new(broker: &Arc<Broker>, peer: SocketAddr, local: SocketAddr) -> Self {
        let mailbox = Arc::new(Mailbox::default());
        Shared {
            id: broker.connect(&mailbox, peer, local),
            broker: Arc::clone(broker),
            mailbox,
            peer,
            local,
            connected_at: clock::now(),
            mechanism: ShortStr::EMPTY,
            challenged: None,
            client_properties: Bytes::new(),
            received_bytes: 0,
            sent_bytes: 0,
            user: None,
            vhost: ShortStr::EMPTY,
            is_open: false,
            in_flight_bytes: 0,
            backlog_bytes: 0,
            transaction_bytes: 0,
            dirty: Vec::new(),
            busy: Vec::new(),
            has_published: false,
            is_blocked: false,
            routes: Routes::new(),
            tally: Tally::default(),
            grants: None,
        }
    }

    /// The state of the node's tables now.
    pub(crate) fn tables_version(&self) -> TablesVersion {
        TablesVersion { routes: self.broker.tables().version(), access: self.broker.access().version() }
    }

    /// Refuses with 403 unless the user may do that.
    pub(crate) fn check(&mut self, access: Access, kind: Kind, name: &ShortStr) -> Result<(), Failure> {
        if self.allows(access, kind, name) {
            return Ok(());
        }
        let user = self.user_name();
        Err(Failure::access_refused(text::access_refused(access, kind, name.as_bytes(), &self.vhost, &user)))
    }

    /// Refuses with 403 unless the user may do anything with it.
    pub(crate) fn check_any(&mut self, kind: Kind, name: &ShortStr) -> Result<(), Failure> {
        if self.allows(Access::Write, kind, name) || self.allows(Access::Read, kind, name) {
            return Ok(());
        }
        self.check(Access::Configure, kind, name)
    }

    /// Refuses with 403 unless the user may use that routing key with that topic exchange.
    pub(crate) fn check_topic(&self, access: Access, exchange: &ShortStr, key: &ShortStr) -> Result<(), Failure> {
        let user = self.user_name();
        let machine = self.broker.metadata().read();
        let permissions = machine.topic_permissions(user.as_bytes(), self.vhost.as_bytes(), exchange.as_bytes());
        let Some(permissions) = permissions else { return Ok(()) };
        let who = TopicContext { username: user.as_bytes(), vhost: self.vhost.as_bytes(), client_id: None };
        if self.broker.access().topic_grants(&who, permissions).allows(access, key.as_bytes()) {
            return Ok(());
        }
        Err(Failure::access_refused(text::topic_refused(access, key.as_bytes(), exchange, &self.vhost, &user)))
    }

    /// Whether the user may read from the queue.
    pub(crate) fn may_read(&mut self, queue: &ShortStr) -> bool {
        self.allows(Access::Read, Kind::Queue, queue)
    }

    /// What the user may do is looked up anew.
    pub(crate) fn forget_grants(&mut self) {
        self.grants = None;
    }

    fn allows(&mut self, access: Access, kind: Kind, name: &ShortStr) -> bool {
        let version = self.broker.access().version();
        if self.grants.as_ref().is_none_or(|(at, _)| *at != version) {
            let user = self.user_name();
            let machine = || {
                let machine = self.broker.metadata().read();
                machine.permissions(user.as_bytes(), self.vhost.as_bytes()).cloned()
            };
            let grants = self.broker.access().grants(&user, &self.vhost, machine);
            self.grants = Some((version, grants));
        }
        let grants = self.grants.as_ref().and_then(|(_, grants)| grants.as_ref());
        grants.is_some_and(|grants| grants.allows(access, kind, name.as_bytes()))
    }

    /// Blocks or unblocks a publisher as the node's alarm says.
    pub(crate) fn follow_alarm(&mut self, conn: &mut Connection) {
        if !self.has_published {
            return;
        }
        match self.broker.alarm() {
            Some(reason) => conn.blocked(reason),
            None if self.is_blocked => conn.unblocked(),
            None => {}
        }
        self.is_blocked = self.broker.alarm().is_some();
    }

    /// The user's name; empty before login.
    pub(crate) fn user_name(&self) -> ShortStr {
        self.user.as_ref().map_or(ShortStr::EMPTY, |user| user.name.clone())
    }

    /// Gives memory back that only a busy connection needs. What waits for the next flush stays.
    pub(crate) fn trim(&mut self) {
        self.routes = Routes::new();
        self.dirty.shrink_to_fit();
    }
}
