//! What clients did and saw, event by event: one file of JSON lines for each client, and all of them merged by time.
//!
//! All clients are threads of this process, so one clock orders what they saw, whichever nodes they talked to.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Lines, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// A message: its publisher, the publisher's connection, and its number, which counts up over all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Id(pub u32, pub u32, pub u64);

/// What a client did or saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// A connection is opened.
    Connect,
    /// A connection ends: `ok` by its client in good order, `info` any other way.
    Disconnect,
    /// A publish: `ok` is confirmed, `fail` refused (nack), `info` unknown.
    Publish,
    /// A frame with confirms as it came; `tag` and `multiple`, `ok` an ack and `fail` a nack.
    Confirm,
    /// A message came back that no queue took.
    Return,
    /// A message came to a consumer, or was fetched.
    Deliver,
    /// A message was acknowledged.
    Ack,
    /// A message was given back to its queue.
    Requeue,
    /// A message was refused for good.
    Reject,
    /// The answer to `tx.commit`: all that this channel acknowledged before is committed.
    Fence,
    /// A consumer was ended by the broker.
    Cancelled,
    /// A queue was declared with the arguments of that `variant`; `fail` is 406.
    Declare,
    /// A queue was declared passively; `fail` is 404.
    Passive,
    /// A queue was deleted.
    Delete,
    /// A queue was emptied.
    Purge,
    /// A lock was taken, with a message as the key.
    Lock,
    /// A lock was given back.
    Unlock,
    /// The connection is blocked, or (`ok`) not any more.
    Blocked,
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It begins.
    Invoke,
    /// It is done.
    Ok,
    /// It is refused, and has no effect.
    Fail,
    /// Nobody knows whether it has or will have an effect.
    Info,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Of the monotonic clock, since the run began. Unit: nanoseconds.
    #[serde(rename = "t_mono_ns")]
    pub t: u64,
    /// The client.
    pub proc: u32,
    /// What.
    pub op: Op,
    /// How far.
    pub phase: Phase,
    /// Number of the queue in the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<u16>,
    /// The message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Delivery tag, or a publish's number on its channel.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tag: u64,
    /// Of a confirm.
    #[serde(default, skip_serializing_if = "is_false")]
    pub multiple: bool,
    /// Of a delivery.
    #[serde(default, skip_serializing_if = "is_false")]
    pub redelivered: bool,
    /// Failed deliveries before this one, where the broker says so.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delivery_count: u64,
    /// Arguments of a declaration; messages that a purge removed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub variant: u64,
    /// The node that the client was connected to, counted from 1.
    #[serde(default, skip_serializing_if = "is_zero_node")]
    pub node: u8,
    /// Number of the client's connection.
    #[serde(default)]
    pub conn_epoch: u32,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_zero_node(number: &u8) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Event {
    /// An event of which only what it is, is said.
    pub fn new(t: u64, proc: u32, op: Op, phase: Phase) -> Self {
        Event {
            t,
            proc,
            op,
            phase,
            queue: None,
            id: None,
            tag: 0,
            multiple: false,
            redelivered: false,
            delivery_count: 0,
            variant: 0,
            node: 0,
            conn_epoch: 0,
        }
    }
}

/// The run's clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts at zero.
    #[expect(clippy::new_without_default, reason = "a clock that starts is an action")]
    pub fn new() -> Self {
        Clock(Instant::now())
    }

    /// Unit: nanoseconds.
    pub fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Writes one client's file.
#[derive(Debug)]
pub struct Recorder {
    clock: Clock,
    proc: u32,
    file: BufWriter<File>,
    /// The queue, node and connection that events are about unless they say otherwise.
    pub context: Event,
}

impl Recorder {
    /// Makes the file of a client in the folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(folder: &Path, clock: Clock, proc: u32) -> Result<Self> {
        let path = file_of(folder, proc);
        let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let context = Event::new(0, proc, Op::Connect, Phase::Invoke);
        Ok(Recorder { clock, proc, file: BufWriter::new(file), context })
    }

    /// The client's number.
    pub fn proc(&self) -> u32 {
        self.proc
    }

    /// Writes an event that happens now, completed by `with`; returns its time.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn record(&mut self, op: Op, phase: Phase, with: impl FnOnce(&mut Event)) -> Result<u64> {
        let mut event = Event { t: self.clock.now(), op, phase, ..self.context };
        with(&mut event);
        serde_json::to_writer(&mut self.file, &event)?;
        self.file.write_all(b"\n").context("cannot write a history")?;
        Ok(event.t)
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<()> {
        self.file.flush().context("cannot write a history")
    }
}

fn file_of(folder: &Path, proc: u32) -> PathBuf {
    folder.join(format!("client{proc}.jsonl"))
}

/// All events of all clients by time, read as they are asked for: in memory is one event for each client.
#[derive(Debug)]
pub struct Merged {
    files: Vec<Lines<BufReader<File>>>,
    next: BinaryHeap<Reverse<(u64, usize)>>,
    heads: Vec<Option<Event>>,
}

impl Merged {
    /// Opens the files of a folder.
    ///
    /// # Errors
    /// When the folder or a file cannot be read.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut merged = Merged { files: Vec::new(), next: BinaryHeap::new(), heads: Vec::new() };
        let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        paths.sort();
        for path in paths {
            let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
            merged.files.push(BufReader::new(file).lines());
            merged.heads.push(None);
            merged.advance(merged.files.len() - 1)?;
        }
        Ok(merged)
    }

    fn advance(&mut self, file: usize) -> Result<()> {
        self.heads[file] = match self.files[file].next() {
            Some(line) => Some(serde_json::from_str(&line?).context("a damaged history")?),
            None => None,
        };
        if let Some(event) = &self.heads[file] {
            self.next.push(Reverse((event.t, file)));
        }
        Ok(())
    }

    fn take(&mut self) -> Result<Option<Event>> {
        let Some(Reverse((_, file))) = self.next.pop() else { return Ok(None) };
        let event = self.heads[file].take();
        self.advance(file)?;
        Ok(event)
    }
}

impl Iterator for Merged {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        self.take().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_clients_are_merged_by_time() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::new();
        let mut one = Recorder::create(folder.path(), clock, 1).unwrap();
        let mut two = Recorder::create(folder.path(), clock, 2).unwrap();
        for number in 0..50 {
            let recorder = if number % 3 == 0 { &mut one } else { &mut two };
            recorder.record(Op::Publish, Phase::Invoke, |event| event.id = Some(Id(1, 1, number))).unwrap();
        }
        one.finish().unwrap();
        two.finish().unwrap();
        let numbers = Merged::open(folder.path()).unwrap().map(|event| event.unwrap().id.unwrap().2);
        assert!(numbers.eq(0..50));
    }

    #[test]
    fn what_an_event_does_not_say_is_not_written() {
        let text = serde_json::to_string(&Event::new(5, 1, Op::Fence, Phase::Ok)).unwrap();
        assert_eq!(text, r#"{"t_mono_ns":5,"proc":1,"op":"fence","phase":"ok","conn_epoch":0}"#);
    }
}
