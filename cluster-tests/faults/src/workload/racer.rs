//! A client with a queue of its own, which it fills, empties, deletes and declares anew, while leaders change under it: what was in
//! the queue before must not be seen afterwards.

use std::{collections::BTreeSet, time::Instant};

use amqp_codec::{Method, methods::basic};
use anyhow::{Context, Result, bail};
use rand::{Rng, SeedableRng, rngs::StdRng};
use types::FieldTable;

use super::{Seat, TURN, consumer};
use crate::{
    amqp::{ANSWER_TIME_MAX, Client, Incoming},
    history::{Id, Op, Phase},
};

/// The first number of these queues in events. Nobody consumes from them.
pub const RACED: u16 = 3000;
/// Messages of one round.
const MESSAGES: u64 = 20;

struct Racer {
    queue: String,
    sequence: u64,
    /// The last tag of the connection.
    tag: u64,
    rng: StdRng,
}

pub(super) fn run(mut seat: Seat, number: usize) -> Result<()> {
    seat.recorder.context.queue = Some(RACED + u16::try_from(number)?);
    let rng = StdRng::seed_from_u64(seat.seed());
    let mut this = Racer { queue: format!("raced{number}"), sequence: 0, tag: 0, rng };
    while seat.is_publishing() {
        let Some(mut client) = seat.connect()? else { continue };
        let session = this.session(&mut seat, &mut client).and_then(|()| client.close());
        seat.disconnected(&session)?;
    }
    seat.recorder.finish()
}

impl Racer {
    fn session(&mut self, seat: &mut Seat, client: &mut Client) -> Result<()> {
        client.confirm_select()?;
        self.tag = 0;
        while seat.is_publishing() && !seat.is_called_home() {
            client.declare(&self.queue, FieldTable::default(), false)?;
            self.fill(seat, client)?;
            let op = if self.rng.random_bool(0.5) { Op::Purge } else { Op::Delete };
            seat.record(op, Phase::Invoke, |_| ())?;
            let done = match op {
                Op::Purge => client.purge(&self.queue).map(drop),
                _ => client.delete(&self.queue),
            };
            seat.record(op, if done.is_ok() { Phase::Ok } else { Phase::Info }, |_| ())?;
            done?;
            client.declare(&self.queue, FieldTable::default(), false)?;
            self.look(seat, client)?;
            // Not faster than a few rounds a second.
            client.next(Instant::now() + 2 * TURN)?;
        }
        Ok(())
    }

    /// Publishes some messages and waits for their confirms.
    fn fill(&mut self, seat: &mut Seat, client: &mut Client) -> Result<()> {
        let first = self.sequence + 1;
        let mut open = BTreeSet::new();
        for _ in 0..MESSAGES {
            self.sequence += 1;
            self.tag += 1;
            open.insert(self.tag);
            let id = Id(seat.recorder.proc(), seat.epoch, self.sequence);
            seat.record(Op::Publish, Phase::Invoke, |event| event.id = Some(id))?;
            client.publish(&self.queue, false, None, format!("{} {} {} ", id.0, id.1, id.2).as_bytes())?;
        }
        while !open.is_empty() {
            match client.next(Instant::now() + ANSWER_TIME_MAX)?.context("no confirm")? {
                Incoming::Method(Method::BasicAck(ack)) if ack.multiple => {
                    open = open.split_off(&(ack.delivery_tag + 1));
                }
                Incoming::Method(Method::BasicAck(ack)) => drop(open.remove(&ack.delivery_tag)),
                Incoming::Method(Method::ConnectionBlocked(_) | Method::ConnectionUnblocked(_)) => {}
                other => bail!("instead of a confirm: {other:?}"),
            }
        }
        for number in first..=self.sequence {
            let id = Id(seat.recorder.proc(), seat.epoch, number);
            seat.record(Op::Publish, Phase::Ok, |event| event.id = Some(id))?;
        }
        Ok(())
    }

    /// Whatever is there, which should be nothing.
    fn look(&mut self, seat: &mut Seat, client: &mut Client) -> Result<()> {
        while let Some(incoming) = client.get(&self.queue)? {
            let Incoming::Content { method: Method::BasicGetOk(got), body, .. } = incoming else {
                bail!("a fetch gets {incoming:?}");
            };
            let (id, tag) = (consumer::id_of(&body), got.delivery_tag);
            seat.record(Op::Deliver, Phase::Ok, |event| {
                (event.id, event.tag, event.redelivered) = (Some(id), tag, got.redelivered);
            })?;
            seat.record(Op::Ack, Phase::Ok, |event| (event.id, event.tag) = (Some(id), tag))?;
            client.push(&basic::Ack { delivery_tag: tag, multiple: false });
        }
        Ok(())
    }
}
