//! `queue.delete`: the queue goes from its machine first, which knows whether it is in use, then from metadata.

use amqp_codec::methods::{Method, queue as methods};
use auth::{Access, Kind};
use metadata::{Refusal as MetadataRefusal, Resource};
use queue::{Refusal, Reply};
use types::ShortStr;

use super::{
    channel::{Caller, Channel},
    operation::{Deleting, Place, Step, refused},
    shared::Context,
};
use crate::{failure::Failure, names};

impl Channel {
    /// Deletes a queue. One that is not there counts as deleted.
    pub(crate) fn queue_delete(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        delete: &methods::Delete,
    ) -> Result<(), Failure> {
        let name = names::stripped(&self.named_or_last(&delete.queue)?);
        cx.shared.check(Access::Configure, Kind::Queue, &name)?;
        let looked_up = {
            let machine = cx.shared.broker.metadata().read();
            let queue = machine.queue_for(&cx.shared.vhost, &name, cx.shared.id);
            queue.map(|queue| Place { queue: queue.id, group: queue.group })
        };
        let place = match looked_up {
            Ok(place) => place,
            Err(MetadataRefusal::NotFound(_)) if self.has_looked_again => {
                self.answer(cx, delete.no_wait, methods::DeleteOk { message_count: 0 });
                return Ok(());
            }
            Err(refusal) => return Err(refused(&refusal)),
        };
        let methods::Delete { if_unused, if_empty, no_wait, .. } = *delete;
        let step = Step::Delete(Deleting { place, name, if_unused, if_empty, no_wait, is_again: false });
        self.begin(cx, caller, step);
        Ok(())
    }

    /// The queue's machine has deleted it, or not.
    pub(crate) fn deleted(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        deleting: &Deleting,
        reply: &Reply,
    ) -> Result<(), Failure> {
        let resource = || Resource::queue(&cx.shared.vhost, &deleting.name);
        let (messages, in_doubt) = match reply {
            Reply::Deleted { messages } => (*messages, None),
            Reply::Refused(Refusal::NoSuchQueue) => (0, deleting.is_again.then(|| deleting.name.clone())),
            Reply::Refused(Refusal::InUse) => return Err(refused(&MetadataRefusal::InUse(resource()))),
            Reply::Refused(Refusal::NotEmpty) => return Err(refused(&MetadataRefusal::NotEmpty(resource()))),
            _ => return Err(Failure::internal("the queue's group gave an answer that does not fit the question")),
        };
        let message_count = u32::try_from(messages).unwrap_or(u32::MAX);
        let answer = (!deleting.no_wait).then(|| Method::from(methods::DeleteOk { message_count }));
        self.unlist(cx, caller, deleting.place, answer, in_doubt);
        Ok(())
    }

    /// A queue that is gone goes out of metadata; then the client gets the answer.
    pub(crate) fn unlist(
        &mut self,
        cx: &mut Context<'_>,
        caller: Caller,
        place: Place,
        answer: Option<Method>,
        in_doubt: Option<ShortStr>,
    ) {
        let command = metadata::Command::DeleteQueue { queue: place.queue };
        self.propose(cx, caller, command, Step::Unlist { answer, in_doubt });
    }
}
