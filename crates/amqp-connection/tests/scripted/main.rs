//! A scripted client talks to the server side of a connection: every byte that it sends and gets is on the wire's layout.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod channels;
mod client;
mod closing;
mod confirms;
mod content;
mod deliveries;
mod frame_errors;
mod handshake;
mod hostile;
mod memory;
mod properties;
mod secrets;
mod timers;
mod transactions;
