//! What all workers of a run share, and the phases through which they go together.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::Result;
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::timeout,
};

use crate::{
    args::RunArgs,
    client::{CONNECT_TIME_MAX, Client, ConnectOptions},
    clock::Clock,
    gap::GapWatch,
    ledger::Book,
    uri::UriList,
};

/// How many connections are opened at the same time: more would overflow a broker's backlog and be retried by TCP a second
/// later.
const CONNECTS_MAX: usize = 32;

/// How long an attempt to connect again may take: a paused broker accepts and is silent.
const RECONNECT_TIME_MAX: Duration = Duration::from_secs(1);

/// The wait before the first attempt to connect again; it doubles with each.
const RECONNECT_WAIT_MIN: Duration = Duration::from_millis(5);

/// The longest wait between two attempts.
const RECONNECT_WAIT_MAX: Duration = Duration::from_millis(160);

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Connections are opened.
    Connect,
    /// Consumers subscribe.
    Consume,
    /// Publishers publish.
    Publish,
    /// Publishers wait for their last confirms, consumers go on.
    Settle,
    /// All come to their end.
    End,
}

/// A worker's view of the phase.
#[derive(Clone, Debug)]
pub(crate) struct PhaseWatch(watch::Receiver<Phase>);

impl PhaseWatch {
    pub(crate) fn new(receiver: watch::Receiver<Phase>) -> Self {
        PhaseWatch(receiver)
    }

    /// Waits for that phase or a later one; returns where the run stands then. A coordinator that is gone is the end.
    pub(crate) async fn reached(&mut self, phase: Phase) -> Phase {
        self.0.wait_for(|now| *now >= phase).await.map_or(Phase::End, |now| *now)
    }

    /// Waits for a change. A coordinator that is gone is the end.
    pub(crate) async fn changed(&mut self) -> Phase {
        match self.0.changed().await {
            Ok(()) => *self.0.borrow_and_update(),
            Err(_) => Phase::End,
        }
    }

    /// Where the run stands.
    pub(crate) fn now(&self) -> Phase {
        *self.0.borrow()
    }
}

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) args: RunArgs,
    pub(crate) clock: Clock,
    /// Tells our messages from those of other runs.
    pub(crate) run: u16,
    pub(crate) book: Book,
    pub(crate) gap: GapWatch,
    /// A permit from each worker when it is connected, and from each consumer when it is subscribed.
    pub(crate) ready: Semaphore,
    /// Publishers that have not finished.
    pub(crate) publishing: Countdown,
    began_ns: AtomicU64,
    connects: Semaphore,
}

/// Counts down to zero, and tells when it is there.
#[derive(Debug)]
pub(crate) struct Countdown {
    left: AtomicU64,
    pub(crate) done: Notify,
}

impl Countdown {
    /// Starts from that number.
    pub(crate) fn new(from: u64) -> Self {
        Countdown { left: AtomicU64::new(from), done: Notify::new() }
    }

    /// One less.
    pub(crate) fn step(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.done.notify_one();
        }
    }

    /// Whether it has come to zero.
    pub(crate) fn is_done(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }
}

impl Context {
    pub(crate) fn new(args: RunArgs, run: u16) -> Self {
        let publishes = args.publishes();
        let book = Book::new(publishes.then_some(run), args.publishers, args.confirm_window > 0);
        Context {
            clock: Clock::new(),
            run,
            book,
            gap: GapWatch::default(),
            ready: Semaphore::new(0),
            publishing: Countdown::new(if publishes { u64::from(args.publishers) } else { 0 }),
            began_ns: AtomicU64::new(0),
            connects: Semaphore::new(CONNECTS_MAX),
            args,
        }
    }

    /// When publishing began.
    pub(crate) fn began_ns(&self) -> u64 {
        self.began_ns.load(Ordering::Acquire)
    }

    /// Sets when publishing begins.
    pub(crate) fn begin(&self, at_ns: u64) {
        self.began_ns.store(at_ns, Ordering::Release);
    }

    /// A connection with its channel open, for the worker of that number, to another broker of the list at each attempt.
    ///
    /// # Errors
    /// When this broker cannot be reached or refuses.
    pub(crate) async fn connect(&self, uris: &UriList, name: &str, number: usize, attempt: usize) -> Result<Client> {
        let time_max = if attempt == 0 { CONNECT_TIME_MAX } else { RECONNECT_TIME_MAX };
        let options = ConnectOptions { heartbeat_s: self.args.heartbeat, time_max };
        let _permit = self.connects.acquire().await.expect("nobody closes the semaphore");
        let mut client = Client::connect(uris.pick(number + attempt), name, options).await?;
        client.open_channel().await?;
        Ok(client)
    }
}

/// The waits between attempts to connect again.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Backoff(RECONNECT_WAIT_MIN)
    }

    /// Waits before the next attempt; false when the run ends meanwhile.
    pub(crate) async fn wait(&mut self, phase: &mut PhaseWatch) -> bool {
        let wait = self.0;
        self.0 = (wait * 2).min(RECONNECT_WAIT_MAX);
        timeout(wait, phase.reached(Phase::End)).await.is_err()
    }
}
