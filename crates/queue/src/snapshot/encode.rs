//! Writing a snapshot.

use std::collections::BTreeMap;

use bytes::Bytes;
use types::{ConsumerKey, QueueId, Timestamp};

use super::{
    FLAG_ACTIVE, FLAG_ATTACHED, FLAG_EXCLUSIVE, FLAG_NO_ACK, TAG_CONFIG, TAG_CONSUMER, TAG_ENDED, TAG_HELD, TAG_LETTER,
    TAG_LETTERS, TAG_LOOSE, TAG_MARK, TAG_PARKED, TAG_PIECE, TAG_PLACE, TAG_QUEUE, TAG_RETRY, TAG_SOURCE, VERSION,
    config, letters, varint,
};
use crate::{Machine, QueueConfig, consumers::Consumer, held::Taken, number, queue::Queue};

/// A segment that has come to this size is ended. Large enough that a hundred thousand idle queues are a few dozen values in
/// the store, small enough that one is written at a time without notice. Unit: bytes.
const SEGMENT_BYTES: usize = 256 * 1024;

/// Segments being written.
#[derive(Debug, Default)]
struct Segments {
    done: Vec<Bytes>,
    current: Vec<u8>,
}

/// All segments of a machine's state.
pub(super) fn snapshot(machine: &Machine) -> Vec<(u64, Bytes)> {
    let mut segments = Segments::default();
    for id in &machine.ended {
        segments.item(TAG_ENDED, &[id.0]);
    }
    for (queue, source) in machine.sources.iter() {
        segments.item(TAG_SOURCE, &letters::source_to_values(queue, source));
    }
    for (id, queue) in &machine.queues {
        write_queue(&mut segments, *id, queue);
    }
    segments.end();
    let header = header(machine, number::count(segments.done.len()) + 1);
    (0..).zip(std::iter::once(header).chain(segments.done)).collect()
}

impl Segments {
    fn item(&mut self, tag: u8, values: &[u64]) {
        if self.current.len() >= SEGMENT_BYTES {
            self.end();
        }
        if self.current.capacity() == 0 {
            self.current.reserve(SEGMENT_BYTES + 128);
        }
        self.current.push(tag);
        for value in values {
            varint::put(&mut self.current, *value);
        }
    }

    fn end(&mut self) {
        if !self.current.is_empty() {
            self.done.push(Bytes::from(std::mem::take(&mut self.current)));
        }
    }
}

fn header(machine: &Machine, segments: u64) -> Bytes {
    let mut bytes = Vec::new();
    let queues = number::count(machine.queues.len());
    let nodes = number::count(machine.producers.iter().count());
    for value in [VERSION, machine.time.0, machine.next_index, queues, segments, nodes] {
        varint::put(&mut bytes, value);
    }
    for (node, known) in machine.producers.iter() {
        varint::put(&mut bytes, node.0);
        let fenced = known.fenced.map_or([0, 0], |boot| [1, boot]);
        let [is_current, boot, last_seq] = known.current.map_or([0, 0, 0], |at| [1, at.boot, at.last_seq]);
        for value in fenced.into_iter().chain([is_current, boot, last_seq]) {
            varint::put(&mut bytes, value);
        }
    }
    Bytes::from(bytes)
}

fn write_queue(segments: &mut Segments, id: QueueId, queue: &Queue) {
    let counters = queue.counters;
    segments.item(
        TAG_QUEUE,
        &[
            id.0,
            counters.enqueued,
            counters.delivered,
            counters.settled,
            counters.returned,
            counters.discarded,
            counters.purged,
            queue.used_at.0,
            queue.next_position,
            counters.expired,
            counters.dropped,
            counters.given_up,
            counters.rejected,
            queue.consumers.next_order,
        ],
    );
    if *queue.config != QueueConfig::default() {
        segments.item(TAG_CONFIG, &config::to_values(&queue.config));
    }
    write_lanes(segments, queue);
    for (due, message, is_new) in queue.delayed.iter().flat_map(|delayed| delayed.iter()) {
        let position = if is_new { 0 } else { message.position };
        let mut values = vec![due.0, u64::from(is_new)];
        values.extend(message_values(&Taken { position, ..*message }));
        segments.item(TAG_PARKED, &values);
    }
    if let Some(letters) = &queue.letters {
        segments.item(TAG_LETTERS, &letters::to_values(letters));
        for (number, letter) in &letters.pending {
            segments.item(TAG_LETTER, &letters::letter_to_values(*number, letter));
        }
        for (due, letter) in &letters.retries {
            segments.item(TAG_RETRY, &letters::letter_to_values(due.0, letter));
        }
    }
    let ring: BTreeMap<ConsumerKey, u64> = queue.consumers.ring().map(|consumer| consumer.key).zip(1..).collect();
    for consumer in queue.consumers.iter() {
        let is_active = queue.consumers.active() == Some(consumer.key);
        write_consumer(segments, consumer, ring.get(&consumer.key).copied().unwrap_or(0), is_active);
    }
}

fn write_lanes(segments: &mut Segments, queue: &Queue) {
    let mut place = None;
    for lane in queue.lanes.descending() {
        let mut last_index = 0;
        lane.backlog.for_each_uniform(|piece, size| {
            if place != Some((piece.priority, piece.position, piece.expires_at)) {
                let expiry = expiry_value(piece.expires_at);
                segments.item(TAG_PLACE, &[u64::from(piece.priority), piece.position, expiry]);
            }
            place = Some((piece.priority, piece.position + u64::from(piece.count), piece.expires_at));
            // Entries come in ascending order as a rule, so the difference is small.
            let delta = piece.index.wrapping_sub(last_index);
            last_index = piece.index;
            segments.item(TAG_PIECE, &[delta, u64::from(piece.first_slot), u64::from(piece.count), u64::from(size)]);
        });
    }
    for lane in queue.lanes.descending() {
        for message in lane.loose.values() {
            segments.item(TAG_LOOSE, &message_values(message));
        }
    }
}

fn message_values(message: &Taken) -> [u64; 7] {
    let Taken { index, position, slot, size, expires_at, delivery_count, priority, redelivered } = *message;
    let count_and_flag = u64::from(delivery_count) * 2 + u64::from(redelivered);
    let expiry = expiry_value(expires_at);
    [position, index, u64::from(slot), u64::from(size), count_and_flag, u64::from(priority), expiry]
}

/// A time plus one, zero for never.
fn expiry_value(expires_at: Timestamp) -> u64 {
    expires_at.0.wrapping_add(1)
}

fn write_consumer(segments: &mut Segments, consumer: &Consumer, ring_place: u64, is_active: bool) {
    let options = consumer.options;
    let flags = [
        (consumer.attached, FLAG_ATTACHED),
        (options.no_ack, FLAG_NO_ACK),
        (options.exclusive, FLAG_EXCLUSIVE),
        (is_active, FLAG_ACTIVE),
    ];
    let [has_timeout, timeout_ms] = options.timeout_ms.map_or([0, 0], |ms| [1, ms]);
    let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum();
    segments.item(
        TAG_CONSUMER,
        &[
            ring_place,
            consumer.key.session.node.0,
            consumer.key.session.serial,
            u64::from(consumer.key.number),
            flags,
            u64::from(options.prefetch),
            options.initial_credit,
            consumer.credit,
            consumer.held.next_seq(),
            consumer.order,
            varint::zigzag(options.priority),
            has_timeout,
            timeout_ms,
        ],
    );
    for (seq, since) in consumer.times.iter().flat_map(|times| &times.marks) {
        segments.item(TAG_MARK, &[*seq, since.0]);
    }
    let mut last_seq = 0;
    for (seq, message) in consumer.held.iter() {
        let mut values = vec![seq - last_seq];
        values.extend(message_values(message));
        segments.item(TAG_HELD, &values);
        last_seq = seq;
    }
}
