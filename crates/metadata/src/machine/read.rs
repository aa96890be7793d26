//! What readers see of the machine.

use std::ops::Bound;

use bytes::Bytes;
use types::{FieldTable, GroupId, QueueId, ShortStr};

use super::{Machine, Room};
use crate::{
    BindingRef, Cluster, ConnectionId, Destination, Exchange, Home, Permissions, Queue, Refusal, Resource, User, Vhost,
    binding::{BindingKey, ReverseKey},
};

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Vhosts.
    pub vhosts: usize,
    /// Users.
    pub users: usize,
    /// Exchanges, without the default ones.
    pub exchanges: usize,
    /// Queues.
    pub queues: usize,
    /// Bindings, without the default ones.
    pub bindings: usize,
}

impl Machine {
    /// Whether [`Command::Bootstrap`](crate::Command::Bootstrap) was applied.
    pub fn is_bootstrapped(&self) -> bool {
        self.bootstrapped
    }

    /// Members of the cluster, and where groups are.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The id that the next queue gets.
    pub fn next_queue_id(&self) -> QueueId {
        QueueId(self.last_queue_id + 1)
    }

    /// How much there is. Takes time in the number of vhosts.
    pub fn counts(&self) -> Counts {
        Counts {
            vhosts: self.vhosts.len(),
            users: self.users.len(),
            exchanges: self.vhosts.values().map(|room| room.exchanges.len()).sum(),
            queues: self.vhosts.values().map(|room| room.queues.len()).sum(),
            bindings: self.vhosts.values().map(|room| room.bindings.len()).sum(),
        }
    }

    /// The vhost of that name.
    pub fn vhost(&self, name: &[u8]) -> Option<&Vhost> {
        self.vhosts.get(name).map(|room| &room.vhost)
    }

    /// All vhosts, by name.
    pub fn vhosts(&self) -> impl Iterator<Item = &Vhost> {
        self.vhosts.values().map(|room| &room.vhost)
    }

    /// The user of that name.
    pub fn user(&self, name: &[u8]) -> Option<&User> {
        self.users.get(name)
    }

    /// All users, by name.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// What the user may do in the vhost; `None`: not even enter it.
    pub fn permissions(&self, user: &[u8], vhost: &[u8]) -> Option<&Permissions> {
        self.permissions.get(user)?.get(vhost)
    }

    /// All permissions: user, vhost, what is allowed.
    pub fn all_permissions(&self) -> impl Iterator<Item = (&ShortStr, &ShortStr, &Permissions)> {
        self.permissions
            .iter()
            .flat_map(|(user, of_user)| of_user.iter().map(move |(vhost, granted)| (user, vhost, granted)))
    }

    /// The exchange of that name; none for the default exchange, which is not stored.
    pub fn exchange(&self, vhost: &[u8], name: &[u8]) -> Option<&Exchange> {
        self.vhosts.get(vhost)?.exchanges.get(name)
    }

    /// The exchanges of a vhost, by name, without the default one.
    pub fn exchanges(&self, vhost: &[u8]) -> impl Iterator<Item = &Exchange> {
        self.vhosts.get(vhost).into_iter().flat_map(|room| room.exchanges.values())
    }

    /// The queue of that name.
    pub fn queue(&self, vhost: &[u8], name: &[u8]) -> Option<&Queue> {
        self.queue_by_id(*self.vhosts.get(vhost)?.queues.get(name)?)
    }

    /// The queue with that id; also one that keeps the history of an exchange.
    pub fn queue_by_id(&self, queue: QueueId) -> Option<&Queue> {
        self.queues.get(&queue)
    }

    /// The queue of that name, for a connection that wants to use it.
    ///
    /// # Errors
    /// `NotFound`, or `Locked` when it is exclusive to another connection.
    pub fn queue_for(&self, vhost: &ShortStr, name: &ShortStr, connection: ConnectionId) -> Result<&Queue, Refusal> {
        let queue = self
            .queue(vhost.as_bytes(), name.as_bytes())
            .ok_or_else(|| Refusal::NotFound(Resource::queue(vhost, name)))?;
        if queue.is_locked_for(connection) {
            return Err(Refusal::Locked(Resource::queue(vhost, name)));
        }
        Ok(queue)
    }

    /// All queues that clients can name, by id.
    pub fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.queues.values().filter(|queue| !queue.is_history)
    }

    /// The queue in which an `x-recent-history` exchange keeps its last messages.
    pub fn history(&self, vhost: &[u8], exchange: &[u8]) -> Option<&Queue> {
        self.queue_by_id(self.exchange(vhost, exchange)?.history?)
    }

    /// The queues of a vhost, by name.
    pub fn queues_in_vhost(&self, vhost: &[u8]) -> impl Iterator<Item = &Queue> {
        self.vhosts.get(vhost).into_iter().flat_map(|room| room.queues.values()).filter_map(|id| self.queues.get(id))
    }

    /// The queues whose messages are in that group, by id; also those that keep the history of exchanges.
    pub fn queues_in_group(&self, group: GroupId) -> impl Iterator<Item = &Queue> {
        self.by_group.get(&group).into_iter().flatten().filter_map(|id| self.queues.get(id))
    }

    /// The ids of the queues whose messages are in that group and whose ids are above one, ascending; `None`: from the first.
    pub fn queues_in_group_after(&self, group: GroupId, queue: Option<QueueId>) -> impl Iterator<Item = QueueId> {
        let from = queue.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_group.get(&group).into_iter().flat_map(move |ids| ids.range((from, Bound::Unbounded)).copied())
    }

    /// The incarnations of nodes in whose memory there are queues.
    pub fn local_homes(&self) -> impl Iterator<Item = Home> {
        self.local_homes.keys().copied()
    }

    /// How many queues have their messages in that group.
    pub fn queue_count_in_group(&self, group: GroupId) -> usize {
        self.by_group.get(&group).map_or(0, |ids| ids.len())
    }

    /// The queues that are exclusive to a connection, by id.
    pub fn queues_of_connection(&self, connection: ConnectionId) -> impl Iterator<Item = &Queue> {
        self.by_owner
            .range((connection, QueueId(0))..=(connection, QueueId(u64::MAX)))
            .filter_map(|(_, id)| self.queues.get(id))
    }

    /// The bindings of a vhost, by source, without the default ones.
    pub fn bindings(&self, vhost: &[u8]) -> impl Iterator<Item = BindingRef<'_>> {
        self.vhosts.get(vhost).into_iter().flat_map(|room| room.bindings.iter()).map(view)
    }

    /// The bindings that start from an exchange, queues first.
    pub fn bindings_from(&self, vhost: &[u8], source: &ShortStr) -> impl Iterator<Item = BindingRef<'_>> {
        self.vhosts.get(vhost).into_iter().flat_map(move |room| room.from(source)).map(view)
    }

    /// The bindings that lead to a queue or an exchange, by source, without the default ones.
    pub fn bindings_to(&self, vhost: &[u8], destination: &Destination) -> impl Iterator<Item = BindingRef<'_>> {
        self.vhosts.get(vhost).into_iter().flat_map(move |room| {
            room.to(destination).filter_map(move |key| room.bindings.get_key_value(&key.forward())).map(view)
        })
    }
}

impl Room {
    pub(super) fn from(&self, source: &ShortStr) -> impl Iterator<Item = (&BindingKey, &FieldTable)> + use<'_> {
        let first = BindingKey {
            source: source.clone(),
            destination: Destination::Queue(QueueId(0)),
            routing_key: ShortStr::EMPTY,
            arguments: Bytes::new(),
        };
        let source = source.clone();
        self.bindings.range((Bound::Included(first), Bound::Unbounded)).take_while(move |(key, _)| key.source == source)
    }

    pub(super) fn to(&self, destination: &Destination) -> impl Iterator<Item = &ReverseKey> + use<'_> {
        let first = ReverseKey {
            destination: destination.clone(),
            source: ShortStr::EMPTY,
            routing_key: ShortStr::EMPTY,
            arguments: Bytes::new(),
        };
        let destination = destination.clone();
        self.reverse
            .range((Bound::Included(first), Bound::Unbounded))
            .take_while(move |key| key.destination == destination)
    }
}

fn view<'a>((key, arguments): (&'a BindingKey, &'a FieldTable)) -> BindingRef<'a> {
    BindingRef { source: &key.source, destination: &key.destination, routing_key: &key.routing_key, arguments }
}
