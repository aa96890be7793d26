//! What the machine's commands do, command by command, and what holds for all sequences of commands.

mod administration;
mod bindings;
mod exchange_types;
mod exchanges;
mod generate;
mod mirror;
mod node_gone;
mod policies;
mod properties;
mod queues;
mod redeclare;
mod settings;
mod users;
mod world;
