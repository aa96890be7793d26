//! The deterministic metadata machine: vhosts, users, permissions, exchanges, queues, bindings, placement.
//!
//! Architecture invariant: no IO, no clock, no randomness, and no knowledge of AMQP's bytes, of routing or of queue contents.
//! Two machines that were given the same commands at the same times are equal, and so are their replies and events. What is
//! chosen (a generated name, a password's salt, a queue's group) is chosen before a command is proposed.
//!
//! Start at [`Command`] (what may change), [`Machine::apply`] (one handler per command, in `commands/`), [`Event`] (what did
//! change) and [`Refusal::reply_code`] (what a client is told).

mod arguments;
mod binding;
mod canonical;
mod command;
mod commands;
mod compact;
mod equivalence;
mod event;
mod exchange;
mod machine;
mod queue;
mod refusal;
mod reply;
mod reply_text;
mod user;
mod vhost;

pub use arguments::{check_queue_arguments, declared_queue_type};
pub use binding::{Binding, BindingRef, Destination};
pub use command::{
    Bind, Bootstrap, ClearPermissions, Command, DeclareExchange, DeclareQueue, DeleteExchange, NodeGone, PutUser,
    PutVhost, SetPassword, SetPermissions, SetTags, Target, Unbind,
};
pub use event::Event;
pub use exchange::{Exchange, ExchangeKind};
pub use machine::{Counts, InvariantBroken, Machine, Record, RestoreError};
pub use queue::{ConnectionId, Home, Queue, QueueType};
pub use refusal::{Inequivalence, InvalidArg, Refusal, Resource, Shown};
pub use reply::{Change, Reply};
pub use user::{HashAlgorithm, PasswordHash, Permissions, User};
pub use vhost::Vhost;
