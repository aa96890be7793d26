//! Users that may log in from this host alone.

use std::net::IpAddr;

use types::ShortStr;

/// The users that may connect from loopback addresses only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopbackUsers(pub Vec<ShortStr>);

impl Default for LoopbackUsers {
    /// The user that every cluster has, with a password that everybody knows.
    fn default() -> Self {
        LoopbackUsers(vec![ShortStr::from_static("guest")])
    }
}

impl LoopbackUsers {
    /// Whether the user may connect from that address.
    pub fn allows(&self, user: &[u8], peer: IpAddr) -> bool {
        peer.to_canonical().is_loopback() || !self.0.iter().any(|name| name.as_bytes() == user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_comes_from_this_host_only() {
        let users = LoopbackUsers::default();
        for (peer, guest) in [
            ("127.0.0.1", true),
            ("127.1.2.3", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("2001:db8::1", false),
        ] {
            let peer = peer.parse().unwrap();
            assert_eq!(users.allows(b"guest", peer), guest, "{peer}");
            assert!(users.allows(b"somebody", peer));
            assert!(LoopbackUsers(Vec::new()).allows(b"guest", peer));
        }
    }
}
