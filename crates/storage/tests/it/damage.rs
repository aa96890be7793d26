//! Files that were changed behind the store's back: it says so and does not serve.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use storage::{Error, LogStore, RocksStore};
use types::GroupId;

use crate::support::{append, open, options, record, records, wait};

const A: GroupId = GroupId(1);

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|e| e == ending));
    found.sort();
    found
}

/// Changes one bit of a file, at a part of its length.
fn flip(path: &Path, numerator: u64, denominator: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let at = file.metadata().unwrap().len() * numerator / denominator;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

fn refused(folder: &Path) -> Error {
    let error = RocksStore::open(folder, options()).expect_err("a damaged store was opened");
    assert!(error.is_damage(), "{error:?}");
    error
}

/// A store whose synced writes are in its log only.
fn filled(folder: &Path) {
    let store = open(folder);
    for index in 1..50 {
        append(&*store, A, records(index..index + 1, 1000));
    }
}

#[test]
fn a_flipped_bit_in_the_synced_log_is_not_taken_for_a_torn_end() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let logs = files(folder.path(), "log");
    flip(logs.last().unwrap(), 1, 2);
    let error = refused(folder.path());
    assert!(error.to_string().contains("was synced"), "{error}");
}

#[test]
fn a_log_that_was_cut_is_not_taken_for_a_torn_end() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let log = files(folder.path(), "log").pop().unwrap();
    let file = fs::OpenOptions::new().write(true).open(&log).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    refused(folder.path());
}

#[test]
fn what_was_never_synced_may_be_torn() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let log = files(folder.path(), "log").pop().unwrap();
    let file = fs::OpenOptions::new().write(true).open(&log).unwrap();
    let end = file.metadata().unwrap().len();
    file.write_all_at(&[0x55; 3000], end).unwrap();
    let store = open(folder.path());
    assert_eq!(store.recover(A).unwrap().last, Some(record(49, 1000)));
}

#[test]
fn a_database_that_lost_its_head_is_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    fs::remove_file(folder.path().join("CURRENT")).unwrap();
    let before = files(folder.path(), "log");
    refused(folder.path());
    assert_eq!(files(folder.path(), "log"), before, "nothing was touched");
}

#[test]
fn a_table_that_is_gone_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    drop(open(folder.path())); // What is recovered goes to tables.
    let tables = files(folder.path(), "sst");
    tables.iter().for_each(|table| fs::remove_file(table).unwrap());
    refused(folder.path());
}

#[test]
fn a_flipped_bit_in_a_table_stops_the_store_when_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    drop(open(folder.path()));
    // Both log and bodies; whichever file is which.
    for table in files(folder.path(), "sst") {
        for part in 0..8 {
            flip(&table, part, 16);
        }
    }
    let fatal = Arc::new(AtomicUsize::new(0));
    let mut options = options();
    let count = Arc::clone(&fatal);
    options.on_fatal = Arc::new(move |error| {
        assert!(error.is_damage(), "{error:?}");
        count.fetch_add(1, Ordering::SeqCst);
    });
    match RocksStore::open(folder.path(), options) {
        Err(error) => assert!(error.is_damage(), "{error:?}"),
        Ok(store) => {
            let read = store.recover(A).and_then(|_| store.read_log(A, 1..50, usize::MAX));
            assert!(read.unwrap_err().is_damage());
            assert_eq!(fatal.load(Ordering::SeqCst), 1);
            assert!(wait(|done| store.append(A, records(50..51, 10), done)).is_err(), "it must not go on");
        }
    }
}
