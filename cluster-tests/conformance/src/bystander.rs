//! A client that publishes and fetches, one message at a time, while others do what they should not.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};

use crate::{
    block_on,
    rust_client::{RustClient, fetch, publish},
};

/// More than any healthy round trip, less than a client's patience.
const SLOW: Duration = Duration::from_secs(5);

/// The client; it works until it is asked how it was.
pub struct Bystander {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Bystander {
    /// Connects to the last node and begins.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn start(uris: &[String]) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (client, stopped) = (RustClient::new(uris), stop.clone());
        let work = move || block_on(work(&client, &stopped));
        let thread = thread::Builder::new().name("bystander".to_owned()).spawn(work);
        Ok(Bystander { stop, thread: thread.context("cannot make a thread")? })
    }

    /// Stops it and tells whether all went well.
    ///
    /// # Errors
    /// When its connection was closed, a message did not come, or a round took too long.
    pub fn finish(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the client panicked"))?
    }
}

impl fmt::Debug for Bystander {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bystander").finish_non_exhaustive()
    }
}

async fn work(client: &RustClient, stop: &AtomicBool) -> Result<()> {
    client
        .with_queue(3, "bystander", async |channel, queue| {
            let mut rounds = 0_u32;
            while !stop.load(Ordering::Relaxed) || rounds == 0 {
                let begin = Instant::now();
                publish(channel, "", queue, &rounds.to_be_bytes()).await?;
                let message = fetch(channel, queue, true).await?;
                ensure!(message.data == rounds.to_be_bytes(), "round {rounds} got another message");
                ensure!(begin.elapsed() < SLOW, "round {rounds} took {} ms", begin.elapsed().as_millis());
                rounds += 1;
            }
            Ok(())
        })
        .await
}
