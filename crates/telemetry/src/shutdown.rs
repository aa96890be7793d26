//! The shutdown tree: one root for the process, a child for each part that can be stopped on its own.
//!
//! A child ends with its parent. A failure of any part ([`Shutdown::fail`]) ends the whole tree from its root. The first cause
//! given is the one that is kept.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why a tree or a part of it was told to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody asked for it (a signal, a command).
    Requested(String),
    /// A part of the process cannot go on.
    Failed(String),
}

/// A handle on one place of the tree. Clones share the place.
#[derive(Clone, Debug)]
pub struct Shutdown {
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    token: CancellationToken,
    cause: OnceLock<Cause>,
    parent: Option<Arc<Place>>,
}

impl Shutdown {
    /// A new root.
    pub fn new() -> Self {
        Shutdown { place: Arc::new(Place { token: CancellationToken::new(), cause: OnceLock::new(), parent: None }) }
    }

    /// A place below this one, which ends with it and can end before it.
    #[must_use]
    pub fn child(&self) -> Self {
        let token = self.place.token.child_token();
        Shutdown { place: Arc::new(Place { token, cause: OnceLock::new(), parent: Some(Arc::clone(&self.place)) }) }
    }

    /// Ends this place and all below it, in good order.
    pub fn request(&self, reason: impl Into<String>) {
        self.place.end(Cause::Requested(reason.into()));
    }

    /// Ends the whole tree because a part of it cannot go on.
    pub fn fail(&self, reason: impl Into<String>) {
        self.root().end(Cause::Failed(reason.into()));
    }

    /// Whether this place was told to end.
    pub fn is_triggered(&self) -> bool {
        self.place.token.is_cancelled()
    }

    /// Waits until this place is told to end.
    ///
    /// Cancel safety: may be dropped and called again.
    pub async fn triggered(&self) {
        self.place.token.cancelled().await;
    }

    /// Why this place was told to end: its own cause, else that of the nearest place above that has one.
    pub fn cause(&self) -> Option<Cause> {
        let mut place = &self.place;
        loop {
            if let Some(cause) = place.cause.get() {
                return Some(cause.clone());
            }
            place = place.parent.as_ref()?;
        }
    }

    /// The underlying token, for libraries that take one.
    pub fn token(&self) -> &CancellationToken {
        &self.place.token
    }

    fn root(&self) -> &Place {
        let mut place = &self.place;
        while let Some(parent) = &place.parent {
            place = parent;
        }
        place
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Place {
    fn end(&self, cause: Cause) {
        // The cause is there before anybody can be woken; a later one does not replace it.
        self.cause.get_or_init(|| cause);
        self.token.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_ends_with_its_parent_and_knows_the_cause() {
        let root = Shutdown::new();
        let child = root.child().child();
        root.request("signal");
        assert!(child.is_triggered());
        assert_eq!(child.cause(), Some(Cause::Requested("signal".into())));
    }

    #[test]
    fn a_child_can_end_alone() {
        let root = Shutdown::new();
        let child = root.child();
        child.request("connection closed");
        assert!(child.is_triggered());
        assert!(!root.is_triggered());
        assert_eq!(root.cause(), None);
    }

    #[test]
    fn a_failure_below_ends_the_whole_tree_and_the_first_cause_stays() {
        let root = Shutdown::new();
        let child = root.child();
        child.fail("disk");
        child.fail("second");
        root.request("signal");
        assert!(root.is_triggered());
        assert_eq!(root.cause(), Some(Cause::Failed("disk".into())));
    }
}
