//! A message's route, and the cache in which a channel keeps the routes that it uses.

use std::{collections::HashMap, sync::Arc};

use queue::{Delay, EnqueueOptions};
use routing::{QueueRef, Routes};
use types::{GroupId, QueueId, ShortStr};

/// Most routes that a channel remembers. Publishers use few keys, or so many that remembering them is in vain.
const ROUTES_MAX: usize = 512;

/// Where messages with one exchange and routing key go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Route {
    /// One per group.
    pub(crate) parts: Vec<RoutePart>,
    /// Whether the message has a destination. One that is only kept in a history has none; a reply whose asker is gone has.
    pub(crate) is_routed: bool,
}

/// The queues of a route that are in one group. Not without any.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RoutePart {
    /// The group.
    pub(crate) group: GroupId,
    /// Queues that get the message at once.
    pub(crate) queues: Vec<QueueId>,
    /// Queues that get it in another way.
    pub(crate) special: Vec<Special>,
}

/// A queue that gets a message in another way than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Special {
    pub(crate) queue: QueueId,
    /// It lies behind an exchange that delays the message.
    pub(crate) is_delayed: bool,
    /// It is the history of an exchange.
    pub(crate) is_history: bool,
}

/// What a message asks of its queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asks {
    /// Of all queues.
    pub(crate) options: EnqueueOptions,
    /// Of those behind exchanges that delay.
    pub(crate) delay: Delay,
}

impl Route {
    /// What routing has found.
    pub(crate) fn of(routes: &Routes) -> Self {
        let mut route = Route { parts: Vec::new(), is_routed: !routes.is_empty() };
        for target in routes.queues() {
            route.part(target.group).queues.push(target.queue);
        }
        let delayed = routes.delayed().iter().map(|target| (*target, true, false));
        let histories = routes.histories().iter().map(|(target, is_delayed)| (*target, *is_delayed, true));
        for (target, is_delayed, is_history) in delayed.chain(histories) {
            route.part(target.group).special.push(Special { queue: target.queue, is_delayed, is_history });
        }
        route
    }

    /// To these queues.
    pub(crate) fn to(queues: impl IntoIterator<Item = QueueRef>) -> Self {
        let mut route = Route::default();
        queues.into_iter().for_each(|target| route.add(target.queue, target.group));
        route
    }

    /// To one queue more, if it is not there.
    pub(crate) fn add(&mut self, queue: QueueId, group: GroupId) {
        self.is_routed = true;
        let part = self.part(group);
        if !part.queues.contains(&queue) {
            part.queues.push(queue);
        }
    }

    /// Whether any of its queues is to get the message with a delay.
    pub(crate) fn is_delayed(&self) -> bool {
        self.parts.iter().flat_map(|part| &part.special).any(|special| special.is_delayed)
    }

    fn part(&mut self, group: GroupId) -> &mut RoutePart {
        let at = match self.parts.iter().position(|part| part.group == group) {
            Some(at) => at,
            None => {
                self.parts.push(RoutePart { group, queues: Vec::new(), special: Vec::new() });
                self.parts.len() - 1
            }
        };
        &mut self.parts[at]
    }
}

impl RoutePart {
    /// All queues, and what is asked of each.
    pub(crate) fn runs(&self, asks: Asks) -> impl Iterator<Item = (QueueId, EnqueueOptions)> {
        let plain = self.queues.iter().map(move |queue| (*queue, asks.options));
        let special = self.special.iter().map(move |special| (special.queue, asks.of(special)));
        plain.chain(special)
    }

    /// The queues that are destinations.
    pub(crate) fn destinations(&self) -> impl Iterator<Item = QueueId> {
        let special = self.special.iter().filter(|special| !special.is_history).map(|special| special.queue);
        self.queues.iter().copied().chain(special)
    }

    /// Leaves out queues; whether any is left.
    pub(crate) fn retain(&mut self, mut is_wanted: impl FnMut(QueueId) -> bool) -> bool {
        self.queues.retain(|queue| is_wanted(*queue));
        self.special.retain(|special| is_wanted(special.queue));
        !self.queues.is_empty() || !self.special.is_empty()
    }
}

impl Asks {
    /// Messages in a history do not expire there.
    fn of(self, special: &Special) -> EnqueueOptions {
        let options = if special.is_history { EnqueueOptions::default() } else { self.options };
        if special.is_delayed { EnqueueOptions { delay: self.delay, ..options } } else { options }
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
