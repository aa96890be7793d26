//! The queue in which an `x-recent-history` exchange keeps its last messages: a replicated queue without a name of its own, that
//! comes and goes with its exchange. Nothing is bound to it, and clients cannot reach it.

use types::{FieldTable, FieldValue, GroupId, QueueId, ShortStr, Timestamp};

use crate::{Exchange, Home, Queue, QueueType};

/// How many messages are kept where `x-recent-history-length` does not say, as in RabbitMQ.
const LENGTH_DEFAULT: i64 = 20;

/// The argument that says how many messages are kept.
pub(crate) const LENGTH: &str = "x-recent-history-length";

/// The queue of an exchange that is there.
pub(crate) fn queue(id: QueueId, group: GroupId, exchange: &Exchange) -> Queue {
    let length = exchange.arguments.get(LENGTH).and_then(FieldValue::as_i64).unwrap_or(LENGTH_DEFAULT);
    let mut arguments = FieldTable::default();
    arguments.push(ShortStr::from_static("x-max-length"), FieldValue::I64(length));
    Queue {
        id,
        vhost: exchange.vhost.clone(),
        name: exchange.name.clone(),
        durable: true,
        auto_delete: false,
        owner: None,
        arguments,
        declared_type: QueueType::Classic,
        group,
        home: Home::default(),
        created_at: Timestamp::default(),
        is_history: true,
    }
}
