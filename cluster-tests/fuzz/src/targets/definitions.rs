//! Definitions as an HTTP client sends them: what is understood is applied, and its export is understood and changes nothing.

use metadata::{Command, Machine, Reply};
use proto::metadata::{decode_command, encode_command};
use serde_json::Value;
use types::Timestamp;

use crate::memory;

/// What a regular expression may take while it is compiled, which is bounded where it is compiled. Unit: bytes.
const PATTERNS_BYTES: usize = 64 * 1024 * 1024;

/// See the module.
pub fn definitions(data: &[u8]) {
    let Ok(document) = serde_json::from_slice::<Value>(data) else { return };
    let planned = memory::bounded(data.len(), PATTERNS_BYTES, || management::fuzzing::commands(&document));
    assert_eq!(management::check_definitions(&document).is_ok(), planned.is_ok());
    let Ok(planned) = planned else { return };
    let mut machine = Machine::new();
    import(&mut machine, &planned);
    machine.check().expect("an import breaks nothing");
    let exported = management::fuzzing::export(&machine);
    let again = management::fuzzing::commands(&exported).expect("we read what we write");
    let mut copy = Machine::new();
    import(&mut copy, &again);
    assert_eq!(management::fuzzing::export(&copy), exported, "an export is another cluster's import");
}

fn import(machine: &mut Machine, commands: &[Command]) {
    for command in commands {
        let again = decode_command(encode_command(command)).expect("we read what we write");
        assert_eq!(encode_command(&again), encode_command(command));
        // Asked before it is proposed: the machine takes patterns at their word.
        if matches!(command, Command::PutPolicy(_)) && machine.refusal_now(command).is_some() {
            continue;
        }
        if let (Reply::Refused(refusal), _) = machine.apply(&again, Timestamp(1)) {
            assert!(!refusal.reply_text().is_empty());
        }
    }
}
