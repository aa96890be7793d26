//! A publisher with confirms: at a steady rate, with many unconfirmed, and never a second time, so that whatever comes twice was
//! doubled by the broker.

use std::{
    collections::BTreeMap,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use amqp_codec::Method;
use anyhow::{Result, bail};

use super::{Seat, TURN};
use crate::{
    amqp::{Client, Incoming},
    history::{Id, Op, Phase},
    plan::PublisherPlan,
};

/// Unconfirmed messages at most: many seconds of publishing, so that the window is not what holds a publisher up.
const WINDOW: usize = 1000;
/// Without a confirm for so long the connection is given up, and another node tried.
const CONFIRM_TIME_MAX: Duration = Duration::from_secs(6);

struct Publisher<'a> {
    queue: &'a str,
    place: u16,
    plan: PublisherPlan,
    /// Number of the last message, over all connections.
    sequence: u64,
    unconfirmed: BTreeMap<u64, (Id, Instant)>,
    blocked: bool,
}

pub(super) fn run(mut seat: Seat, queue: &str, place: u16, plan: PublisherPlan) -> Result<()> {
    seat.recorder.context.queue = Some(place);
    let mut this = Publisher { queue, place, plan, sequence: 0, unconfirmed: BTreeMap::new(), blocked: false };
    while seat.is_publishing() {
        let Some(client) = seat.connect()? else { continue };
        let session = this.session(&mut seat, client);
        this.set_blocked(&seat, false);
        for (tag, (id, _)) in std::mem::take(&mut this.unconfirmed) {
            seat.record(Op::Publish, Phase::Info, |event| (event.id, event.tag) = (Some(id), tag))?;
        }
        seat.disconnected(&session)?;
    }
    seat.recorder.finish()
}

impl Publisher<'_> {
    /// One connection. `Ok` when it was closed in good order.
    fn session(&mut self, seat: &mut Seat, mut client: Client) -> Result<()> {
        client.confirm_select()?;
        let interval = Duration::from_secs(1) / self.plan.rate;
        let (mut due, mut tag) = (Instant::now(), 0);
        let mut heard = Instant::now();
        loop {
            let leaving = !seat.is_publishing() || seat.is_called_home();
            if leaving && self.unconfirmed.is_empty() {
                return client.close();
            }
            let now = Instant::now();
            if now >= due && !leaving && !self.blocked && self.unconfirmed.len() < WINDOW {
                tag += 1;
                self.publish(seat, &mut client, tag)?;
                // What a stall has kept from being published is not made up for.
                due = (due + interval).max(now.checked_sub(10 * interval).unwrap_or(now));
            }
            match client.next(if leaving || self.blocked { now + TURN } else { due.min(now + TURN).max(now) })? {
                Some(incoming) => {
                    heard = Instant::now();
                    self.take(seat, &incoming)?;
                }
                None => self.be_patient(heard)?,
            }
        }
    }

    fn set_blocked(&mut self, seat: &Seat, blocked: bool) {
        match (self.blocked, blocked) {
            (false, true) => drop(seat.shared.blocked.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(seat.shared.blocked.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
        self.blocked = blocked;
    }

    /// A node that is blocked, or has nothing to confirm, may be silent.
    fn be_patient(&self, heard: Instant) -> Result<()> {
        let oldest = self.unconfirmed.first_key_value().map(|(_, (_, at))| (*at).max(heard));
        if !self.blocked && oldest.is_some_and(|since| since.elapsed() > CONFIRM_TIME_MAX) {
            bail!("no confirm");
        }
        Ok(())
    }

    fn publish(&mut self, seat: &mut Seat, client: &mut Client, tag: u64) -> Result<()> {
        self.sequence += 1;
        let id = Id(seat.recorder.proc(), seat.epoch, self.sequence);
        let mut body = format!("{} {} {} ", id.0, id.1, id.2).into_bytes();
        body.resize(self.plan.size.max(body.len()), b'.');
        seat.record(Op::Publish, Phase::Invoke, |event| (event.id, event.tag) = (Some(id), tag))?;
        self.unconfirmed.insert(tag, (id, Instant::now()));
        client.publish(self.queue, false, self.plan.priority, &body)
    }

    fn take(&mut self, seat: &mut Seat, incoming: &Incoming) -> Result<()> {
        match incoming {
            Incoming::Method(Method::BasicAck(ack)) => self.settle(seat, Phase::Ok, ack.delivery_tag, ack.multiple),
            Incoming::Method(Method::BasicNack(nack)) => {
                self.settle(seat, Phase::Fail, nack.delivery_tag, nack.multiple)
            }
            Incoming::Method(Method::ConnectionBlocked(_)) => {
                self.set_blocked(seat, true);
                seat.record(Op::Blocked, Phase::Invoke, |_| ())
            }
            Incoming::Method(Method::ConnectionUnblocked(_)) => {
                self.set_blocked(seat, false);
                seat.record(Op::Blocked, Phase::Ok, |_| ())
            }
            other => bail!("a publisher gets {other:?}"),
        }
    }

    fn settle(&mut self, seat: &mut Seat, phase: Phase, tag: u64, multiple: bool) -> Result<()> {
        seat.record(Op::Confirm, phase, |event| (event.tag, event.multiple) = (tag, multiple))?;
        let covered: Vec<u64> =
            if multiple { self.unconfirmed.range(..=tag).map(|(tag, _)| *tag).collect() } else { vec![tag] };
        for tag in covered {
            // A tag that is confirmed twice is seen in the history.
            let Some((id, _)) = self.unconfirmed.remove(&tag) else { continue };
            let at = seat.recorder.record(Op::Publish, phase, |event| (event.id, event.tag) = (Some(id), tag))?;
            if phase == Phase::Ok {
                seat.confirmed(self.place, at);
            }
        }
        Ok(())
    }
}
