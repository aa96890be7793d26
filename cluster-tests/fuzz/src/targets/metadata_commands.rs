//! Metadata commands as they lie in the log: each is one piece. What decodes survives a round trip, and keeps a machine's
//! invariants; what is said of a command before it is applied is what happens.

use bytes::Bytes;
use metadata::{Command, Machine, Reply};
use proto::metadata::{decode_command, decode_snapshot, encode_command, encode_snapshot};
use types::Timestamp;

use crate::{input::Input, memory};

/// See the module.
pub fn metadata_commands(data: &[u8]) {
    let mut machine = Machine::new();
    for (at, piece) in (1..).zip(Input(data).pieces()) {
        let bytes = Bytes::copy_from_slice(piece);
        let Ok(command) = memory::bounded(piece.len(), 0, || decode_command(bytes)) else { continue };
        // As bytes, since a float that is not a number does not equal itself.
        let once = encode_command(&command);
        let again = decode_command(once.clone()).expect("we read what we write");
        assert_eq!(encode_command(&again), once);
        apply(&mut machine, &command, Timestamp(at));
        machine.check().unwrap_or_else(|broken| panic!("{broken} after {command:?}"));
    }
    let restored = decode_snapshot(encode_snapshot(&machine)).expect("we read what we write");
    assert_eq!(restored.digest(), machine.digest());
}

fn apply(machine: &mut Machine, command: &Command, now: Timestamp) {
    let known = machine.answer_if_unchanged(command);
    // Whether the pattern of a policy is one is not the machine's to refuse.
    let refused = machine.refusal_now(command).filter(|_| !matches!(command, Command::PutPolicy(_)));
    let before = machine.digest();
    let (reply, events) = machine.apply(command, now);
    if let Some(known) = known {
        assert_eq!((&reply, events.len(), machine.digest()), (&known, 0, before));
    }
    if let Some(refused) = refused {
        assert_eq!(reply, Reply::Refused(refused));
    }
    if let Reply::Refused(refusal) = &reply {
        assert!(!refusal.reply_text().is_empty());
        assert_eq!((events.len(), machine.digest()), (0, before), "what is refused changes nothing");
    }
}
