//! A publisher: one connection that publishes as fast as its window, or its schedule, allows.
//!
//! [`Publisher::run`] is the task; [`Flow`] is what it polls: one read, one write per turn, in between as many publishes as
//! are permitted.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use amqp_codec::{
    Method,
    frame::FrameKind,
    methods::{confirm, connection},
};
use anyhow::Result;
use tokio::sync::Notify;

use crate::{
    args::queue_name,
    burst::{Burst, Template},
    client::{CHANNEL, Client, notice, unexpected},
    context::{Backoff, Context, Phase, PhaseWatch},
    heartbeat::Heartbeat,
    identity::{Identity, Stamp},
    link::{Input, Link},
    progress::tell,
    scan::{Frequent, frequent},
    schedule::Schedule,
    stats::Recorder,
    units::{count, index},
    window::{Outstanding, Window},
};

/// Turns of one poll. The generator's connections share a thread: none may keep it while its socket takes more.
const TURNS_MAX: u32 = 4;

/// A message that is sent this much before it is due counts as sent when it was: the thread that wakes publishers aims at
/// the time itself and can be early. Unit: nanoseconds.
const EARLY_NS: u64 = 100_000;

/// A publisher's task.
#[derive(Debug)]
pub(crate) struct Publisher {
    context: Arc<Context>,
    recorder: Recorder,
    phase: PhaseWatch,
    number: u16,
    /// Wakes it when a message is due.
    wake: Arc<Notify>,
}

impl Publisher {
    pub(crate) fn new(
        context: Arc<Context>,
        recorder: Recorder,
        phase: PhaseWatch,
        number: u16,
        wake: Arc<Notify>,
    ) -> Self {
        Publisher { context, recorder, phase, number, wake }
    }

    /// Connects, waits for the start, publishes, and waits for the last confirm.
    ///
    /// # Errors
    /// When the connection is lost and it is not to connect again.
    pub(crate) async fn run(mut self) -> Result<()> {
        let mut client = self.connect(0).await?;
        self.context.ready.add_permits(1);
        self.phase.reached(Phase::Publish).await;
        let mut flow = Flow::new(Arc::clone(&self.context), Arc::clone(&self.recorder), self.number, &client);
        let mut attempt = 0;
        while let Err(error) = self.drive(&mut flow, &mut client).await {
            let error = error.context(format!("publisher {}", self.number));
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
        self.context.publishing.step();
        client.close().await;
        Ok(())
    }

    async fn connect(&self, attempt: usize) -> Result<Client> {
        let name = format!("perf publisher {}", self.number);
        let args = &self.context.args;
        let mut client = self.context.connect(&args.uri, &name, usize::from(self.number), attempt).await?;
        if args.confirm_window > 0 {
            match client.call(CHANNEL, &confirm::Select { no_wait: false }).await? {
                Method::ConfirmSelectOk(_) => {}
                other => return Err(unexpected(&other)),
            }
        }
        Ok(client)
    }

    async fn drive(&mut self, flow: &mut Flow, client: &mut Client) -> Result<()> {
        let mut heartbeat = Heartbeat::new(client.heartbeat_s);
        flow.enter(self.phase.now());
        loop {
            // All branches may be dropped: what was read or written is in `flow` and `client`, and a wake-up that nobody
            // waits for is kept by Notify.
            tokio::select! {
                biased;
                ended = poll_fn(|cx| flow.poll(&mut client.link, cx)) => return ended,
                phase = self.phase.changed() => flow.enter(phase),
                () = self.wake.notified() => {}
                () = heartbeat.due() => heartbeat.beat(&mut client.link)?,
            }
        }
    }
}

/// The state of a publisher between polls. Outlives a connection.
#[derive(Debug)]
struct Flow {
    context: Arc<Context>,
    recorder: Recorder,
    number: u16,
    burst: Burst,
    window: Window,
    window_max: usize,
    /// What the last connection left unconfirmed.
    again: VecDeque<Outstanding>,
    schedule: Option<Schedule>,
    next_sequence: u64,
    quota: u64,
    last_confirm_ns: u64,
    phase: Phase,
}

impl Flow {
    fn new(context: Arc<Context>, recorder: Recorder, number: u16, client: &Client) -> Self {
        let args = &context.args;
        let window_max = index(u64::from(args.confirm_window));
        let template = Template {
            queue: &queue_name(&args.queue_pattern, u64::from(args.queue_of(number))),
            size: args.size,
            persistent: !args.transient,
            frame_max: client.frame_max,
            copies_max: if window_max == 0 { usize::MAX } else { window_max },
        };
        let burst = Burst::new(&template, CHANNEL);
        let began_ns = context.began_ns();
        Flow {
            burst,
            window: Window::new(),
            window_max,
            again: VecDeque::new(),
            schedule: (args.rate > 0.0).then(|| schedule(&context, number)),
            next_sequence: 0,
            quota: args.quota(number),
            last_confirm_ns: began_ns,
            phase: Phase::Publish,
            context,
            recorder,
            number,
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Reads and writes until there is nothing to do; ready when the publisher is finished.
    fn poll(&mut self, link: &mut Link, cx: &mut TaskContext<'_>) -> Poll<Result<()>> {
        for _ in 0..TURNS_MAX {
            let mut progressed = false;
            if link.poll_fill(cx)?.is_ready() {
                self.take_input(&mut link.input)?;
                progressed = true;
            }
            if self.burst.is_written() && link.poll_flush(cx)?.is_ready() {
                self.load();
            }
            if !self.burst.is_written()
                && let Poll::Ready(written) = link.poll_write(cx, self.burst.pending())?
            {
                self.burst.advance(written);
                progressed = true;
            }
            if self.is_finished() {
                return Poll::Ready(Ok(()));
            }
            if !progressed {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_finished(&self) -> bool {
        match self.phase {
            Phase::Connect | Phase::Consume | Phase::Publish if self.next_sequence < self.quota => false,
            Phase::Connect | Phase::Consume | Phase::Publish | Phase::Settle => {
                self.burst.is_written() && self.window.unsettled() == 0 && self.again.is_empty()
            }
            Phase::End => {
                if let Some(waiting_since) = self.waiting_since() {
                    self.context.gap.still_waiting(waiting_since, self.context.clock.now_ns());
                }
                true
            }
        }
    }

    /// Loads as many publishes as are permitted now.
    fn load(&mut self) {
        let now = self.context.clock.now_ns();
        let confirms = self.window_max > 0;
        let window_room = if confirms { self.window_max.saturating_sub(self.window.unsettled()) } else { usize::MAX };
        let room = window_room.min(self.burst.copies());
        let republished = self.again.len();
        let first = self.next_sequence;
        let mut loaded = 0;
        while loaded < room
            && let Some(publish) = self.next_publish(now)
        {
            let Outstanding { start_ns, sequence } = publish;
            let identity = Identity { run: self.context.run, publisher: self.number, sequence };
            self.burst.load(loaded, Stamp { start_ns, identity: Some(identity) });
            if confirms {
                self.window.push(publish);
            }
            loaded += 1;
        }
        if loaded > 0 {
            self.burst.launch(loaded);
            self.context.book.ledger(self.number).published.lock().sent = self.next_sequence;
            let counts = &mut self.recorder.lock().counts;
            counts.sent += self.next_sequence - first;
            counts.republished += count(republished - self.again.len());
        }
    }

    /// The next message that may be sent: one that was lost, else a new one, when it is due.
    #[inline]
    fn next_publish(&mut self, now_ns: u64) -> Option<Outstanding> {
        if let Some(publish) = self.again.pop_front() {
            return Some(publish);
        }
        if self.phase > Phase::Publish || self.next_sequence >= self.quota {
            return None;
        }
        let sequence = self.next_sequence;
        let start_ns = match &self.schedule {
            Some(schedule) => {
                let due = schedule.due_ns(sequence);
                if due > now_ns + EARLY_NS {
                    return None;
                }
                due.min(now_ns)
            }
            None => now_ns,
        };
        self.next_sequence += 1;
        Some(Outstanding { start_ns, sequence })
    }

    /// Takes all confirms that were read.
    fn take_input(&mut self, input: &mut Input) -> Result<()> {
        let now = self.context.clock.now_ns();
        let waiting_since = self.waiting_since();
        let unsettled = self.window.unsettled();
        {
            let mut recorder = self.recorder.lock();
            let mut published = self.context.book.ledger(self.number).published.lock();
            while let Some(frame) = input.next_frame()? {
                if frame.kind != FrameKind::Method {
                    continue;
                }
                match frequent(frame.payload) {
                    Some(Frequent::Ack { tag, multiple }) => self.window.settle(tag, multiple, |publish| {
                        recorder.counts.confirmed += 1;
                        recorder.confirm.record(publish.start_ns, now);
                        published.confirmed.add(publish.sequence);
                    })?,
                    Some(Frequent::Nack { tag, multiple }) => {
                        self.window.settle(tag, multiple, |_| recorder.counts.nacked += 1)?;
                    }
                    Some(Frequent::Deliver { .. }) => {}
                    None => {
                        if let Method::ConnectionBlocked(connection::Blocked { reason }) = notice(&frame)? {
                            recorder.counts.blocked += 1;
                            tell(&format!("publisher {}: blocked by the broker: {reason}", self.number));
                        }
                    }
                }
            }
        }
        if self.window.unsettled() < unsettled {
            self.last_confirm_ns = now;
            if let Some(waiting_since) = waiting_since {
                self.context.gap.confirmed(waiting_since, now);
            }
        }
        Ok(())
    }

    /// Since when a confirm is awaited. Without a schedule there is always something to send, so since the last one; with a
    /// schedule only while something is outstanding.
    fn waiting_since(&self) -> Option<u64> {
        let oldest = match (self.again.front(), self.window.oldest_start()) {
            (Some(again), Some(oldest)) => again.start_ns.min(oldest),
            (Some(again), None) => again.start_ns,
            (None, oldest) => oldest?,
        };
        Some(if self.schedule.is_some() { oldest.max(self.last_confirm_ns) } else { self.last_confirm_ns })
    }

    /// Prepares for another connection: what was not confirmed goes first.
    fn connection_lost(&mut self) {
        let lost: Vec<Outstanding> = self.window.take_unsettled().collect();
        for publish in lost.into_iter().rev() {
            self.again.push_front(publish);
        }
        self.burst.reset();
    }
}

/// A publisher's schedule; publishers start one after the other within the first interval.
pub(crate) fn schedule(context: &Context, publisher: u16) -> Schedule {
    let args = &context.args;
    let step_ns = 1e9 / args.rate / f64::from(args.publishers.max(1));
    let first_ns = context.began_ns() + crate::units::whole(step_ns * f64::from(publisher));
    Schedule::new(first_ns, args.rate)
}
