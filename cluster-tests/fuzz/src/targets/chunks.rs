//! Chunks of queue commands as they come from a peer and lie in the log: each is one piece. What decodes survives a round trip and
//! keeps a machine's invariants, and a machine survives its snapshot.

use bytes::Bytes;
use proto::chunk;
use queue::{At, Chunk, Command, Machine, Outcome, QueueConfig};
use types::{QueueId, Timestamp};

use crate::{input::Input, memory};

/// The sizes of as many messages as a chunk may enqueue at most, which a peer may write as one. They are in a vector that may have
/// to grow. Unit: bytes.
const SIZES_BYTES: usize = 3 * 4 * (1 << 20);

/// See the module.
pub fn chunks(data: &[u8]) {
    let mut machine = Machine::new();
    let create = Command::CreateQueue { queue: QueueId(1), config: QueueConfig::default() };
    apply(&mut machine, 1, &Chunk { commands: vec![create], ..Chunk::default() });
    for (at, piece) in (2..).zip(Input(data).pieces()) {
        let bytes = Bytes::copy_from_slice(piece);
        let Ok(chunk) = memory::bounded(piece.len(), SIZES_BYTES, || chunk::decode(bytes)) else { continue };
        assert_eq!(chunk::decode(chunk::encode(&chunk)).as_ref(), Ok(&chunk));
        apply(&mut machine, at, &chunk);
    }
    let restored = Machine::restore(machine.snapshot()).expect("we read what we write");
    restored.check().expect("and it is sound");
    assert_eq!(restored.digest(), machine.digest());
    // What a new leader says again is told from the state alone.
    let (mut told, mut told_again) = (Outcome::default(), Outcome::default());
    machine.reissue(&mut told);
    restored.reissue(&mut told_again);
    assert_eq!(told, told_again);
}

fn apply(machine: &mut Machine, index: u64, chunk: &Chunk) {
    let mut out = Outcome::default();
    let at = At { index, proposed_at: Timestamp(1_000_000 + 100 * index) };
    machine.apply_entry(at, std::slice::from_ref(chunk), &mut out);
    machine.check().unwrap_or_else(|broken| panic!("{broken} after {chunk:?}"));
    let mut dead = out.dead.clone();
    dead.sort_unstable();
    dead.dedup();
    assert_eq!(dead.len(), out.dead.len(), "an entry is dead once");
}
