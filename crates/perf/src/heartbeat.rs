//! Heartbeats, when they are asked for: one is sent twice per interval, and a broker silent for two intervals is lost.

use std::{future::pending, time::Duration};

use anyhow::{Result, bail};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::link::Link;

/// Ticks per interval.
const TICKS: u32 = 2;

/// Silent ticks after which a connection is lost: two intervals.
const SILENT_TICKS_MAX: u32 = 2 * TICKS;

/// The heartbeat of one connection.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    ticks: Option<Interval>,
    interval_s: u16,
    reads: u64,
    silent: u32,
}

impl Heartbeat {
    /// A heartbeat with that interval; with zero it never beats.
    pub(crate) fn new(interval_s: u16) -> Self {
        let ticks = (interval_s > 0).then(|| {
            let period = Duration::from_secs(interval_s.into()) / TICKS;
            let mut ticks = interval_at(Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        Heartbeat { ticks, interval_s, reads: 0, silent: 0 }
    }

    /// Waits for the next beat; for ever without heartbeats. May be dropped and called again.
    pub(crate) async fn due(&mut self) {
        match &mut self.ticks {
            Some(ticks) => {
                ticks.tick().await;
            }
            None => pending().await,
        }
    }

    /// Sends a heartbeat, and checks that the broker is heard.
    ///
    /// # Errors
    /// When it was silent for too long.
    pub(crate) fn beat(&mut self, link: &mut Link) -> Result<()> {
        self.silent = if link.reads() == self.reads { self.silent + 1 } else { 0 };
        self.reads = link.reads();
        if self.silent >= SILENT_TICKS_MAX {
            bail!("the broker was silent for {} s", 2 * self.interval_s);
        }
        if !link.has_output() {
            link.push_heartbeat();
        }
        Ok(())
    }
}
