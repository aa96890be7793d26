//! Keys and fixed value layouts of all column families. Integers are big endian, so that byte order is number order.
//!
//! | Family | Key | Value |
//! |---|---|---|
//! | `default` | `format`; `node/` name | decimal format version; bytes |
//! | `rlog` | group u32, index u64 | head |
//! | `rbody` | group u32, index u64 | blob |
//! | `rmeta` | group u32, [`Tag`] u8 | vote; committed; purged index u64 + last purged; epoch u32, segment count u64, checkpoint meta |
//! | `ckpt` | group u32, epoch u32, segment key u64 | segment |
//!
//! The numbers here are on disks: they are added to, never changed or used again.

use types::GroupId;

use crate::Error;

/// Version of everything on this page.
pub(crate) const FORMAT: u32 = 1;
/// Where [`FORMAT`] is kept, in the default family.
pub(crate) const FORMAT_KEY: &[u8] = b"format";

pub(crate) const CF_DEFAULT: &str = "default";
pub(crate) const CF_LOG: &str = "rlog";
pub(crate) const CF_BODY: &str = "rbody";
pub(crate) const CF_META: &str = "rmeta";
pub(crate) const CF_CHECKPOINT: &str = "ckpt";

/// Length of an entry's key. Unit: bytes.
pub(crate) const ENTRY_KEY_BYTES: usize = 12;

/// The values of a group in `rmeta`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Vote,
    Committed,
    Purged,
    Checkpoint,
}

impl Tag {
    /// All of them.
    pub(crate) const ALL: [Tag; 4] = [Tag::Vote, Tag::Committed, Tag::Purged, Tag::Checkpoint];
}

/// Key of a log entry, in `rlog` and in `rbody`.
pub(crate) fn entry(group: GroupId, index: u64) -> [u8; ENTRY_KEY_BYTES] {
    let mut key = [0; ENTRY_KEY_BYTES];
    key[..4].copy_from_slice(&group.0.to_be_bytes());
    key[4..].copy_from_slice(&index.to_be_bytes());
    key
}

/// The index in an entry's key.
pub(crate) fn entry_index(key: &[u8]) -> Option<u64> {
    let index = key.get(4..ENTRY_KEY_BYTES)?;
    Some(u64::from_be_bytes(index.try_into().ok()?))
}

pub(crate) fn meta(group: GroupId, tag: Tag) -> [u8; 5] {
    let mut key = [0; 5];
    key[..4].copy_from_slice(&group.0.to_be_bytes());
    key[4] = match tag {
        Tag::Vote => 1,
        Tag::Committed => 2,
        Tag::Purged => 3,
        Tag::Checkpoint => 4,
    };
    key
}

/// Key of a checkpoint's segment. The first key of an epoch is that of segment zero.
pub(crate) fn segment(group: GroupId, epoch: u32, segment: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&group.0.to_be_bytes());
    key[4..8].copy_from_slice(&epoch.to_be_bytes());
    key[8..].copy_from_slice(&segment.to_be_bytes());
    key
}

/// The segment in a segment's key.
pub(crate) fn segment_number(key: &[u8]) -> Option<u64> {
    let segment = key.get(8..16)?;
    Some(u64::from_be_bytes(segment.try_into().ok()?))
}

pub(crate) fn node_value(name: &str) -> Vec<u8> {
    [b"node/", name.as_bytes()].concat()
}

/// The value of [`Tag::Purged`].
pub(crate) fn encode_purged(up_to: u64, last_purged: &[u8]) -> Vec<u8> {
    [&up_to.to_be_bytes(), last_purged].concat()
}

pub(crate) fn decode_purged(group: GroupId, value: &[u8]) -> Result<(u64, &[u8]), Error> {
    let (up_to, rest) =
        value.split_first_chunk().ok_or(Error::Damaged { group, what: "record of the last purge is cut short" })?;
    Ok((u64::from_be_bytes(*up_to), rest))
}

/// What [`Tag::Checkpoint`] says of the current checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CurrentCheckpoint<'a> {
    pub(crate) epoch: u32,
    pub(crate) segments: u64,
    pub(crate) meta: &'a [u8],
}

impl<'a> CurrentCheckpoint<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        [&self.epoch.to_be_bytes(), self.segments.to_be_bytes().as_slice(), self.meta].concat()
    }

    pub(crate) fn decode(group: GroupId, value: &'a [u8]) -> Result<Self, Error> {
        let damaged = || Error::Damaged { group, what: "record of the checkpoint is cut short" };
        let (epoch, rest) = value.split_first_chunk().ok_or_else(damaged)?;
        let (segments, meta) = rest.split_first_chunk().ok_or_else(damaged)?;
        Ok(CurrentCheckpoint { epoch: u32::from_be_bytes(*epoch), segments: u64::from_be_bytes(*segments), meta })
    }
}
