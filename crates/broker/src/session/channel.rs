//! One channel: the order of what its client asks, and what it waits for.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use amqp_codec::methods::Method;
use amqp_connection::Event;
use queue::Command;
use telemetry::TaskKind;
use tracing::debug;
use types::{ConsumerKey, GroupId, QueueId, SessionId, ShortStr};

use super::{
    chunk::PendingChunk,
    confirm::SharedConfirms,
    consumer::Consumers,
    doubt::Doubt,
    get::Gets,
    look_again,
    operation::Step,
    operations::Operations,
    outbox::{ChunkDraft, Outbox},
    route::{Route, RouteCache},
    shared::{Context, Shared},
    transaction::Transaction,
};
use crate::{
    failure::{Failure, Scope},
    mailbox::{Address, Mail},
    metrics,
};

/// How long a channel that acts on what has waited may keep its thread: routing some hundred messages can take that long.
const TURN: Duration = Duration::from_millis(10);
/// What an event that waits costs beside its content. Unit: bytes.
pub(crate) const EVENT_BYTES: usize = 256;

/// A channel, from the session's side.
///
/// Its events are acted on strictly in order. A method that needs others (a group, a majority) makes an
/// [operation](super::operation); until that is done, later events wait in `backlog`, but for declarations behind
/// declarations, which [go ahead](super::ahead). Publishes and settlements need nobody: they are submitted and answered later.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) number: u16,
    pub(crate) session: SessionId,
    /// Whether the client still hears what is sent.
    pub(crate) is_open: bool,
    /// The client was told of an error; nothing that it sends counts any more.
    pub(crate) has_failed: bool,
    pub(crate) outbox: Outbox,
    pub(crate) pending: BTreeMap<u64, PendingChunk>,
    pub(crate) shared_confirms: SharedConfirms,
    pub(crate) operations: Operations,
    pub(crate) consumers: Consumers,
    /// Messages that wait in all consumers.
    pub(crate) waiting: usize,
    /// Consumers that may be granted credit.
    pub(crate) credit_due: Vec<u32>,
    /// Messages that consumers were sent and the client has not settled.
    pub(crate) unacked: u64,
    /// Consumers of the queue that is just being deleted: the client is told after the answer.
    pub(crate) cancels_due: Vec<ShortStr>,
    /// Per new consumer; zero: no limit.
    pub(crate) prefetch: u16,
    /// Shared by the consumers of the channel; zero: no limit.
    pub(crate) shared_prefetch: u16,
    /// The queue that was declared last.
    pub(crate) last_queue: ShortStr,
    /// The name of its direct reply-to queue, which goes with its consumer.
    pub(crate) reply_name: Option<ShortStr>,
    pub(crate) transaction: Transaction,
    pub(crate) gets: Gets,
    pub(crate) routes: RouteCache,
    /// The last route through a headers exchange, which cannot be cached: only compared with the next.
    pub(crate) last_route: Option<Arc<Route>>,
    /// The groups in which the session has consumers or holds messages.
    pub(crate) holding: Vec<GroupId>,
    /// Whether what is not there is known not to be: it was looked for [again](super::look_again).
    pub(crate) has_looked_again: bool,
    /// Messages of which it is not certain that they may be confirmed, by the operation that finds out.
    pub(crate) doubts: BTreeMap<u64, Doubt>,
    /// Whether what has waited waits for others to have a turn.
    is_turn_over: bool,
    /// Whether the next flush looks at it.
    is_busy: bool,
    backlog: VecDeque<Event>,
    backlog_bytes: usize,
    next_token: u64,
}

impl Channel {
    pub(crate) fn new(number: u16, session: SessionId) -> Self {
        Channel {
            number,
            session,
            is_open: true,
            has_failed: false,
            outbox: Outbox::default(),
            pending: BTreeMap::new(),
            shared_confirms: SharedConfirms::default(),
            operations: Operations::default(),
            consumers: Consumers::default(),
            waiting: 0,
            credit_due: Vec::new(),
            unacked: 0,
            cancels_due: Vec::new(),
            prefetch: 0,
            shared_prefetch: 0,
            last_queue: ShortStr::EMPTY,
            reply_name: None,
            transaction: Transaction::default(),
            gets: Gets::default(),
            routes: RouteCache::default(),
            last_route: None,
            holding: Vec::new(),
            has_looked_again: false,
            doubts: BTreeMap::new(),
            is_turn_over: false,
            is_busy: false,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            next_token: 0,
        }
    }

    /// Acts on an event, now or when what the channel waits for is done.
    pub(crate) fn accept(&mut self, cx: &mut Context<'_>, event: Event) {
        if self.has_failed {
            return;
        }
        if self.is_idle() {
            self.act(cx, event);
        } else if !self.backlog.is_empty() || !self.act_ahead(cx, &event) {
            self.wait_with(cx.shared, event_bytes(&event));
            self.backlog.push_back(event);
        }
    }

    /// Acts on the events that have waited, as far as possible, until its turn is over.
    pub(crate) fn resume(&mut self, cx: &mut Context<'_>) {
        if self.is_turn_over || self.backlog.is_empty() {
            return;
        }
        let begin = Instant::now();
        while let Some(event) = self.backlog.pop_front() {
            if begin.elapsed() >= TURN {
                self.backlog.push_front(event);
                self.end_turn(cx.shared);
                return;
            }
            let bytes = event_bytes(&event);
            if self.operations.is_empty() {
                self.waits_no_more(cx.shared, bytes);
                self.act(cx, event);
            } else if self.act_ahead(cx, &event) {
                self.waits_no_more(cx.shared, bytes);
            } else {
                self.backlog.push_front(event);
                return;
            }
        }
    }

    /// Others have a turn, then it goes on.
    fn end_turn(&mut self, shared: &Shared) {
        self.is_turn_over = true;
        let (mailbox, to) = (Arc::clone(&shared.mailbox), self.address());
        telemetry::spawn(TaskKind::Background, "next-turn", async move {
            tokio::task::yield_now().await;
            mailbox.push(Mail::Resume { to });
        });
    }

    /// Others have had a turn.
    pub(crate) fn next_turn(&mut self, cx: &mut Context<'_>) {
        self.is_turn_over = false;
        self.resume(cx);
    }

    /// Whether nothing that the client sent is left to be done.
    pub(crate) fn is_idle(&self) -> bool {
        self.operations.is_empty() && self.backlog.is_empty()
    }

    /// Where mail for the channel goes.
    pub(crate) fn address(&self) -> Address {
        Address { channel: self.number, session: self.session }
    }

    /// One of its consumers.
    pub(crate) fn key(&self, number: u32) -> ConsumerKey {
        ConsumerKey { session: self.session, number }
    }

    /// The next flush may find something to do, beside chunks.
    pub(crate) fn has_work(&mut self, shared: &mut Shared) {
        if !self.is_busy {
            self.is_busy = true;
            shared.busy.push(self.number);
        }
    }

    /// A flush has done what it found.
    pub(crate) fn rest(&mut self, shared: &mut Shared) {
        self.is_busy = self.waiting > 0;
        if self.is_busy {
            shared.busy.push(self.number);
        }
    }

    /// Whether the session has something in the group that it does not know the fate of when the group forgets it.
    pub(crate) fn is_concerned_by(&self, group: GroupId) -> bool {
        self.holding.contains(&group) || self.pending.values().any(|chunk| chunk.group == group)
    }

    /// Answers the client, if it still listens.
    pub(crate) fn send(&self, cx: &mut Context<'_>, method: impl Into<Method>) {
        if self.is_open {
            cx.conn.send(self.number, method.into());
        }
    }

    /// Answers the client unless it said no-wait.
    pub(crate) fn answer(&self, cx: &mut Context<'_>, no_wait: bool, method: impl Into<Method>) {
        if !no_wait {
            self.send(cx, method);
        }
    }

    /// The chunk in the making for a group.
    pub(crate) fn chunk(&mut self, shared: &mut Shared, group: GroupId) -> &mut ChunkDraft {
        if self.outbox.is_empty() {
            shared.dirty.push(self.number);
        }
        self.outbox.chunk(group)
    }

    /// Submits a command whose answer continues the caller's operation at `step`.
    pub(crate) fn ask(&mut self, cx: &mut Context<'_>, caller: Caller, group: GroupId, command: Command, step: Step) {
        let chunk = self.chunk(cx.shared, group);
        let at = chunk.push(command);
        chunk.pending.expected.push((at, caller.operation));
        self.operations.set(caller, step);
    }

    /// Remembers that the session has something in the group that must end with it.
    pub(crate) fn holds_in(&mut self, group: GroupId) {
        if !self.holding.contains(&group) {
            self.holding.push(group);
        }
    }

    /// The group of a queue that the client has something of.
    pub(crate) fn group_of(&self, shared: &Shared, consumer: u32, queue: QueueId) -> Option<GroupId> {
        match self.consumers.get(consumer) {
            Some(consumer) => Some(consumer.group),
            None => shared.broker.tables().read().group(queue),
        }
    }

    /// Tells the client of an error, which ends the channel or the connection.
    pub(crate) fn fail(&mut self, cx: &mut Context<'_>, failure: &Failure, caller: Caller) {
        debug!(session = %self.session, code = failure.code.code(), text = failure.text, "client error");
        metrics::client_error();
        self.forget_backlog(cx.shared);
        self.operations.clear();
        self.has_failed = true;
        if !self.is_open {
            return;
        }
        let Caller { class_id, method_id, .. } = caller;
        match failure.scope {
            Scope::Channel => cx.conn.soft_error(self.number, failure.code, &failure.text, class_id, method_id),
            Scope::Connection => cx.conn.hard_error(failure.code, &failure.text, class_id, method_id),
        }
    }

    /// The number of the next chunk.
    pub(crate) fn next_token(&mut self) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        token
    }

    /// Something that weighs so much waits.
    pub(crate) fn wait_with(&mut self, shared: &mut Shared, bytes: usize) {
        self.backlog_bytes += bytes;
        shared.backlog_bytes += bytes;
    }

    /// It waits no more.
    pub(crate) fn waits_no_more(&mut self, shared: &mut Shared, bytes: usize) {
        self.backlog_bytes -= bytes;
        shared.backlog_bytes -= bytes;
    }

    /// Drops what has waited.
    pub(crate) fn forget_backlog(&mut self, shared: &mut Shared) {
        self.backlog = VecDeque::new();
        shared.backlog_bytes -= std::mem::take(&mut self.backlog_bytes);
    }

    /// A new operation's caller.
    pub(crate) fn caller(&mut self, method: &Method) -> Caller {
        Caller { operation: self.operations.next_id(), ..Caller::of(method) }
    }

    fn act(&mut self, cx: &mut Context<'_>, event: Event) {
        let (caller, result) = match event {
            Event::Publish { publish, .. } => {
                let result = self.publish(cx, &publish);
                if result.as_ref().is_err_and(look_again::is_worth_it) {
                    let caller = Caller { operation: self.operations.next_id(), ..Caller::PUBLISH };
                    self.look_again(cx, caller, publish.into());
                    return;
                }
                (Caller::PUBLISH, result)
            }
            Event::Settle { verb, deliveries, transactional: true, .. } => {
                self.keep_settlement(verb, &deliveries);
                return;
            }
            Event::Settle { verb, deliveries, .. } => (Caller::default(), self.settle(cx, verb, &deliveries)),
            Event::Recover { deliveries, has_reply, .. } => {
                (Caller::default(), self.recover(cx, &deliveries, has_reply))
            }
            Event::Method { method, .. } => {
                let caller = self.caller(&method);
                let again = look_again::may_miss(&method).then(|| method.clone());
                let result = self.method(cx, caller, method);
                if let Some(method) = again
                    && result.as_ref().is_err_and(look_again::is_worth_it)
                {
                    self.look_again(cx, caller, method.into());
                    return;
                }
                (caller, result)
            }
            Event::Login { .. }
            | Event::LoginResponse { .. }
            | Event::Open { .. }
            | Event::UpdateSecret { .. }
            | Event::ChannelOpened { .. }
            | Event::ChannelClosed { .. }
            | Event::Closed => return,
        };
        if let Err(failure) = result {
            self.fail(cx, &failure, caller);
        }
    }
}

/// The method that is acted on, as errors name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) class_id: u16,
    pub(crate) method_id: u16,
    /// Which of the channel's operations does what it asks; zero: none.
    pub(crate) operation: u64,
}

impl Caller {
    /// `basic.publish`
    const PUBLISH: Caller = Caller { class_id: 60, method_id: 40, operation: 0 };

    /// The ids of a method.
    fn of(method: &Method) -> Self {
        Caller { class_id: method.class_id(), method_id: method.method_id(), operation: 0 }
    }
}

fn event_bytes(event: &Event) -> usize {
    match event {
        Event::Publish { publish, .. } => look_again::publish_bytes(publish),
        Event::Method { .. }
        | Event::Settle { .. }
        | Event::Recover { .. }
        | Event::Login { .. }
        | Event::LoginResponse { .. }
        | Event::Open { .. }
        | Event::UpdateSecret { .. }
        | Event::ChannelOpened { .. }
        | Event::ChannelClosed { .. }
        | Event::Closed => EVENT_BYTES,
    }
}
