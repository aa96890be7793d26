//! Whatever a process draws from its surroundings comes from the seed: random numbers and time.
//!
//! `std`'s hash maps, `rand`'s thread generators and tokio's `select!` all start from `getrandom`; what reads a clock without asking
//! tokio ends in `clock_gettime`. Both are C functions, and those of a program take the place of the C library's. Together with one
//! thread and one process for each seed nothing else is left that differs from run to run.

use std::sync::atomic::{AtomicU64, Ordering};

/// State of the generator behind `getrandom`; zero: not seeded yet.
static RANDOM: AtomicU64 = AtomicU64::new(0);
/// What clocks show. Unit: nanoseconds.
static NOW_NS: AtomicU64 = AtomicU64::new(0);

/// Time begins here for whoever reads a clock: late enough that nobody subtracts below zero.
const BEGIN_NS: u64 = 1_800_000_000 * 1_000_000_000;

/// From here on this process has nothing of its own but the seed.
pub(crate) fn begin(seed: u64) {
    RANDOM.store(seed.wrapping_mul(2).wrapping_add(1), Ordering::SeqCst);
    NOW_NS.store(BEGIN_NS, Ordering::SeqCst);
}

/// Simulated time has come to this point.
pub(crate) fn set_elapsed(elapsed: std::time::Duration) {
    let elapsed = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX - BEGIN_NS);
    NOW_NS.store(BEGIN_NS + elapsed, Ordering::SeqCst);
}

/// The next number of the process's one generator (splitmix64).
fn next() -> u64 {
    let state = RANDOM.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

mod c {
    //! The C library's functions, as this program has them.
    #![expect(unsafe_code, reason = "the only way to reach what libraries call")]

    use std::sync::atomic::Ordering;

    use super::{NOW_NS, next};

    /// `getrandom(2)`.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
        if length > 0 {
            // SAFETY: the caller owns `length` bytes at `buffer`.
            let bytes = unsafe { std::slice::from_raw_parts_mut(buffer, length) };
            for chunk in bytes.chunks_mut(8) {
                chunk.copy_from_slice(&next().to_le_bytes()[..chunk.len()]);
            }
        }
        isize::try_from(length).unwrap_or(isize::MAX)
    }

    /// `clock_gettime(2)`, of all clocks. Before the simulation begins, the kernel's.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
        let now = NOW_NS.load(Ordering::SeqCst);
        if now == 0 {
            // SAFETY: the same call with the same arguments.
            let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
            return libc::c_int::try_from(result).unwrap_or(-1);
        }
        let part = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
        let time_now = libc::timespec { tv_sec: part(now / 1_000_000_000), tv_nsec: part(now % 1_000_000_000) };
        // SAFETY: the caller owns a `timespec` at `time`.
        unsafe { time.write(time_now) };
        0
    }
}
