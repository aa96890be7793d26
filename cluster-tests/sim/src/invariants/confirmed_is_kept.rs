//! What was confirmed is delivered, or still there (I1; DESIGN §1.1). Checked when all queues are empty: then somebody has taken,
//! and acked, each message that was confirmed. A queue that is being deleted takes its messages with it.

use std::collections::{BTreeMap, BTreeSet};

use crate::oracle::{Message, MessageId, QueueKey};

pub(crate) fn check(messages: &BTreeMap<MessageId, Message>, deleting: &BTreeSet<QueueKey>) -> Vec<String> {
    let kept = messages.iter().filter(|(id, message)| message.confirmed && !deleting.contains(&id.queue));
    kept.filter(|(_, message)| !message.ack_sent)
        .map(|(id, message)| format!("{id} was confirmed and is lost; it was delivered {} times", message.deliveries))
        .collect()
}
