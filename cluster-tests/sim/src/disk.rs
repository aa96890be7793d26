//! A node's disk: the store in memory, and the syncer that makes what was written durable after a while, or fails to.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use storage::sim::{SimStore, SyncMode};
use tokio::time::{Instant, sleep};

use crate::{
    mutation::Mutation,
    world::{World, name},
};

/// How often the syncer looks whether there is something to do.
const LOOK: Duration = Duration::from_millis(1);
/// How long a disk that failed is still there: what the node does then must do no harm.
const AGONY: Duration = Duration::from_millis(50);

/// The disk of one node; it outlives the node's process.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) store: Arc<SimStore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: SmallRng,
    /// No sync completes before.
    stalled_until: Duration,
    /// The longest sync when nothing is wrong.
    slowest_ms: u64,
}

impl Disk {
    pub(crate) fn new(seed: u64, slowest_ms: u64) -> Self {
        let state = State { random: SmallRng::seed_from_u64(seed), stalled_until: Duration::ZERO, slowest_ms };
        Disk { store: Arc::new(SimStore::new(SyncMode::Manual)), state: Mutex::new(state) }
    }

    /// Syncs hang until then.
    pub(crate) fn stall_until(&self, until: Duration) {
        self.state.lock().stalled_until = until;
    }

    /// The machine stops: of what was not synced, a part that is drawn is lost.
    pub(crate) fn crash(&self) {
        let pending = self.store.pending();
        let keep = self.state.lock().random.random_range(0..=pending);
        self.store.crash(keep);
        self.store.set_stalled_ms(0);
    }

    /// The machine gets a new disk, with nothing on it.
    pub(crate) fn wipe(&self) {
        self.store.wipe();
    }

    fn sync_time(&self) -> Duration {
        let mut state = self.state.lock();
        let slowest = state.slowest_ms;
        Duration::from_millis(state.random.random_range(0..=slowest))
    }

    fn stalled_until(&self) -> Duration {
        self.state.lock().stalled_until
    }

    /// The syncer of one incarnation of the node: runs until it is dropped, or the disk has failed.
    pub(crate) async fn run(self: Arc<Self>, world: Arc<World>, at: usize) {
        loop {
            sleep(LOOK).await;
            let count = self.store.pending();
            if count == 0 {
                continue;
            }
            sleep(self.sync_time()).await;
            self.wait_out_stall(&world, at).await;
            // What was queued meanwhile is for the next sync.
            if world.mutation == Some(Mutation::SkipFsync) {
                self.store.pretend_sync(count);
            } else {
                self.store.sync_some(count);
            }
            if self.store.has_failed() {
                world.trace.event(&name(at), format_args!("disk failed"));
                sleep(AGONY).await;
                world.fail(at, "disk failed".to_owned());
                return;
            }
        }
    }

    async fn wait_out_stall(&self, world: &World, at: usize) {
        let begin = Instant::now();
        while world.trace.elapsed() < self.stalled_until() {
            world.trouble(at);
            sleep(Duration::from_millis(10)).await;
            self.store.set_stalled_ms(u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX));
        }
        self.store.set_stalled_ms(0);
    }
}
