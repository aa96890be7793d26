//! The machine's invariants, checked from scratch: for tests after each entry, and for machines that come from a snapshot.

use std::collections::BTreeMap;

use crate::{Machine, Overflow, queue::Queue, sessions::Sessions};

impl Machine {
    /// Checks all invariants; for tests and sampled checks, as it walks the whole state.
    ///
    /// - Each message of a queue is in one place: ready, or held by one consumer; what came in is there, settled, discarded or
    ///   purged.
    /// - An entry's live count is the number of messages that refer to it.
    /// - No consumer holds more than its prefetch; those and only those with capacity are in the ring; nothing waits in a
    ///   queue that has a consumer for it.
    /// - No queue is here that is over; what a queue does because time passes is registered.
    /// - A session is in the index of the queues where it has consumers or messages.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check(&self) -> Result<(), String> {
        self.check_queues()?;
        self.check_deadlines()?;
        self.check_live()
    }

    /// As [`Machine::check`] without the live counts.
    pub(crate) fn check_queues(&self) -> Result<(), String> {
        let mut sessions = Sessions::default();
        for (id, queue) in &self.queues {
            check_queue(queue).map_err(|problem| format!("queue {id}: {problem}"))?;
            for session in queue.sessions() {
                sessions.insert(session, *id);
            }
        }
        if let Some(id) = self.ended.iter().find(|id| self.queues.contains_key(id)) {
            return Err(format!("queue {id} is over, but here"));
        }
        if sessions == self.sessions { Ok(()) } else { Err("sessions are not those of the consumers".to_owned()) }
    }

    fn check_live(&self) -> Result<(), String> {
        let mut references: BTreeMap<u64, u64> = BTreeMap::new();
        let mut messages = 0;
        for queue in self.queues.values() {
            let mut refer = |index: u64, count: u32| {
                *references.entry(index).or_default() += u64::from(count);
                messages += u64::from(count);
            };
            queue.for_each_reference(&mut refer);
        }
        let counted = self.live.iter().map(|(index, count)| (index, u64::from(count)));
        if !counted.eq(references.iter().map(|(index, count)| (*index, *count))) {
            return Err("live counts are not the references of queues".to_owned());
        }
        if messages != self.live_messages() {
            return Err(format!("{} messages are counted as live, {messages} are", self.live_messages()));
        }
        match references.last_key_value() {
            Some((last, _)) if *last >= self.next_index => Err(format!("entry {last} is live, but did not come yet")),
            Some(_) | None => Ok(()),
        }
    }
}

fn check_queue(queue: &Queue) -> Result<(), String> {
    queue.lanes.check()?;
    queue.consumers.check()?;
    queue.consumers.check_active(queue.config.single_active_consumer)?;
    check_conservation(queue)?;
    check_positions(queue)?;
    if queue.end.is_some() {
        return Err("it has come to its end, but is here".to_owned());
    }
    queue.letters.as_ref().map_or(Ok(()), |letters| letters.check())?;
    if queue.is_over() && queue.config.overflow == Overflow::DropHead {
        return Err("more messages wait than may".to_owned());
    }
    if queue.wants_attention() || queue.marked {
        return Err("messages wait although a consumer has capacity".to_owned());
    }
    Ok(())
}

fn check_conservation(queue: &Queue) -> Result<(), String> {
    let stats = queue.stats();
    let (mut unacked, mut unacked_bytes) = (0, 0);
    for (_, message) in queue.consumers.iter().flat_map(|consumer| consumer.held.iter()) {
        unacked += 1;
        unacked_bytes += u64::from(message.size);
    }
    if (unacked, unacked_bytes) != (stats.unacked, stats.unacked_bytes) {
        return Err(format!("{} messages are counted as unacked, {unacked} are", stats.unacked));
    }
    let gone = [stats.settled, stats.discarded, stats.purged, stats.expired, stats.dropped, stats.given_up];
    let parts = [stats.ready, stats.unacked, stats.delayed].into_iter().chain(gone);
    let sum = parts.clone().try_fold(0, u64::checked_add);
    if sum != Some(stats.enqueued) {
        return Err(format!("{} messages came in, but there are {:?}", stats.enqueued, parts.collect::<Vec<_>>()));
    }
    Ok(())
}

/// No two messages have one position, and those to come have later ones.
fn check_positions(queue: &Queue) -> Result<(), String> {
    let held = queue.consumers.iter().flat_map(|consumer| consumer.held.iter()).map(|(_, message)| message.position);
    let mut positions: Vec<(u64, u64)> = held.map(|position| (position, 1)).collect();
    let delayed = queue.delayed.iter().flat_map(|delayed| delayed.iter()).filter(|(_, _, is_new)| !is_new);
    positions.extend(delayed.map(|(_, message, _)| (message.position, 1)));
    for lane in queue.lanes.descending() {
        positions.extend(lane.loose.keys().map(|position| (*position, 1)));
        lane.backlog.for_each_run(|piece| positions.push((piece.position, u64::from(piece.count))));
    }
    positions.sort_unstable();
    let mut end = 0;
    for (position, count) in positions {
        if position < end {
            return Err("a message is in two places".to_owned());
        }
        end = position + count;
    }
    if end > queue.next_position {
        return Err("a message is at a position that is still to come".to_owned());
    }
    Ok(())
}
