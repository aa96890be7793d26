//! Names of direct reply-to queues: a client that consumes from `amq.rabbitmq.reply-to` gets a queue in its node's memory that
//! metadata does not know; its name says where it is, so that a reply published on any node finds it.
//!
//! ```text
//! amq.rabbitmq.reply-to.<base64 of: node u64 BE | queue id u64 BE>
//! ```
//! The queue id is random, with [`BIT`] set, and known to those who were asked for a reply alone: nobody else can guess it, and
//! a name that is wrong names a queue that does not exist.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use types::{GroupId, NodeId, QueueId, ShortStr};

/// The queue that clients consume from, and name in `reply_to`.
pub(crate) const QUEUE: &str = "amq.rabbitmq.reply-to";

/// What names of direct reply-to queues begin with.
const PREFIX: &[u8] = b"amq.rabbitmq.reply-to.";

/// Set in the ids of these queues. Metadata counts its ids from 1 and does not get there.
const BIT: u64 = 1 << 63;

/// A new queue's id.
pub(crate) fn new_queue() -> QueueId {
    QueueId(rand::random::<u64>() | BIT)
}

/// Whether the id is that of a direct reply-to queue.
pub(crate) fn is_reply_queue(queue: QueueId) -> bool {
    queue.0 & BIT != 0
}

/// The name of the queue with that id in that node's memory.
pub(crate) fn name(node: NodeId, queue: QueueId) -> ShortStr {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&node.0.to_be_bytes());
    place[8..].copy_from_slice(&queue.0.to_be_bytes());
    ShortStr::truncated(&format!("{QUEUE}.{}", URL_SAFE_NO_PAD.encode(place)))
}

/// Whether the name is that of all direct reply-to queues, or begins like it.
pub(crate) fn is_reserved(name: &[u8]) -> bool {
    name.starts_with(QUEUE.as_bytes())
}

/// Where a reply with that routing key goes: `None` when it does not begin as a name of such a queue does, `Some(None)` when it
/// names none.
pub(crate) fn target(routing_key: &[u8]) -> Option<Option<(QueueId, GroupId)>> {
    let encoded = routing_key.strip_prefix(PREFIX)?;
    let place = URL_SAFE_NO_PAD.decode(encoded).ok();
    let place = place.and_then(|place| <[u8; 16]>::try_from(place).ok()).map(u128::from_be_bytes);
    Some(place.and_then(|place| {
        let (node, queue) =
            (u64::try_from(place >> 64).ok()?, QueueId(u64::try_from(place & u128::from(u64::MAX)).ok()?));
        // Node ids are below the bit that marks a local group.
        let is_node = node > 0 && node < u64::from(GroupId::LOCAL_BIT);
        (is_node && is_reply_queue(queue)).then(|| (queue, GroupId::local(NodeId(node))))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_its_queue() {
        let queue = new_queue();
        let name = name(NodeId(3), queue);
        assert!(is_reserved(name.as_bytes()));
        assert_eq!(target(name.as_bytes()), Some(Some((queue, GroupId::local(NodeId(3))))));
    }

    #[test]
    fn other_names_lead_nowhere() {
        assert_eq!(target(b"amq.rabbitmq.reply-to.nonsense"), Some(None));
        assert_eq!(target(name(NodeId(3), QueueId(7)).as_bytes()), Some(None), "queues of metadata are not reached");
        assert_eq!(target(name(NodeId(0), new_queue()).as_bytes()), Some(None));
        assert_eq!(target(b"amq.rabbitmq.reply-to"), None);
        assert_eq!(target(b"orders"), None);
    }
}
