//! Declares a queue of its own, publishes to it, deletes it, and declares it anew: what was in it is gone, and what was declared is
//! there.

use std::time::Duration;

use amqp_codec::methods::{Method, basic, queue};
use rand::Rng;
use types::FieldTable;

use super::{
    AGAIN, Agent,
    publisher::{self, Sent},
};
use crate::{
    client::{Client, Gone, short},
    oracle::{ConsumerId, QueueKey},
    world::Phase,
};

pub(super) async fn run(mut agent: Agent) {
    let _publishing = agent.world.publishes();
    while agent.world.phase() == Phase::Work {
        let mut client = agent.connect().await;
        let me = ConsumerId { node: agent.at, number: agent.number };
        if let Err(gone) = declare(&mut agent, &mut client, me).await {
            agent.lost(&gone);
        }
        agent.world.oracle.lock().gone(me);
        drop(client);
        tokio::time::sleep(AGAIN).await;
    }
}

async fn declare(agent: &mut Agent, client: &mut Client, me: ConsumerId) -> Result<(), Gone> {
    client.select_confirms().await?;
    let mut sent = Sent::default();
    // A name of this connection alone: what others do with it need not be guessed.
    let name = format!("t{}", agent.number);
    for generation in 0..agent.random.random_range(2..6) {
        if agent.world.phase() == Phase::Drain {
            break;
        }
        let key = QueueKey { name: name.clone(), generation };
        agent.world.oracle.lock().declaring(&key);
        let declared = client.declare(&name, FieldTable::default()).await?;
        agent.event(format_args!("declared {name}/{generation}"));
        agent.world.oracle.lock().declared(&key);
        if declared.message_count > 0 {
            agent.world.violation(format!("{name} has {} messages after it was deleted", declared.message_count));
        }
        let count = agent.random.random_range(1..5);
        for _ in 0..count {
            publisher::send(agent, client, &mut sent, key.clone());
        }
        while !sent.unconfirmed.is_empty() {
            if let Some(heard) = client.hear(Duration::from_secs(30)).await? {
                publisher::take(agent, &mut sent, &heard);
            }
        }
        get_first(agent, client, me, &key).await?;
        let delete = queue::Delete { queue: short(&name), ..queue::Delete::default() };
        agent.world.oracle.lock().deleting(&key);
        client.call(delete, |method| matches!(method, Method::QueueDeleteOk(_))).await?;
        agent.event(format_args!("deleted {name}/{generation}"));
        agent.world.oracle.lock().deleted(&key);
        tokio::time::sleep(Duration::from_millis(agent.random.random_range(0..400))).await;
    }
    Ok(())
}

/// All messages are confirmed, so there is one to get.
async fn get_first(agent: &Agent, client: &mut Client, me: ConsumerId, key: &QueueKey) -> Result<(), Gone> {
    let get = basic::Get { queue: short(&key.name), no_ack: false };
    let is_answer = |method: &Method| matches!(method, Method::BasicGetOk(_) | Method::BasicGetEmpty(_));
    let heard = client.call(get, is_answer).await?;
    let Method::BasicGetOk(got) = heard.method else {
        // Who drains takes from this queue, too.
        if agent.world.phase() == Phase::Drain {
            return Ok(());
        }
        agent.world.violation(format!("{}/{} is empty after its messages were confirmed", key.name, key.generation));
        return Ok(());
    };
    let body = String::from_utf8_lossy(&heard.body);
    agent.event(format_args!("gets {body}"));
    let now = agent.world.trace.elapsed();
    let was_calm = |holder: ConsumerId, since| agent.world.is_calm_since(holder.node, since);
    let verdict = agent.world.oracle.lock().delivered(&body, got.redelivered, me, now, was_calm);
    if let Some(id) = agent.verdict(verdict) {
        agent.world.oracle.lock().ack_sent(&id, me);
        client.send(1, basic::Ack { delivery_tag: got.delivery_tag, multiple: false });
    }
    Ok(())
}
