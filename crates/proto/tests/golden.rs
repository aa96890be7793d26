//! Bytes that this version wrote, kept in files: later versions must read them, and write the same as long as the layout is the same.
//!
//! With `QUORATE_WRITE_GOLDEN` set the files are written anew. A change of layout that old nodes cannot read is a new file beside the
//! old one, which stays to be read.

#[path = "../../metadata/tests/behaviour/generate.rs"]
mod generate;

use std::{fs, path::PathBuf};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use proto::{chunk, metadata as meta};
use queue::{
    At, Chunk, Command, ConsumerOptions, DeadLetterSource, Delay, Enqueue, EnqueueOptions, EnqueueRun, Machine,
    Outcome, Producer, QueueConfig,
};
use types::{NodeId, QueueId, SeqRange, SessionId, Timestamp};

/// Metadata commands in the file, each of some kind.
const COMMANDS: usize = 300;
/// A field that no version has, with a value: what a later version may add.
const UNKNOWN: [u8; 3] = [0xc0, 0x3e, 7];

/// The file's place.
fn place(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Compares with the file, or writes it; returns what is in it.
fn golden(name: &str, parts: &[Bytes]) -> Vec<Bytes> {
    let mut bytes = BytesMut::new();
    for part in parts {
        bytes.put_u32_le(u32::try_from(part.len()).expect("parts are small"));
        bytes.put_slice(part);
    }
    if std::env::var_os("QUORATE_WRITE_GOLDEN").is_some() {
        fs::write(place(name), &bytes).expect("the file can be written");
    }
    let kept = read(name);
    assert!(kept == parts, "what is written is not what {name} has");
    kept
}

/// What is in the file.
fn read(name: &str) -> Vec<Bytes> {
    let mut bytes = Bytes::from(fs::read(place(name)).expect("the file is there"));
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let len = bytes.get_u32_le();
        parts.push(bytes.split_to(usize::try_from(len).expect("64-bit")));
    }
    parts
}

fn enqueue() -> Command {
    let run = |first_slot, options| EnqueueRun { queue: QueueId(5), first_slot, count: 1, options };
    let plain = EnqueueOptions::default();
    let runs = vec![
        EnqueueRun { count: 3, ..run(0, plain) },
        run(3, EnqueueOptions { ttl_ms: Some(60_000), priority: Some(3), ..plain }),
        run(4, EnqueueOptions { delay: Delay::For(500), ..plain }),
        run(5, EnqueueOptions { delay: Delay::Until(Timestamp(9_000)), ..plain }),
    ];
    Command::Enqueue(Enqueue { first_slot: 0, sizes: vec![10, 20, 30, 40, 50, 60], runs, source: None })
}

fn chunks() -> Vec<Chunk> {
    let queue = QueueId(5);
    let ranges = |first, last| vec![SeqRange { first, last }];
    let options = ConsumerOptions { prefetch: 2, priority: -1, timeout_ms: Some(90_000), ..ConsumerOptions::default() };
    let source = DeadLetterSource { queue: QueueId(77), numbers: vec![4] };
    let letters = Enqueue {
        sizes: vec![5],
        runs: vec![EnqueueRun { queue, count: 1, ..EnqueueRun::default() }],
        source: Some(source),
        ..Enqueue::default()
    };
    let config = QueueConfig { max_length: Some(1000), expires_ms: Some(3_600_000), ..QueueConfig::default() };
    let commands = [
        vec![
            Command::CreateQueue { queue, config: config.clone() },
            Command::CreateQueue { queue: QueueId(6), config: QueueConfig::default() },
            Command::ConfigureQueue { queue, config },
        ],
        vec![enqueue(), Command::Attach { queue, number: 1, options }, Command::Enqueue(letters)],
        vec![
            Command::Settle { queue, number: 1, ranges: ranges(1, 1) },
            Command::Return { queue, number: 1, ranges: ranges(2, 2), failed: true },
            Command::Credit { queue, number: 1, up_to: 9 },
            Command::Get { queue, no_ack: false },
            Command::Inspect { queue },
            Command::Tick,
            Command::Touch { queue },
        ],
        vec![
            Command::Discard { queue, number: 1, ranges: ranges(3, 3) },
            Command::Purge { queue: QueueId(6) },
            Command::SettleDead { queue, ranges: ranges(1, 1) },
            Command::RetryDead { queue, ranges: ranges(2, 2) },
            Command::Detach { queue, number: 7 },
            Command::DeleteQueue { queue: QueueId(6), if_unused: true, if_empty: true },
            Command::Forget { queues: vec![QueueId(8)] },
            Command::NodeDown { node: NodeId(9), boot: 3, sessions_up_to: 100 },
        ],
    ];
    let chunk = |(seq, commands): (u64, Vec<Command>)| {
        let producer = Producer { node: NodeId(2), boot: 1_700_000_000_000 };
        let session = SessionId { node: NodeId(2), serial: 1 << 50 };
        let slots = if seq == 2 { 7 } else { 0 };
        Chunk { producer, seq, session, commands, slots }
    };
    (1..).zip(commands).map(chunk).collect()
}

#[test]
fn chunks_are_written_and_read_as_ever() {
    let all = chunks();
    let kept = golden("chunks.bin", &all.iter().map(chunk::encode).collect::<Vec<_>>());
    let read: Vec<Chunk> = kept.iter().map(|bytes| chunk::decode(bytes.clone()).unwrap()).collect();
    assert_eq!(read, all);
}

#[test]
fn checkpoints_of_queues_are_written_and_read_as_ever() {
    let mut machine = Machine::new();
    for (index, chunk) in (1..).zip(chunks()) {
        machine.apply_entry(At { index, proposed_at: Timestamp(index * 1000) }, &[chunk], &mut Outcome::default());
    }
    let segments = machine.snapshot();
    let keys: Bytes = segments.iter().flat_map(|(key, _)| key.to_le_bytes()).collect::<Vec<_>>().into();
    let parts: Vec<Bytes> = std::iter::once(keys).chain(segments.iter().map(|(_, segment)| segment.clone())).collect();
    let kept = golden("queues.bin", &parts);
    let keys = kept[0].chunks(8).map(|key| u64::from_le_bytes(key.try_into().unwrap()));
    let restored = Machine::restore(keys.zip(kept[1..].iter().cloned())).unwrap();
    assert_eq!(restored.snapshot(), segments);
    assert_eq!(restored.stats(QueueId(5)), machine.stats(QueueId(5)));
}

#[test]
fn metadata_is_written_and_read_as_ever() {
    let mut runner = TestRunner::deterministic();
    // The first is the bootstrap, without which all others are refused.
    let mut commands = generate::commands(1).new_tree(&mut runner).unwrap().current();
    while commands.len() < COMMANDS {
        commands.push(generate::command().new_tree(&mut runner).unwrap().current());
    }
    // The generator may change; what it made once is in the file.
    if std::env::var_os("QUORATE_WRITE_GOLDEN").is_some() {
        golden("metadata-commands.bin", &commands.iter().map(meta::encode_command).collect::<Vec<_>>());
    }
    let mut machine = metadata::Machine::new();
    let mut count = 0;
    for bytes in read("metadata-commands.bin") {
        let command = meta::decode_command(bytes.clone()).unwrap();
        assert_eq!(meta::encode_command(&command), bytes);
        count += 1;
        machine.apply(&command, Timestamp(count));
    }
    assert_eq!(count, u64::try_from(COMMANDS).unwrap());
    assert!(machine.queues().count() > 0, "the state has something to be kept");
    let segments = meta::encode_snapshot(&machine);
    let keys: Bytes = segments.iter().flat_map(|(key, _)| key.to_le_bytes()).collect::<Vec<_>>().into();
    let parts: Vec<Bytes> = std::iter::once(keys).chain(segments.iter().map(|(_, segment)| segment.clone())).collect();
    let kept = golden("metadata-snapshot.bin", &parts);
    let keys = kept[0].chunks(8).map(|key| u64::from_le_bytes(key.try_into().unwrap()));
    let restored = meta::decode_snapshot(keys.zip(kept[1..].iter().cloned())).unwrap();
    assert_eq!(meta::encode_snapshot(&restored), segments);
}

#[test]
fn fields_of_later_versions_are_passed_over() {
    for one in chunks() {
        let bytes = Bytes::from([&chunk::encode(&one)[..], &UNKNOWN].concat());
        assert_eq!(chunk::decode(bytes), Ok(one));
    }
    let mut runner = TestRunner::deterministic();
    for _ in 0..50 {
        let command = generate::command().new_tree(&mut runner).unwrap().current();
        let bytes = Bytes::from([&meta::encode_command(&command)[..], &UNKNOWN].concat());
        assert_eq!(meta::decode_command(bytes), Ok(command));
    }
}
