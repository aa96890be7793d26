//! The queue between threads: parks at once when it is empty, and wakes only who waits.
//!
//! A general channel yields the processor several times before it parks. With a handful of threads per core those yields cost more
//! than everything else that the writer does at low rates.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

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
    senders: usize,
    receiver: bool,
    receiver_waits: bool,
    senders_wait: usize,
}

/// Puts items in.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// Takes items out, in order.
#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

/// A queue of at most `max` items.
pub(crate) fn bounded<T>(max: usize) -> (Sender<T>, Receiver<T>) {
    let state = State { items: VecDeque::new(), senders: 1, receiver: true, receiver_waits: false, senders_wait: 0 };
    let shared = Arc::new(Shared { state: Mutex::new(state), filled: Condvar::new(), drained: Condvar::new(), max });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    /// Puts an item in; waits while the queue is full. Gives it back when nobody takes items any more.
    pub(crate) fn send(&self, item: T) -> Result<(), T> {
        let mut state = self.0.state.lock();
        while state.receiver && state.items.len() >= self.0.max {
            state.senders_wait += 1;
            self.0.drained.wait(&mut state);
            state.senders_wait -= 1;
        }
        if !state.receiver {
            return Err(item);
        }
        state.items.push_back(item);
        let wake = std::mem::take(&mut state.receiver_waits);
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
        loop {
            match self.take(&mut state) {
                Ok(item) => return Ok(item),
                Err(Nothing::Closed) => return Err(Closed),
                Err(Nothing::Empty) => {
                    state.receiver_waits = true;
                    self.0.filled.wait(&mut state);
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
                    state.receiver_waits = true;
                    if self.0.filled.wait_until(&mut state, until).timed_out() {
                        state.receiver_waits = false;
                        return self.take(&mut state);
                    }
                }
                taken => return taken,
            }
        }
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
