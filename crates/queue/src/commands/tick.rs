//! Time passes.

use crate::{Machine, Outcome, Reply};

pub(super) fn apply(machine: &mut Machine, out: &mut Outcome) -> Reply {
    machine.tick(out);
    Reply::Done
}
