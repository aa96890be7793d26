//! SASL mechanisms and credential checks: who is it, and may they do this?
//!
//! Architecture invariant: no IO and no state of the cluster; users, hashes and permissions are arguments. What was compiled
//! from them (regular expressions) may be kept here, and nothing else.

mod credentials;
mod hash;
mod loopback;
mod md5;
mod mechanism;
mod pattern;
mod permission;
pub mod text;
mod topic;

pub use credentials::{
    CHALLENGE, Credentials, SaslError, amqplain_credentials, challenged_password, parse_plain, user_name,
};
pub use hash::{Algorithm, HashError, check_password, decode_hash, encode_hash, hash_password, hash_with_salt};
pub use loopback::LoopbackUsers;
pub use mechanism::{Mechanism, UnknownMechanism};
pub use pattern::{Pattern, PatternCache, PatternError};
pub use permission::{Access, Grants, Kind};
pub use topic::{TopicContext, TopicGrants, check_topic_pattern};
