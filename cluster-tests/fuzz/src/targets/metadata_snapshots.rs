//! Metadata snapshots as they lie on a disk or come from a peer: each segment is one piece. What is accepted is a machine whose
//! invariants hold, and survives a round trip.

use bytes::Bytes;
use proto::metadata::{decode_snapshot, encode_snapshot};

use crate::{input::Input, memory};

/// What the patterns of policies take once they are compiled. Unit: bytes.
const PATTERNS_BYTES: usize = 64 * 1024 * 1024;

/// See the module.
pub fn metadata_snapshots(data: &[u8]) {
    let segments: Vec<(u64, Bytes)> = (0..).zip(Input(data).pieces().map(Bytes::copy_from_slice)).collect();
    let decoded = memory::bounded(data.len(), PATTERNS_BYTES, || decode_snapshot(segments));
    let Ok(machine) = decoded else { return };
    machine.check().expect("what is accepted is sound");
    let once = encode_snapshot(&machine);
    let again = decode_snapshot(once.clone()).expect("we read what we write");
    assert_eq!(again.digest(), machine.digest());
    assert_eq!(encode_snapshot(&again), once);
}
