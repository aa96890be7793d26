//! Helpers: opening stores, waiting for completions, faults on purpose.

use std::{
    io,
    path::Path,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use storage::{Completion, Error, Fault, LogRecord, LogStore, Options, RocksStore};
use types::GroupId;

/// No test waits longer for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn options() -> Options {
    let mut options = Options::new(Arc::new(|_| {}));
    options.memory_bytes = Options::MEMORY_BYTES_MIN;
    options.cache_bytes = 1 << 20;
    options
}

pub(crate) fn open(path: &Path) -> Arc<RocksStore> {
    RocksStore::open(path, options()).unwrap()
}

pub(crate) fn record(index: u64, blob_bytes: usize) -> LogRecord {
    let fill = u8::try_from(index % 251).unwrap();
    LogRecord { index, head: Bytes::from(format!("head of {index}")), blob: Bytes::from(vec![fill; blob_bytes]) }
}

pub(crate) fn records(indexes: std::ops::Range<u64>, blob_bytes: usize) -> Vec<LogRecord> {
    indexes.map(|index| record(index, blob_bytes)).collect()
}

/// A completion for something nobody waits for.
pub(crate) fn ignore() -> Completion {
    Box::new(drop)
}

/// A completion, and what waits for it.
pub(crate) fn waiter() -> (Completion, mpsc::Receiver<Result<(), Error>>) {
    let (done, result) = mpsc::sync_channel(1);
    (Box::new(move |r| drop(done.send(r))), result)
}

/// Calls with a completion and waits for its result.
pub(crate) fn wait(call: impl FnOnce(Completion)) -> Result<(), Error> {
    let (done, result) = waiter();
    call(done);
    result.recv_timeout(DEADLINE).expect("the completion is called")
}

/// Appends and waits until it is durable.
pub(crate) fn append(store: &dyn LogStore, group: GroupId, records: Vec<LogRecord>) {
    wait(|done| store.append(group, records, done)).unwrap();
}

pub(crate) fn barrier(store: &dyn LogStore) {
    wait(|done| store.barrier(done)).unwrap();
}

/// Waits until the condition holds.
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "{what} did not come true");
        std::thread::yield_now();
    }
}

/// Records in which order completions are called, and how.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<(&'static str, bool)>>>);

impl Calls {
    pub(crate) fn note(&self, name: &'static str) -> Completion {
        let calls = Arc::clone(&self.0);
        Box::new(move |result| calls.lock().unwrap().push((name, result.is_ok())))
    }

    pub(crate) fn seen(&self) -> Vec<(&'static str, bool)> {
        self.0.lock().unwrap().clone()
    }
}

/// Counts writes and syncs; holds syncs back or fails when told so.
#[derive(Default)]
pub(crate) struct Saboteur {
    pub(crate) writes: AtomicUsize,
    pub(crate) syncs: AtomicUsize,
    state: Mutex<Plan>,
    changed: Condvar,
}

#[derive(Default)]
struct Plan {
    hold_syncs: bool,
    held: bool,
    fail_syncs: bool,
    fail_from_write: Option<usize>,
    error: Option<io::ErrorKind>,
}

impl Saboteur {
    /// Syncs block from now on, until [`Saboteur::release`].
    pub(crate) fn hold_syncs(&self) {
        self.state.lock().unwrap().hold_syncs = true;
    }

    pub(crate) fn release(&self) {
        self.state.lock().unwrap().hold_syncs = false;
        self.changed.notify_all();
    }

    /// Waits until a sync is held back.
    pub(crate) fn wait_held(&self) {
        let state = self.state.lock().unwrap();
        let (state, timeout) = self.changed.wait_timeout_while(state, DEADLINE, |s| !s.held).unwrap();
        drop(state);
        assert!(!timeout.timed_out(), "no sync began");
    }

    pub(crate) fn fail_syncs(&self) {
        self.state.lock().unwrap().fail_syncs = true;
    }

    /// Writes fail from the one with this number on, counted from zero.
    pub(crate) fn fail_from_write(&self, number: usize, error: io::ErrorKind) {
        let mut state = self.state.lock().unwrap();
        state.fail_from_write = Some(number);
        state.error = Some(error);
    }
}

impl Fault for Saboteur {
    fn before_write(&self) -> io::Result<()> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        let state = self.state.lock().unwrap();
        match (state.fail_from_write, state.error) {
            (Some(from), Some(error)) if number >= from => match error {
                io::ErrorKind::StorageFull => Err(io::Error::from_raw_os_error(28)),
                other => Err(other.into()),
            },
            _ => Ok(()),
        }
    }

    fn before_sync(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        let mut state = self.state.lock().unwrap();
        state.held = state.hold_syncs;
        self.changed.notify_all();
        // Not for ever: a test that failed drops its store, which waits for this.
        let (mut state, timeout) = self.changed.wait_timeout_while(state, DEADLINE, |s| s.hold_syncs).unwrap();
        state.hold_syncs &= !timeout.timed_out();
        state.held = false;
        if state.fail_syncs { Err(io::Error::other("sync failed on purpose")) } else { Ok(()) }
    }
}

/// Opens a store under sabotage; the counter counts calls of `on_fatal`.
pub(crate) fn open_sabotaged(path: &Path) -> (Arc<RocksStore>, Arc<Saboteur>, Arc<AtomicUsize>) {
    let saboteur = Arc::new(Saboteur::default());
    let fatal = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fatal);
    let mut options = options();
    let fault: Arc<dyn Fault> = Arc::<Saboteur>::clone(&saboteur);
    options.fault = Some(fault);
    options.on_fatal = Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    (RocksStore::open(path, options).unwrap(), saboteur, fatal)
}
