//! What a message's first bytes say: when it was to be sent, and which message of which publisher it is.
//!
//! ```text
//! body = start, nanoseconds on the generator's clock u64 BE | run 12 bits, publisher 16 bits, sequence 36 bits, BE | noise
//! ```
//! A body below 16 bytes has no identity, one below 8 bytes not even a time.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Bytes of the time and the identity.
pub(crate) const STAMP_BYTES: usize = 16;

/// Bytes of the time alone.
pub(crate) const TIME_BYTES: usize = 8;

const SEQUENCE_BITS: u32 = 36;
const PUBLISHER_BITS: u32 = 16;

/// One message of one publisher of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Tells runs apart, so that what an earlier run left in a queue is not taken for ours. 12 bits.
    pub(crate) run: u16,
    /// The publisher's number.
    pub(crate) publisher: u16,
    /// The publisher's count of messages, from zero. 36 bits: 19 hours at a million a second.
    pub(crate) sequence: u64,
}

/// The time and identity of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// When it was sent, or should have been.
    pub(crate) start_ns: u64,
    /// Which message it is, when the body has room for that.
    pub(crate) identity: Option<Identity>,
}

impl Identity {
    pub(crate) fn pack(self) -> u64 {
        (u64::from(self.run) << (SEQUENCE_BITS + PUBLISHER_BITS))
            | (u64::from(self.publisher) << SEQUENCE_BITS)
            | (self.sequence & ((1 << SEQUENCE_BITS) - 1))
    }

    pub(crate) fn unpack(packed: u64) -> Self {
        let part = |shift: u32, mask: u64| u16::try_from((packed >> shift) & mask).expect("masked to 16 bits at most");
        Identity {
            run: part(SEQUENCE_BITS + PUBLISHER_BITS, 0xfff),
            publisher: part(SEQUENCE_BITS, 0xffff),
            sequence: packed & ((1 << SEQUENCE_BITS) - 1),
        }
    }
}

impl Stamp {
    /// Writes as much of the stamp as the body has room for.
    pub(crate) fn write(self, body: &mut [u8]) {
        if let Some(place) = body.first_chunk_mut::<TIME_BYTES>() {
            *place = self.start_ns.to_be_bytes();
        }
        if let Some(identity) = self.identity
            && body.len() >= STAMP_BYTES
        {
            body[TIME_BYTES..STAMP_BYTES].copy_from_slice(&identity.pack().to_be_bytes());
        }
    }

    /// Reads a stamp from the start of a body, or `None` when it has no room for one.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let (start, rest) = body.split_first_chunk::<TIME_BYTES>()?;
        let identity = rest.first_chunk::<8>().map(|packed| Identity::unpack(u64::from_be_bytes(*packed)));
        Some(Stamp { start_ns: u64::from_be_bytes(*start), identity })
    }
}

/// A number for this run. Never zero.
pub(crate) fn run_number() -> u16 {
    let random = RandomState::new().build_hasher().finish();
    u16::try_from(random % 0xfff).expect("below 4095") + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_survives_packing_at_its_limits() {
        for (run, publisher, sequence) in [(0, 0, 0), (0xfff, 0xffff, (1 << 36) - 1), (7, 500, 123_456_789)] {
            let identity = Identity { run, publisher, sequence };
            assert_eq!(Identity::unpack(identity.pack()), identity);
        }
    }

    #[test]
    fn a_body_carries_what_it_has_room_for() {
        let identity = Identity { run: 3, publisher: 4, sequence: 5 };
        let stamp = Stamp { start_ns: 77, identity: Some(identity) };
        for (size, expected) in [(7, None), (8, Some(None)), (15, Some(None)), (16, Some(Some(identity)))] {
            let mut body = vec![0; size];
            stamp.write(&mut body);
            assert_eq!(Stamp::read(&body).map(|read| (read.start_ns, read.identity)), expected.map(|id| (77, id)));
        }
    }

    #[test]
    fn run_numbers_fit_their_bits() {
        for _ in 0..1000 {
            assert!((1..=0xfff).contains(&run_number()));
        }
    }
}
