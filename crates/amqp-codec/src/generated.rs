//! What `cargo xtask fix` makes. Nothing here is edited by hand.

pub(crate) mod methods;
