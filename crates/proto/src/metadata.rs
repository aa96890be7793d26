//! Metadata commands and snapshots to bytes and back.

mod administration;
mod cluster;
mod command;
mod fields;
mod names;
mod record;

use bytes::Bytes;
use metadata::{Command, Machine, Record};
use prost::Message;

use crate::{DecodeError, generated::metadata as wire};

/// How many records a segment of a snapshot holds, so that no segment is large and a small change of the state changes few.
const RECORDS_PER_SEGMENT: usize = 1024;

/// Encodes a command.
pub fn encode_command(command: &Command) -> Bytes {
    wire::Command { command: Some(command::to_wire(command)) }.encode_to_vec().into()
}

/// Decodes a command. Its names share the bytes.
///
/// # Errors
/// When the bytes are not a command, or one that is not known to this version.
pub fn decode_command(bytes: Bytes) -> Result<Command, DecodeError> {
    let what = DecodeError::new("metadata command");
    let message = wire::Command::decode(bytes).map_err(|_| what)?;
    command::from_wire(message.command.ok_or(what)?)
}

/// Encodes the whole state, in segments with the keys 0, 1, 2, ...
pub fn encode_snapshot(machine: &Machine) -> Vec<(u64, Bytes)> {
    let mut segments = Vec::new();
    let mut records = machine.records().map(|record| record::to_wire(&record)).peekable();
    while records.peek().is_some() {
        let piece = records.by_ref().take(RECORDS_PER_SEGMENT).collect();
        let segment = wire::Segment { records: piece, last: records.peek().is_none() };
        let key = u64::try_from(segments.len()).expect("lengths fit in 64 bits");
        segments.push((key, segment.encode_to_vec().into()));
    }
    segments
}

/// Decodes the whole state, from segments in any order.
///
/// # Errors
/// When a segment is missing or damaged, or the records contradict each other.
pub fn decode_snapshot(segments: impl IntoIterator<Item = (u64, Bytes)>) -> Result<Machine, DecodeError> {
    let what = DecodeError::new("metadata snapshot");
    let mut segments: Vec<_> = segments.into_iter().collect();
    segments.sort_unstable_by_key(|(key, _)| *key);
    let mut records: Vec<Record> = Vec::new();
    let mut complete = false;
    for (at, (key, bytes)) in (0_u64..).zip(segments) {
        let segment = wire::Segment::decode(bytes).map_err(|_| what)?;
        if key != at || complete {
            return Err(what);
        }
        complete = segment.last;
        for record in segment.records {
            records.push(record::from_wire(record).ok_or(what)?);
        }
    }
    match records.first() {
        Some(Record::Head { .. }) if complete => Machine::from_records(records).map_err(|_| what),
        Some(_) | None => Err(what),
    }
}
