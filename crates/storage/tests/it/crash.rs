//! A process that is killed: what it acknowledged is there. The child is this test binary, told by an environment variable.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use storage::{Checkpoint, LogStore, RocksStore};
use types::GroupId;

use crate::support::{open, options, record};

const FOLDER: &str = "QUORATE_STORAGE_CRASH_TEST_FOLDER";
const GROUPS: usize = 3;
/// How many acknowledgements to read before the child is killed, in each round.
const ROUNDS: [usize; 4] = [1, 200, 1000, 300];

#[test]
fn everything_acknowledged_is_there_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = [0_u64; GROUPS];
    for acknowledgements in ROUNDS {
        let (mut child, mut lines) = start_child(folder.path().to_path_buf());
        let mut seen = 0;
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 0 {
            // A line cut short by the kill says nothing.
            if let Some((group, index)) = line.strip_suffix('\n').and_then(parse) {
                acknowledged[group] = acknowledged[group].max(index);
                seen += 1;
                if seen == acknowledgements {
                    let refused = RocksStore::open(folder.path(), options()).unwrap_err();
                    assert!(matches!(refused, storage::Error::Locked { .. }), "{refused:?}");
                    child.kill().unwrap();
                }
            }
            line.clear();
        }
        child.wait().unwrap();
        assert!(seen >= acknowledgements, "the child ended by itself after {seen} acknowledgements");
        let store = open(folder.path());
        for (group, acknowledged) in acknowledged.iter().enumerate() {
            check(&store, id(group), *acknowledged);
        }
    }
}

fn start_child(folder: PathBuf) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "crash::child_that_appends_until_it_is_killed", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

fn id(group: usize) -> GroupId {
    GroupId(u32::try_from(group).unwrap())
}

fn parse(line: &str) -> Option<(usize, u64)> {
    let mut words = line.strip_prefix("acknowledged ")?.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// The size of an entry's blob, so that the reader knows it, too. Some are large enough for blob files, some have none.
fn blob_bytes(index: u64) -> usize {
    usize::try_from(index * 977 % 9000).unwrap().saturating_sub(1000)
}

fn check(store: &RocksStore, group: GroupId, acknowledged: u64) {
    let state = store.recover(group).unwrap();
    let last = state.last.map_or(0, |last| last.index);
    assert!(last >= acknowledged, "group {group}: {acknowledged} was acknowledged, {last} is there");
    let first = state.first_index.unwrap_or(last + 1);
    for read in store.read_log(group, first..last + 1, usize::MAX).unwrap() {
        // Blobs of every seventh entry were deleted before the checkpoint that covers them.
        let written = record(read.index, blob_bytes(read.index));
        assert_eq!(read.head, written.head);
        if !read.blob.is_empty() || read.index % 7 != 0 {
            assert_eq!(read.blob, written.blob, "group {group}: blob of {}", read.index);
        }
    }
    if let Some(purged) = state.last_purged {
        let purged: u64 = String::from_utf8(purged.to_vec()).unwrap().parse().unwrap();
        assert_eq!(purged + 1, first);
        let checkpoint = store.read_checkpoint(group).unwrap().expect("nothing is purged without a checkpoint");
        let covered: u64 = String::from_utf8(checkpoint.meta.to_vec()).unwrap().parse().unwrap();
        assert!(covered >= purged, "group {group}: purged to {purged}, checkpoint at {covered}");
        assert!(checkpoint.segments.iter().all(|(_, segment)| *segment == checkpoint.meta));
    }
}

/// Does nothing unless it is the child of the test above.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let store = open(&PathBuf::from(folder));
    let mut next: Vec<u64> =
        (0..GROUPS).map(|group| store.recover(id(group)).unwrap().last.map_or(1, |last| last.index + 1)).collect();
    loop {
        for (group, index) in next.iter_mut().enumerate() {
            append_one(&store, id(group), *index);
            *index += 1;
        }
        // Bounds what waits, as real callers do.
        while store.queued_bytes() > 1 << 20 {
            std::thread::yield_now();
        }
    }
}

#[expect(clippy::print_stdout, reason = "the pipe to the test above")]
fn append_one(store: &Arc<RocksStore>, group: GroupId, index: u64) {
    let done = move |result: Result<(), storage::Error>| {
        result.unwrap();
        // Straight to the pipe: what was said before the kill is said.
        println!("acknowledged {} {index}", group.0);
        std::io::stdout().flush().unwrap();
    };
    store.append(group, vec![record(index, blob_bytes(index))], Box::new(done));
    if index.is_multiple_of(50) {
        store.delete_blobs(group, (index - 49..=index).filter(|index| index % 7 == 0).collect());
        let meta = Bytes::from(index.to_string());
        let segments = (0..4).map(|segment| (segment, meta.clone())).collect();
        store.write_checkpoint(group, Checkpoint { meta, segments }, Box::new(drop));
        store.purge(group, index - 20, Bytes::from((index - 20).to_string()));
    }
}
