//! Chunks that are not what they should be.

use prost::Message;
use proto::{
    chunk::decode,
    generated::shard::{Chunk, Command, Enqueue, command::Command as W},
};

fn enqueues(count: u32, commands: usize) -> Chunk {
    let enqueue = Enqueue { sizes: vec![10], count, ..Enqueue::default() };
    Chunk { commands: vec![Command { command: Some(W::Enqueue(enqueue)) }; commands], ..Chunk::default() }
}

#[test]
fn a_chunk_that_announces_more_messages_than_one_can_hold_is_refused() {
    let read = |chunk: Chunk| decode(chunk.encode_to_vec().into());
    read(enqueues(1 << 20, 1)).unwrap();
    read(enqueues((1 << 20) + 1, 1)).unwrap_err();
    // Each for itself would do, and would be paid with megabytes.
    read(enqueues(1 << 10, 1 << 10)).unwrap();
    read(enqueues(1 << 20, 1000)).unwrap_err();
}
