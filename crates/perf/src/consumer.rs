//! A consumer: one connection that takes deliveries from one or more queues, notes each, and acknowledges in groups.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
};

use amqp_codec::{
    Method,
    frame::FrameKind,
    methods::{basic, connection},
};
use anyhow::{Result, bail};
use parking_lot::MutexGuard;
use types::{FieldTable, ShortStr};

use crate::{
    args::queue_name,
    client::{CHANNEL, Client, notice, unexpected},
    context::{Backoff, Context, Phase, PhaseWatch},
    heartbeat::Heartbeat,
    identity::Stamp,
    ledger::Received,
    link::Link,
    progress::tell,
    scan::{Frequent, body_size, frequent},
    stats::{Interval, Recorder},
};

/// Turns of one poll, as for publishers.
const TURNS_MAX: u32 = 4;

/// A consumer's task.
#[derive(Debug)]
pub(crate) struct Consumer {
    context: Arc<Context>,
    recorder: Recorder,
    phase: PhaseWatch,
    number: u16,
}

impl Consumer {
    pub(crate) fn new(context: Arc<Context>, recorder: Recorder, phase: PhaseWatch, number: u16) -> Self {
        Consumer { context, recorder, phase, number }
    }

    /// Connects, subscribes and consumes until the run ends.
    ///
    /// # Errors
    /// When the connection is lost and it is not to connect again.
    pub(crate) async fn run(mut self) -> Result<()> {
        let mut client = self.connect(0).await?;
        self.context.ready.add_permits(1);
        self.phase.reached(Phase::Consume).await;
        let mut flow = Flow::new(Arc::clone(&self.context), Arc::clone(&self.recorder), self.number);
        let mut attempt = 0;
        while let Err(error) = self.drive(&mut flow, &mut client).await {
            let error = error.context(format!("consumer {}", self.number));
            if !self.context.args.reconnect {
                return Err(error);
            }
            tell(&format!("{error:#}"));
            self.recorder.lock().counts.disconnects += 1;
            flow.connection_lost();
            let mut backoff = Backoff::new();
            client = loop {
                if !backoff.wait(&mut self.phase).await {
                    return Ok(());
                }
                attempt += 1;
                if let Ok(client) = self.connect(attempt).await {
                    break client;
                }
            };
        }
        client.close().await;
        Ok(())
    }

    async fn connect(&self, attempt: usize) -> Result<Client> {
        let name = format!("perf consumer {}", self.number);
        let args = &self.context.args;
        let mut client = self.context.connect(args.consumer_uris(), &name, usize::from(self.number), attempt).await?;
        if args.prefetch > 0 && args.ack_every > 0 {
            let qos = basic::Qos { prefetch_size: 0, prefetch_count: args.prefetch, global: false };
            match client.call(CHANNEL, &qos).await? {
                Method::BasicQosOk(_) => {}
                other => return Err(unexpected(&other)),
            }
        }
        Ok(client)
    }

    async fn drive(&mut self, flow: &mut Flow, client: &mut Client) -> Result<()> {
        let mut heartbeat = Heartbeat::new(client.heartbeat_s);
        flow.subscribe(&mut client.link);
        flow.enter(self.phase.now(), &mut client.link);
        loop {
            // All branches may be dropped: what was read or written is in `flow` and `client`.
            tokio::select! {
                biased;
                ended = poll_fn(|cx| flow.poll(&mut client.link, cx)) => return ended,
                phase = self.phase.changed() => flow.enter(phase, &mut client.link),
                () = heartbeat.due() => heartbeat.beat(&mut client.link)?,
            }
        }
    }
}

/// A delivery whose frames are coming in.
#[derive(Clone, Copy, Debug)]
enum Incoming {
    /// The next frame is a method.
    Nothing,
    /// The content header is due.
    Header { tag: u64, redelivered: bool },
    /// So many bytes of body are due.
    Body { tag: u64, redelivered: bool, left: u64, stamp: Option<Stamp> },
}

/// The state of a consumer between polls. Outlives a connection.
#[derive(Debug)]
struct Flow {
    context: Arc<Context>,
    recorder: Recorder,
    queues: Vec<String>,
    ack_every: u32,
    incoming: Incoming,
    unacked: u32,
    last_tag: u64,
    /// The lowest sequence number, by publisher, that would follow what was delivered here.
    follows: Vec<u64>,
    /// Subscriptions that the broker has not confirmed; the first time that there are none, the consumer is ready.
    unsubscribed: usize,
    is_ready: bool,
    ending: bool,
}

impl Flow {
    fn new(context: Arc<Context>, recorder: Recorder, number: u16) -> Self {
        let args = &context.args;
        let queues =
            args.queues_of(number).into_iter().map(|queue| queue_name(&args.queue_pattern, u64::from(queue))).collect();
        Flow {
            queues,
            ack_every: args.ack_every,
            incoming: Incoming::Nothing,
            unacked: 0,
            last_tag: 0,
            follows: vec![0; usize::from(args.publishers)],
            unsubscribed: 0,
            is_ready: false,
            ending: false,
            context,
            recorder,
        }
    }

    fn subscribe(&mut self, link: &mut Link) {
        for queue in &self.queues {
            let consume = basic::Consume {
                queue: ShortStr::truncated(queue),
                consumer_tag: ShortStr::EMPTY,
                no_local: false,
                no_ack: self.ack_every == 0,
                exclusive: false,
                no_wait: false,
                arguments: FieldTable::default(),
            };
            link.push_method(CHANNEL, &consume);
        }
        self.unsubscribed = self.queues.len();
    }

    fn enter(&mut self, phase: Phase, link: &mut Link) {
        if phase == Phase::End && !self.ending {
            self.ending = true;
            if self.unacked > 0 && self.ack_every > 0 {
                link.push_method(CHANNEL, &basic::Ack { delivery_tag: self.last_tag, multiple: true });
                self.unacked = 0;
            }
        }
    }

    fn connection_lost(&mut self) {
        self.incoming = Incoming::Nothing;
        self.unacked = 0;
        self.last_tag = 0;
    }

    /// Reads deliveries and writes acks until there is nothing to do; ready when the run has ended.
    fn poll(&mut self, link: &mut Link, cx: &mut TaskContext<'_>) -> Poll<Result<()>> {
        for _ in 0..TURNS_MAX {
            if self.ending {
                ready!(link.poll_flush(cx))?;
                return Poll::Ready(Ok(()));
            }
            let read = link.poll_fill(cx)?.is_ready();
            if read {
                self.take_input(link)?;
            }
            // What the socket does not take now waits in the link; the next poll goes on with it.
            link.flush_some(cx)?;
            if !read {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes all frames that were read.
    fn take_input(&mut self, link: &mut Link) -> Result<()> {
        let context = Arc::clone(&self.context);
        let recorder = Arc::clone(&self.recorder);
        let mut batch =
            Batch { context: &context, now_ns: context.clock.now_ns(), interval: recorder.lock(), page: None };
        loop {
            let Some(frame) = link.input.next_frame()? else {
                return Ok(());
            };
            let finished = match (frame.kind, self.incoming) {
                (FrameKind::Method, Incoming::Nothing) => match frequent(frame.payload) {
                    Some(Frequent::Deliver { tag, redelivered }) => {
                        self.incoming = Incoming::Header { tag, redelivered };
                        None
                    }
                    _ => {
                        self.take_notice(&notice(&frame)?, &mut batch);
                        None
                    }
                },
                (FrameKind::Header, Incoming::Header { tag, redelivered }) => match body_size(frame.payload) {
                    None => bail!("the broker sent a content header that is cut short"),
                    Some(0) => Some((tag, redelivered, None)),
                    Some(left) => {
                        self.incoming = Incoming::Body { tag, redelivered, left, stamp: None };
                        None
                    }
                },
                (FrameKind::Body, Incoming::Body { tag, redelivered, left, stamp }) => {
                    let stamp = stamp.or_else(|| Stamp::read(frame.payload));
                    let Some(left) = left.checked_sub(crate::units::count(frame.payload.len())) else {
                        bail!("the broker sent a body that is longer than its header says");
                    };
                    self.incoming = Incoming::Body { tag, redelivered, left, stamp };
                    (left == 0).then_some((tag, redelivered, stamp))
                }
                (FrameKind::Heartbeat, _) => None,
                (kind, _) => bail!("the broker sent a frame of kind {kind:?} where another was due"),
            };
            if let Some((tag, redelivered, stamp)) = finished {
                self.incoming = Incoming::Nothing;
                batch.note(stamp, redelivered, &mut self.follows);
                self.acknowledge(tag, link);
            }
        }
    }

    #[inline]
    fn acknowledge(&mut self, tag: u64, link: &mut Link) {
        self.last_tag = tag;
        self.unacked += 1;
        if self.ack_every > 0 && self.unacked >= self.ack_every {
            link.push_method(CHANNEL, &basic::Ack { delivery_tag: tag, multiple: true });
            self.unacked = 0;
        }
    }

    fn take_notice(&mut self, method: &Method, batch: &mut Batch<'_>) {
        match method {
            Method::BasicConsumeOk(_) => {
                self.unsubscribed = self.unsubscribed.saturating_sub(1);
                if self.unsubscribed == 0 && !self.is_ready {
                    self.is_ready = true;
                    self.context.ready.add_permits(1);
                }
            }
            Method::ConnectionBlocked(connection::Blocked { .. }) => batch.interval.counts.blocked += 1,
            _ => {}
        }
    }
}

/// What the deliveries of one read share: the time, and locks that are taken once for many.
struct Batch<'a> {
    context: &'a Context,
    now_ns: u64,
    interval: MutexGuard<'a, Interval>,
    /// The page of the last message's publisher.
    page: Option<(u16, MutexGuard<'a, Received>)>,
}

impl Batch<'_> {
    /// Notes a delivery.
    #[inline]
    fn note(&mut self, stamp: Option<Stamp>, redelivered: bool, follows: &mut [u64]) {
        self.interval.counts.consumed += 1;
        self.interval.counts.redelivered += u64::from(redelivered);
        let Some(stamp) = stamp.filter(|_| self.context.args.carries_time()) else {
            return;
        };
        let Some(identity) = stamp.identity.filter(|_| self.context.args.follows_messages()) else {
            self.time(stamp);
            return;
        };
        if !self.context.book.is_followed(identity) {
            self.interval.counts.foreign += 1;
            return;
        }
        if self.page.as_ref().is_none_or(|(publisher, _)| *publisher != identity.publisher) {
            // The old page is given back before the new one is asked for: another thread may want them the other way round.
            self.page = None;
        }
        let (_, page) = self
            .page
            .get_or_insert_with(|| (identity.publisher, self.context.book.ledger(identity.publisher).received.lock()));
        let follows = &mut follows[usize::from(identity.publisher)];
        page.note(identity.sequence, redelivered, identity.sequence >= *follows);
        *follows = (*follows).max(identity.sequence + 1);
        if identity.run == self.context.run {
            self.time(stamp);
        }
    }

    /// Only while publishers publish at the same time: the age of a backlog says nothing about the broker.
    #[inline]
    fn time(&mut self, stamp: Stamp) {
        if !self.context.args.is_staged() {
            self.interval.end_to_end.record(stamp.start_ns, self.now_ns);
        }
    }
}
