//! A consumer with manual acknowledgements: it acknowledges, gives back, refuses, or dies, by chance.

use std::time::{Duration, Instant};

use amqp_codec::{BasicProperties, Method, methods::basic};
use anyhow::{Result, bail};
use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng};
use types::{FieldTable, FieldValue, ShortStr};

use super::{Seat, TURN};
use crate::{
    amqp::{Client, Incoming},
    history::{Id, Op, Phase},
    plan::ConsumerPlan,
};

/// How often a transaction is committed.
const COMMIT_EVERY: Duration = Duration::from_millis(100);

struct Consumer<'a> {
    queue: &'a str,
    plan: ConsumerPlan,
    rng: StdRng,
    /// Settlements that are not committed.
    pending: usize,
}

pub(super) fn run(mut seat: Seat, queue: &str, place: u16, plan: ConsumerPlan) -> Result<()> {
    seat.recorder.context.queue = Some(place);
    let mut this = Consumer { queue, plan, rng: StdRng::seed_from_u64(seat.seed()), pending: 0 };
    while seat.is_consuming() {
        let Some(client) = seat.connect()? else { continue };
        let session = this.session(&mut seat, client);
        seat.disconnected(&session)?;
    }
    seat.recorder.finish()
}

impl Consumer<'_> {
    /// One connection. `Ok` when it was closed in good order.
    fn session(&mut self, seat: &mut Seat, mut client: Client) -> Result<()> {
        self.pending = 0;
        if self.plan.is_fenced {
            client.tx_select()?;
        }
        let mut arguments = FieldTable::default();
        if self.plan.priority != 0 {
            arguments.push(ShortStr::from_static("x-priority"), FieldValue::I32(self.plan.priority));
        }
        client.consume(self.queue, self.plan.prefetch, arguments)?;
        let mut committed = Instant::now();
        loop {
            let leaving = !seat.is_consuming() || seat.is_called_home();
            if self.pending > 0 && (leaving || committed.elapsed() > COMMIT_EVERY) {
                self.commit(seat, &mut client)?;
                committed = Instant::now();
            }
            if leaving {
                return client.close();
            }
            match client.next(Instant::now() + TURN)? {
                Some(Incoming::Content { method: Method::BasicDeliver(deliver), properties, body }) => {
                    self.take(seat, &mut client, &deliver, &properties, &body)?;
                }
                Some(Incoming::Method(Method::ConnectionBlocked(_) | Method::ConnectionUnblocked(_))) | None => {}
                Some(Incoming::Method(Method::BasicCancel(_))) => {
                    seat.record(Op::Cancelled, Phase::Ok, |_| ())?;
                    bail!("the consumer was cancelled");
                }
                Some(other) => bail!("a consumer gets {other:?}"),
            }
        }
    }

    fn commit(&mut self, seat: &mut Seat, client: &mut Client) -> Result<()> {
        seat.record(Op::Fence, Phase::Invoke, |_| ())?;
        client.fence()?;
        self.pending = 0;
        seat.record(Op::Fence, Phase::Ok, |_| ())
    }

    fn take(
        &mut self,
        seat: &mut Seat,
        client: &mut Client,
        deliver: &basic::Deliver,
        properties: &Bytes,
        body: &[u8],
    ) -> Result<()> {
        let (id, tag) = (id_of(body), deliver.delivery_tag);
        let count = if deliver.redelivered { delivery_count(properties)? } else { 0 };
        seat.record(Op::Deliver, Phase::Ok, |event| {
            (event.id, event.tag, event.redelivered, event.delivery_count) =
                (Some(id), tag, deliver.redelivered, count);
        })?;
        if self.rng.random_ratio(self.plan.crash_per_10_000, 10_000) {
            // Without a word: the socket closes when the client is dropped.
            bail!("the client dies");
        }
        let dice = self.rng.random_range(0..100);
        let op = if dice < self.plan.requeue_percent {
            Op::Requeue
        } else if dice < self.plan.requeue_percent + self.plan.reject_percent {
            Op::Reject
        } else {
            Op::Ack
        };
        // Written down before it is sent: whoever gets the message next gets it later than that.
        seat.record(op, Phase::Ok, |event| (event.id, event.tag) = (Some(id), tag))?;
        match op {
            Op::Requeue => client.push(&basic::Reject { delivery_tag: tag, requeue: true }),
            Op::Reject => client.push(&basic::Reject { delivery_tag: tag, requeue: false }),
            _ => client.push(&basic::Ack { delivery_tag: tag, multiple: false }),
        }
        self.pending += usize::from(self.plan.is_fenced);
        Ok(())
    }
}

/// What a publisher wrote; a body that none of them wrote has an id that none of them has.
pub(super) fn id_of(body: &[u8]) -> Id {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let mut words = text.split(' ');
    let mut number = || words.next()?.parse::<u64>().ok();
    let mut read = || Some(Id(u32::try_from(number()?).ok()?, u32::try_from(number()?).ok()?, number()?));
    read().unwrap_or(Id(0, 0, 0))
}

fn delivery_count(properties: &Bytes) -> Result<u64> {
    let properties = BasicProperties::decode(properties.clone())?;
    let count = properties.headers.as_ref().and_then(|headers| headers.get("x-delivery-count")?.as_i64());
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_its_message_and_a_strange_one_none() {
        assert_eq!(id_of(b"3 1 77 ......"), Id(3, 1, 77));
        assert_eq!([id_of(b""), id_of(b"hello"), id_of(b"1 2")], [Id(0, 0, 0); 3]);
    }
}
