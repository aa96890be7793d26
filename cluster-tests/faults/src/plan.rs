//! What clients do in a scenario: which queues there are, who publishes to them, and who consumes.

use bytes::Bytes;
use types::{FieldTable, FieldValue, ShortStr};

/// All queues and their clients.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The queues; events name them by their place here.
    pub queues: Vec<QueuePlan>,
    /// Clients that declare, look for and delete queues, so many on each node.
    pub declarers: usize,
    /// Clients that take turns with a lock that is a message.
    pub lockers: usize,
    /// Clients that fill, empty, delete and declare queues of their own.
    pub racers: usize,
    /// Clients whose mandatory messages have no queue, every other one.
    pub strayers: usize,
}

/// One queue.
#[derive(Clone, Debug, Default)]
pub struct QueuePlan {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<(&'static str, FieldValue)>,
    /// Publishers, on one node after the other.
    pub publishers: Vec<PublisherPlan>,
    /// Consumers, on one node after the other.
    pub consumers: Vec<ConsumerPlan>,
    /// Consumers that begin when the scenario lets them.
    pub late_consumers: Vec<ConsumerPlan>,
    /// Where messages go that are refused or expire here.
    pub letters_to: Option<u16>,
    /// Whether only one consumer at a time gets messages.
    pub is_single: bool,
}

/// One publisher.
#[derive(Clone, Copy, Debug)]
pub struct PublisherPlan {
    /// Messages per second.
    pub rate: u32,
    /// Size of bodies. Unit: bytes.
    pub size: usize,
    /// The messages' priority.
    pub priority: Option<u8>,
}

/// One consumer.
#[derive(Clone, Copy, Debug)]
pub struct ConsumerPlan {
    /// Messages that it holds at most.
    pub prefetch: u16,
    /// Of a hundred messages, how many go back to the queue.
    pub requeue_percent: u32,
    /// Of a hundred messages, how many are refused for good.
    pub reject_percent: u32,
    /// Of ten thousand messages, with how many the client dies before it settles them.
    pub crash_per_10_000: u32,
    /// Whether acknowledgements are committed in transactions, whose end is a fence.
    pub is_fenced: bool,
    /// `x-priority`.
    pub priority: i32,
}

impl Default for PublisherPlan {
    fn default() -> Self {
        PublisherPlan { rate: 60, size: 200, priority: None }
    }
}

impl Default for ConsumerPlan {
    fn default() -> Self {
        ConsumerPlan {
            prefetch: 50,
            requeue_percent: 0,
            reject_percent: 0,
            crash_per_10_000: 0,
            is_fenced: false,
            priority: 0,
        }
    }
}

impl QueuePlan {
    /// A queue with three publishers and no consumers.
    pub fn new(name: &str) -> Self {
        QueuePlan { name: name.to_owned(), publishers: vec![PublisherPlan::default(); 3], ..QueuePlan::default() }
    }

    /// With another argument.
    #[must_use]
    pub fn argument(mut self, name: &'static str, value: FieldValue) -> Self {
        self.arguments.push((name, value));
        self
    }

    /// Messages that expire or are refused go to another queue of the plan, and all of them arrive there. Publishers are refused rather than that
    /// something goes that way for want of room.
    #[must_use]
    pub fn letters_to(mut self, place: u16, name: &'static str) -> Self {
        self.letters_to = Some(place);
        let text = |text: &'static str| FieldValue::LongStr(Bytes::from_static(text.as_bytes()));
        self.argument("x-dead-letter-exchange", text(""))
            .argument("x-dead-letter-routing-key", text(name))
            .argument("x-dead-letter-strategy", text("at-least-once"))
            .argument("x-overflow", text("reject-publish"))
    }

    /// With another consumer.
    #[must_use]
    pub fn consumer(mut self, consumer: ConsumerPlan) -> Self {
        self.consumers.push(consumer);
        self
    }

    /// Whether consumers take all messages before the run ends.
    pub fn is_drained(&self) -> bool {
        !self.consumers.is_empty() || !self.late_consumers.is_empty()
    }

    /// The arguments as AMQP has them.
    pub fn table(&self) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, value) in &self.arguments {
            table.push(ShortStr::from_static(name), value.clone());
        }
        table
    }
}

impl Plan {
    /// What most scenarios use: three queues, so that each node leads one or is near to it. One has consumers whose
    /// acknowledgements are fenced, one has consumers that give messages back, and one has consumers that die.
    pub fn standard() -> Self {
        let fenced = ConsumerPlan { is_fenced: true, ..ConsumerPlan::default() };
        let requeuing = ConsumerPlan { requeue_percent: 10, prefetch: 20, ..ConsumerPlan::default() };
        let dying = ConsumerPlan { crash_per_10_000: 15, prefetch: 10, ..ConsumerPlan::default() };
        let queue =
            |name: &str, consumer| QueuePlan::new(name).consumer(consumer).consumer(consumer).consumer(consumer);
        let queues = vec![queue("fenced", fenced), queue("requeued", requeuing), queue("dying", dying)];
        Plan { queues, strayers: 1, ..Plan::default() }
    }
}
