//! Publishes to the standing queues and waits for confirms.

use std::{collections::BTreeMap, time::Duration};

use amqp_codec::methods::Method;
use rand::{Rng, seq::IndexedRandom};

use super::{AGAIN, Agent};
use crate::{
    client::{Client, Gone, Heard},
    oracle::{MessageId, QueueKey},
    world::Phase,
};

/// Publishes that may wait for their confirms.
const UNCONFIRMED_MAX: usize = 40;

/// What one connection has sent.
#[derive(Default)]
pub(super) struct Sent {
    /// The last publish's number.
    pub(super) last: u64,
    pub(super) unconfirmed: BTreeMap<u64, MessageId>,
}

pub(super) async fn run(mut agent: Agent) {
    let _publishing = agent.world.publishes();
    while agent.world.phase() == Phase::Work {
        let mut client = agent.connect().await;
        if let Err(gone) = publish(&mut agent, &mut client).await {
            agent.lost(&gone);
        }
        drop(client);
        tokio::time::sleep(AGAIN).await;
    }
}

async fn publish(agent: &mut Agent, client: &mut Client) -> Result<(), Gone> {
    agent.declare_all(client).await?;
    client.select_confirms().await?;
    let mut sent = Sent::default();
    let pause_ms = *[2_u64, 10, 60].choose(&mut agent.random).unwrap_or(&10);
    loop {
        let is_working = agent.world.phase() == Phase::Work;
        if !is_working && sent.unconfirmed.is_empty() {
            return Ok(());
        }
        if is_working && sent.unconfirmed.len() < UNCONFIRMED_MAX {
            let queues = agent.plan.queues.len();
            let queue = agent.plan.queues[agent.random.random_range(0..queues)].name.clone();
            let queue = QueueKey { name: queue, generation: 0 };
            for _ in 0..agent.random.random_range(1..=6) {
                send(agent, client, &mut sent, queue.clone());
            }
            if agent.random.random_bool(0.01) {
                agent.event(format_args!("hangs up"));
                return Ok(());
            }
        }
        let pause = Duration::from_millis(agent.random.random_range(0..=pause_ms));
        while let Some(heard) = client.hear(pause).await? {
            take(agent, &mut sent, &heard);
        }
    }
}

/// Publishes one message.
pub(super) fn send(agent: &Agent, client: &mut Client, sent: &mut Sent, queue: QueueKey) {
    sent.last += 1;
    let id = MessageId { queue, publisher: agent.number, seq: sent.last };
    agent.event(format_args!("publishes {id}"));
    agent.world.oracle.lock().attempted(id.clone());
    client.publish(&id.queue.name, &id.to_string());
    sent.unconfirmed.insert(sent.last, id);
}

/// Takes what the server says to a publisher. Each publish is acked or nacked once, those of a range in order (I4; RabbitMQ's
/// publisher confirms).
pub(super) fn take(agent: &Agent, sent: &mut Sent, heard: &Heard) {
    match &heard.method {
        Method::BasicAck(ack) => {
            for (_, id) in settled(agent, sent, ack.delivery_tag, ack.multiple) {
                agent.event(format_args!("confirmed {id}"));
                agent.world.oracle.lock().confirmed(&id);
            }
        }
        Method::BasicNack(nack) => {
            for (_, id) in settled(agent, sent, nack.delivery_tag, nack.multiple) {
                agent.event(format_args!("refused {id}"));
            }
        }
        Method::BasicReturn(_) => {
            if let Some(id) = std::str::from_utf8(&heard.body).ok().and_then(|body| body.parse().ok()) {
                agent.event(format_args!("returned {id}"));
                agent.world.oracle.lock().unroutable(&id);
            }
        }
        other => agent.event(format_args!("hears {other:?}")),
    }
}

fn settled(agent: &Agent, sent: &mut Sent, tag: u64, multiple: bool) -> Vec<(u64, MessageId)> {
    if multiple {
        let later = sent.unconfirmed.split_off(&(tag + 1));
        return std::mem::replace(&mut sent.unconfirmed, later).into_iter().collect();
    }
    let one = sent.unconfirmed.remove(&tag);
    if one.is_none() {
        agent.world.violation(format!("{} got a second answer to publish {tag}", agent.who()));
    }
    one.map(|id| (tag, id)).into_iter().collect()
}
