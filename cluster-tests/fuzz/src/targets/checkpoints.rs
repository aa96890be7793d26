//! Checkpoints of queue machines as they lie on a disk or come from a peer: each segment is one piece. What is accepted is a
//! machine whose invariants hold, survives a round trip, and goes on.

use bytes::Bytes;
use queue::{At, Chunk, Command, Machine, Outcome};
use types::Timestamp;

use crate::{input::Input, memory};

/// See the module.
pub fn checkpoints(data: &[u8]) {
    let segments: Vec<(u64, Bytes)> = (0..).zip(Input(data).pieces().map(Bytes::copy_from_slice)).collect();
    let Ok(machine) = memory::bounded(data.len(), 0, || Machine::restore(segments)) else { return };
    machine.check().expect("what is accepted is sound");
    let once = machine.snapshot();
    let again = Machine::restore(once.clone()).expect("we read what we write");
    assert_eq!(again.snapshot(), once);
    goes_on(machine);
}

/// What is due happens, and a queue goes.
fn goes_on(mut machine: Machine) {
    let mut commands = vec![Command::Tick];
    commands.extend(machine.queues().take(1).map(|queue| Command::Purge { queue }));
    commands.extend(machine.queues().take(1).map(|queue| Command::DeleteQueue {
        queue,
        if_unused: false,
        if_empty: false,
    }));
    let proposed_at = Timestamp(machine.time().0.saturating_add(1_000));
    for command in commands {
        let chunk = Chunk { commands: vec![command], ..Chunk::default() };
        // The last index of all may come after any other, and after itself.
        machine.apply_entry(At { index: u64::MAX, proposed_at }, &[chunk], &mut Outcome::default());
        machine.check().unwrap_or_else(|broken| panic!("{broken}"));
    }
}
