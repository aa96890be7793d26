//! Between a node and its kernel: a wall clock that is wrong, and syncs that are slow, or fail.
//!
//! It is loaded before the C library (`LD_PRELOAD`), and looks into a file that is named by [`VARIABLE`] and shared with whoever makes
//! the faults. The file holds the [`Orders`] and can be written to at any time; without it everything is as the kernel has it. No process
//! in which this is not loaded notices anything, which no change of the machine's own clock could promise.

use std::{
    ffi::{CStr, c_int, c_void},
    mem, ptr,
    sync::{
        OnceLock,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use libc::{clockid_t, timespec};

/// Names the file.
pub const VARIABLE: &CStr = c"QUORATE_FAULTS_SHIM";
const NANOS_PER_SECOND: i64 = 1_000_000_000;
const MICROS_PER_SECOND: u64 = 1_000_000;

/// What the file begins with, each in the machine's own order of bytes.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Orders {
    /// How far the wall clock is from the kernel's. Unit: nanoseconds.
    pub clock_offset: AtomicI64,
    /// How long every sync takes longer. Unit: microseconds.
    pub sync_delay: AtomicU64,
    /// So many syncs fail from now on with EIO, without having been tried; counted down.
    pub sync_errors: AtomicU64,
    /// So many syncs there were; counted up, so that others can see that this is at work.
    pub syncs: AtomicU64,
}

/// The orders, once the file is mapped.
fn orders() -> Option<&'static Orders> {
    static ORDERS: OnceLock<Option<&'static Orders>> = OnceLock::new();
    *ORDERS.get_or_init(map)
}

fn map() -> Option<&'static Orders> {
    let size = mem::size_of::<Orders>();
    // SAFETY: the strings end with a zero, as they are CStr or come from the environment, which is not changed while we look.
    let (file, map) = unsafe {
        let name = libc::getenv(VARIABLE.as_ptr());
        if name.is_null() {
            return None;
        }
        let file = libc::open(name, libc::O_RDWR | libc::O_CLOEXEC);
        if file < 0 {
            return None;
        }
        (file, libc::mmap(ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, file, 0))
    };
    // SAFETY: it was opened above, and is used by nobody else; the map stays when it is closed.
    unsafe { libc::close(file) };
    if map == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the map begins at a page, is as long as `Orders`, and is never unmapped. Other processes write to it, but only atomics are in it.
    Some(unsafe { &*map.cast::<Orders>() })
}

/// The C library's own function, which this one hides.
fn next(name: &CStr, found: &AtomicUsize) -> usize {
    let known = found.load(Relaxed);
    if known != 0 {
        return known;
    }
    // SAFETY: the name ends with a zero.
    let address = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) } as usize;
    found.store(address, Relaxed);
    address
}

/// As `clock_gettime(2)`.
///
/// # Safety
/// As there: `time` must be a place for a `timespec`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let address = next(c"clock_gettime", &NEXT) as *const c_void;
    // SAFETY: this is the signature of the C library's function of that name.
    let real =
        unsafe { mem::transmute::<*const c_void, unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int>(address) };
    // SAFETY: the caller's promise.
    let result = unsafe { real(clock, time) };
    if result == 0
        && matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE)
        && let Some(orders) = orders()
    {
        // SAFETY: the caller's promise, and the kernel has just written to it.
        shift(unsafe { &mut *time }, orders.clock_offset.load(Relaxed));
    }
    result
}

fn shift(time: &mut timespec, offset: i64) {
    let nanos = time.tv_nsec + offset % NANOS_PER_SECOND;
    time.tv_sec += offset / NANOS_PER_SECOND + nanos.div_euclid(NANOS_PER_SECOND);
    time.tv_nsec = nanos.rem_euclid(NANOS_PER_SECOND);
}

/// As `fsync(2)`.
///
/// # Safety
/// As there: any number is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(file: c_int) -> c_int {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    sync(c"fsync", &NEXT, file)
}

/// As `fdatasync(2)`.
///
/// # Safety
/// As there: any number is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(file: c_int) -> c_int {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    sync(c"fdatasync", &NEXT, file)
}

fn sync(name: &CStr, found: &AtomicUsize, file: c_int) -> c_int {
    if let Some(orders) = orders() {
        orders.syncs.fetch_add(1, Relaxed);
        if orders.sync_errors.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            // SAFETY: the thread's own place for its error.
            unsafe { *libc::__errno_location() = libc::EIO };
            return -1;
        }
        pause(orders.sync_delay.load(Relaxed));
    }
    let address = next(name, found) as *const c_void;
    // SAFETY: this is the signature of the C library's functions of these names.
    let real = unsafe { mem::transmute::<*const c_void, unsafe extern "C" fn(c_int) -> c_int>(address) };
    // SAFETY: any number is allowed.
    unsafe { real(file) }
}

fn pause(micros: u64) {
    if micros > 0 {
        let nanos = micros % MICROS_PER_SECOND * 1000;
        let time = timespec { tv_sec: (micros / MICROS_PER_SECOND).cast_signed(), tv_nsec: nanos.cast_signed() };
        // SAFETY: the time is there, and what is left of it is of no interest.
        unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shifted_forth_and_back_over_the_second() {
        let shifted = |offset| {
            let mut time = timespec { tv_sec: 100, tv_nsec: 250_000_000 };
            shift(&mut time, offset);
            (time.tv_sec, time.tv_nsec)
        };
        assert_eq!(shifted(0), (100, 250_000_000));
        assert_eq!(shifted(3_600 * NANOS_PER_SECOND), (3700, 250_000_000));
        assert_eq!(shifted(-NANOS_PER_SECOND / 2), (99, 750_000_000));
        assert_eq!(shifted(NANOS_PER_SECOND - 1), (101, 249_999_999));
    }
}
