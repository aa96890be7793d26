//! How much memory a decoder takes at most. What foreign bytes announce must not be paid for before it has come.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What may be taken for any input: tables of a decoder's own, buffers of a first size. Unit: bytes.
const FIXED_BYTES: usize = 256 * 1024;
/// What may be taken for each byte of input. Two bytes of a message of protobuf can be a value of 200 bytes, in a vector that
/// doubles when it grows.
const BYTES_PER_BYTE: usize = 1024;

/// Does `work` on an input of so many bytes, with `more` bytes beyond what any decoder may take.
///
/// Counts the whole process: threads that allocate meanwhile are counted too.
///
/// # Panics
/// When it takes more.
pub fn bounded<R>(input_bytes: usize, more: usize, work: impl FnOnce() -> R) -> R {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let result = work();
    let taken = ALLOCATOR.peak_usage().saturating_sub(before);
    let bound = FIXED_BYTES + more + BYTES_PER_BYTE * input_bytes;
    assert!(taken <= bound, "{taken} bytes were taken for {input_bytes} bytes of input, more than {bound}");
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "were taken for 10 bytes")]
    fn what_takes_too_much_is_found() {
        bounded(10, 0, || drop(std::hint::black_box(vec![1_u8; 1 << 20])));
    }
}
