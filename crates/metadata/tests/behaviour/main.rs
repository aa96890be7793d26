//! What the machine's commands do, command by command, and what holds for all sequences of commands.

mod bindings;
mod exchanges;
mod generate;
mod mirror;
mod node_gone;
mod properties;
mod queues;
mod redeclare;
mod users;
mod world;
