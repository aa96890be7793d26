//! What tests and fuzz targets (feature `fuzzing`) reach of definitions: an import as commands, and an export, without a broker.

use metadata::{Command, ConnectionId, DeclareQueue, Home, Machine};
use serde_json::Value;
use types::{GroupId, NodeId};

use crate::definitions::{self, QueueDefinition, Step};

/// The commands that an import proposes one after the other. All queues are placed in one group.
///
/// # Errors
/// What cannot be understood, with the item.
pub fn commands(document: &Value) -> Result<Vec<Command>, String> {
    let steps = definitions::plan(document, None).map_err(|error| error.to_string())?;
    let command = |step| match step {
        Step::Change(command) => *command,
        Step::Queue(QueueDefinition { vhost, name, durable, auto_delete, arguments }) => {
            Command::DeclareQueue(DeclareQueue {
                vhost,
                name,
                server_named: false,
                durable,
                auto_delete,
                exclusive: false,
                default_type: None,
                arguments,
                connection: ConnectionId::default(),
                home: Home { node: NodeId(1), boot: 1 },
                group: GroupId(1),
            })
        }
    };
    Ok(steps.into_iter().map(|planned| command(planned.step)).collect())
}

/// All definitions of a machine.
pub fn export(machine: &Machine) -> Value {
    definitions::export(machine, None, ("product", "0"), None)
}
