//! The deterministic metadata machine: vhosts, users, permissions, policies, limits, parameters, exchanges, queues, bindings,
//! placement.
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
mod cluster;
mod command;
mod commands;
mod compact;
mod effective;
mod equivalence;
mod event;
mod exchange;
mod exchange_arguments;
mod history;
mod limits;
mod machine;
mod pattern;
mod policy;
mod queue;
mod refusal;
mod reply;
mod reply_text;
mod user;
mod vhost;

pub use arguments::{check_queue_arguments, declared_queue_type};
pub use binding::{Binding, BindingRef, Destination};
pub use cluster::{
    Admission, Cluster, ClusterCommand, ClusterRefusal, Member, MemberState, Observed, Placement, Plan, Step,
};
pub use command::{
    Bind, Bootstrap, ClearPermissions, ClearTopicPermissions, Command, DeclareExchange, DeclareQueue, DeleteExchange,
    DeleteParameter, DeletePolicy, NodeGone, PutGlobalParameter, PutParameter, PutPolicy, PutUser, PutVhost,
    SetPassword, SetPermissions, SetTags, SetTopicPermissions, SetUserLimit, SetVhostLimit, Target, Unbind,
    VhostDefaults,
};
pub use effective::{
    DeadLetterStrategy, DelayedRetry, DelayedRetryKind, ExchangeSettings, LeaderLocator, Overflow, QueueSettings,
};
pub use event::Event;
pub use exchange::{Exchange, ExchangeKind};
pub use limits::{ClusterLimit, UserLimit, UserLimits, VhostLimit, VhostLimits};
pub use machine::{Counts, InvariantBroken, Machine, ParameterRef, Record, RestoreError, TopicPermissionsRef};
pub use pattern::{Pattern, PatternError};
pub use policy::{AppliedPolicies, ApplyTo, Policy};
pub use queue::{ConnectionId, Home, Queue, QueueType};
pub use refusal::{BindingInvalid, ExchangeInvalid, Inequivalence, InvalidArg, LimitReached, Refusal, Resource, Shown};
pub use reply::{Change, Reply};
pub use user::{HashAlgorithm, PasswordHash, Permissions, TopicPermissions, User};
pub use vhost::Vhost;
