//! How well the machine itself does: how long a thread waits for its turn, and how long a sync takes where the nodes' disks are.
//! Whoever is as slow as the machine is not at fault.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};

use crate::history::Clock;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(5);
/// Looks between two syncs.
const LOOKS_PER_SYNC: u32 = 20;
/// Stalls that are shorter are what every machine has.
const STALL_MIN: Duration = Duration::from_millis(30);
/// Stalls that are kept; with more, the machine is of no use for tests.
const STALLS_MAX: usize = 100_000;

/// Begin and length of a stall. Unit: nanoseconds.
type Stall = (u64, u64);

/// Looks on until it is stopped.
#[derive(Debug)]
pub struct Witness {
    stop: Arc<AtomicBool>,
    stalls: Arc<Mutex<Vec<Stall>>>,
    thread: JoinHandle<Result<()>>,
}

impl Witness {
    /// Begins to look on. It syncs a small file in the folder.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start(folder: &Path, clock: Clock) -> Result<Self> {
        let (stop, stalls) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (their_stop, their_stalls, file) = (Arc::clone(&stop), Arc::clone(&stalls), folder.join("witness"));
        let thread = thread::Builder::new().name("witness".to_owned());
        let thread = thread.spawn(move || look_on(&file, clock, &their_stop, &their_stalls))?;
        Ok(Witness { stop, stalls, thread })
    }

    /// Ends, and tells all stalls.
    ///
    /// # Errors
    /// When the file could not be written.
    pub fn finish(self) -> Result<Stalls> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the witness panicked"))??;
        Ok(Stalls(std::mem::take(&mut *self.stalls.lock().unwrap_or_else(PoisonError::into_inner))))
    }
}

/// All stalls of a run.
#[derive(Clone, Debug, Default)]
pub struct Stalls(Vec<Stall>);

impl Stalls {
    /// How long the machine stood still between two times, all together.
    pub fn between(&self, begin: u64, end: u64) -> Duration {
        let inside = |(at, length): &Stall| (at + length).min(end).saturating_sub((*at).max(begin));
        Duration::from_nanos(self.0.iter().map(inside).sum())
    }
}

fn look_on(file: &PathBuf, clock: Clock, stop: &AtomicBool, stalls: &Mutex<Vec<Stall>>) -> Result<()> {
    let mut file = File::create(file).context("the witness cannot write")?;
    let note = |begin: u64, took: Duration| {
        let mut stalls = stalls.lock().unwrap_or_else(PoisonError::into_inner);
        if took > STALL_MIN && stalls.len() < STALLS_MAX {
            stalls.push((begin, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)));
        }
    };
    for look in 0_u32.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (begin, at) = (clock.now(), Instant::now());
        thread::sleep(EVERY);
        note(begin, at.elapsed().saturating_sub(EVERY));
        if look % LOOKS_PER_SYNC == 0 {
            let (begin, at) = (clock.now(), Instant::now());
            file.write_all(b"12345678")?;
            file.sync_data()?;
            note(begin, at.elapsed());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_of_a_stall_that_lies_between_counts() {
        let stalls = Stalls(vec![(100, 50), (200, 100), (400, 10)]);
        assert_eq!(stalls.between(140, 250), Duration::from_nanos(10 + 50));
        assert_eq!(stalls.between(300, 400), Duration::ZERO);
    }
}
