//! A client that declares, looks for and deletes a few queues, at the same time as others at other nodes.

use std::time::{Duration, Instant};

use anyhow::Result;
use rand::{Rng, SeedableRng, rngs::StdRng};
use types::{FieldTable, FieldValue, ShortStr};

use super::Seat;
use crate::{
    amqp::{Client, Refused},
    history::{Op, Phase},
};

/// Queues that are fought for. Events name them by [`DECLARED`] plus their number.
const NAMES: u16 = 4;
/// Different arguments that a queue may be declared with.
const VARIANTS: u64 = 3;
/// The first number of these queues in events.
pub const DECLARED: u16 = 1000;
/// Between two operations of a client: the checker takes 2000 of all clients for each queue.
const PAUSE: Duration = Duration::from_millis(120);

pub(super) fn run(mut seat: Seat) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(seat.seed());
    while seat.is_publishing() {
        let Some(mut client) = seat.connect()? else { continue };
        let session = loop {
            if !seat.is_publishing() || seat.is_called_home() {
                break client.close();
            }
            match one(&mut seat, &mut client, &mut rng) {
                Ok(()) => client.next(Instant::now() + PAUSE).map(drop).unwrap_or_default(),
                Err(error) => break Err(error),
            }
        };
        // A channel that the broker has closed is no fault.
        let refused = session.as_ref().is_err_and(|error| error.downcast_ref::<Refused>().is_some());
        seat.disconnected(if refused { &Ok(()) } else { &session })?;
    }
    seat.recorder.finish()
}

fn one(seat: &mut Seat, client: &mut Client, rng: &mut StdRng) -> Result<()> {
    let (number, variant) = (rng.random_range(0..NAMES), rng.random_range(1..=VARIANTS));
    let name = format!("declared{number}");
    seat.recorder.context.queue = Some(DECLARED + number);
    let op = [Op::Declare, Op::Declare, Op::Passive, Op::Passive, Op::Delete][rng.random_range(0..5)];
    seat.record(op, Phase::Invoke, |event| event.variant = variant)?;
    let mut arguments = FieldTable::default();
    arguments.push(ShortStr::from_static("x-max-length"), FieldValue::I64(i64::try_from(variant * 1000)?));
    let result = match op {
        Op::Declare => client.declare(&name, arguments, false).map(drop),
        Op::Passive => client.declare(&name, FieldTable::default(), true).map(drop),
        _ => client.delete(&name),
    };
    let code = result.as_ref().err().and_then(|error| error.downcast_ref::<Refused>()).map(|refused| refused.code);
    let phase = match (&result, code) {
        (Ok(()), _) => Phase::Ok,
        (Err(_), Some(404 | 406)) => Phase::Fail,
        (Err(_), _) => Phase::Info,
    };
    seat.record(op, phase, |event| event.variant = variant)?;
    result
}
