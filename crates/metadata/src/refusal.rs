//! Why a command was refused, as data. The words are in `reply_text`.

use types::{FieldValue, ShortStr};

use crate::{ClusterRefusal, QueueType};

mod detail;

pub use detail::{BindingInvalid, ExchangeInvalid, LimitReached};

/// What a refusal is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// An exchange.
    Exchange {
        /// Its vhost.
        vhost: ShortStr,
        /// Its name.
        name: ShortStr,
    },
    /// A queue.
    Queue {
        /// Its vhost.
        vhost: ShortStr,
        /// Its name.
        name: ShortStr,
    },
}

/// Why a command was refused, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such vhost.
    NoSuchVhost(ShortStr),
    /// There is no such user.
    NoSuchUser(ShortStr),
    /// There is no such exchange or queue.
    NotFound(Resource),
    /// `if_unused`, and it has bindings (an exchange) or consumers (a queue).
    InUse(Resource),
    /// `if_empty`, and it has messages.
    NotEmpty(Resource),
    /// The name starts with `amq.`.
    ReservedName(Resource),
    /// The default exchange can be neither declared, deleted nor bound.
    DefaultExchange,
    /// Exchanges whose names start with `amq.` cannot be deleted.
    SystemExchange(Resource),
    /// The queue is exclusive to another connection, or would become exclusive only now.
    Locked(Resource),
    /// There is no such exchange type.
    UnknownExchangeType(ShortStr),
    /// It is there, and differs.
    Inequivalent(Box<Inequivalence>),
    /// An argument of a queue has a value that cannot be.
    InvalidArg {
        /// What was to be declared.
        resource: Resource,
        /// The argument.
        arg: &'static str,
        /// What is wrong with it.
        reason: InvalidArg,
    },
    /// An argument that names an exchange is not a long string.
    InvalidArgType {
        /// What was to be declared.
        resource: Resource,
        /// The argument.
        arg: &'static str,
        /// RabbitMQ's name of the type that it has.
        type_name: &'static str,
    },
    /// A quorum queue cannot have that property (`auto-delete`, `exclusive-owner`, `non-durable`).
    InvalidProperty {
        /// What was to be declared.
        resource: Resource,
        /// The property.
        property: &'static str,
    },
    /// Queues of that type are named by the client.
    ServerNamed(QueueType),
    /// A binding that the source's type cannot have.
    BindingInvalid(BindingInvalid),
    /// Arguments of an exchange that its type cannot have.
    ExchangeInvalid(ExchangeInvalid),
    /// There may not be more.
    LimitReached(LimitReached),
    /// The vhost may not be deleted.
    VhostProtected(ShortStr),
    /// What is wrong with a policy, one sentence each.
    ValidationFailed(Vec<String>),
    /// Parameters of that component have commands of their own.
    NotAParameter(ShortStr),
    /// The value of a parameter is longer than this many bytes.
    ParameterTooLong(usize),
    /// The cluster cannot change in that way.
    Cluster(ClusterRefusal),
}

/// In what a declare differs from what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inequivalence {
    /// What is there.
    pub resource: Resource,
    /// The property or argument that differs.
    pub arg: &'static str,
    /// What was asked for.
    pub received: Shown,
    /// What is there.
    pub current: Shown,
}

/// A value in the words of an equivalence failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// There is none.
    None,
    /// A property, or a value whose type the other side shares the name of.
    Value(String),
    /// A value against none.
    Typed {
        /// The value.
        value: String,
        /// RabbitMQ's name of its type.
        type_name: &'static str,
    },
}

/// What is wrong with the value of a queue argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidArg {
    /// Not one of AMQP's integer types, but this one.
    NotInteger(&'static str),
    /// A type that the argument cannot have.
    UnacceptableType(&'static str),
    /// Below zero.
    Negative(i64),
    /// Zero.
    Zero(i64),
    /// Above what a timer can hold.
    TooBig(i64),
    /// Above the greatest priority.
    MaxExceeded(i64),
    /// One of RabbitMQ's bare words.
    Word(&'static str),
    /// There is no such queue type.
    UnsupportedQueueType(String),
}

impl Resource {
    /// A queue.
    pub fn queue(vhost: &ShortStr, name: &ShortStr) -> Self {
        Resource::Queue { vhost: vhost.clone(), name: name.clone() }
    }

    /// An exchange.
    pub fn exchange(vhost: &ShortStr, name: &ShortStr) -> Self {
        Resource::Exchange { vhost: vhost.clone(), name: name.clone() }
    }
}

impl Shown {
    /// A value that is there on one side only, or none.
    pub(crate) fn typed(value: Option<&FieldValue>) -> Self {
        match value {
            None => Shown::None,
            Some(value) => Shown::Typed { value: crate::reply_text::show(value), type_name: value.type_name() },
        }
    }
}
