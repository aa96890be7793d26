//! A publisher whose messages must all have a queue (`mandatory`), every other one of which has none: those come back before they
//! are confirmed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use amqp_codec::Method;
use anyhow::{Context, Result, bail};

use super::{Seat, consumer};
use crate::{
    amqp::{ANSWER_TIME_MAX, Client, Incoming},
    history::{Id, Op, Phase},
};

/// The number in events of the queue that is not there.
pub const STRAYED: u16 = 2500;
const NOWHERE: &str = "nowhere";
/// Messages that are published in one go: some with a queue and some without, whose confirms the broker may gather.
const BATCH: u64 = 8;
const PAUSE: Duration = Duration::from_millis(100);

/// `queue` is the first of the plan.
pub(super) fn run(mut seat: Seat, queue: &str) -> Result<()> {
    let mut sequence = 0;
    while seat.is_publishing() {
        let Some(mut client) = seat.connect()? else { continue };
        let session = session(&mut seat, &mut client, queue, &mut sequence).and_then(|()| client.close());
        seat.disconnected(&session)?;
    }
    seat.recorder.finish()
}

fn session(seat: &mut Seat, client: &mut Client, queue: &str, sequence: &mut u64) -> Result<()> {
    client.confirm_select()?;
    let mut tag = 0;
    while seat.is_publishing() && !seat.is_called_home() {
        let mut open = BTreeMap::new();
        for _ in 0..BATCH {
            *sequence += 1;
            tag += 1;
            let id = Id(seat.recorder.proc(), seat.epoch, *sequence);
            let (name, place) = if tag % 2 == 0 { (queue, 0) } else { (NOWHERE, STRAYED) };
            seat.recorder.context.queue = Some(place);
            seat.record(Op::Publish, Phase::Invoke, |event| (event.id, event.tag) = (Some(id), tag))?;
            open.insert(tag, (place, id));
            client.publish(name, true, None, format!("{} {} {} ", id.0, id.1, id.2).as_bytes())?;
        }
        let answered = answers(seat, client, &mut open);
        for (tag, (place, id)) in open {
            seat.recorder.context.queue = Some(place);
            seat.record(Op::Publish, Phase::Info, |event| (event.id, event.tag) = (Some(id), tag))?;
        }
        answered?;
        client.next(Instant::now() + PAUSE)?;
    }
    Ok(())
}

/// Waits until all that is open is confirmed or refused.
fn answers(seat: &mut Seat, client: &mut Client, open: &mut BTreeMap<u64, (u16, Id)>) -> Result<()> {
    while !open.is_empty() {
        let (phase, tag, multiple) = match client.next(Instant::now() + ANSWER_TIME_MAX)?.context("no confirm")? {
            Incoming::Method(Method::BasicAck(ack)) => (Phase::Ok, ack.delivery_tag, ack.multiple),
            Incoming::Method(Method::BasicNack(nack)) => (Phase::Fail, nack.delivery_tag, nack.multiple),
            Incoming::Content { method: Method::BasicReturn(_), body, .. } => {
                let id = consumer::id_of(&body);
                seat.record(Op::Return, Phase::Ok, |event| event.id = Some(id))?;
                continue;
            }
            Incoming::Method(Method::ConnectionBlocked(_) | Method::ConnectionUnblocked(_)) => continue,
            other => bail!("instead of a confirm: {other:?}"),
        };
        seat.record(Op::Confirm, phase, |event| (event.tag, event.multiple) = (tag, multiple))?;
        let rest = open.split_off(&(tag + 1));
        let mut covered = std::mem::replace(open, rest);
        if !multiple {
            let one = covered.remove(&tag);
            open.append(&mut covered);
            covered.extend(one.map(|one| (tag, one)));
        }
        for (tag, (place, id)) in covered {
            seat.recorder.context.queue = Some(place);
            seat.record(Op::Publish, phase, |event| (event.id, event.tag) = (Some(id), tag))?;
        }
    }
    Ok(())
}
