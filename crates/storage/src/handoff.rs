//! The queue between threads: parks at once when it is empty, and wakes only who waits.
//!
//! A general channel yields the processor several times before it parks. With a handful of threads per core those yields cost more
//! than everything else that the writer does at low rates. For the same reason items that nobody waits for wake nobody: they go with
//! the next that somebody waits for, or after a short while.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// How long an item waits at most that nobody waits for.
const QUIET: Duration = Duration::from_millis(50);
/// When so many wait, they are taken at once.
const QUIET_MAX: usize = 256;

/// The other side is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// Why there is nothing to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// Not yet.
    Empty,
    /// Nothing, and all senders are gone.
    Closed,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    drained: Condvar,
    max: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    /// Until then the items may be left waiting: all are quiet. `None`: there are none, or not all are.
    quiet_until: Option<Instant>,
    senders: usize,
    receiver: bool,
    receiver_waits: Waits,
    senders_wait: usize,
}

/// How the receiver waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    No,
    /// It looks again before a quiet item that comes now has waited for too long.
    Shortly,
    /// Until it is woken.
    Long,
}

/// Puts items in.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// Takes items out, in order.
#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

/// A queue of at most `max` items.
pub(crate) fn bounded<T>(max: usize) -> (Sender<T>, Receiver<T>) {
    let state = State {
        items: VecDeque::new(),
        quiet_until: None,
        senders: 1,
        receiver: true,
        receiver_waits: Waits::No,
        senders_wait: 0,
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), filled: Condvar::new(), drained: Condvar::new(), max });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    /// Puts an item in; waits while the queue is full. Gives it back when nobody takes items any more.
    pub(crate) fn send(&self, item: T) -> Result<(), T> {
        self.put(item, false)
    }

    /// The same, for an item that nobody waits for.
    pub(crate) fn send_quietly(&self, item: T) -> Result<(), T> {
        self.put(item, true)
    }

    fn put(&self, item: T, quiet: bool) -> Result<(), T> {
        let mut state = self.0.state.lock();
        while state.receiver && state.items.len() >= self.0.max {
            state.senders_wait += 1;
            self.0.drained.wait(&mut state);
            state.senders_wait -= 1;
        }
        if !state.receiver {
            return Err(item);
        }
        let is_first = state.items.is_empty();
        state.items.push_back(item);
        if !quiet || state.items.len() >= QUIET_MAX {
            state.quiet_until = None;
        } else if is_first {
            state.quiet_until = Some(Instant::now() + QUIET);
        }
        let wake = match state.receiver_waits {
            Waits::No => false,
            Waits::Shortly => state.quiet_until.is_none(),
            Waits::Long => true,
        };
        if wake {
            state.receiver_waits = Waits::No;
        }
        drop(state);
        if wake {
            self.0.filled.notify_one();
        }
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.state.lock().senders += 1;
        Sender(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.senders -= 1;
        if state.senders == 0 {
            drop(state);
            self.0.filled.notify_one();
        }
    }
}

impl<T> Receiver<T> {
    /// Takes the next item; waits for one.
    pub(crate) fn recv(&self) -> Result<T, Closed> {
        let mut state = self.0.state.lock();
        let mut is_idle = false;
        loop {
            if let Some(until) = state.quiet_until.filter(|_| state.senders > 0)
                && !self.wait_until(&mut state, until)
            {
                continue;
            }
            match self.take(&mut state) {
                Ok(item) => return Ok(item),
                Err(Nothing::Closed) => return Err(Closed),
                // Quiet items often come soon after others: as long as this looks by itself, they need not wake anybody.
                Err(Nothing::Empty) if !is_idle => is_idle = self.wait_until(&mut state, Instant::now() + QUIET),
                Err(Nothing::Empty) => {
                    state.receiver_waits = Waits::Long;
                    self.0.filled.wait(&mut state);
                    state.receiver_waits = Waits::No;
                }
            }
        }
    }

    /// Takes the next item; waits for one, but not for longer than `limit`.
    pub(crate) fn recv_timeout(&self, limit: Duration) -> Result<T, Nothing> {
        let until = Instant::now() + limit;
        let mut state = self.0.state.lock();
        loop {
            match self.take(&mut state) {
                Err(Nothing::Empty) => {
                    if self.wait_until(&mut state, until) {
                        return self.take(&mut state);
                    }
                }
                taken => return taken,
            }
        }
    }

    /// Waits for an item that is not quiet; returns whether none came in time.
    fn wait_until(&self, state: &mut MutexGuard<'_, State<T>>, until: Instant) -> bool {
        state.receiver_waits = Waits::Shortly;
        let timed_out = self.0.filled.wait_until(state, until).timed_out();
        state.receiver_waits = Waits::No;
        timed_out
    }

    /// Takes the next item, if there is one.
    pub(crate) fn try_recv(&self) -> Result<T, Nothing> {
        self.take(&mut self.0.state.lock())
    }

    /// What is there now, in order.
    pub(crate) fn try_iter(&self) -> impl Iterator<Item = T> {
        std::iter::from_fn(|| self.try_recv().ok())
    }

    fn take(&self, state: &mut State<T>) -> Result<T, Nothing> {
        match state.items.pop_front() {
            Some(item) => {
                // Whoever takes one takes those behind it.
                state.quiet_until = None;
                if state.senders_wait > 0 {
                    self.0.drained.notify_one();
                }
                Ok(item)
            }
            None if state.senders == 0 => Err(Nothing::Closed),
            None => Err(Nothing::Empty),
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.state.lock().receiver = false;
        self.0.drained.notify_all();
    }
}

#[cfg(test)]
mod tests {
    //! Order, bounds and ends.

    use std::thread;

    use super::*;

    #[test]
    fn items_of_many_senders_arrive_once_and_in_each_senders_order() {
        let (sender, receiver) = bounded(3);
        let senders: Vec<_> = (0..4_u32)
            .map(|from| {
                let sender = sender.clone();
                thread::spawn(move || (0..1000_u32).for_each(|n| sender.send((from, n)).unwrap()))
            })
            .collect();
        drop(sender);
        let mut next = [0; 4];
        while let Ok((from, n)) = receiver.recv() {
            let expected = &mut next[usize::try_from(from).unwrap()];
            assert_eq!(n, *expected);
            *expected += 1;
        }
        assert_eq!(next, [1000; 4]);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    }

    #[test]
    fn a_quiet_item_waits_for_a_loud_one_but_not_for_ever() {
        let (sender, receiver) = bounded(10);
        let start = Instant::now();
        sender.send_quietly(1).unwrap();
        assert_eq!(receiver.recv(), Ok(1));
        assert!(start.elapsed() >= QUIET);
        sender.send_quietly(2).unwrap();
        sender.send(3).unwrap();
        let start = Instant::now();
        assert_eq!((receiver.recv(), receiver.recv()), (Ok(2), Ok(3)));
        assert!(start.elapsed() < QUIET);
        // Whatever it waits for when it comes: the end of a wait, a loud one, or the end of all.
        let taking = thread::spawn(move || std::iter::from_fn(|| receiver.recv().ok()).collect::<Vec<_>>());
        for n in 0..1000 {
            if n % 3 == 0 { sender.send(n).unwrap() } else { sender.send_quietly(n).unwrap() }
        }
        sender.send_quietly(1000).unwrap();
        drop(sender);
        assert_eq!(taking.join().unwrap(), (0..=1000).collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_queue_times_out_and_a_closed_one_says_so() {
        let (sender, receiver) = bounded::<u32>(1);
        assert_eq!(receiver.try_recv(), Err(Nothing::Empty));
        assert_eq!(receiver.recv_timeout(Duration::from_millis(1)), Err(Nothing::Empty));
        drop(sender);
        assert_eq!(receiver.recv_timeout(Duration::from_secs(60)), Err(Nothing::Closed));
        assert_eq!(receiver.recv(), Err(Closed));
    }

    #[test]
    fn sending_to_nobody_is_refused_even_when_the_queue_was_full() {
        let (sender, receiver) = bounded(1);
        sender.send(1).unwrap();
        let waiting = thread::spawn(move || sender.send(2));
        drop(receiver);
        assert_eq!(waiting.join().unwrap(), Err(2));
    }
}
