//! Clients that take turns with a lock: who holds the one message of a queue holds the lock, and gives it back by requeueing it.
//!
//! This is no safe lock, in no broker: who holds it may be cut off without knowing, and then two believe to hold it. What must
//! hold is that this happens in no other way.

use std::{
    thread,
    time::{Duration, Instant},
};

use amqp_codec::{Method, methods::basic};
use anyhow::{Context, Result, bail};
use types::FieldTable;

use super::{Seat, consumer};
use crate::{
    amqp::{ANSWER_TIME_MAX, Client, Incoming},
    history::{Id, Op, Phase},
};

/// The queue's number in events.
pub const LOCK: u16 = 2000;
const QUEUE: &str = "lock";
/// How long a client keeps the lock.
const HOLD: Duration = Duration::from_millis(40);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) fn run(mut seat: Seat, makes_the_lock: bool) -> Result<()> {
    seat.recorder.context.queue = Some(LOCK);
    let mut is_made = !makes_the_lock;
    while seat.is_publishing() {
        let Some(mut client) = seat.connect()? else { continue };
        let session = session(&mut seat, &mut client, &mut is_made).and_then(|()| client.close());
        seat.disconnected(&session)?;
    }
    seat.recorder.finish()
}

fn session(seat: &mut Seat, client: &mut Client, is_made: &mut bool) -> Result<()> {
    client.declare(QUEUE, FieldTable::default(), false)?;
    if !*is_made {
        *is_made = true;
        make(seat, client)?;
    }
    while seat.is_publishing() && !seat.is_called_home() {
        match client.get(QUEUE)? {
            Some(Incoming::Content { method: Method::BasicGetOk(got), body, .. }) => {
                let (id, tag) = (consumer::id_of(&body), got.delivery_tag);
                seat.record(Op::Lock, Phase::Ok, |event| (event.id, event.tag) = (Some(id), tag))?;
                // Heartbeats go on while the lock is held, and a lost connection is seen.
                client.next(Instant::now() + HOLD)?;
                seat.record(Op::Unlock, Phase::Ok, |event| (event.id, event.tag) = (Some(id), tag))?;
                client.push(&basic::Reject { delivery_tag: tag, requeue: true });
                client.flush()?;
            }
            Some(other) => bail!("a fetch gets {other:?}"),
            None => {}
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// The lock's one message. If its confirm is lost, there is none or one; a second is never made.
fn make(seat: &mut Seat, client: &mut Client) -> Result<()> {
    client.confirm_select()?;
    let id = Id(seat.recorder.proc(), seat.epoch, 1);
    seat.record(Op::Publish, Phase::Invoke, |event| (event.id, event.tag) = (Some(id), 1))?;
    client.publish(QUEUE, false, None, format!("{} {} {} ", id.0, id.1, id.2).as_bytes())?;
    match client.next(Instant::now() + ANSWER_TIME_MAX)?.context("no confirm")? {
        Incoming::Method(Method::BasicAck(_)) => seat.record(Op::Publish, Phase::Ok, |event| event.id = Some(id)),
        other => bail!("instead of a confirm: {other:?}"),
    }
}
