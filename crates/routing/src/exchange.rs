//! One exchange of the table.

use types::{FieldTable, ShortStr};

use crate::{
    consistent_hash::ConsistentHash,
    direct::Direct,
    hash::{StableHash, place},
    hash_on::HashOn,
    headers::Headers,
    message::Message,
    routes::Routes,
    targets::{QueueRef, Target, Targets},
    topic::Topic,
    walk::Walk,
};

/// How an exchange chooses destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExchangeKind {
    /// By equal routing key.
    Direct,
    /// All.
    Fanout,
    /// By patterns of words.
    Topic,
    /// By headers.
    Headers,
    /// `x-consistent-hash`: one, by the hash of the routing key, a header or a property; binding keys are weights.
    ConsistentHash,
    /// `x-modulus-hash`: one, by the hash of the routing key; what is bound n times counts n times.
    ModulusHash,
    /// `x-random`: one, by chance.
    Random,
    /// `x-local-random`: one of the queues that live on the node that routes, by chance.
    LocalRandom,
    /// `x-recent-history`: all. (The history is a queue apart.)
    RecentHistory,
}

/// An exchange as it is declared.
#[derive(Clone, Debug)]
pub struct NewExchange<'a> {
    /// How it chooses destinations.
    pub kind: ExchangeKind,
    /// It is an `x-delayed-message` exchange; `kind` is what its `x-delayed-type` says.
    pub delayed: bool,
    /// Clients may not publish to it.
    pub internal: bool,
    /// The queue in which it keeps its last messages.
    pub history: Option<QueueRef>,
    /// Where messages go that no binding matches.
    pub alternate: Option<ShortStr>,
    /// Its arguments, of which `hash-header` and `hash-property` matter here.
    pub arguments: &'a FieldTable,
}

#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) kind: ExchangeKind,
    pub(crate) delayed: bool,
    pub(crate) internal: bool,
    pub(crate) history: Option<QueueRef>,
    /// Where messages go that no binding matches.
    pub(crate) alternate: Option<ShortStr>,
    /// How many bindings lead here.
    pub(crate) inbound: usize,
    bindings: Bindings,
}

#[derive(Clone, Debug)]
enum Bindings {
    Direct(Direct),
    Topic(Topic),
    Headers(Headers),
    ConsistentHash(HashOn, ConsistentHash),
    /// Bindings whose keys and arguments do not matter.
    Any(Choice, Targets),
}

/// Which of the destinations.
#[derive(Clone, Copy, Debug)]
enum Choice {
    All,
    Modulus,
    Random,
    LocalRandom,
}

impl Exchange {
    pub(crate) fn new(new: &NewExchange<'_>) -> Self {
        let bindings = match new.kind {
            ExchangeKind::Direct => Bindings::Direct(Direct::default()),
            ExchangeKind::Topic => Bindings::Topic(Topic::default()),
            ExchangeKind::Headers => Bindings::Headers(Headers::default()),
            ExchangeKind::ConsistentHash => {
                Bindings::ConsistentHash(HashOn::new(new.arguments), ConsistentHash::default())
            }
            ExchangeKind::Fanout | ExchangeKind::RecentHistory => Bindings::Any(Choice::All, Targets::default()),
            ExchangeKind::ModulusHash => Bindings::Any(Choice::Modulus, Targets::default()),
            ExchangeKind::Random => Bindings::Any(Choice::Random, Targets::default()),
            ExchangeKind::LocalRandom => Bindings::Any(Choice::LocalRandom, Targets::default()),
        };
        let alternate = new.alternate.as_ref().map(ShortStr::compact);
        let NewExchange { kind, delayed, internal, history, .. } = *new;
        Exchange { kind, delayed, internal, history, alternate, inbound: 0, bindings }
    }

    pub(crate) fn bind(&mut self, key: &ShortStr, arguments: &FieldTable, target: &Target) {
        match &mut self.bindings {
            Bindings::Direct(direct) => direct.bind(key, target),
            Bindings::Topic(topic) => topic.bind(key, target),
            Bindings::Headers(headers) => headers.bind(key, arguments, target),
            Bindings::ConsistentHash(_, hash) => hash.bind(key, target),
            Bindings::Any(_, targets) => targets.add(target),
        }
    }

    pub(crate) fn unbind(&mut self, key: &ShortStr, arguments: &FieldTable, target: &Target) -> bool {
        match &mut self.bindings {
            Bindings::Direct(direct) => direct.unbind(key, target),
            Bindings::Topic(topic) => topic.unbind(key, target),
            Bindings::Headers(headers) => headers.unbind(key, arguments, target),
            Bindings::ConsistentHash(_, hash) => hash.unbind(key, target),
            Bindings::Any(_, targets) => targets.remove(target),
        }
    }

    /// Removes all bindings that lead there. Takes time in the number of bindings.
    pub(crate) fn forget(&mut self, target: &Target) {
        match &mut self.bindings {
            Bindings::Direct(direct) => direct.forget(target),
            Bindings::Topic(topic) => topic.forget(target),
            Bindings::Headers(headers) => headers.forget(target),
            Bindings::ConsistentHash(_, hash) => hash.forget(target),
            Bindings::Any(_, targets) => targets.forget(target),
        }
    }

    /// Where the bindings lead, one by one. Takes time in the number of bindings.
    pub(crate) fn targets(&self) -> Vec<Target> {
        match &self.bindings {
            Bindings::Direct(direct) => direct.targets().collect(),
            Bindings::Topic(topic) => topic.targets().collect(),
            Bindings::Headers(headers) => headers.targets().collect(),
            Bindings::ConsistentHash(_, hash) => hash.targets().collect(),
            Bindings::Any(_, targets) => targets.iter().collect(),
        }
    }

    /// Adds the destinations of all bindings that match.
    pub(crate) fn find(&self, walk: &Walk<'_>, routes: &mut Routes) {
        match &self.bindings {
            Bindings::Direct(direct) => {
                for key in walk.message.keys() {
                    if let Some(targets) = direct.find(key) {
                        routes.extend(targets);
                    }
                }
            }
            Bindings::Topic(topic) => walk.message.keys().for_each(|key| topic.find(key, routes)),
            Bindings::Headers(headers) => headers.find(walk, routes),
            Bindings::ConsistentHash(hash_on, hash) => {
                let key_hash = || {
                    if !hash_on.is_routing_key() {
                        walk.depends_on_more_than_the_key();
                    }
                    hash_on.hash(walk.message)
                };
                if let Some(target) = hash.find(key_hash) {
                    routes.push_target(target);
                }
            }
            Bindings::Any(choice, targets) => choice.find(targets, walk, routes),
        }
    }
}

impl Choice {
    fn find(self, targets: &Targets, walk: &Walk<'_>, routes: &mut Routes) {
        let target = match (self, targets.len()) {
            (Choice::All, _) => return routes.extend(targets),
            (Choice::Modulus | Choice::Random | Choice::LocalRandom, 0) => None,
            (Choice::Modulus | Choice::Random, 1) => targets.get(0),
            (Choice::Modulus, count) => targets.get(place(hash_of_keys(walk.message), count)),
            (Choice::Random, count) => targets.get(place(walk.draw(), count)),
            (Choice::LocalRandom, _) => local(targets, walk),
        };
        if let Some(target) = target {
            routes.push_target(&target);
        }
    }
}

fn local(targets: &Targets, walk: &Walk<'_>) -> Option<Target> {
    walk.depends_on_more_than_the_key();
    let is_local = |queue: &&_| (walk.message.is_local)(**queue);
    let queues = targets.queues();
    match queues.iter().filter(is_local).count() {
        0 => None,
        count => queues.iter().filter(is_local).nth(place(walk.draw(), count)).map(|queue| Target::Queue(*queue)),
    }
}

fn hash_of_keys(message: &Message<'_>) -> u64 {
    message.keys().fold(StableHash::new(), StableHash::field).finish()
}
