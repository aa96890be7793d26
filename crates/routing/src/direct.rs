//! Direct exchanges: the binding key equals the routing key.

use std::collections::BTreeMap;

use types::ShortStr;

use crate::targets::{Target, Targets};

#[derive(Clone, Debug, Default)]
pub(crate) struct Direct(BTreeMap<ShortStr, Targets>);

impl Direct {
    pub(crate) fn bind(&mut self, key: &ShortStr, target: &Target) {
        self.0.entry(key.clone()).or_default().add(target);
    }

    pub(crate) fn unbind(&mut self, key: &ShortStr, target: &Target) -> bool {
        let Some(targets) = self.0.get_mut(key) else { return false };
        let was_there = targets.remove(target);
        if targets.is_empty() {
            self.0.remove(key);
        }
        was_there
    }

    pub(crate) fn find(&self, key: &[u8]) -> Option<&Targets> {
        self.0.get(key)
    }

    /// Removes all bindings that lead there.
    pub(crate) fn forget(&mut self, target: &Target) {
        self.0.retain(|_, targets| {
            targets.forget(target);
            !targets.is_empty()
        });
    }

    /// Where the bindings lead, one by one.
    pub(crate) fn targets(&self) -> impl Iterator<Item = Target> {
        self.0.values().flat_map(Targets::iter)
    }
}
