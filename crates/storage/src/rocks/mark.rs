//! How far the store was synced, noted in a small file beside the database.
//!
//! RocksDB opens with what it can read of its write-ahead log, up to the first record that is damaged: a torn end after a loss of
//! power looks like that, and so does a flipped bit in the middle of what was synced. The first is as it should be; after the second
//! a node would come back with less than it had acknowledged. The note tells them apart.
//!
//! It is written after each sync and never synced itself. A note that is too old proves less; one that is too new cannot be.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

/// The file, in the folder of the database, which ignores names that it does not know.
const NAME: &str = "SYNCED";
/// Told from a note that was only partly written.
const CHECK: u64 = 0x5175_6f72_6174_6501;

/// The note.
#[derive(Debug)]
pub(crate) struct SyncMark(File);

impl SyncMark {
    /// Opens the note, or makes an empty one.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(folder.join(NAME))?;
        Ok(SyncMark(file))
    }

    /// The number of the last write that was synced; `None` when nobody noted any.
    pub(super) fn read(&self) -> io::Result<Option<u64>> {
        let mut note = [0; 16];
        match self.0.read_exact_at(&mut note, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let number = |at: usize| u64::from_le_bytes(note[at..at + 8].try_into().expect("it has eight bytes"));
        Ok((number(0) ^ CHECK == number(8)).then(|| number(0)))
    }

    /// Everything up to this write is synced.
    pub(super) fn note(&self, sequence: u64) -> io::Result<()> {
        let mut note = [0; 16];
        note[..8].copy_from_slice(&sequence.to_le_bytes());
        note[8..].copy_from_slice(&(sequence ^ CHECK).to_le_bytes());
        self.0.write_all_at(&note, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back_and_half_a_note_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mark = SyncMark::open(folder.path()).unwrap();
        assert_eq!(mark.read().unwrap(), None);
        mark.note(77).unwrap();
        assert_eq!(SyncMark::open(folder.path()).unwrap().read().unwrap(), Some(77));
        mark.0.write_all_at(&[9], 3).unwrap();
        assert_eq!(mark.read().unwrap(), None);
    }
}
