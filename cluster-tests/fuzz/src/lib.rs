//! What the product does with bytes from outside, as functions of those bytes: they return, or panic because something is wrong.
//!
//! [`targets`] has one function for each decoder. libFuzzer looks for bytes that break one (`fuzz_targets`, a nightly compiler);
//! the tests feed them with the files in `corpus` (any compiler); [`seeds`] makes the files that a corpus starts with.

pub mod input;
pub mod memory;
pub mod seeds;
pub mod targets;
