//! One stage of a run, from the first connection to the last: who does what when, and what is counted.

use std::{future::Future, io, pin::Pin, sync::Arc};

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep_until};

use crate::{
    context::{Context, Phase},
    cpu::{CpuReport, cpu_seconds_of},
    crew::Crew,
    pacer::Pacer,
    progress::{Second, tell},
    stats::{Counts, Interval},
    units::{SECOND_NS, ns_to_seconds, seconds_to_ns},
};

/// How often the books are looked at while the last messages are awaited.
const CHECK_NS: u64 = 20_000_000;

/// What a stage does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    pub(crate) publishes: bool,
    pub(crate) consumes: bool,
    /// How many deliveries end a stage that only consumes.
    pub(crate) deliveries: Option<u64>,
}

/// What came of a stage.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// All that happened.
    pub(crate) all: Counts,
    /// What happened while it was measured.
    pub(crate) measured: Interval,
    /// How long it was measured.
    pub(crate) measured_seconds: f64,
    pub(crate) seconds: Vec<Second>,
    /// CPU time of this process while it was measured.
    pub(crate) generator: CpuReport,
    /// CPU time of the brokers while it was measured.
    pub(crate) brokers: Option<CpuReport>,
    /// Why it ended early.
    pub(crate) failure: Option<anyhow::Error>,
    pub(crate) interrupted: bool,
}

/// Runs a stage.
///
/// # Errors
/// When it cannot start; what goes wrong later is part of the outcome.
pub(crate) async fn run(context: &Arc<Context>, stage: Stage) -> Result<Outcome> {
    let crew = Crew::start(context, stage.publishes, stage.consumes)?;
    let mut conductor = Conductor::new(context, crew, stage);
    if let Err(error) = conductor.prepare().await {
        conductor.crew.dismiss().await?;
        return Err(error);
    }
    conductor.conduct().await;
    conductor.finish().await
}

/// Keeps the time, collects what the workers counted, and decides when the stage is over.
struct Conductor<'a> {
    context: &'a Arc<Context>,
    crew: Crew,
    stage: Stage,
    all: Counts,
    measured: Interval,
    /// While it is measured, and how long it was.
    measuring: Measuring,
    line: Interval,
    /// When the current line of progress began and is to end.
    line_ns: u64,
    next_line_ns: u64,
    seconds: Vec<Second>,
    interrupt: Pin<Box<dyn Future<Output = io::Result<()>> + Send>>,
    failure: Option<anyhow::Error>,
    /// How often somebody asked to stop: the first ends publishing, the second the wait for what is under way.
    interrupts: u32,
}

/// The measured part of a stage, with the CPU times at its start and end.
#[derive(Clone, Copy, Debug, Default)]
struct Measuring {
    active: bool,
    from: Reading,
    to: Reading,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    at_ns: u64,
    generator: f64,
    brokers: f64,
}

impl<'a> Conductor<'a> {
    fn new(context: &'a Arc<Context>, crew: Crew, stage: Stage) -> Self {
        Conductor {
            context,
            crew,
            stage,
            all: Counts::default(),
            measured: Interval::new(),
            measuring: Measuring::default(),
            line: Interval::new(),
            line_ns: 0,
            next_line_ns: 0,
            seconds: Vec::new(),
            interrupt: Box::pin(tokio::signal::ctrl_c()),
            failure: None,
            interrupts: 0,
        }
    }

    /// Until all connections are open, and all consumers subscribed unless that is what is measured.
    async fn prepare(&mut self) -> Result<()> {
        self.crew.connected(self.context).await?;
        if self.stage.deliveries.is_none() {
            self.crew.enter(Phase::Consume);
            self.crew.subscribed(self.context).await?;
        }
        Ok(())
    }

    async fn conduct(&mut self) {
        let began = self.context.clock.now_ns();
        self.context.begin(began);
        (self.line_ns, self.next_line_ns) = (began, began + SECOND_NS);
        if self.stage.deliveries.is_some() || self.context.args.warmup_seconds() == 0.0 {
            self.start_measuring();
        }
        if self.stage.deliveries.is_some() {
            self.crew.enter(Phase::Consume);
            self.drain().await;
            self.stop_measuring();
            return;
        }
        let pacer = Pacer::start(self.context.clock, self.crew.paced(self.context));
        match &pacer {
            Ok(_) => {
                self.crew.enter(Phase::Publish);
                self.publish().await;
            }
            Err(error) => self.failure = Some(anyhow!("cannot start a thread: {error}")),
        }
        self.stop_measuring();
        self.crew.enter(Phase::Settle);
        self.settle().await;
    }

    /// Until the time is over or all publishers have sent their share and have their confirms.
    async fn publish(&mut self) {
        let began = self.context.began_ns();
        let args = &self.context.args;
        let stop_ns = args.publish_seconds().map_or(u64::MAX, |seconds| began + seconds_to_ns(seconds));
        let warm_ns = began + seconds_to_ns(args.warmup_seconds());
        loop {
            let now = self.context.clock.now_ns();
            if !self.measuring.active && now >= warm_ns {
                self.start_measuring();
            }
            let all_sent = self.stage.publishes && self.context.publishing.is_done();
            if now >= stop_ns || all_sent || self.failure.is_some() || self.interrupts > 0 {
                break;
            }
            self.pause(if self.measuring.active { stop_ns } else { warm_ns.min(stop_ns) }).await;
        }
        if !self.measuring.active {
            self.start_measuring();
        }
    }

    /// Until all that was confirmed was delivered, or nothing moves any more.
    async fn settle(&mut self) {
        let context = self.context;
        self.wait_while_moving(|conductor| {
            context.publishing.is_done() && (!conductor.stage.consumes || conductor.all_arrived())
        })
        .await;
    }

    /// Until as many messages were delivered as were there, or nothing moves any more.
    async fn drain(&mut self) {
        let deliveries = self.stage.deliveries.unwrap_or(u64::MAX);
        self.wait_while_moving(|conductor| conductor.all.consumed >= deliveries).await;
    }

    fn all_arrived(&self) -> bool {
        let args = &self.context.args;
        if args.follows_messages() {
            return self.context.book.missing() == 0;
        }
        self.all.consumed >= if args.confirm_window > 0 { self.all.confirmed } else { self.all.sent }
    }

    async fn wait_while_moving(&mut self, is_done: impl Fn(&Self) -> bool) {
        let patience = seconds_to_ns(self.context.args.drain_timeout);
        let mut moved = self.context.clock.now_ns();
        let mut before = self.all;
        let interrupts = self.interrupts;
        while self.failure.is_none() && self.interrupts == interrupts && !is_done(self) {
            let now = self.context.clock.now_ns();
            if (self.all.confirmed, self.all.consumed) != (before.confirmed, before.consumed) {
                (before, moved) = (self.all, now);
            }
            if now.saturating_sub(moved) >= patience {
                break;
            }
            self.pause(now + CHECK_NS).await;
        }
    }

    /// Waits for something to happen, at most until that time; then collects, and each second says how it goes.
    async fn pause(&mut self, until_ns: u64) {
        let until = Instant::from_std(self.context.clock.instant(until_ns.min(self.next_line_ns)));
        tokio::select! {
            () = sleep_until(until) => {}
            () = self.context.publishing.done.notified() => {}
            Some(failure) = self.crew.failures.recv() => self.failure = Some(failure),
            _ = &mut self.interrupt => {
                self.interrupts += 1;
                self.interrupt = Box::pin(tokio::signal::ctrl_c());
            }
        }
        self.collect();
        let now = self.context.clock.now_ns();
        if now >= self.next_line_ns {
            self.say(now);
        }
    }

    fn collect(&mut self) {
        for recorder in &self.crew.recorders {
            let mut interval = recorder.lock();
            self.all.add(&interval.counts);
            if self.measuring.active {
                interval.collect_into(&mut [&mut self.line, &mut self.measured]);
            } else {
                interval.collect_into(&mut [&mut self.line]);
            }
        }
    }

    fn say(&mut self, now: u64) {
        let at = ns_to_seconds(now.saturating_sub(self.context.began_ns()));
        let length = ns_to_seconds(now - self.line_ns);
        let unconfirmed = self.all.sent.saturating_sub(self.all.confirmed + self.all.nacked);
        let second = Second::new(at, length, self.measuring.active, &mut self.line, unconfirmed);
        tell(&second.text(self.stage.publishes, self.context.args.confirm_window > 0, self.stage.consumes));
        self.seconds.push(second);
        self.line.clear();
        self.line_ns = now;
        while self.next_line_ns <= now {
            self.next_line_ns += SECOND_NS;
        }
    }

    fn start_measuring(&mut self) {
        self.collect();
        self.measuring.from = self.read();
        self.measuring.active = true;
        self.context.gap.start(self.measuring.from.at_ns);
    }

    fn stop_measuring(&mut self) {
        self.collect();
        self.measuring.to = self.read();
        self.measuring.active = false;
        self.context.gap.stop(self.measuring.to.at_ns);
    }

    fn read(&self) -> Reading {
        Reading {
            at_ns: self.context.clock.now_ns(),
            generator: cpu_seconds_of(&[std::process::id()]),
            brokers: cpu_seconds_of(&self.context.args.broker_pids),
        }
    }

    /// Ends all workers; what they counted at their end counts, too.
    async fn finish(mut self) -> Result<Outcome> {
        self.crew.dismiss().await?;
        self.collect();
        let Measuring { from, to, .. } = self.measuring;
        let seconds = ns_to_seconds(to.at_ns.saturating_sub(from.at_ns));
        let counts = &self.measured.counts;
        let messages =
            [counts.confirmed, counts.sent, counts.consumed].into_iter().find(|count| *count > 0).unwrap_or(0);
        let used = |from: f64, to: f64, pids: &[u32]| CpuReport::new(to - from, seconds, messages, pids);
        let pids = &self.context.args.broker_pids;
        Ok(Outcome {
            all: self.all,
            measured_seconds: seconds,
            generator: used(from.generator, to.generator, &[std::process::id()]),
            brokers: (!pids.is_empty()).then(|| used(from.brokers, to.brokers, pids)),
            measured: self.measured,
            seconds: self.seconds,
            failure: self.failure,
            interrupted: self.interrupts > 0,
        })
    }
}
