//! The server side of one AMQP 0-9-1 connection as a value: bytes and time go in, events and bytes come out.
//!
//! The shell (a socket's task) and the broker use it in this order, over and over:
//!
//! 1. [`Connection::handle_bytes`], [`Connection::handle_timeout`] or [`Connection::handle_eof`];
//! 2. [`Connection::poll_event`] until there is none; each event is acted on before the next is polled, at once or later,
//!    by calling [`Connection::send`], [`Connection::deliver`], [`Connection::confirm`] and their like;
//! 3. [`Connection::poll_transmit`] until there is nothing; what it hands out goes to the socket in that order.
//!
//! Answers that the broker owes may be given at any time between these steps (then step 3 follows). The frames of a batch
//! take effect one after the other although they are read together: what a frame brings about (an answer, an error of its
//! channel) happens when its turn comes in step 2, after the broker has acted on the frames before it.
//!
//! Architecture invariant: no IO, no clock, no randomness, no knowledge of queues and exchanges; delivery tags never leave
//! this crate; bytes from the socket never panic it and never make it hold more memory than its limits allow.

mod body;
mod channel;
mod config;
mod confirms;
mod connection;
mod delivery;
mod event;
mod events;
mod fault;
mod held;
mod octets;
mod phase;
mod text;
mod timers;

pub use body::Body;
pub use config::{Config, server_capabilities};
pub use connection::{ChannelStats, CloseReason, Connection, Tuning};
pub use delivery::{Delivery, Origin};
pub use event::{Event, Publish, Settled, SettledList, Verb};
