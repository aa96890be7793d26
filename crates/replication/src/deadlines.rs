//! When time passes in a group: its leader sleeps until something is due there, and proposes a tick.
//!
//! Nothing here decides what is due; that is the queue machine's. A group without deadlines is never woken.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use queue::{Chunk, Command};
use tokio::{sync::Notify, time::Instant};
use types::{NodeId, Timestamp};

use crate::{group::Group, shard::ShardMachine, supervisor::system_chunk};

/// Shortest time from one tick of a group to the next: many messages that expire one by one share their ticks.
const TICK_PAUSE: Duration = Duration::from_millis(5);
/// Longest sleep: the wall clock may be set meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// How long a leader waits that may not propose now.
const NO_LEASE_PAUSE: Duration = Duration::from_millis(100);

/// What the machine of a group and its ticker tell each other.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    leading: bool,
    due: Option<Timestamp>,
    /// A tick was proposed and is not applied.
    ticking: bool,
}

impl Deadlines {
    /// This node leads from here on.
    pub(crate) fn lead(&self, due: Option<Timestamp>) {
        *self.state.lock() = State { leading: true, due, ticking: false };
        self.wake.notify_one();
    }

    /// This node leads no more.
    pub(crate) fn follow(&self) {
        *self.state.lock() = State::default();
    }

    /// An entry of this node's term was applied; `ticked`: time has passed by it.
    pub(crate) fn applied(&self, due: Option<Timestamp>, ticked: bool) {
        let mut state = self.state.lock();
        // The ticker finds out by itself when its sleep was too short.
        let is_earlier = due.is_some_and(|due| state.due.is_none_or(|known| due < known));
        state.due = due;
        if ticked {
            state.ticking = false;
        }
        let wake = state.leading && due.is_some() && (ticked || (is_earlier && !state.ticking));
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// When the next tick is due; `None` while there is nothing to wait for but a change.
    fn next(&self) -> Option<Timestamp> {
        let state = self.state.lock();
        state.due.filter(|_| state.leading && !state.ticking)
    }

    /// A tick is about to be proposed. `false`: not any more, since this node leads no more.
    fn tick(&self) -> bool {
        let mut state = self.state.lock();
        state.ticking = state.leading;
        state.leading
    }
}

/// When a machine's next tick is due. What is due by its own time is due at once: its time may be ahead of this node's clock.
pub(crate) fn due(machine: &queue::Machine) -> Option<Timestamp> {
    let due = machine.next_deadline()?;
    Some(if due <= machine.time() { Timestamp::default() } else { due })
}

/// Whether time passes by a chunk.
pub(crate) fn is_tick(chunk: &Chunk) -> bool {
    chunk.producer.node == NodeId::default() && chunk.commands.contains(&Command::Tick)
}

/// Keeps ticks apart.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: Option<Instant>,
}

impl Pace {
    /// How long to wait now for a tick that is due then; zero: it is time.
    pub(crate) fn wait(&self, due: Timestamp, now: Timestamp) -> Duration {
        let until_due = Duration::from_millis(due.0.saturating_sub(now.0));
        let pause = self.last.map_or(Duration::ZERO, |last| TICK_PAUSE.saturating_sub(last.elapsed()));
        until_due.max(pause).min(SLEEP_MAX)
    }

    pub(crate) fn ticked(&mut self) {
        self.last = Some(Instant::now());
    }
}

/// Proposes the ticks of one replicated group.
pub(crate) struct Ticker {
    pub group: Arc<Group<ShardMachine>>,
    pub deadlines: Arc<Deadlines>,
}

impl Ticker {
    /// Runs until it is dropped.
    pub(crate) async fn run(self) {
        let mut pace = Pace::default();
        loop {
            let Some(due) = self.deadlines.next() else {
                self.deadlines.wake.notified().await;
                continue;
            };
            let wait = pace.wait(due, self.group.batcher.time(self.group.health.time()));
            if !wait.is_zero() {
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.deadlines.wake.notified() => {}
                }
            } else if !self.group.is_leader() {
                // Its lease is over, or it has just lost the group: a proposal would be refused.
                tokio::time::sleep(NO_LEASE_PAUSE).await;
            } else if self.deadlines.tick() {
                pace.ticked();
                self.group.batcher.push(system_chunk(vec![Command::Tick]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! When a ticker has something to wait for.

    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);
    const AT: fn(u64) -> Option<Timestamp> = |ms| Some(Timestamp(ms));

    #[test]
    fn there_is_one_tick_at_a_time_and_only_while_the_node_leads() {
        let deadlines = Deadlines::default();
        deadlines.applied(AT(5), false);
        assert_eq!(deadlines.next(), None);
        deadlines.lead(AT(7));
        assert_eq!(deadlines.next(), AT(7));
        assert!(deadlines.tick());
        deadlines.applied(AT(6), false);
        assert_eq!(deadlines.next(), None, "the tick is under way");
        deadlines.applied(AT(9), true);
        assert_eq!(deadlines.next(), AT(9));
        deadlines.follow();
        assert_eq!(deadlines.next(), None);
        assert!(!deadlines.tick());
    }

    #[test]
    fn a_tick_that_got_lost_with_a_leadership_is_not_waited_for() {
        let deadlines = Deadlines::default();
        deadlines.lead(AT(1));
        assert!(deadlines.tick());
        deadlines.lead(AT(1));
        assert_eq!(deadlines.next(), AT(1));
    }

    #[test]
    fn ticks_keep_apart_however_much_is_due() {
        let mut pace = Pace::default();
        assert_eq!(pace.wait(Timestamp(0), NOW), Duration::ZERO);
        pace.ticked();
        let wait = pace.wait(Timestamp(0), NOW);
        assert!(wait <= TICK_PAUSE);
        assert_eq!(pace.wait(Timestamp(u64::MAX), NOW), SLEEP_MAX);
    }
}
