//! A change of metadata on its way: proposed by a channel, answered through its connection's mailbox.

use std::sync::Arc;

use metadata::{Command, Reply};
use replication::MetadataUnavailable;
use telemetry::TaskKind;

use crate::{
    broker::Broker,
    mailbox::{Address, Mail, Mailbox},
};

/// How a proposed change of metadata ended.
pub(crate) type Completion = Result<Reply, MetadataUnavailable>;

/// Proposes the command; the connection is told how it ended.
pub(crate) fn propose(broker: &Arc<Broker>, mailbox: &Arc<Mailbox>, to: Address, command: Command) {
    let proposal = broker.metadata().propose(command);
    let mailbox = Arc::clone(mailbox);
    telemetry::spawn(TaskKind::Background, "metadata-proposal", async move {
        let completion = proposal.await;
        mailbox.push(Mail::Completed { to, completion });
    });
}
