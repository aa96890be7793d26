//! The syncer: one thread that makes written batches durable and then calls their completions, in order.
//!
//! It takes all batches that were handed over since its last sync, so that one sync serves all of them, while the writer goes
//! on with the next. A sync that fails is never tried again: what the page cache still holds is unknown then.

use std::time::Instant;

use crate::{
    done::{Done, newest_appends},
    handoff::Receiver,
    rocks::Disk,
    watch::Watch,
};

/// So many batches may be written ahead of the syncer. Bounds what a sync has to bring to the disk.
pub(crate) const BATCHES_MAX: usize = 64;

/// A batch that was written, or that could not be.
pub(crate) struct Written {
    /// In the order of the operations.
    pub(crate) completions: Vec<Done>,
    /// Whether somebody waits for it to be durable.
    pub(crate) sync: bool,
    /// Whether it holds a part of a large checkpoint.
    pub(crate) part: bool,
}

pub(crate) fn run(disk: &Disk, watch: &Watch, written: &Receiver<Written>) {
    let mut batches = Vec::new();
    let mut unsynced = false;
    while let Ok(first) = written.recv() {
        batches.push(first);
        batches.extend(written.try_iter().take(BATCHES_MAX));
        unsynced = true;
        if batches.iter().any(|batch| batch.sync) && sync(disk, watch) {
            unsynced = false;
        }
        if batches.iter().any(|batch| batch.part) {
            watch.set_part_unsynced(false);
        }
        let completions = batches.drain(..).flat_map(|batch| batch.completions).collect();
        complete(watch, completions);
    }
    if unsynced {
        // The store closes in good order: nothing waits, but nothing need be lost.
        sync(disk, watch);
    }
}

/// Returns whether everything that was written is durable now.
fn sync(disk: &Disk, watch: &Watch) -> bool {
    if watch.failure().is_some() {
        return false;
    }
    let start = Instant::now();
    match disk.sync() {
        Ok(()) => {
            watch.progressed();
            watch.metrics.synced(start.elapsed());
            true
        }
        Err(error) => {
            watch.fail(error);
            false
        }
    }
}

fn complete(watch: &Watch, completions: Vec<Done>) {
    if completions.is_empty() {
        return;
    }
    watch.completed(u64::try_from(completions.len()).expect("a count fits 64 bits"));
    let failure = watch.failure();
    for done in newest_appends(completions) {
        match done {
            Done::Append(_, done) | Done::Each(done) => done(failure.map_or(Ok(()), |error| Err(error.clone()))),
            Done::Refused(done, error) => done(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use types::GroupId;

    use super::*;
    use crate::{Completion, Error};

    #[test]
    fn of_appends_only_the_newest_of_each_group_is_called_and_the_order_stays() {
        let called = Arc::new(Mutex::new(Vec::new()));
        let note = |name: &'static str| -> Completion {
            let called = Arc::clone(&called);
            Box::new(move |result| called.lock().unwrap().push((name, result.is_ok())))
        };
        let watch = Watch::new(Arc::new(|_| {}));
        let completions = vec![
            Done::Append(GroupId(1), note("append 1a")),
            Done::Each(note("vote")),
            Done::Append(GroupId(2), note("append 2")),
            Done::Refused(note("refused"), Error::Closed),
            Done::Append(GroupId(1), note("append 1b")),
            Done::Each(note("barrier")),
        ];
        for _ in 0..completions.len() {
            watch.queue(0, true);
        }
        complete(&watch, completions);
        let expected = [("vote", true), ("append 2", true), ("refused", false), ("append 1b", true), ("barrier", true)];
        assert_eq!(*called.lock().unwrap(), expected);
        assert_eq!(watch.stalled_ms(), 0);
    }
}
