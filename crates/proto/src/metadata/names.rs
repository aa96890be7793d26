//! The small words that commands and records share.

use bytes::Bytes;
use metadata::{ConnectionId, HashAlgorithm, Home, PasswordHash, QueueType};
use types::{NodeId, ShortStr};

use crate::generated::metadata as wire;

pub(super) fn name(bytes: Bytes) -> Option<ShortStr> {
    ShortStr::from_bytes(bytes).ok()
}

pub(super) fn names_to_wire(names: &[ShortStr]) -> Vec<Bytes> {
    names.iter().map(|name| name.bytes()).collect()
}

pub(super) fn names_from_wire(names: Vec<Bytes>) -> Option<Vec<ShortStr>> {
    names.into_iter().map(name).collect()
}

pub(super) fn password_to_wire(password: &PasswordHash) -> wire::PasswordHash {
    use wire::password_hash::Algorithm as W;
    let algorithm = match password.algorithm {
        HashAlgorithm::Sha256 => W::Sha256,
        HashAlgorithm::Sha512 => W::Sha512,
        HashAlgorithm::Md5 => W::Md5,
    };
    wire::PasswordHash { algorithm: algorithm.into(), salted: password.salted.clone() }
}

pub(super) fn password_from_wire(password: wire::PasswordHash) -> Option<PasswordHash> {
    use wire::password_hash::Algorithm as W;
    let algorithm = match W::try_from(password.algorithm).ok()? {
        W::Sha256 => HashAlgorithm::Sha256,
        W::Sha512 => HashAlgorithm::Sha512,
        W::Md5 => HashAlgorithm::Md5,
    };
    Some(PasswordHash { algorithm, salted: password.salted })
}

/// No password is a value; one that cannot be read is none at all.
pub(super) fn some_password(password: Option<wire::PasswordHash>) -> Option<Option<PasswordHash>> {
    match password {
        None => Some(None),
        Some(password) => password_from_wire(password).map(Some),
    }
}

pub(super) fn queue_type_to_wire(queue_type: Option<QueueType>) -> i32 {
    match queue_type {
        None => wire::QueueType::None,
        Some(QueueType::Classic) => wire::QueueType::Classic,
        Some(QueueType::Quorum) => wire::QueueType::Quorum,
    }
    .into()
}

/// The outer option is whether the value is known.
pub(super) fn queue_type_from_wire(queue_type: i32) -> Option<Option<QueueType>> {
    match wire::QueueType::try_from(queue_type).ok()? {
        wire::QueueType::None => Some(None),
        wire::QueueType::Classic => Some(Some(QueueType::Classic)),
        wire::QueueType::Quorum => Some(Some(QueueType::Quorum)),
    }
}

pub(super) fn connection_to_wire(connection: ConnectionId) -> wire::Connection {
    wire::Connection { node: connection.node.0, serial: connection.serial }
}

pub(super) fn connection_from_wire(connection: wire::Connection) -> ConnectionId {
    ConnectionId { node: NodeId(connection.node), serial: connection.serial }
}

pub(super) fn home_to_wire(home: Home) -> wire::Home {
    wire::Home { node: home.node.0, boot: home.boot }
}

pub(super) fn home_from_wire(home: wire::Home) -> Home {
    Home { node: NodeId(home.node), boot: home.boot }
}
