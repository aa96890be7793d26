//! How fast the store makes entries durable: groups that append entries of one size, each with a few in flight, and delete
//! bodies some time later, as a healthy queue does.
//!
//! `cargo run --release -p storage --example append_rate -- FOLDER [entry bytes] [groups] [in flight] [seconds]`
#![expect(clippy::print_stdout, reason = "a command line tool")]
#![expect(clippy::as_conversions, reason = "figures for people")]

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use std::sync::mpsc::sync_channel as bounded;
use storage::{LogRecord, LogStore, Options, RocksStore};
use types::GroupId;

/// Bodies are deleted so many entries after their append.
const LIFE: u64 = 64;

/// What each group appends, and what all have counted.
struct Load {
    entry_bytes: usize,
    in_flight: u64,
    end: Instant,
    durable: AtomicU64,
    latency_us: AtomicU64,
}

fn main() {
    let argument = |n: usize, default: u64| env::args().nth(n).and_then(|a| a.parse().ok()).unwrap_or(default);
    let folder = env::args().nth(1).expect("the folder is the first argument");
    let (entry_bytes, groups, in_flight) = (argument(2, 64 * 1024), argument(3, 4), argument(4, 8));
    let seconds = argument(5, 5);
    let store = RocksStore::open(folder, Options::new(Arc::new(|_| std::process::abort()))).expect("the store opens");
    let load = Arc::new(Load {
        entry_bytes: entry_bytes as usize,
        in_flight,
        end: Instant::now() + Duration::from_secs(seconds),
        durable: AtomicU64::new(0),
        latency_us: AtomicU64::new(0),
    });
    let workers: Vec<_> = (0..groups)
        .map(|group| {
            let (store, load) = (Arc::clone(&store), Arc::clone(&load));
            thread::spawn(move || run(&store, GroupId(group as u32), &load))
        })
        .collect();
    let appended: u64 = workers.into_iter().map(|worker| worker.join().expect("the worker ends")).sum();
    let statistics = store.statistics();
    let written = statistics.wal_bytes + statistics.flush_bytes + statistics.compaction_write_bytes;
    let samples = load.durable.load(Ordering::Relaxed).max(1);
    println!(
        "{} entries/s, {:.1} MiB/s, mean {:.2} ms to durable, {:.2} bytes written per byte appended",
        appended / seconds,
        (appended * entry_bytes) as f64 / seconds as f64 / f64::from(1 << 20),
        load.latency_us.load(Ordering::Relaxed) as f64 / samples as f64 / 1000.0,
        written as f64 / (appended * entry_bytes) as f64,
    );
    println!("{statistics:?}");
}

fn run(store: &RocksStore, group: GroupId, load: &Arc<Load>) -> u64 {
    let blob = noise(load.entry_bytes);
    let (done, acknowledged) = bounded(load.in_flight as usize);
    let (mut index, mut safe) = (0, 0);
    while Instant::now() < load.end {
        index += 1;
        let (done, load_of_entry, start) = (done.clone(), Arc::clone(load), Instant::now());
        let record = LogRecord { index, head: Bytes::from_static(&[0; 64]), blob: blob.clone() };
        let completion = move |result: Result<(), storage::Error>| {
            result.expect("the disk works");
            load_of_entry.durable.fetch_add(1, Ordering::Relaxed);
            load_of_entry.latency_us.fetch_add(start.elapsed().as_micros() as u64, Ordering::Relaxed);
            done.send(index).expect("the worker waits");
        };
        store.append(group, vec![record], Box::new(completion));
        if index > LIFE {
            store.delete_blobs(group, vec![index - LIFE]);
        }
        if index.is_multiple_of(10_000) {
            store.purge(group, index - LIFE, Bytes::from_static(b"purged"));
        }
        while index - safe >= load.in_flight {
            safe = acknowledged.recv().expect("the store answers");
        }
    }
    while safe < index {
        safe = acknowledged.recv().expect("the store answers");
    }
    index
}

/// Bytes that no layer below can make smaller.
fn noise(len: usize) -> Bytes {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    Bytes::from_iter((0..len).map(next))
}
