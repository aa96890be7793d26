//! What a peer says: batches of messages, parts of snapshots, and its questions when a cluster is founded or joined. The first byte
//! says which. What the product takes out of a message, written as a message again, means the same.

use bytes::Bytes;
use prost::Message;
use proto::generated::peer as p;

use crate::{input::Input, memory};

/// See the module.
pub fn peer_messages(data: &[u8]) {
    let mut input = Input(data);
    match input.byte() {
        0 => drop(again::<p::SnapshotPart>(input.0)),
        1 => drop(again::<p::FoundRequest>(input.0)),
        2 => drop(again::<p::FoundReply>(input.0)),
        3 => drop(again::<p::JoinRequest>(input.0)),
        4 => drop(again::<p::JoinReply>(input.0)),
        5 => drop(again::<p::AskRequest>(input.0)),
        _ => batch(input.0),
    }
}

/// A message that is taken as it comes.
fn again<M: Message + Default + PartialEq>(bytes: &[u8]) -> Option<M> {
    let message = memory::bounded(bytes.len(), 0, || M::decode(Bytes::copy_from_slice(bytes))).ok()?;
    assert!(M::decode(&*message.encode_to_vec()).is_ok_and(|again| again == message));
    Some(message)
}

fn batch(bytes: &[u8]) {
    let Some(batch) = again::<p::Batch>(bytes) else { return };
    for kind in batch.messages.into_iter().filter_map(|message| message.kind) {
        let more = replication::fuzzing::answers_bytes_max();
        let taken = memory::bounded(bytes.len(), more, || replication::fuzzing::message(kind));
        let Some(taken) = taken else { continue };
        let kind = taken.kind.clone().expect("it is of some kind");
        assert_eq!(replication::fuzzing::message(kind), Some(taken));
    }
}
