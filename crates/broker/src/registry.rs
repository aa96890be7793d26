//! Which sessions of this node are whose: a session is one AMQP channel, its mail goes to its connection.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use queue::CancelReason;
use replication::ChunkReplies;
use tokio::sync::oneshot;
use types::{ConsumerKey, NodeId, QueueId, SessionId, ShortStr};

use crate::{
    announce::Announcer,
    dead_letter::{Inbox, Input},
    mailbox::{Address, Mail, Mailbox},
};

/// Locks are split so that connections do not meet at one.
const SHARDS: usize = 16;
const SHARD_COUNT: u64 = 16;

/// Who gets a session's mail.
#[derive(Debug)]
enum Recipient {
    /// An open channel: its connection and its number there.
    Channel(Arc<Mailbox>, u16),
    /// The task that forwards dead letters.
    DeadLetters(Arc<Inbox>),
    /// The broker itself: what it has under way. The tokens of its chunks are their bytes.
    Announcer(Arc<AtomicU64>),
    /// A task that waits for the answers to the session's only chunk.
    Waiter(Option<oneshot::Sender<ChunkReplies>>),
}

/// A connection of this node.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its number.
    pub(crate) serial: u64,
    /// Where the client is.
    pub(crate) peer: SocketAddr,
    /// Where it has connected to.
    pub(crate) local: SocketAddr,
    /// Who has logged in, once a virtual host is open.
    pub(crate) user: Option<ShortStr>,
    /// The virtual host that is open.
    pub(crate) vhost: Option<ShortStr>,
    /// How many channels are open.
    pub(crate) channels: AtomicU64,
    mailbox: Arc<Mailbox>,
}

/// All sessions of this node.
#[derive(Debug)]
pub(crate) struct Registry {
    node: NodeId,
    next_serial: AtomicU64,
    shards: [Mutex<HashMap<u64, Recipient>>; SHARDS],
    connections: RwLock<HashMap<u64, Member>>,
    /// Consumers of queues in the memory of other nodes.
    watchers: Mutex<HashMap<QueueId, Vec<ConsumerKey>>>,
}

impl Registry {
    /// `serial_base` must be above every serial of the node's earlier incarnations.
    pub(crate) fn new(node: NodeId, serial_base: u64) -> Self {
        Registry {
            node,
            next_serial: AtomicU64::new(serial_base),
            shards: Default::default(),
            connections: RwLock::default(),
            watchers: Mutex::default(),
        }
    }

    /// A new session, of that channel of the connection with that mailbox.
    pub(crate) fn open(&self, mailbox: Arc<Mailbox>, channel: u16) -> SessionId {
        let session = self.unheard();
        self.shard(session).lock().insert(session.serial, Recipient::Channel(mailbox, channel));
        session
    }

    /// The session of the task that forwards dead letters.
    pub(crate) fn open_dead_letters(&self, inbox: Arc<Inbox>) -> SessionId {
        let session = self.unheard();
        self.shard(session).lock().insert(session.serial, Recipient::DeadLetters(inbox));
        session
    }

    /// The session in which the broker itself publishes.
    pub(crate) fn open_announcer(&self) -> Announcer {
        let (session, in_flight) = (self.unheard(), Arc::default());
        self.shard(session).lock().insert(session.serial, Recipient::Announcer(Arc::clone(&in_flight)));
        Announcer::new(session, in_flight)
    }

    /// A new session of a task that waits for the answers to one chunk, whatever its token.
    pub(crate) fn open_waiter(&self) -> (SessionId, oneshot::Receiver<ChunkReplies>) {
        let session = self.unheard();
        let (sender, receiver) = oneshot::channel();
        self.shard(session).lock().insert(session.serial, Recipient::Waiter(Some(sender)));
        (session, receiver)
    }

    /// The session is over: what still comes for it is dropped.
    pub(crate) fn close(&self, session: SessionId) {
        self.shard(session).lock().remove(&session.serial);
    }

    /// A session whose answers nobody hears.
    pub(crate) fn unheard(&self) -> SessionId {
        SessionId { node: self.node, serial: self.next_serial() }
    }

    /// Gives a mail to the session's connection. Mail for a session that is over is dropped.
    pub(crate) fn post(&self, session: SessionId, mail: impl FnOnce(Address) -> Mail) {
        if session.node != self.node {
            return;
        }
        let (mailbox, channel) = match self.shard(session).lock().get(&session.serial) {
            Some(Recipient::Channel(mailbox, channel)) => (Arc::clone(mailbox), *channel),
            Some(Recipient::DeadLetters(_) | Recipient::Announcer(_) | Recipient::Waiter(_)) | None => return,
        };
        mailbox.push(mail(Address { channel, session }));
    }

    /// Gives the answers to a chunk to whoever waits for them.
    pub(crate) fn post_replies(&self, session: SessionId, token: u64, replies: ChunkReplies) {
        if session.node != self.node {
            return;
        }
        let mut shard = self.shard(session).lock();
        match shard.get_mut(&session.serial) {
            Some(Recipient::Channel(mailbox, channel)) => {
                let (mailbox, to) = (Arc::clone(mailbox), Address { channel: *channel, session });
                drop(shard);
                mailbox.push(Mail::Replied { to, token, replies });
            }
            Some(Recipient::DeadLetters(inbox)) => {
                let inbox = Arc::clone(inbox);
                drop(shard);
                inbox.push(Input::Replied(token, replies));
            }
            Some(Recipient::Announcer(in_flight)) => {
                in_flight.fetch_sub(token, Ordering::Relaxed);
            }
            Some(Recipient::Waiter(sender)) => {
                if let Some(sender) = sender.take() {
                    // The task may have given up.
                    sender.send(replies).ok();
                }
                shard.remove(&session.serial);
            }
            None => {}
        }
    }

    /// The consumer is to be told when metadata loses its queue. The group tells it, too, but only once: a leader that dies, or a
    /// link that is down at that moment, loses that.
    pub(crate) fn watch(&self, queue: QueueId, consumer: ConsumerKey) {
        self.watchers.lock().entry(queue).or_default().push(consumer);
    }

    /// The consumer is over.
    pub(crate) fn unwatch(&self, queue: QueueId, consumer: ConsumerKey) {
        let mut watchers = self.watchers.lock();
        if let Some(of_queue) = watchers.get_mut(&queue) {
            of_queue.retain(|there| *there != consumer);
            if of_queue.is_empty() {
                watchers.remove(&queue);
            }
        }
    }

    /// A queue is gone from metadata: its watchers are told.
    pub(crate) fn queue_gone(&self, queue: QueueId) {
        let watchers = self.watchers.lock().remove(&queue).unwrap_or_default();
        for ConsumerKey { session, number } in watchers {
            self.post(session, |to| Mail::Cancelled { to, number, reason: CancelReason::QueueGone });
        }
    }

    /// A connection is there; `serial` is unique among this node's connections.
    pub(crate) fn connect(&self, serial: u64, mailbox: Arc<Mailbox>, peer: SocketAddr, local: SocketAddr) {
        let member = Member { serial, peer, local, user: None, vhost: None, channels: AtomicU64::new(0), mailbox };
        self.connections.write().insert(serial, member);
    }

    /// A connection has opened a virtual host.
    pub(crate) fn opened(&self, serial: u64, user: &ShortStr, vhost: &ShortStr) {
        if let Some(member) = self.connections.write().get_mut(&serial) {
            (member.user, member.vhost) = (Some(user.clone()), Some(vhost.clone()));
        }
    }

    /// A connection is over; what was known of it.
    pub(crate) fn disconnect(&self, serial: u64) -> Option<Member> {
        self.connections.write().remove(&serial)
    }

    /// Gives a mail to every connection.
    pub(crate) fn broadcast(&self, mail: impl Fn() -> Mail) {
        self.post_to(|_| true, mail);
    }

    /// Gives a mail to every connection that is meant; how many are.
    pub(crate) fn post_to(&self, is_meant: impl Fn(&Member) -> bool, mail: impl Fn() -> Mail) -> usize {
        let connections = self.connections.read();
        let meant = connections.values().filter(|member| is_meant(member));
        meant.map(|member| member.mailbox.push(mail())).count()
    }

    /// A connection has opened a channel.
    pub(crate) fn channel_opened(&self, serial: u64) {
        if let Some(member) = self.connections.read().get(&serial) {
            member.channels.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A channel of a connection is over.
    pub(crate) fn channel_closed(&self, serial: u64) {
        if let Some(member) = self.connections.read().get(&serial) {
            member.channels.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many connections there are.
    pub(crate) fn count(&self) -> u64 {
        u64::try_from(self.connection_count()).unwrap_or(u64::MAX)
    }

    /// How many channels the connections have.
    pub(crate) fn count_channels(&self) -> u64 {
        self.connections.read().values().map(|member| member.channels.load(Ordering::Relaxed)).sum()
    }

    /// How many connections there are.
    pub(crate) fn connection_count(&self) -> usize {
        self.connections.read().len()
    }

    /// A number that no session and no connection of this node had before.
    pub(crate) fn next_serial(&self) -> u64 {
        self.next_serial.fetch_add(1, Ordering::Relaxed)
    }

    fn shard(&self, session: SessionId) -> &Mutex<HashMap<u64, Recipient>> {
        let at = usize::try_from(session.serial % SHARD_COUNT).expect("there are few shards");
        &self.shards[at]
    }
}
