//! What all connections of this node share: the way to the groups, the routing tables, the sessions.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock, Weak},
};

use metadata::{ConnectionId, Event, Machine};
use parking_lot::Mutex;
use queue::{Cancelled, Command, QueueEnded};
use replication::{
    AlarmKind, ChunkReplies, Counts, DeadLetterBatch, Groups, Metadata, MetadataObserver, SessionDelivery, Sessions,
    queue_config,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, info, warn};
use types::{Blob, GroupId, NodeId, QueueId, SessionId, ShortStr};

use crate::{
    access::AccessTable,
    alarms,
    announce::Announcer,
    barrier::Barrier,
    config::Config,
    dead_letter::{Inbox, Input},
    deleted_queues::DeletedQueues,
    ended::{self, EndedQueues},
    events::Events,
    firehose::Firehose,
    mailbox::{Mail, Mailbox},
    metrics,
    registry::Registry,
    reply_to,
    session::AHEAD_MAX,
    tables::Tables,
};

/// The node's broker. Made first, then [attached](Broker::attach) to replication, which needs it as [`Sessions`] and
/// [`MetadataObserver`].
pub struct Broker {
    config: Config,
    registry: Registry,
    tables: Tables,
    access: AccessTable,
    alarm: Mutex<Option<ShortStr>>,
    /// Queues that are on their way out of metadata.
    ended: Arc<EndedQueues>,
    dead_letters: Arc<Inbox>,
    announcer: Announcer,
    firehose: Firehose,
    events: Events,
    /// Declarations that may be ahead of their turns.
    ahead: Arc<Semaphore>,
    barrier: Barrier,
    deleted_queues: DeletedQueues,
    this: Weak<Broker>,
    replication: OnceLock<Replication>,
}

struct Replication {
    groups: Arc<dyn Groups>,
    metadata: Arc<dyn Metadata>,
    counts: Arc<dyn Counts>,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Broker {
    /// A broker that is not attached yet: metadata may change already, connections may not come yet.
    pub fn new(config: Config) -> Arc<Self> {
        let registry = Registry::new(config.node, config.serial_base);
        let announcer = registry.open_announcer();
        Arc::new_cyclic(|this| Broker {
            config,
            registry,
            tables: Tables::default(),
            access: AccessTable::default(),
            alarm: Mutex::default(),
            ended: Arc::default(),
            dead_letters: Arc::default(),
            announcer,
            firehose: Firehose::default(),
            events: Events::default(),
            ahead: Arc::new(Semaphore::new(AHEAD_MAX)),
            barrier: Barrier::default(),
            deleted_queues: DeletedQueues::default(),
            this: Weak::clone(this),
            replication: OnceLock::new(),
        })
    }

    /// Gives the broker its groups, its metadata and what is counted over all nodes, before the first connection. A second call
    /// changes nothing.
    pub fn attach(&self, groups: Arc<dyn Groups>, metadata: Arc<dyn Metadata>, counts: Arc<dyn Counts>) {
        let is_first = self.replication.set(Replication { groups, metadata, counts }).is_ok();
        debug_assert!(is_first, "a broker is attached once");
        let machine = self.metadata().read();
        self.firehose.follow(&machine);
        self.events.rebuild(&machine);
        self.create_local_queues(&machine);
    }

    /// Whether [`Broker::attach`] was called.
    pub fn is_attached(&self) -> bool {
        self.replication.get().is_some()
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Raises (or, with `None`, clears) the node's alarm: while it stands, connections that publish are told
    /// `connection.blocked` with this reason, and are not read.
    pub fn set_alarm(&self, reason: Option<&str>) {
        let reason = reason.map(ShortStr::truncated);
        {
            let mut alarm = self.alarm.lock();
            if *alarm == reason {
                return;
            }
            *alarm = reason.clone();
        }
        self.tell_alarm(reason.as_ref());
        match reason {
            Some(reason) => warn!(%reason, "publishers are blocked"),
            None => info!("publishers are not blocked any more"),
        }
        self.registry.broadcast(|| Mail::AlarmChanged);
    }

    /// Ends all connections of this node, in good order: each gets `connection.close` 320 with that reason.
    pub fn close_connections(&self, reason: &str) {
        self.registry.broadcast(|| Mail::ForceClose(reason.to_owned()));
    }

    /// How many connections there are.
    pub fn connection_count(&self) -> usize {
        self.registry.connection_count()
    }

    /// The alarm that stands.
    pub(crate) fn alarm(&self) -> Option<ShortStr> {
        self.alarm.lock().clone()
    }

    pub(crate) fn groups(&self) -> &dyn Groups {
        &*self.replication().groups
    }

    pub(crate) fn metadata(&self) -> &dyn Metadata {
        &*self.replication().metadata
    }

    pub(crate) fn counts(&self) -> &dyn Counts {
        &*self.replication().counts
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The broker's own publisher, once there are groups.
    pub(crate) fn announcer(&self) -> Option<&Announcer> {
        self.is_attached().then_some(&self.announcer)
    }

    pub(crate) fn firehose(&self) -> &Firehose {
        &self.firehose
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    /// What makes sure that this node knows of everything.
    pub(crate) fn barrier(&self) -> &Barrier {
        &self.barrier
    }

    /// Names of queues that were deleted a short while ago.
    pub(crate) fn deleted_queues(&self) -> &DeletedQueues {
        &self.deleted_queues
    }

    /// One more declaration may be ahead of its turn until this is dropped; `None`: there are enough.
    pub(crate) fn permit_ahead(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.ahead).try_acquire_owned().ok()
    }

    pub(crate) fn access(&self) -> &AccessTable {
        &self.access
    }

    /// A new connection's identity; mail for it goes to `mailbox` from now on.
    pub(crate) fn connect(&self, mailbox: &Arc<Mailbox>, peer: SocketAddr, local: SocketAddr) -> ConnectionId {
        let serial = self.registry.next_serial();
        self.registry.connect(serial, Arc::clone(mailbox), peer, local);
        metrics::connection_opened();
        ConnectionId { node: self.config.node, serial }
    }

    /// The connection is over.
    pub(crate) fn disconnect(&self, connection: ConnectionId) {
        if let Some(member) = self.registry.disconnect(connection.serial) {
            self.uncount(&member);
        }
        metrics::connection_closed();
    }

    fn replication(&self) -> &Replication {
        self.replication.get().expect("connections come after the broker is attached")
    }

    /// The machine in this node's memory gets the queues that metadata puts there (by another node's death, or before this
    /// broker was attached), and loses those that metadata has lost.
    fn follow_local_queues(&self, machine: &Machine, events: &[Event]) {
        let here = GroupId::local(self.config.node);
        let commands: Vec<Command> = events
            .iter()
            .filter_map(|event| match event {
                Event::QueueDeclared { queue, group, .. } if *group == here => create(machine, *queue),
                Event::QueueDeleted { queue, group, .. } if *group == here => {
                    Some(Command::DeleteQueue { queue: *queue, if_unused: false, if_empty: false })
                }
                _ => None,
            })
            .collect();
        self.submit_unanswered(here, commands);
        for event in events {
            if let Event::QueueDeleted { queue, .. } = event {
                self.registry.queue_gone(*queue);
            }
        }
    }

    /// Connections end with their user and with their virtual host.
    fn close_orphans(&self, events: &[Event]) {
        for event in events {
            if let Event::UserDeleted { user } = event {
                self.close_connections_of_user(user, &format!("user '{user}' is deleted"));
            } else if let Event::VhostDeleted { vhost } = event {
                self.close_connections_of_vhost(vhost, &format!("vhost '{vhost}' is deleted"));
            }
        }
    }

    fn create_local_queues(&self, machine: &Machine) {
        let here = GroupId::local(self.config.node);
        let of_this_start = machine.queues_in_group(here).filter(|queue| queue.home == self.config.home());
        self.submit_unanswered(here, of_this_start.filter_map(|queue| create(machine, queue.id)).collect());
    }

    fn submit_unanswered(&self, group: GroupId, commands: Vec<Command>) {
        if let Some(replication) = self.replication.get()
            && !commands.is_empty()
        {
            replication.groups.submit(group, self.registry.unheard(), 0, commands, Blob::default());
        }
    }
}

impl Sessions for Broker {
    fn replied(&self, session: SessionId, _group: GroupId, token: u64, replies: ChunkReplies) {
        self.registry.post_replies(session, token, replies);
    }

    fn deliver(&self, delivery: SessionDelivery) {
        let session = delivery.consumer.session;
        self.registry.post(session, |to| Mail::Delivery { to, delivery });
    }

    fn cancelled(&self, cancelled: Cancelled) {
        let Cancelled { consumer, reason, .. } = cancelled;
        self.registry.post(consumer.session, |to| Mail::Cancelled { to, number: consumer.number, reason });
    }

    fn dead_letters(&self, group: GroupId, letters: DeadLetterBatch) {
        self.dead_letters.push(Input::Letters(group, letters));
        self.dead_letters.start(&self.this);
    }

    fn queues_ended(&self, group: GroupId, queues: Vec<QueueEnded>) {
        debug!(%group, count = queues.len(), "queues have ended");
        let (replies, others): (Vec<QueueId>, Vec<QueueId>) =
            queues.into_iter().map(|ended| ended.queue).partition(|queue| reply_to::is_reply_queue(*queue));
        ended::forget(&self.ended, &self.replication().metadata, others.into_iter());
        if !replies.is_empty() {
            // Metadata has never heard of them.
            self.submit_unanswered(group, vec![Command::Forget { queues: replies }]);
        }
    }

    fn alarms_changed(&self, alarms: Vec<(NodeId, AlarmKind)>) {
        self.set_alarm(alarms::reason(&alarms));
    }

    fn sessions_lost(&self, group: GroupId) {
        warn!(%group, "sessions of this node were declared over");
        self.registry.broadcast(|| Mail::SessionsLost(group));
    }
}

impl MetadataObserver for Broker {
    fn changed(&self, machine: &Machine, events: &[Event]) {
        self.tables.apply(events);
        self.deleted_queues.apply(events);
        if events.iter().any(concerns_access) {
            self.access.changed();
        }
        self.follow_local_queues(machine, events);
        self.close_orphans(events);
        if events.iter().any(concerns_tracing) {
            self.firehose.follow(machine);
        }
        self.tell_changes(machine, events);
        self.dead_letters.topology_changed();
    }

    fn replaced(&self, machine: &Machine) {
        self.tables.rebuild(machine);
        self.access.changed();
        self.create_local_queues(machine);
        self.firehose.follow(machine);
        self.events.rebuild(machine);
        self.dead_letters.topology_changed();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.dead_letters.push(Input::Closed);
    }
}

/// Events of one batch may declare a queue and delete it again: then there is nothing to create.
fn create(machine: &Machine, queue: QueueId) -> Option<Command> {
    machine.queue_by_id(queue)?;
    Some(Command::CreateQueue { queue, config: queue_config(machine, queue) })
}

fn concerns_tracing(event: &Event) -> bool {
    matches!(event, Event::VhostCreated { .. } | Event::VhostChanged { .. } | Event::VhostDeleted { .. })
}

fn concerns_access(event: &Event) -> bool {
    match event {
        Event::UserChanged { .. }
        | Event::UserDeleted { .. }
        | Event::PermissionsChanged { .. }
        | Event::TopicPermissionsChanged { .. }
        | Event::VhostCreated { .. }
        | Event::VhostDeleted { .. } => true,
        Event::VhostChanged { .. }
        | Event::ExchangeDeclared { .. }
        | Event::ExchangeChanged { .. }
        | Event::ExchangeDeleted { .. }
        | Event::PolicyChanged { .. }
        | Event::ParameterChanged { .. }
        | Event::GlobalParameterChanged { .. }
        | Event::ClusterChanged
        | Event::QueueSettingsChanged { .. }
        | Event::QueueDeclared { .. }
        | Event::QueueDeleted { .. }
        | Event::Bound(_)
        | Event::Unbound(_) => false,
    }
}
