//! Who asks, and what they may: users by name and password and their tags, or whoever can read the node's token file.

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{header, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use types::ShortStr;

use super::outcome::Failure;
use crate::{listener::Peer, routes::App};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The user; who administers the node from its own machine is none.
    pub(crate) user: Option<ShortStr>,
    tags: Vec<String>,
}

impl Caller {
    /// Who holds the node's token may do everything.
    fn local() -> Self {
        Caller { user: None, tags: vec!["administrator".to_owned()] }
    }

    fn has(&self, tags: &[&str]) -> bool {
        self.tags.iter().any(|tag| tags.contains(&tag.as_str()))
    }

    /// For `whoami`.
    pub(crate) fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Whether they see all vhosts, and everybody's connections.
    pub(crate) fn sees_all(&self) -> bool {
        self.has(&["administrator", "monitoring"])
    }

    /// # Errors
    /// 401 for who is no administrator.
    pub(crate) fn administrates(&self) -> Result<(), Failure> {
        self.allowed(&["administrator"], "Not administrator user")
    }

    /// # Errors
    /// 401 for who may not set policies.
    pub(crate) fn sets_policies(&self) -> Result<(), Failure> {
        self.allowed(&["administrator", "policymaker"], "Not policymaker")
    }

    /// # Errors
    /// 401 for who may not look at everything.
    pub(crate) fn monitors(&self) -> Result<(), Failure> {
        self.allowed(&["administrator", "monitoring"], "Not monitor user")
    }

    fn allowed(&self, tags: &[&str], why: &str) -> Result<(), Failure> {
        if self.has(tags) { Ok(()) } else { Err(Failure::not_authorized(why)) }
    }

    /// Whether a vhost is theirs to see.
    pub(crate) fn sees(&self, machine: &metadata::Machine, vhost: &[u8]) -> bool {
        self.sees_all() || self.user.as_ref().is_some_and(|user| machine.permissions(user.as_bytes(), vhost).is_some())
    }

    /// # Errors
    /// 404 when there is no such vhost, 401 when it is not theirs.
    pub(crate) fn enters(&self, app: &App, vhost: &str) -> Result<(), Failure> {
        let machine = app.broker.read_metadata();
        if machine.vhost(vhost.as_bytes()).is_none() {
            return Err(Failure::not_found());
        }
        if self.sees(&machine, vhost.as_bytes()) {
            return Ok(());
        }
        Err(Failure::not_authorized("User not authorised to access virtual host"))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, value) = header.and_then(|text| text.split_once(' ')).unwrap_or_default();
        if scheme.eq_ignore_ascii_case("bearer") && is_same(value.trim().as_bytes(), app.token.as_bytes()) {
            return Ok(Caller::local());
        }
        let refused = || Failure::not_authorized("Not_Authorized");
        let pair = STANDARD.decode(value.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"));
        let pair = pair.ok_or_else(refused)?;
        let at = pair.iter().position(|byte| *byte == b':').ok_or_else(refused)?;
        let (name, password) = (&pair[..at], &pair[at + 1..]);
        let peer = parts.extensions.get::<ConnectInfo<Peer>>().ok_or_else(refused)?.0.address.ip();
        let Some(user) = app.broker.authenticate(name, password, peer) else {
            return Err(refused());
        };
        let caller = Caller { user: Some(user.name), tags: user.tags.iter().map(ShortStr::to_string).collect() };
        if !caller.has(&["administrator", "monitoring", "policymaker", "management"]) {
            return Err(Failure::not_authorized("Not management user"));
        }
        Ok(caller)
    }
}

/// Compares in a time that does not tell where they differ.
fn is_same(one: &[u8], two: &[u8]) -> bool {
    one.len() == two.len() && one.iter().zip(two).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(tags: &[&str]) -> Caller {
        Caller { user: None, tags: tags.iter().map(|tag| (*tag).to_owned()).collect() }
    }

    #[test]
    fn tags_say_what_a_user_may_do() {
        assert!(caller(&["administrator"]).administrates().is_ok());
        assert!(caller(&["monitoring", "policymaker"]).administrates().is_err());
        assert!(caller(&["policymaker"]).sets_policies().is_ok());
        assert!(caller(&["management"]).sets_policies().is_err());
        assert!(caller(&["monitoring"]).monitors().is_ok() && caller(&["management"]).monitors().is_err());
    }

    #[test]
    fn tokens_are_compared_as_a_whole() {
        assert!(is_same(b"abc", b"abc"));
        assert!(!is_same(b"abc", b"abd") && !is_same(b"abc", b"ab") && !is_same(b"", b"a"));
    }
}
