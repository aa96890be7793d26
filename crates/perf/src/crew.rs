//! The workers of one stage, on threads of their own: publishers, consumers, idle connections.

use std::{future::Future, pin::Pin, sync::Arc};

use anyhow::{Context as _, Result, anyhow};
use parking_lot::Mutex;
use tokio::{
    runtime,
    sync::{Notify, mpsc, watch},
    task::{JoinHandle, JoinSet, spawn_blocking},
};

use crate::{
    consumer::Consumer,
    context::{Context, Phase, PhaseWatch},
    idle,
    pacer::Paced,
    publisher::{Publisher, schedule},
    stats::{Interval, Recorder},
};

/// How many failures of workers are kept until the coordinator takes them: it acts upon the first.
const FAILURES_MAX: usize = 16;

type Work = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Who is at work, and how to reach them.
#[derive(Debug)]
pub(crate) struct Crew {
    /// One per thread.
    pub(crate) recorders: Vec<Recorder>,
    /// Why a worker gave up.
    pub(crate) failures: mpsc::Receiver<anyhow::Error>,
    phase: watch::Sender<Phase>,
    threads: Vec<JoinHandle<()>>,
    wakes: Vec<Arc<Notify>>,
    /// Permits of [`Context::ready`] until all are connected, and then until all consumers are subscribed.
    connects: u32,
    subscribes: u32,
}

impl Crew {
    /// Starts the workers of a stage; they connect at once.
    ///
    /// # Errors
    /// When a thread's runtime cannot be made.
    pub(crate) fn start(context: &Arc<Context>, publishes: bool, consumes: bool) -> Result<Self> {
        let args = &context.args;
        let (phase, watch) = watch::channel(Phase::Connect);
        let (failed, failures) = mpsc::channel(FAILURES_MAX);
        let mut threads = Threads::new(args.threads);
        let watch = || PhaseWatch::new(watch.clone());
        let mut wakes = Vec::new();
        // Consumers first, so that a publisher and its consumer land on different threads when there are several.
        let consumers = if consumes { args.consumers } else { 0 };
        for number in 0..consumers {
            threads.add(|recorder| Box::pin(Consumer::new(Arc::clone(context), recorder, watch(), number).run()));
        }
        for number in 0..if publishes { args.publishers } else { 0 } {
            let wake = Arc::new(Notify::new());
            wakes.push(Arc::clone(&wake));
            threads
                .add(|recorder| Box::pin(Publisher::new(Arc::clone(context), recorder, watch(), number, wake).run()));
        }
        for number in 0..args.connections_idle {
            threads.add(|recorder| Box::pin(hold_idle(Arc::clone(context), recorder, watch(), number)));
        }
        let connects = u32::try_from(threads.workers).context("too many connections")?;
        let recorders = threads.recorders();
        let threads = threads.start(&failed)?;
        Ok(Crew { recorders, failures, phase, threads, wakes, connects, subscribes: u32::from(consumers) })
    }

    /// Sends all into the next phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Waits until all connections are open.
    ///
    /// # Errors
    /// A worker's failure.
    pub(crate) async fn connected(&mut self, context: &Context) -> Result<()> {
        self.permits(context, self.connects).await
    }

    /// Waits until all consumers are subscribed.
    ///
    /// # Errors
    /// A worker's failure.
    pub(crate) async fn subscribed(&mut self, context: &Context) -> Result<()> {
        self.permits(context, self.subscribes).await
    }

    async fn permits(&mut self, context: &Context, permits: u32) -> Result<()> {
        tokio::select! {
            permits = context.ready.acquire_many(permits) => permits.expect("nobody closes the semaphore").forget(),
            Some(failure) = self.failures.recv() => return Err(failure),
        }
        Ok(())
    }

    /// The publishers with their schedules, when they have one.
    pub(crate) fn paced(&self, context: &Context) -> Vec<Paced> {
        if context.args.rate <= 0.0 {
            return Vec::new();
        }
        let wakes = (0..).zip(&self.wakes);
        wakes.map(|(number, wake)| Paced { schedule: schedule(context, number), wake: Arc::clone(wake) }).collect()
    }

    /// Ends all workers and waits for them.
    ///
    /// # Errors
    /// When a thread panicked.
    pub(crate) async fn dismiss(&mut self) -> Result<()> {
        self.enter(Phase::End);
        for thread in self.threads.drain(..) {
            thread.await.map_err(|error| anyhow!("a thread of the load generator failed: {error}"))?;
        }
        Ok(())
    }
}

async fn hold_idle(context: Arc<Context>, recorder: Recorder, phase: PhaseWatch, number: u32) -> Result<()> {
    let name = format!("perf idle {number}");
    let at = usize::try_from(number).expect("usize has at least 32 bits");
    let client = context.connect(&context.args.uri, &name, at, 0).await?;
    context.ready.add_permits(1);
    let held = idle::hold(client, phase).await;
    if held.is_err() {
        recorder.lock().counts.disconnects += 1;
    }
    if context.args.reconnect { Ok(()) } else { held.context(name) }
}

/// Workers, dealt out to threads.
struct Threads {
    work: Vec<(Recorder, Vec<Work>)>,
    workers: usize,
}

impl Threads {
    fn new(threads: u16) -> Self {
        let work = (0..threads).map(|_| (Arc::new(Mutex::new(Interval::new())), Vec::new())).collect();
        Threads { work, workers: 0 }
    }

    fn add(&mut self, worker: impl FnOnce(Recorder) -> Work) {
        let at = self.workers % self.work.len();
        let (recorder, work) = &mut self.work[at];
        work.push(worker(Arc::clone(recorder)));
        self.workers += 1;
    }

    fn recorders(&self) -> Vec<Recorder> {
        self.work.iter().map(|(recorder, _)| Arc::clone(recorder)).collect()
    }

    fn start(self, failed: &mpsc::Sender<anyhow::Error>) -> Result<Vec<JoinHandle<()>>> {
        let mut threads = Vec::new();
        for (_, work) in self.work {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            let failed = failed.clone();
            threads.push(spawn_blocking(move || runtime.block_on(labour(work, failed))));
        }
        Ok(threads)
    }
}

async fn labour(work: Vec<Work>, failed: mpsc::Sender<anyhow::Error>) {
    let mut tasks = JoinSet::new();
    for worker in work {
        tasks.spawn(worker);
    }
    while let Some(ended) = tasks.join_next().await {
        let failure = match ended {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error,
            Err(panic) => anyhow!("a worker failed: {panic}"),
        };
        // When the channel is full the coordinator has enough to report.
        failed.try_send(failure).ok();
    }
}
