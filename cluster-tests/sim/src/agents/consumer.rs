//! Takes messages from the standing queues: by `basic.consume` or `basic.get`, acks them (in transactions or without), gives some
//! back, keeps some for a while, and sometimes goes away.

use std::{collections::VecDeque, time::Duration};

use amqp_codec::methods::{Method, basic, tx};
use rand::{Rng, seq::IndexedRandom};

use super::{AGAIN, Agent};
use crate::{
    client::{Client, Gone, short},
    oracle::{ConsumerId, MessageId},
    world::Phase,
};

/// What this connection holds: delivery tags in order, and the messages.
type Held = VecDeque<(u64, MessageId)>;

pub(super) async fn run(mut agent: Agent) {
    loop {
        let mut client = agent.connect().await;
        let me = ConsumerId { node: agent.at, number: agent.number };
        if let Err(gone) = consume(&mut agent, &mut client, me).await {
            agent.lost(&gone);
        }
        agent.world.oracle.lock().gone(me);
        drop(client);
        tokio::time::sleep(AGAIN).await;
    }
}

async fn consume(agent: &mut Agent, client: &mut Client, me: ConsumerId) -> Result<(), Gone> {
    agent.declare_all(client).await?;
    let is_draining = agent.world.phase() == Phase::Drain;
    let in_transactions = !is_draining && agent.random.random_bool(0.5);
    if in_transactions {
        client.select_transactions().await?;
    }
    let prefetch_count = if is_draining { 200 } else { *[1, 3, 20].choose(&mut agent.random).unwrap_or(&3) };
    let qos = basic::Qos { prefetch_size: 0, prefetch_count, global: false };
    client.call(qos, |method| matches!(method, Method::BasicQosOk(_))).await?;
    let count = agent.plan.queues.len();
    let queue = agent.plan.queues[agent.random.random_range(0..count)].name.clone();
    let fetches = !is_draining && agent.random.random_bool(0.15);
    if !fetches {
        // Who drains takes from all.
        let names = if is_draining { agent.all_queues() } else { vec![queue.clone()] };
        for name in names {
            let consume =
                basic::Consume { queue: short(&name), consumer_tag: short(&name), ..basic::Consume::default() };
            client.call(consume, |method| matches!(method, Method::BasicConsumeOk(_))).await?;
        }
        agent.event(format_args!("consumes {queue} (drains: {is_draining})"));
    }
    let mut held = Held::new();
    for _ in 0..agent.random.random_range(10..400) {
        if agent.world.phase() == Phase::Drain && !is_draining {
            break;
        }
        if fetches {
            let get = basic::Get { queue: short(&queue), no_ack: false };
            let is_answer = |method: &Method| matches!(method, Method::BasicGetOk(_) | Method::BasicGetEmpty(_));
            let heard = client.call(get, is_answer).await?;
            take(agent, &heard.method, &heard.body, me, &mut held);
        }
        let pause = Duration::from_millis(agent.random.random_range(0..30));
        while let Some(heard) = client.hear(pause).await? {
            take(agent, &heard.method, &heard.body, me, &mut held);
            if matches!(heard.method, Method::BasicCancel(_)) {
                return Ok(());
            }
        }
        if !held.is_empty() && (is_draining || agent.random.random_bool(0.7)) {
            settle(agent, client, me, &mut held, in_transactions, is_draining).await?;
        }
    }
    // What is held goes back with the connection.
    Ok(())
}

fn take(agent: &Agent, method: &Method, body: &[u8], me: ConsumerId, held: &mut Held) {
    let (tag, redelivered) = match method {
        Method::BasicDeliver(deliver) => (deliver.delivery_tag, deliver.redelivered),
        Method::BasicGetOk(got) => (got.delivery_tag, got.redelivered),
        Method::BasicGetEmpty(_) => return,
        other => return agent.event(format_args!("hears {other:?}")),
    };
    let body = String::from_utf8_lossy(body);
    agent.event(format_args!("gets {body} as {tag} (redelivered: {redelivered})"));
    let now = agent.world.trace.elapsed();
    let was_calm = |holder: ConsumerId, since| agent.world.is_calm_since(holder.node, since);
    let verdict = agent.world.oracle.lock().delivered(&body, redelivered, me, now, was_calm);
    if let Some(id) = agent.verdict(verdict) {
        held.push_back((tag, id));
    }
}

/// Settles some of what is held: the oldest, or one in the middle.
async fn settle(
    agent: &mut Agent,
    client: &mut Client,
    me: ConsumerId,
    held: &mut Held,
    in_transactions: bool,
    is_draining: bool,
) -> Result<(), Gone> {
    let at = match agent.random.random_range(0..10) {
        _ if is_draining => held.len() - 1,
        0..7 => 0,
        _ => agent.random.random_range(0..held.len()),
    };
    if !is_draining && agent.random.random_bool(0.25) {
        let Some((delivery_tag, id)) = held.remove(at) else { return Ok(()) };
        agent.event(format_args!("gives {id} back"));
        // Under way it may be with somebody else already.
        agent.world.oracle.lock().requeued(&id, me);
        client.send(1, basic::Nack { delivery_tag, multiple: false, requeue: true });
        if in_transactions {
            commit(client).await?;
        }
        return Ok(());
    }
    let multiple = at == held.len() - 1 && (is_draining || agent.random.random_bool(0.5));
    let settled: Vec<(u64, MessageId)> =
        if multiple { held.drain(..=at).collect() } else { held.remove(at).into_iter().collect() };
    let Some((delivery_tag, _)) = settled.last() else { return Ok(()) };
    for (_, id) in &settled {
        agent.event(format_args!("acks {id}"));
        agent.world.oracle.lock().ack_sent(id, me);
    }
    client.send(1, basic::Ack { delivery_tag: *delivery_tag, multiple });
    if in_transactions {
        commit(client).await?;
        for (_, id) in &settled {
            agent.event(format_args!("ack of {id} is committed"));
            agent.world.oracle.lock().ack_committed(id);
        }
    }
    Ok(())
}

async fn commit(client: &mut Client) -> Result<(), Gone> {
    client.call(tx::Commit {}, |method| matches!(method, Method::TxCommitOk(_))).await.map(drop)
}
