//! Reading a snapshot. Nothing in it is trusted: whatever the bytes are, the result is an error or a machine whose invariants
//! hold, and no more memory is used than the bytes account for.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use types::{ConsumerKey, NodeId, QueueId, SessionId, Timestamp};

use super::{
    FLAG_ACTIVE, FLAG_ATTACHED, FLAG_EXCLUSIVE, FLAG_NO_ACK, RestoreError, TAG_CONFIG, TAG_CONSUMER, TAG_ENDED,
    TAG_HELD, TAG_LETTER, TAG_LETTERS, TAG_LOOSE, TAG_MARK, TAG_PARKED, TAG_PIECE, TAG_PLACE, TAG_QUEUE, TAG_RETRY,
    TAG_SOURCE, VERSION, VERSION_MIN, config, letters,
    values::{COUNTER_MAX, Parsed, Values},
    varint,
};
use crate::{
    ConsumerOptions, Machine, QueueConfig,
    backlog::{Piece, SIZE_MAX, Sizes},
    consumers::Consumer,
    held::{HeldMessages, Taken},
    letters::RETRY_AFTER_MS,
    machine::NEVER,
    number,
    producers::{Accepted, NodeProducer},
    queue::{Counters, PRIORITY_DEFAULT, Queue},
};

/// The machine from its segments.
pub(super) fn restore(segments: impl IntoIterator<Item = (u64, Bytes)>) -> Result<Machine, RestoreError> {
    let mut segments = segments.into_iter();
    let (key, header) = segments.next().ok_or(RestoreError::Empty)?;
    if key != 0 {
        return Err(RestoreError::Missing { expected: 0 });
    }
    let mut header = Values(&header);
    let version = header.value().map_err(|what| RestoreError::Damaged { segment: 0, what })?;
    if !(VERSION_MIN..=VERSION).contains(&version) {
        return Err(RestoreError::UnknownVersion(version));
    }
    let (mut reader, segment_count, queue_count) =
        read_header(version, header).map_err(|what| RestoreError::Damaged { segment: 0, what })?;
    for expected in 1..segment_count {
        let Some((_, bytes)) = segments.next().filter(|(key, _)| *key == expected) else {
            return Err(RestoreError::Missing { expected });
        };
        reader.segment(&bytes).map_err(|what| RestoreError::Damaged { segment: expected, what })?;
    }
    let last = segment_count.saturating_sub(1);
    reader.end_queue().map_err(|what| RestoreError::Damaged { segment: last, what })?;
    let machine = reader.machine;
    if number::count(machine.queues.len()) != queue_count || segments.next().is_some() {
        return Err(RestoreError::Contradiction("not as many queues or segments as the header says".to_owned()));
    }
    machine.check_queues().map_err(RestoreError::Contradiction)?;
    Ok(machine)
}

fn read_header(version: u64, mut header: Values<'_>) -> Parsed<(Reader, u64, u64)> {
    let mut machine = Machine { time: Timestamp(header.value()?), next_index: header.value()?, ..Machine::default() };
    let (queues, segments, nodes) = (header.value()?, header.value()?, header.value()?);
    let mut last_node = None;
    for _ in 0..nodes {
        let node = header.value()?;
        let (is_fenced, fenced) = (header.flag()?, header.value()?);
        let (is_current, boot, last_seq) = (header.flag()?, header.value()?, header.counter()?);
        let fenced = is_fenced.then_some(fenced);
        let current = is_current.then_some(Accepted { boot, last_seq });
        if last_node >= Some(node) || (is_current && fenced >= Some(boot)) {
            return Err("nodes are out of order");
        }
        last_node = Some(node);
        machine.producers.restore(NodeId(node), NodeProducer { fenced, current });
    }
    header.end()?;
    Ok((Reader { version, machine, queue: None, consumer: None }, segments, queues))
}

/// Reads items into a machine.
struct Reader {
    version: u64,
    machine: Machine,
    queue: Option<PartialQueue>,
    consumer: Option<PartialConsumer>,
}

/// A queue whose items are being read.
struct PartialQueue {
    id: QueueId,
    queue: Queue,
    last_index: u64,
    /// Priority of the piece before.
    lane: Option<u8>,
    /// End of the piece before in the lane.
    last_position: u64,
    /// Of the next piece.
    place: Place,
    /// With their place in the rings.
    consumers: Vec<(u64, Consumer)>,
    /// The single active one.
    active: Option<ConsumerKey>,
    version: u64,
}

/// Where pieces come from and when their time is over.
#[derive(Clone, Copy)]
struct Place {
    priority: u8,
    position: u64,
    expires_at: Timestamp,
}

/// Version 1 tells no priorities, positions or times of expiry.
const PLACE_V1: Place = Place { priority: PRIORITY_DEFAULT, position: 0, expires_at: NEVER };

/// A consumer whose messages are being read.
struct PartialConsumer {
    ring_place: u64,
    consumer: Consumer,
    next_seq: u64,
    last_seq: u64,
    held: BTreeMap<u64, Taken>,
}

impl Reader {
    fn segment(&mut self, bytes: &[u8]) -> Parsed<()> {
        let mut values = Values(bytes);
        while let Some(tag) = varint::take_byte(&mut values.0) {
            match tag {
                TAG_QUEUE => self.queue(&mut values)?,
                TAG_PIECE => self.piece(&mut values)?,
                TAG_LOOSE => self.loose(&mut values)?,
                TAG_PLACE => self.place(&mut values)?,
                TAG_PARKED => self.parked(&mut values)?,
                TAG_MARK => self.mark(&mut values)?,
                TAG_CONSUMER => self.consumer(&mut values)?,
                TAG_HELD => self.held(&mut values)?,
                TAG_ENDED => self.ended(&mut values)?,
                TAG_SOURCE => letters::source_from_values(&mut values, &mut self.machine.sources)?,
                TAG_LETTERS => self.letters(&mut values)?,
                TAG_LETTER => self.letter(&mut values)?,
                TAG_RETRY => self.retry(&mut values)?,
                TAG_CONFIG => self.config(&mut values)?,
                _ => return Err("an item of an unknown kind"),
            }
        }
        Ok(())
    }

    fn queue(&mut self, values: &mut Values<'_>) -> Parsed<()> {
        self.end_queue()?;
        let id = QueueId(values.value()?);
        if self.machine.queues.last_key_value().is_some_and(|(last, _)| *last >= id) {
            return Err("queues are out of order");
        }
        let mut queue = Queue::new(QueueConfig::default(), Timestamp(0));
        queue.counters = Counters {
            enqueued: values.counter()?,
            delivered: values.counter()?,
            settled: values.counter()?,
            returned: values.counter()?,
            discarded: values.counter()?,
            purged: values.counter()?,
            ..Counters::default()
        };
        if self.version > 1 {
            queue.used_at = Timestamp(values.value()?);
            queue.next_position = values.counter()?;
            queue.counters.expired = values.counter()?;
            queue.counters.dropped = values.counter()?;
            queue.counters.given_up = values.counter()?;
            queue.counters.rejected = values.counter()?;
            queue.consumers.next_order = values.counter()?;
        } else {
            queue.next_position = queue.counters.enqueued;
        }
        self.queue = Some(PartialQueue {
            id,
            queue,
            last_index: 0,
            lane: None,
            last_position: 0,
            place: PLACE_V1,
            consumers: Vec::new(),
            active: None,
            version: self.version,
        });
        Ok(())
    }

    fn ended(&mut self, values: &mut Values<'_>) -> Parsed<()> {
        let id = QueueId(values.value()?);
        if self.queue.is_some() || self.machine.ended.last().is_some_and(|last| *last >= id) {
            return Err("queues that are over are out of order");
        }
        self.machine.ended.insert(id);
        Ok(())
    }

    fn config(&mut self, values: &mut Values<'_>) -> Parsed<()> {
        let partial = self.queue.as_mut().ok_or("settings without a queue")?;
        partial.queue.config = Arc::new(config::from_values(values)?);
        Ok(())
    }

    fn piece(&mut self, values: &mut Values<'_>) -> Parsed<()> {
        let partial = self.queue.as_mut().ok_or("messages without a queue")?;
        let Place { priority, position, expires_at } = partial.place;
        if partial.lane.is_some_and(|lane| priority > lane) {
            return Err("lanes are out of order");
        }
        if partial.lane.replace(priority) != Some(priority) {
            (partial.last_index, partial.last_position) = (0, 0);
        }
        let index = partial.last_index.wrapping_add(values.value()?);
        let (first_slot, count, size) = (values.small()?, values.small()?, values.small()?);
        partial.last_index = index;
        let (lanes, counters) = (&mut partial.queue.lanes, &partial.queue.counters);
        if count == 0 || first_slot.checked_add(count - 1).is_none() || size > SIZE_MAX {
            return Err("a run does not fit its blob");
        }
        if u64::from(size) * u64::from(count) > COUNTER_MAX || lanes.bytes() > COUNTER_MAX {
            return Err("a backlog is too large");
        }
        if position > COUNTER_MAX || !lanes.accepts(expires_at, priority) || position < partial.last_position {
            return Err("a backlog is out of order");
        }
        lanes.push(Piece { index, first_slot, count, sizes: Sizes::Uniform(size), position, expires_at, priority });
        partial.place.position += u64::from(count);
        partial.last_position = partial.place.position;
        if lanes.messages() > counters.enqueued {
            return Err("more messages wait than came in");
        }
        refer(&mut self.machine, index, count)
    }

    fn place(&mut self, values: &mut Values<'_>) -> Parsed<()> {
        let partial = self.queue.as_mut().ok_or("messages without a queue")?;
        let priority = u8::try_from(values.value()?).map_err(|_| "a priority is too large")?;
        partial.place = Place { priority, position: values.value()?, expires_at: values.expiry()? };
        Ok(())
    }

    fn loose(&mut self, values: &mut Values<'_>) -> Parsed<()> {
        let message = if self.version > 1 {
            message(values, self.version)?
        } else {
            let (position, index) = (values.value()?, values.value()?);
            let (slot, size, delivery_count) = (values.small()?, values.small()?, values.small()?);
            let Place { priority, expires_at, .. } = PLACE_V1;
            Taken { index, position, slot, size, expires_at, delivery_count, priority, redelivered: true }
        };
        let partial = self.queue.as_mut().ok_or("messages without a queue")?;
        if message.position > COUNTER_MAX || !partial.queue.lanes.insert(message) {
            return Err("a message is in two places");
        }
        refer(&mut self.machine, message.index, 1)
    }

    fn parked(&mut self, values: &mut Values<'_>) -> Parsed<()> {
        let partial = self.queue.as_mut().ok_or("messages without a queue")?;
        let (due, is_new) = (Timestamp(values.value()?), values.flag()?);
        let message = message(values, self.version)?;
        partial.queue.delayed.get_or_insert_default().park(due, message, is_new);
        refer(&mut self.machine, message.index, 1)
    }

    fn letters(&mut self, values: &mut Values<'_>) -> Parsed<()> {
        let partial = self.queue.as_mut().ok_or("dead letters without a queue")?;
        partial.queue.letters = Some(Box::new(letters::from_values(values)?));
        Ok(())
    }

    fn letter(&mut self, values: &mut Values<'_>) -> Parsed<()> {
        let (number, letter) = letters::letter_from_values(values)?;
        let partial = self.queue.as_mut().ok_or("dead letters without a queue")?;
        let letters = partial.queue.letters.as_mut().ok_or("a dead letter without others")?;
        if letters.pending.insert(number, letter).is_some() {
            return Err("two dead letters have one number");
        }
        refer(&mut self.machine, letter.index, 1)
    }

    fn retry(&mut self, values: &mut Values<'_>) -> Parsed<()> {
        let (due, letter) = letters::letter_from_values(values)?;
        let partial = self.queue.as_mut().ok_or("dead letters without a queue")?;
        let letters = partial.queue.letters.as_mut().ok_or("a dead letter without others")?;
        if Timestamp(due) > self.machine.time.plus_ms(RETRY_AFTER_MS) {
            return Err("a dead letter comes again too late");
        }
        letters.retries.push_back((Timestamp(due), letter));
        refer(&mut self.machine, letter.index, 1)
    }

    fn consumer(&mut self, values: &mut Values<'_>) -> Parsed<()> {
        self.end_consumer()?;
        let partial = self.queue.as_mut().ok_or("a consumer without a queue")?;
        let ring_place = values.value()?;
        let session = SessionId { node: NodeId(values.value()?), serial: values.value()? };
        let key = ConsumerKey { session, number: values.small()? };
        let flags = values.value()?;
        let mut options = ConsumerOptions {
            no_ack: flags & FLAG_NO_ACK != 0,
            exclusive: flags & FLAG_EXCLUSIVE != 0,
            prefetch: values.small()?,
            initial_credit: values.value()?,
            ..ConsumerOptions::default()
        };
        let credit = values.value()?;
        let next_seq = values.counter()?;
        let mut order = number::count(partial.consumers.len());
        if self.version > 1 {
            order = values.counter()?;
            options.priority = varint::unzigzag(values.value()?);
            options.timeout_ms = values.option()?;
        }
        if next_seq == 0 || flags > FLAG_ATTACHED | FLAG_NO_ACK | FLAG_EXCLUSIVE | FLAG_ACTIVE {
            return Err("a consumer has a value out of its range");
        }
        let mut consumer = Consumer::attached(key, options);
        (consumer.attached, consumer.credit, consumer.order) = (flags & FLAG_ATTACHED != 0, credit, order);
        // Until all are there.
        consumer.halted = true;
        if flags & FLAG_ACTIVE != 0 && partial.active.replace(key).is_some() {
            return Err("two consumers are the single active one");
        }
        self.consumer = Some(PartialConsumer { ring_place, consumer, next_seq, last_seq: 0, held: BTreeMap::new() });
        Ok(())
    }

    fn mark(&mut self, values: &mut Values<'_>) -> Parsed<()> {
        let partial = self.consumer.as_mut().ok_or("a time without a consumer")?;
        let times = partial.consumer.times.as_mut().ok_or("a time of a consumer that needs none")?;
        let mark = (values.value()?, Timestamp(values.value()?));
        if mark.1 > self.machine.time {
            return Err("a message is held since a time to come");
        }
        if times.marks.back().is_some_and(|(seq, since)| *seq >= mark.0 || *since >= mark.1) {
            return Err("times of a consumer are out of order");
        }
        times.marks.push_back(mark);
        Ok(())
    }

    fn held(&mut self, values: &mut Values<'_>) -> Parsed<()> {
        let partial = self.consumer.as_mut().ok_or("held messages without a consumer")?;
        let seq = partial.last_seq.checked_add(values.value()?).ok_or("a sequence number is too large")?;
        if seq <= partial.last_seq || seq >= partial.next_seq {
            return Err("sequence numbers are out of order");
        }
        partial.last_seq = seq;
        let message = message(values, self.version)?;
        partial.held.insert(seq, message);
        refer(&mut self.machine, message.index, 1)
    }

    fn end_consumer(&mut self) -> Parsed<()> {
        let Some(partial) = self.consumer.take() else { return Ok(()) };
        let queue = self.queue.as_mut().ok_or("a consumer without a queue")?;
        let mut consumer = partial.consumer;
        consumer.held = HeldMessages::restored(partial.next_seq, partial.held);
        self.machine.sessions.insert(consumer.key.session, queue.id);
        queue.consumers.push((partial.ring_place, consumer));
        Ok(())
    }

    /// Ends the queue that is being read, if any.
    fn end_queue(&mut self) -> Parsed<()> {
        self.end_consumer()?;
        let Some(mut partial) = self.queue.take() else { return Ok(()) };
        partial.queue.letters = partial.queue.letters.map(|letters| Box::new(letters.restored()));
        if self.version == 1 {
            // Backlogs had no gaps, and their end was the end of the queue.
            let first = partial.queue.next_position - partial.queue.lanes.backlog_messages();
            partial.queue.lanes.shift_backlogs(first);
        }
        restore_consumers(&mut partial)?;
        self.machine.restore_queue(partial.id, partial.queue);
        Ok(())
    }
}

/// Puts the consumers into their queue: first all, then those in a ring in the order of their places.
fn restore_consumers(partial: &mut PartialQueue) -> Parsed<()> {
    let queue = &mut partial.queue;
    if partial.version == 1 {
        queue.consumers.next_order = number::count(partial.consumers.len());
    }
    let mut places = Vec::new();
    for (place, consumer) in std::mem::take(&mut partial.consumers) {
        if queue.consumers.find(&consumer.key).is_some() || consumer.order >= queue.consumers.next_order {
            return Err("a consumer is there twice, or of a time to come");
        }
        places.push((place, consumer.key));
        queue.restore_consumer(consumer);
    }
    partial.active.into_iter().for_each(|key| queue.consumers.restore_active(key));
    places.sort_unstable();
    let in_order = places.iter().filter(|(place, _)| *place > 0).map(|(_, key)| *key);
    let is_single = queue.config.single_active_consumer;
    queue.consumers.restore_rings(is_single, in_order);
    let rings = queue.consumers.ring().map(|consumer| consumer.key);
    if !(1..).zip(rings).eq(places.into_iter().filter(|(place, _)| *place > 0)) {
        return Err("consumers are not in the rings where they should be");
    }
    Ok(())
}

fn message(values: &mut Values<'_>, version: u64) -> Parsed<Taken> {
    let (position, index) = (values.counter()?, values.value()?);
    let (slot, size, count_and_flag) = (values.small()?, values.small()?, values.value()?);
    let delivery_count = u32::try_from(count_and_flag / 2).map_err(|_| "a delivery count is too large")?;
    let redelivered = count_and_flag % 2 == 1;
    let Place { mut priority, mut expires_at, .. } = PLACE_V1;
    if version > 1 {
        priority = u8::try_from(values.value()?).map_err(|_| "a priority is too large")?;
        expires_at = values.expiry()?;
    }
    Ok(Taken { index, position, slot, size, expires_at, delivery_count, priority, redelivered })
}

fn refer(machine: &mut Machine, index: u64, count: u32) -> Parsed<()> {
    if index >= machine.next_index {
        return Err("a message refers to an entry that did not come yet");
    }
    machine.live.restore(index, count).map_err(|_| "too many messages refer to one entry")
}
