//! `queue.declare-ok` and `queue.delete-ok` mean committed: afterwards every node knows the queue, or does not (I10; DESIGN §1.4).

use std::collections::BTreeSet;

use crate::oracle::QueueKey;

pub(crate) fn check(
    declared: &BTreeSet<QueueKey>,
    deleted: &BTreeSet<QueueKey>,
    has: impl Fn(&str) -> bool,
) -> Vec<String> {
    let missing = declared.iter().filter(|queue| !has(&queue.name));
    let missing = missing.map(|queue| format!("queue {} was declared and is not there", queue.name));
    let again = |queue: &QueueKey| {
        let later = queue.generation + 1..;
        later
            .map_while(|generation| (generation < 16).then(|| QueueKey { name: queue.name.clone(), generation }))
            .any(|later| declared.contains(&later) || !deleted.contains(&later))
    };
    let back = deleted.iter().filter(|queue| !again(queue) && has(&queue.name));
    let back = back.map(|queue| format!("queue {} was deleted and is there", queue.name));
    missing.chain(back).collect()
}
