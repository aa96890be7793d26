//! A change of metadata on its way: proposed by a channel, answered through its connection's mailbox.

use std::sync::Arc;

use metadata::{Command, Reply};
use replication::{AppliedChange, MetadataUnavailable};
use telemetry::TaskKind;

use crate::{
    broker::Broker,
    history::Follow,
    mailbox::{Address, Mail, Mailbox},
};

/// How a proposed change of metadata ended.
pub(crate) type Completion = Result<Reply, MetadataUnavailable>;

/// Proposes the command, at once; the operation is told how it ended, when what follows from it is done. Of a queue that has come it
/// is told before the other nodes have heard of it: its machine can be made meanwhile.
pub(crate) fn propose(broker: &Arc<Broker>, mailbox: &Arc<Mailbox>, to: Address, operation: u64, mut command: Command) {
    let follow = Follow::of(broker, &mut command);
    let change = broker.metadata().change(command);
    let (broker, mailbox) = (Arc::clone(broker), Arc::clone(mailbox));
    telemetry::spawn(TaskKind::Background, "metadata-proposal", async move {
        let completed = |completion, is_spread| Mail::Completed { to, operation, completion, is_spread };
        match change.await {
            Ok(AppliedChange { reply: reply @ Reply::Queue { created: true, .. }, spread }) => {
                mailbox.push(completed(Ok(reply), false));
                spread.await;
                mailbox.push(Mail::Spread { to, operation });
            }
            Ok(AppliedChange { reply, spread }) => {
                spread.await;
                let followed = follow.act(&broker, &reply).await;
                mailbox.push(completed(followed.map(|()| reply), true));
            }
            Err(error) => mailbox.push(completed(Err(error), true)),
        }
    });
}
