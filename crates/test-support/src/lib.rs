//! Generators, reference models and scripted peers for the tests of other crates.
