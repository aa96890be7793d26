//! The thread that wakes publishers when messages are due.
//!
//! The runtime's timers are rounded to milliseconds, which is more than many a confirm takes; a thread that sleeps is woken
//! within some ten microseconds.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{clock::Clock, schedule::Schedule};

/// How late a sleeping thread is usually woken: Linux' default timer slack and the switch to the thread.
const WAKE_DELAY_NS: u64 = 60_000;

/// How long the thread may fail to notice that it is to stop.
const STOP_CHECK_NS: u64 = 100_000_000;

/// A publisher with its schedule.
#[derive(Debug)]
pub(crate) struct Paced {
    pub(crate) schedule: Schedule,
    pub(crate) wake: Arc<Notify>,
}

/// The thread; ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Pacer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pacer {
    /// Wakes each publisher at the times of its schedule.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(crate) fn start(clock: Clock, paced: Vec<Paced>) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = telemetry::spawn_thread("perf-pacer", move || pace(clock, &paced, &stopped))?;
        Ok(Pacer { stop, thread: Some(thread) })
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in the thread has been reported by the one who started it.
            thread.join().ok();
        }
    }
}

fn pace(clock: Clock, paced: &[Paced], stop: &AtomicBool) {
    let mut next: BinaryHeap<Reverse<(u64, usize)>> =
        paced.iter().enumerate().map(|(at, paced)| Reverse((paced.schedule.wake_ns(0), at))).collect();
    while !stop.load(Ordering::Relaxed) {
        let Some(Reverse((due, at))) = next.peek().copied() else {
            return;
        };
        let now = clock.now_ns();
        let early = due.saturating_sub(now);
        if early > WAKE_DELAY_NS {
            thread::sleep(Duration::from_nanos((early - WAKE_DELAY_NS).min(STOP_CHECK_NS)));
            continue;
        }
        next.pop();
        paced[at].wake.notify_one();
        let schedule = &paced[at].schedule;
        next.push(Reverse((schedule.wake_ns(schedule.wake_after(now.max(due))), at)));
    }
}
