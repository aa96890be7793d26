//! Snapshots: the whole state as segments of bytes, and a machine from them.
//!
//! The state is written as a stream of items that is cut into segments between items. Segment 0 holds the header alone; the
//! others hold queues by id, small ones together, a large one in several. Numbers are varints (LEB128).
//!
//! ```text
//! header   = version | time | next index | queues | segments | nodes | node*
//! node     = id | 1 or 0 | fenced boot | 1 or 0 | boot | last seq, where 0 says that what follows is not there
//! ended    = tag 6 | id (2), for all queues that are over, then
//! source   = tag 9 | id | greatest number | how many | refused number - number before, each (2), then
//! queue    = tag 1 | id | enqueued | delivered | settled | returned | discarded | purged
//!          | used at (2) | next position (2) | expired (2) | dropped (2) | given up (2) | rejected (2)
//!          | next consumer's order (2), then in this order its
//! config   = tag 7 | settings (2), unless they are the usual ones
//! place    = tag 8 | priority | position | expiry of the pieces that follow, unless they continue those before (2)
//! piece    = tag 2 | index - index of the piece before | first slot | count | size of each
//! loose    = tag 3 | message; in version 1: position | index | slot | size | delivery count
//! parked   = tag 14 | due | 1 or 0 | message, where 1 says that its position is not known yet and its expiry is a duration (2)
//! letters  = tag 10 | next number | told up to | made, for each reason | settled | dropped (2), if there were any, then its
//! pending  = tag 11 | number | letter (2)
//! retry    = tag 12 | due | letter (2)
//! letter   = index | slot | size | delivery count | reason | died at (2)
//! consumer = tag 4 | place in the ring + 1 or 0 | node | serial | number | flags | prefetch | initial credit | credit
//!                  | next seq | order (2) | priority, zigzag (2) | 1 or 0 | timeout (2), then its
//! mark     = tag 13 | seq | since when it and those after it are held (2)
//! held     = tag 5 | seq - seq before | message
//! message  = position | index | slot | size | delivery count * 2 + redelivered | priority (2) | expiry (2)
//! expiry   = time + 1, or 0 for never
//! ```
//! A (2) marks what version 2 has added; version 1 is still read.
//!
//! What follows from the rest is not written: live counts, depths, the index of sessions. Equal machines write equal bytes,
//! whatever way they came to be so.

mod config;
mod decode;
mod encode;
mod letters;
mod values;
mod varint;

use bytes::Bytes;

use crate::Machine;

/// The version that is written. Older ones are read as long as clusters with them may be upgraded.
const VERSION: u64 = 2;
/// The oldest version that is read.
const VERSION_MIN: u64 = 1;

const TAG_QUEUE: u8 = 1;
const TAG_PIECE: u8 = 2;
const TAG_LOOSE: u8 = 3;
const TAG_CONSUMER: u8 = 4;
const TAG_HELD: u8 = 5;
const TAG_ENDED: u8 = 6;
const TAG_CONFIG: u8 = 7;
const TAG_PLACE: u8 = 8;
const TAG_SOURCE: u8 = 9;
const TAG_LETTERS: u8 = 10;
const TAG_LETTER: u8 = 11;
const TAG_RETRY: u8 = 12;
const TAG_MARK: u8 = 13;
const TAG_PARKED: u8 = 14;

const FLAG_ATTACHED: u64 = 1;
const FLAG_NO_ACK: u64 = 2;
const FLAG_EXCLUSIVE: u64 = 4;
const FLAG_ACTIVE: u64 = 8;

/// Why a snapshot was not restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// It has no segments at all.
    #[error("queue snapshot is empty")]
    Empty,
    /// It was written by a version that is not known here.
    #[error("queue snapshot has version {0}, which is not known")]
    UnknownVersion(u64),
    /// Segments are numbered from zero without gaps, as many as the header says.
    #[error("queue snapshot segment {expected} is missing")]
    Missing {
        /// The key that was expected.
        expected: u64,
    },
    /// A segment ends early, or a value in it is out of its range.
    #[error("queue snapshot segment {segment} is damaged: {what}")]
    Damaged {
        /// The segment's key.
        segment: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// All segments can be read, but what they say together cannot be.
    #[error("queue snapshot contradicts itself: {0}")]
    Contradiction(String),
}

impl Machine {
    /// The whole state, as segments with ascending keys from 0 without gaps. To be called between entries.
    ///
    /// Walks the whole state: on a clone of the machine it holds nothing up.
    pub fn snapshot(&self) -> Vec<(u64, Bytes)> {
        encode::snapshot(self)
    }

    /// The machine from a snapshot's segments, in ascending order of their keys.
    ///
    /// # Errors
    /// When segments are missing or damaged. A machine that is returned holds all invariants.
    pub fn restore(segments: impl IntoIterator<Item = (u64, Bytes)>) -> Result<Machine, RestoreError> {
        decode::restore(segments)
    }

    /// A hash of the whole state: equal for replicas that applied the same entries, restored or not. Walks the whole state.
    pub fn digest(&self) -> u64 {
        self.snapshot().iter().fold(0, |hash, (_, segment)| hash_bytes(hash, segment))
    }
}

/// Multiplies eight bytes at a time into the hash (the mixing of FxHash and the finish of MurmurHash3).
fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x517c_c1b7_2722_0a95;
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(seed, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let hash = rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte) + 1));
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}
