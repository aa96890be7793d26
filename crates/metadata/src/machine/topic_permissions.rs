//! Permissions on routing keys of topic exchanges, in the machine.

use types::ShortStr;

use super::Machine;
use crate::{Event, TopicPermissions};

/// Topic permissions that lie in the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicPermissionsRef<'a> {
    /// The user.
    pub user: &'a ShortStr,
    /// The vhost.
    pub vhost: &'a ShortStr,
    /// The exchange.
    pub exchange: &'a ShortStr,
    /// What is allowed.
    pub permissions: &'a TopicPermissions,
}

impl Machine {
    /// What the user may do with the routing keys of an exchange; `None`: everything.
    pub fn topic_permissions(&self, user: &[u8], vhost: &[u8], exchange: &[u8]) -> Option<&TopicPermissions> {
        self.vhosts.get(vhost)?.topic_permissions.get(user)?.get(exchange)
    }

    /// All topic permissions, by vhost, user and exchange.
    pub fn all_topic_permissions(&self) -> impl Iterator<Item = TopicPermissionsRef<'_>> {
        self.vhosts.values().flat_map(|room| {
            let vhost = &room.vhost.name;
            room.topic_permissions.iter().flat_map(move |(user, of_user)| {
                of_user.iter().map(move |(exchange, permissions)| TopicPermissionsRef {
                    user,
                    vhost,
                    exchange,
                    permissions,
                })
            })
        })
    }

    /// Sets the topic permissions of a user that is there in a vhost that is there; whether there were others before.
    pub(crate) fn put_topic_permissions(
        &mut self,
        (user, vhost, exchange): (&ShortStr, &ShortStr, &ShortStr),
        permissions: TopicPermissions,
        events: &mut Vec<Event>,
    ) -> bool {
        let room = self.vhosts.get_mut(vhost).expect("the vhost was looked up");
        let user = user.compact();
        events.push(Event::TopicPermissionsChanged { user: user.clone(), vhost: room.vhost.name.clone() });
        room.topic_permissions.entry(user).or_default().insert(exchange.compact(), permissions).is_some()
    }

    /// Removes a user's topic permissions for an exchange, or for all of the vhost; whether there were any.
    pub(crate) fn remove_topic_permissions(
        &mut self,
        user: &ShortStr,
        vhost: &ShortStr,
        exchange: Option<&ShortStr>,
        events: &mut Vec<Event>,
    ) -> bool {
        let Some(room) = self.vhosts.get_mut(vhost) else { return false };
        let Some(of_user) = room.topic_permissions.get_mut(user) else { return false };
        match exchange {
            Some(exchange) => {
                if of_user.remove(exchange).is_none() {
                    return false;
                }
            }
            None => of_user.clear(),
        }
        if of_user.is_empty() {
            room.topic_permissions.remove(user);
        }
        events.push(Event::TopicPermissionsChanged { user: user.compact(), vhost: room.vhost.name.clone() });
        true
    }
}
