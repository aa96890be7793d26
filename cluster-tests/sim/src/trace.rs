//! What happened, event by event: as one number, so that two runs can be compared, and as text for whoever looks for a cause.

use std::{fmt::Write as _, time::Duration};

use parking_lot::Mutex;

/// FNV-1a, 64 bits: its two constants.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The events of one run.
#[derive(Debug)]
pub(crate) struct Trace {
    state: Mutex<State>,
    is_printed: bool,
}

#[derive(Debug)]
struct State {
    line: String,
    digest: u64,
    events: u64,
    /// Where the simulation stands while no host is running.
    elapsed: Duration,
}

impl Trace {
    pub(crate) fn new(is_printed: bool) -> Self {
        let state = State { line: String::new(), digest: OFFSET, events: 0, elapsed: Duration::ZERO };
        Trace { state: Mutex::new(state), is_printed }
    }

    pub(crate) fn set_elapsed(&self, elapsed: Duration) {
        self.state.lock().elapsed = elapsed;
    }

    /// Simulated time since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        turmoil::sim_elapsed().unwrap_or_else(|| self.state.lock().elapsed)
    }

    /// Adds an event: who, and what.
    pub(crate) fn event(&self, who: &str, what: std::fmt::Arguments<'_>) {
        let at = self.elapsed();
        let mut state = self.state.lock();
        let mut line = std::mem::take(&mut state.line);
        line.clear();
        // Writing to a string does not fail.
        let _ = write!(line, "{:>9.3} {who:<14} {what}", at.as_secs_f64());
        for byte in line.bytes() {
            state.digest = (state.digest ^ u64::from(byte)).wrapping_mul(PRIME);
        }
        state.events += 1;
        if self.is_printed {
            println!("{line}");
        }
        state.line = line;
    }

    /// One number for all events, and how many there were.
    pub(crate) fn digest(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.digest, state.events)
    }
}
