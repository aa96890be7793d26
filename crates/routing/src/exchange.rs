//! One exchange of the table.

use types::{FieldTable, ShortStr};

use crate::{
    direct::Direct,
    headers::Headers,
    routes::Routes,
    targets::{Target, Targets},
    topic::Topic,
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
}

#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) kind: ExchangeKind,
    pub(crate) internal: bool,
    /// Where messages go that no binding matches.
    pub(crate) alternate: Option<ShortStr>,
    bindings: Bindings,
}

#[derive(Clone, Debug)]
enum Bindings {
    Direct(Direct),
    Fanout(Targets),
    Topic(Topic),
    Headers(Headers),
}

impl Exchange {
    pub(crate) fn new(kind: ExchangeKind, alternate: Option<ShortStr>, internal: bool) -> Self {
        let bindings = match kind {
            ExchangeKind::Direct => Bindings::Direct(Direct::default()),
            ExchangeKind::Fanout => Bindings::Fanout(Targets::default()),
            ExchangeKind::Topic => Bindings::Topic(Topic::default()),
            ExchangeKind::Headers => Bindings::Headers(Headers::default()),
        };
        Exchange { kind, internal, alternate, bindings }
    }

    pub(crate) fn bind(&mut self, key: &ShortStr, arguments: &FieldTable, target: &Target) {
        match &mut self.bindings {
            Bindings::Direct(direct) => direct.bind(key, target),
            Bindings::Fanout(targets) => targets.add(target),
            Bindings::Topic(topic) => topic.bind(key, target),
            Bindings::Headers(headers) => headers.bind(key, arguments, target),
        }
    }

    pub(crate) fn unbind(&mut self, key: &ShortStr, arguments: &FieldTable, target: &Target) -> bool {
        match &mut self.bindings {
            Bindings::Direct(direct) => direct.unbind(key, target),
            Bindings::Fanout(targets) => targets.remove(target),
            Bindings::Topic(topic) => topic.unbind(key, target),
            Bindings::Headers(headers) => headers.unbind(key, arguments, target),
        }
    }

    /// Adds the destinations of all bindings that match.
    pub(crate) fn find<'h>(&self, key: &[u8], headers: impl FnOnce() -> Option<&'h FieldTable>, routes: &mut Routes) {
        match &self.bindings {
            Bindings::Direct(direct) => {
                if let Some(targets) = direct.find(key) {
                    routes.extend(targets);
                }
            }
            Bindings::Fanout(targets) => routes.extend(targets),
            Bindings::Topic(topic) => topic.find(key, routes),
            Bindings::Headers(bindings) => bindings.find(headers(), routes),
        }
    }
}
