//! A message's route, and the cache in which a channel keeps the routes that it uses.

use std::{collections::HashMap, sync::Arc};

use types::{GroupId, QueueId, ShortStr};

/// Most routes that a channel remembers. Publishers use few keys, or so many that remembering them is in vain.
const ROUTES_MAX: usize = 512;

/// Where messages with one exchange and routing key go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Route {
    /// One per group; none when the message is not routed.
    pub(crate) parts: Vec<RoutePart>,
}

/// The queues of a route that are in one group.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RoutePart {
    /// The group.
    pub(crate) group: GroupId,
    /// Its queues; not empty.
    pub(crate) queues: Vec<QueueId>,
}

impl Route {
    /// A route to queues whose groups are known.
    pub(crate) fn new(queues: impl Iterator<Item = (QueueId, GroupId)>) -> Self {
        let mut parts: Vec<RoutePart> = Vec::new();
        for (queue, group) in queues {
            match parts.iter_mut().find(|part| part.group == group) {
                Some(part) => part.queues.push(queue),
                None => parts.push(RoutePart { group, queues: vec![queue] }),
            }
        }
        Route { parts }
    }
}

/// The state of the node's tables that a cached route was made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TablesVersion {
    /// Of the routing tables.
    pub(crate) routes: u64,
    /// Of users and permissions.
    pub(crate) access: u64,
}

/// The routes that a channel used lately, of publishes that were permitted.
#[derive(Debug, Default)]
pub(crate) struct RouteCache {
    version: TablesVersion,
    last: Option<(RouteKey, Arc<Route>)>,
    routes: HashMap<RouteKey, Arc<Route>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RouteKey {
    exchange: ShortStr,
    routing_key: ShortStr,
}

impl RouteCache {
    /// The route, when it is known and of that version.
    pub(crate) fn get(
        &mut self,
        version: TablesVersion,
        exchange: &ShortStr,
        routing_key: &ShortStr,
    ) -> Option<Arc<Route>> {
        if self.version != version {
            self.clear();
            self.version = version;
            return None;
        }
        if let Some((key, route)) = &self.last
            && key.routing_key == *routing_key
            && key.exchange == *exchange
        {
            return Some(Arc::clone(route));
        }
        let key = RouteKey { exchange: exchange.clone(), routing_key: routing_key.clone() };
        let (key, route) = self.routes.get_key_value(&key)?;
        self.last = Some((key.clone(), Arc::clone(route)));
        Some(Arc::clone(route))
    }

    /// Remembers a route of the version that was last asked for.
    pub(crate) fn put(&mut self, exchange: &ShortStr, routing_key: &ShortStr, route: &Arc<Route>) {
        if self.routes.len() >= ROUTES_MAX {
            self.clear();
        }
        let key = RouteKey { exchange: exchange.compact(), routing_key: routing_key.compact() };
        self.last = Some((key.clone(), Arc::clone(route)));
        self.routes.insert(key, Arc::clone(route));
    }

    /// Forgets all routes and gives their memory back.
    pub(crate) fn clear(&mut self) {
        self.last = None;
        self.routes = HashMap::new();
    }
}
