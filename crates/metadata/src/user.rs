//! Users, their password hashes their permissions and their limits.

use std::fmt;

use bytes::Bytes;
use types::ShortStr;

use crate::UserLimits;

/// How a password was hashed. All are what RabbitMQ can import and export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum HashAlgorithm {
    /// `rabbit_password_hashing_sha256`, the default.
    #[default]
    Sha256,
    /// `rabbit_password_hashing_sha512`.
    Sha512,
    /// `rabbit_password_hashing_md5`, of users that were made before RabbitMQ 3.6.
    Md5,
}

/// A salted hash of a password, as RabbitMQ keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    /// How it was made.
    pub algorithm: HashAlgorithm,
    /// Four bytes of salt, then the digest of salt and password.
    pub salted: Bytes,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: ShortStr,
    /// `None`: no password is accepted (certificates may still be).
    pub password: Option<PasswordHash>,
    /// `administrator`, `monitoring`, `policymaker`, `management`, `impersonator`, or others that mean nothing here.
    pub tags: Vec<ShortStr>,
    /// The user's limits.
    pub limits: UserLimits,
}

/// What a user may do in a vhost: regular expressions that the names of exchanges and queues are matched with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Create and delete.
    pub configure: String,
    /// Publish, and bind as destination.
    pub write: String,
    /// Consume, and bind as source.
    pub read: String,
}

/// What a user may do with the routing keys of a topic exchange: regular expressions with `{username}`, `{vhost}` and
/// `{client_id}` in them. Where there are none for an exchange, all is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPermissions {
    /// Publish.
    pub write: String,
    /// Bind.
    pub read: String,
}

impl User {
    /// Whether the user has that tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|t| t == tag)
    }
}

impl Permissions {
    /// Everything is allowed.
    pub fn full() -> Self {
        Permissions { configure: ".*".to_owned(), write: ".*".to_owned(), read: ".*".to_owned() }
    }
}

impl fmt::Debug for PasswordHash {
    /// Without the hash: it is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
