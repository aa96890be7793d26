//! What operators do to queues: the same steps as a client's, from outside any connection.

use std::net::IpAddr;

use metadata::{ConnectionId, DeclareQueue, HashAlgorithm, Reply as MetadataReply, User};
use queue::{Command, Reply};
use replication::{Answer, ChunkReplies};
use types::{Blob, FieldTable, GroupId, QueueId, ShortStr};

use crate::{broker::Broker, history::Follow, placement};

/// How often a group is asked whose answers are lost: each time its leader has changed.
const ASKED_MAX: u32 = 8;

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// Refused, with AMQP's reply code and RabbitMQ's text.
    #[error("{text}")]
    Refused {
        /// AMQP's reply code.
        code: u16,
        /// RabbitMQ's text.
        text: String,
    },
    /// A group did not answer.
    #[error("no majority of the cluster answered")]
    Unavailable,
}

/// A queue that an operator declares.
#[derive(Clone, Debug, PartialEq)]
pub struct NewQueue {
    /// Its vhost.
    pub vhost: ShortStr,
    /// Its name.
    pub name: ShortStr,
    /// Whether it outlives restarts.
    pub durable: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// Its arguments.
    pub arguments: FieldTable,
}

impl Broker {
    /// Changes metadata, and does what follows from it. A virtual host that comes into being so starts with what the settings
    /// give it.
    ///
    /// # Errors
    /// When it is refused, or no majority answers.
    pub async fn change(&self, command: metadata::Command) -> Result<MetadataReply, AdminError> {
        let mut command = self.config().vhost_templates.fill_in(command);
        if let metadata::Command::PutPolicy(_) = &command
            && let Some(refusal) = self.read_metadata().refusal_now(&command)
        {
            return Err(AdminError::Refused { code: refusal.reply_code(), text: refusal.reply_text() });
        }
        let follow = Follow::of(self, &mut command);
        match self.metadata().propose(command).await {
            Ok(MetadataReply::Refused(refusal)) => {
                Err(AdminError::Refused { code: refusal.reply_code(), text: refusal.reply_text() })
            }
            Ok(reply) => match follow.act(self, &reply).await {
                Ok(()) => Ok(reply),
                Err(_) => Err(AdminError::Unavailable),
            },
            Err(_) => Err(AdminError::Unavailable),
        }
    }

    /// The user, when the password is right and they may come from that address.
    pub fn authenticate(&self, name: &[u8], password: &[u8], peer: IpAddr) -> Option<User> {
        let machine = self.read_metadata();
        let user = machine.user(name);
        let stored = user.and_then(|user| user.password.as_ref());
        let stored = stored.map(|hash| (algorithm(hash.algorithm), &hash.salted[..]));
        // Checked also when there is no such user, so that time does not tell.
        let is_right = auth::check_password(stored, password);
        user.filter(|_| is_right && self.config().loopback_users.allows(name, peer)).cloned()
    }

    /// Reads metadata as this node has applied it.
    pub fn read_metadata(&self) -> parking_lot::RwLockReadGuard<'_, metadata::Machine> {
        self.metadata().read()
    }

    /// Declares a queue that is not exclusive. Whether it came into being.
    ///
    /// # Errors
    /// When it is refused (also when it is there and differs), or no majority answers.
    pub async fn declare_queue(&self, new: NewQueue) -> Result<bool, AdminError> {
        let group = {
            let machine = self.read_metadata();
            placement::choose(self.groups(), &machine, &new.arguments)
        };
        let NewQueue { vhost, name, durable, auto_delete, arguments } = new;
        let declare = DeclareQueue {
            vhost,
            name,
            server_named: false,
            durable,
            auto_delete,
            exclusive: false,
            default_type: self.config().default_queue_type,
            arguments,
            connection: ConnectionId { node: self.config().node, serial: 0 },
            home: self.config().home(),
            group: group.filter(|_| durable).unwrap_or_else(|| GroupId::local(self.config().node)),
        };
        let reply = self.change(metadata::Command::DeclareQueue(declare)).await?;
        let MetadataReply::Queue { queue, group, created } = reply else { return Err(AdminError::Unavailable) };
        let config = replication::queue_config(&self.read_metadata(), queue);
        self.ask(group, vec![Command::CreateQueue { queue, config }]).await?;
        Ok(created)
    }

    /// Deletes a queue; returns how many messages went with it.
    ///
    /// # Errors
    /// When it is in use or not empty and that was asked, or no majority answers.
    pub async fn delete_queue(&self, queue: QueueId, if_unused: bool, if_empty: bool) -> Result<u64, AdminError> {
        let Some((group, named)) = self.place_of(queue) else { return Ok(0) };
        let replies = self.ask(group, vec![Command::DeleteQueue { queue, if_unused, if_empty }]).await?;
        let messages = match replies.first() {
            Some(Reply::Deleted { messages }) => *messages,
            Some(Reply::Refused(queue::Refusal::InUse)) => {
                return Err(AdminError::Refused { code: 406, text: format!("{named} in use") });
            }
            Some(Reply::Refused(queue::Refusal::NotEmpty)) => {
                return Err(AdminError::Refused { code: 406, text: format!("{named} not empty") });
            }
            _ => 0,
        };
        self.change(metadata::Command::DeleteQueue { queue }).await?;
        Ok(messages)
    }

    /// Drops a queue's ready messages; returns how many, or zero when the answer was lost.
    ///
    /// # Errors
    /// When no majority answers.
    pub async fn purge_queue(&self, queue: QueueId) -> Result<u64, AdminError> {
        let Some((group, _)) = self.place_of(queue) else { return Ok(0) };
        // Not asked again: that would drop what came since.
        let replies = self.ask_once(group, vec![Command::Purge { queue }]).await?.unwrap_or_default();
        match replies.first() {
            Some(Reply::Purged { messages }) => Ok(*messages),
            _ => Ok(0),
        }
    }

    /// Ready messages and consumers of queues in one group, asked of its leader; `None` for those that are gone.
    ///
    /// # Errors
    /// When no majority answers.
    pub async fn depths(&self, group: GroupId, queues: &[QueueId]) -> Result<Vec<Option<(u64, u32)>>, AdminError> {
        let commands = queues.iter().map(|queue| Command::Inspect { queue: *queue }).collect();
        let depth = |reply: &Reply| match reply {
            Reply::Depth { messages, consumers } => Some((*messages, *consumers)),
            _ => None,
        };
        Ok(self.ask(group, commands).await?.iter().map(depth).collect())
    }

    fn place_of(&self, queue: QueueId) -> Option<(GroupId, String)> {
        let machine = self.read_metadata();
        let there = machine.queue_by_id(queue)?;
        Some((there.group, format!("queue '{}' in vhost '{}'", there.name, there.vhost)))
    }

    /// Asks a group what changes nothing when it is done twice.
    async fn ask(&self, group: GroupId, commands: Vec<Command>) -> Result<Vec<Reply>, AdminError> {
        for _ in 0..ASKED_MAX {
            if let Some(replies) = self.ask_once(group, commands.clone()).await? {
                return Ok(replies);
            }
        }
        Err(AdminError::Unavailable)
    }

    /// Asks a group; `None` when it did, or refused, what was asked, and nobody knows any more which.
    async fn ask_once(&self, group: GroupId, commands: Vec<Command>) -> Result<Option<Vec<Reply>>, AdminError> {
        let (session, answer) = self.registry().open_waiter();
        self.groups().submit(group, session, 0, commands, Blob::default());
        match answer.await {
            Ok(ChunkReplies::Applied(answers)) => {
                let plain = |answer| match answer {
                    Answer::Reply(reply) => Some(reply),
                    Answer::Got(..) | Answer::Peeked(_) => None,
                };
                Ok(Some(answers.into_iter().filter_map(plain).collect()))
            }
            Ok(ChunkReplies::AppliedUnanswered) => Ok(None),
            Ok(ChunkReplies::Unavailable) | Err(_) => Err(AdminError::Unavailable),
        }
    }
}

fn algorithm(algorithm: HashAlgorithm) -> auth::Algorithm {
    match algorithm {
        HashAlgorithm::Sha256 => auth::Algorithm::Sha256,
        HashAlgorithm::Sha512 => auth::Algorithm::Sha512,
        HashAlgorithm::Md5 => auth::Algorithm::Md5,
    }
}
