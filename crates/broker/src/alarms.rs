//! What publishers are told while an alarm stands on any node.

use replication::AlarmKind;
use types::NodeId;

/// The reason of `connection.blocked`, in RabbitMQ's words; `None`: publishers may go on.
pub(crate) fn reason(alarms: &[(NodeId, AlarmKind)]) -> Option<&'static str> {
    let stands = |kind: AlarmKind| alarms.iter().any(|(_, standing)| *standing == kind);
    match (stands(AlarmKind::Memory), stands(AlarmKind::Disk)) {
        (false, false) => None,
        (true, false) => Some("low on memory"),
        (false, true) => Some("low on disk"),
        (true, true) => Some("low on memory & disk"),
    }
}
