//! What users may do in virtual hosts: permissions of metadata, compiled, and shared by the connections of this node.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use auth::{Grants, PatternCache, TopicContext, TopicGrants};
use metadata::TopicPermissions;
use parking_lot::Mutex;
use types::ShortStr;

/// The compiled permissions that connections of this node use.
#[derive(Debug, Default)]
pub(crate) struct AccessTable {
    version: AtomicU64,
    patterns: PatternCache,
    compiled: Mutex<HashMap<UserInVhost, Option<Arc<Grants>>>>,
}

/// The names of a user and a vhost.
type UserInVhost = (ShortStr, ShortStr);

impl AccessTable {
    /// Grows with every change of users and permissions.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Users or permissions have changed.
    pub(crate) fn changed(&self) {
        self.compiled.lock().clear();
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// What that user may do with the routing keys of an exchange. Only regular expressions are kept: routes are, by who asks.
    pub(crate) fn topic_grants(&self, who: &TopicContext<'_>, permissions: &TopicPermissions) -> TopicGrants {
        TopicGrants::new(&self.patterns, who, &permissions.write, &permissions.read)
    }

    /// What the user may do in the vhost; `None`: nothing.
    ///
    /// `permissions` looks them up in metadata. A change that comes meanwhile raises the version after this look-up, so that
    /// whoever asks again under the new version does not find what is outdated.
    pub(crate) fn grants(
        &self,
        user: &ShortStr,
        vhost: &ShortStr,
        permissions: impl FnOnce() -> Option<metadata::Permissions>,
    ) -> Option<Arc<Grants>> {
        let key = (user.clone(), vhost.clone());
        if let Some(known) = self.compiled.lock().get(&key) {
            return known.clone();
        }
        let before = self.version();
        let grants = permissions()
            .map(|patterns| Grants::new(&self.patterns, &patterns.configure, &patterns.write, &patterns.read))
            .map(Arc::new);
        let mut compiled = self.compiled.lock();
        if self.version() == before {
            compiled.insert(key, grants.clone());
        }
        grants
    }
}
