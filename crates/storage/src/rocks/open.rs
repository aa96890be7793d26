//! Opening the database: the lock, the format version, the column families.

use std::path::Path;

use rocksdb::DB;

use super::{Disk, mark::SyncMark, tuning};
use crate::{Error, Options, keys};

const OPEN: &str = "opening the data folder";

pub(super) fn open(path: &Path, options: &Options) -> Result<Disk, Error> {
    std::fs::create_dir_all(path).map_err(|e| Error::disk(OPEN, e))?;
    let rocks = tuning::database(options);
    let mark = SyncMark::open(path).map_err(|e| Error::disk(OPEN, e))?;
    let synced = mark.read().map_err(|e| Error::disk(OPEN, e))?;
    if synced.is_some() && !path.join("CURRENT").exists() {
        // RocksDB would make a new database, and take the files of the old one for rubbish.
        return Err(damaged(path, "its file CURRENT is missing".to_owned()));
    }
    refuse_other_families(path, &rocks)?;
    let db = DB::open_cf_descriptors(&rocks, path, tuning::families(options)).map_err(|e| open_error(path, &e))?;
    let found = db.latest_sequence_number();
    if let Some(synced) = synced.filter(|synced| *synced > found) {
        return Err(damaged(path, format!("write {synced} was synced, but its log ends at write {found}")));
    }
    check_format(path, &db)?;
    Ok(Disk::new(db, rocks, mark, options.fault.clone()))
}

fn damaged(path: &Path, what: String) -> Error {
    Error::StoreDamaged { path: path.to_path_buf(), what }
}

/// A column family that this version does not know belongs to a later one. RocksDB would refuse it, too, but say less.
fn refuse_other_families(path: &Path, rocks: &rocksdb::Options) -> Result<(), Error> {
    if !path.join("CURRENT").exists() {
        return Ok(());
    }
    let known = [keys::CF_DEFAULT, keys::CF_LOG, keys::CF_BODY, keys::CF_META, keys::CF_CHECKPOINT];
    let there = DB::list_cf(rocks, path).map_err(|e| open_error(path, &e))?;
    match there.iter().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(other_format(path, format!("with the unknown part \"{unknown}\""))),
        None => Ok(()),
    }
}

fn check_format(path: &Path, db: &DB) -> Result<(), Error> {
    match db.get(keys::FORMAT_KEY).map_err(|e| Error::disk(OPEN, e))? {
        Some(found) if found == keys::FORMAT.to_string().as_bytes() => Ok(()),
        Some(found) => Err(other_format(path, String::from_utf8_lossy(&found).into_owned())),
        None => write_format(db),
    }
}

/// A new database gets its version before anything else, durably.
fn write_format(db: &DB) -> Result<(), Error> {
    let mut synced = rocksdb::WriteOptions::default();
    synced.set_sync(true);
    db.put_opt(keys::FORMAT_KEY, keys::FORMAT.to_string(), &synced).map_err(|e| Error::disk(OPEN, e))
}

fn other_format(path: &Path, found: String) -> Error {
    Error::Format { path: path.to_path_buf(), found, known: keys::FORMAT }
}

fn open_error(path: &Path, error: &rocksdb::Error) -> Error {
    // RocksDB has no code of its own for this: "While lock file: ..." or "lock hold by current process, ...".
    let text = error.to_string();
    if text.contains("lock file") || text.contains("lock hold by current process") {
        return Error::Locked { path: path.to_path_buf() };
    }
    // A table file that the manifest names and that is gone is an IO error for RocksDB.
    if text.starts_with("Corruption") || text.contains("No such file") {
        return damaged(path, text);
    }
    Error::disk(OPEN, text)
}
