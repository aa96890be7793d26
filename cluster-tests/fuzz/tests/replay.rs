//! Every file of the corpora, and changes of it that are the same on every machine, through its target.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use fuzz::targets;

/// Changed copies of each file. A second or two in all.
const CHANGES: u64 = 2000;

/// One target at a time, since memory is counted for the whole process.
static TURN: Mutex<()> = Mutex::new(());

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files of a corpus, by name.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(folder("corpus").join(target)).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Numbers without a pattern (xorshift64*), the same ones for the same seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        usize::try_from(number).unwrap() % below.max(1)
    }
}

/// A copy with some bytes changed, taken out or put in twice.
fn changed(bytes: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    for _ in 0..=numbers.next(4) {
        let at = numbers.next(copy.len());
        let end = (at + numbers.next(9)).min(copy.len());
        match numbers.next(6) {
            0 => copy.truncate(at),
            1 => drop(copy.drain(at..end)),
            2 => copy.splice(at..at, bytes[at.min(bytes.len())..end.min(bytes.len())].to_vec()).for_each(drop),
            3 => copy.iter_mut().skip(at).take(1).for_each(|byte| *byte = [0, 1, 0x7f, 0x80, 0xff][at % 5]),
            _ => copy.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (end % 8)),
        }
    }
    copy
}

/// Says which input it was, if something is wrong. Not before: what tests print is kept, and kept memory is counted.
struct Input<'a> {
    from: &'a Path,
    bytes: &'a [u8],
}

impl Drop for Input<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("from {}: {:?}", self.from.display(), self.bytes);
        }
    }
}

fn feed(target: targets::Target, from: &Path, bytes: &[u8]) {
    let _told = Input { from, bytes };
    target(bytes);
}

fn replay(name: &str) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, target) = targets::ALL.iter().find(|(known, _)| *known == name).unwrap();
    target(b"");
    for (path, bytes) in corpus(name) {
        feed(*target, &path, &bytes);
        for seed in 1..=CHANGES {
            let copy = changed(&bytes, &mut Numbers(seed));
            feed(*target, &path, &copy);
        }
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*
    };
}

targets! {
    frames methods tables headers connection topics definitions metadata_commands metadata_snapshots chunks checkpoints
    peer_messages raft_records logins
}

#[test]
fn every_target_is_replayed_and_has_a_binary_and_a_corpus() {
    let known: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, NAMES);
    for name in known {
        assert!(folder("fuzz_targets").join(name).with_extension("rs").is_file(), "{name} has no binary");
        assert!(corpus(name).len() > 1, "{name} has no corpus");
    }
    assert_eq!(fs::read_dir(folder("fuzz_targets")).unwrap().count(), NAMES.len());
    assert_eq!(fs::read_dir(folder("corpus")).unwrap().count(), NAMES.len());
}
