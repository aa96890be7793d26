//! The clients of one node. They end with its process; others take their place when it starts again.

mod consumer;
mod declarer;
mod publisher;

use std::{sync::Arc, time::Duration};

use broker::Broker;
use rand::{SeedableRng, rngs::SmallRng};
use replication::Metadata;

use crate::{
    client::{Client, Gone},
    plan::Plan,
    world::{World, name},
};

/// Pause before a client that lost its connection comes again.
const AGAIN: Duration = Duration::from_millis(200);

/// What each client has.
struct Agent {
    world: Arc<World>,
    plan: Arc<Plan>,
    broker: Arc<Broker>,
    at: usize,
    /// Its number: of the publisher, or of the consumer.
    number: u64,
    random: SmallRng,
}

/// Starts the node's clients.
pub(crate) fn start(world: &Arc<World>, plan: &Arc<Plan>, at: usize, broker: &Arc<Broker>) {
    let agent = || {
        let number = world.oracle.lock().number();
        Agent {
            world: Arc::clone(world),
            plan: Arc::clone(plan),
            broker: Arc::clone(broker),
            at,
            number,
            random: SmallRng::seed_from_u64(plan.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        }
    };
    for _ in 0..plan.publishers {
        tokio::task::spawn_local(publisher::run(agent()));
    }
    for _ in 0..plan.consumers {
        tokio::task::spawn_local(consumer::run(agent()));
    }
    tokio::task::spawn_local(declarer::run(agent()));
}

impl Agent {
    fn who(&self) -> String {
        format!("{} c{}", name(self.at), self.number)
    }

    fn event(&self, what: std::fmt::Arguments<'_>) {
        self.world.trace.event(&self.who(), what);
    }

    fn verdict<T>(&self, verdict: Result<T, String>) -> Option<T> {
        verdict.map_err(|what| self.world.violation(what)).ok()
    }

    /// Connects; tries until it succeeds. Each connection has a number of its own.
    async fn connect(&mut self) -> Client {
        loop {
            while !self.is_served() {
                tokio::time::sleep(AGAIN).await;
            }
            self.number = self.world.oracle.lock().number();
            match Client::connect(&self.broker).await {
                Ok(client) => return client,
                Err(gone) => self.lost(&gone),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn is_served(&self) -> bool {
        self.world.running(self.at).is_some_and(|running| running.replication.own_state().serves_clients())
    }

    fn lost(&self, gone: &Gone) {
        match gone {
            Gone::Closed(code, text) => self.event(format_args!("closed by the server: {code} {text}")),
            Gone::Silence => self.event(format_args!("no answer")),
        }
    }

    /// All queues that this node knows.
    fn all_queues(&self) -> Vec<String> {
        let Some(running) = self.world.running(self.at) else { return Vec::new() };
        let metadata = running.replication.read();
        metadata.queues().map(|queue| queue.name.to_string()).collect()
    }

    /// Declares the queues that are there all the time.
    async fn declare_all(&self, client: &mut Client) -> Result<(), Gone> {
        for queue in &self.plan.queues {
            client.declare(&queue.name, queue.arguments()).await?;
        }
        Ok(())
    }
}
