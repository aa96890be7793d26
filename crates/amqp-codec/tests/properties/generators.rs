//! Generators of everything that the codec writes.

use std::collections::BTreeMap;

use amqp_codec::{BasicProperties, Method, methods::*, properties::PropertiesEdit};
use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*, strategy::Union};
use types::{FieldTable, FieldValue, ShortStr};

/// What strings and tables may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rules {
    /// Whatever the protocol allows.
    Loose,
    /// Short strings in UTF-8, and tables with ascending names: what another codec does not change.
    Strict,
}

/// A type of argument.
pub(crate) trait Argument: Sized {
    fn any(rules: Rules) -> BoxedStrategy<Self>;
}

macro_rules! scalars {
    ($($scalar:ty),*) => {$(
        impl Argument for $scalar {
            fn any(_: Rules) -> BoxedStrategy<Self> {
                any::<$scalar>().boxed()
            }
        }
    )*};
}
scalars!(bool, u8, u16, u32, u64);

impl Argument for ShortStr {
    fn any(rules: Rules) -> BoxedStrategy<Self> {
        match rules {
            Rules::Loose => vec(any::<u8>(), 0..=255)
                .prop_map(|bytes| ShortStr::from_bytes(bytes.into()).expect("not more than 255"))
                .boxed(),
            Rules::Strict => "\\PC{0,90}".prop_map(|text| ShortStr::truncated(&text)).boxed(),
        }
    }
}

impl Argument for Bytes {
    fn any(_: Rules) -> BoxedStrategy<Self> {
        vec(any::<u8>(), 0..600).prop_map(Bytes::from).boxed()
    }
}

impl Argument for FieldTable {
    fn any(rules: Rules) -> BoxedStrategy<Self> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(FieldValue::Bool),
            any::<i8>().prop_map(FieldValue::I8),
            any::<u8>().prop_map(FieldValue::U8),
            any::<i16>().prop_map(FieldValue::I16),
            any::<u16>().prop_map(FieldValue::U16),
            any::<i32>().prop_map(FieldValue::I32),
            any::<u32>().prop_map(FieldValue::U32),
            any::<i64>().prop_map(FieldValue::I64),
            any::<f32>().prop_map(FieldValue::F32),
            any::<f64>().prop_map(FieldValue::F64),
            any::<(u8, u32)>().prop_map(|(scale, unscaled)| FieldValue::Decimal(scale, unscaled)),
            Bytes::any(rules).prop_map(FieldValue::LongStr),
            any::<u64>().prop_map(FieldValue::Timestamp),
            Just(FieldValue::Void),
            Bytes::any(rules).prop_map(FieldValue::Bytes),
        ];
        let value = leaf.prop_recursive(5, 24, 5, move |inner| {
            prop_oneof![
                vec(inner.clone(), 0..5).prop_map(FieldValue::Array),
                entries(inner, rules).prop_map(FieldValue::Table),
            ]
        });
        entries(value, rules).boxed()
    }
}

fn entries(value: impl Strategy<Value = FieldValue> + 'static, rules: Rules) -> BoxedStrategy<FieldTable> {
    let entries = vec((ShortStr::any(rules), value), 0..5);
    match rules {
        Rules::Loose => entries.prop_map(FieldTable).boxed(),
        Rules::Strict => {
            let sorted =
                |entries: Vec<_>| FieldTable(entries.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect());
            entries.prop_map(sorted).boxed()
        }
    }
}

/// Calls `$each` with every method: variant, path of the type, fields. Fields behind the semicolon have another name in the
/// other codec.
macro_rules! for_all_methods {
    ($each:ident) => {
        $each! {
            ConnectionStart connection Start { version_major, version_minor, server_properties, mechanisms, locales; }
            ConnectionStartOk connection StartOk { client_properties, mechanism, response, locale; }
            ConnectionSecure connection Secure { challenge; }
            ConnectionSecureOk connection SecureOk { response; }
            ConnectionTune connection Tune { channel_max, frame_max, heartbeat; }
            ConnectionTuneOk connection TuneOk { channel_max, frame_max, heartbeat; }
            ConnectionOpen connection Open { virtual_host; }
            ConnectionOpenOk connection OpenOk { ; }
            ConnectionClose connection Close { reply_code, reply_text, class_id, method_id; }
            ConnectionCloseOk connection CloseOk { ; }
            ConnectionBlocked connection Blocked { reason; }
            ConnectionUnblocked connection Unblocked { ; }
            ConnectionUpdateSecret connection UpdateSecret { new_secret, reason; }
            ConnectionUpdateSecretOk connection UpdateSecretOk { ; }
            ChannelOpen channel Open { ; }
            ChannelOpenOk channel OpenOk { ; }
            ChannelFlow channel Flow { active; }
            ChannelFlowOk channel FlowOk { active; }
            ChannelClose channel Close { reply_code, reply_text, class_id, method_id; }
            ChannelCloseOk channel CloseOk { ; }
            AccessRequest access Request { realm, exclusive, passive, active, write, read; }
            ExchangeDeclare exchange Declare {
                exchange, passive, durable, auto_delete, internal, arguments; type_ kind, no_wait nowait
            }
            ExchangeDeclareOk exchange DeclareOk { ; }
            ExchangeDelete exchange Delete { exchange, if_unused; no_wait nowait }
            ExchangeDeleteOk exchange DeleteOk { ; }
            ExchangeBind exchange Bind { destination, source, routing_key, arguments; no_wait nowait }
            ExchangeBindOk exchange BindOk { ; }
            ExchangeUnbind exchange Unbind { destination, source, routing_key, arguments; no_wait nowait }
            ExchangeUnbindOk exchange UnbindOk { ; }
            QueueDeclare queue Declare { queue, passive, durable, exclusive, auto_delete, arguments; no_wait nowait }
            QueueDeclareOk queue DeclareOk { queue, message_count, consumer_count; }
            QueueBind queue Bind { queue, exchange, routing_key, arguments; no_wait nowait }
            QueueBindOk queue BindOk { ; }
            QueuePurge queue Purge { queue; no_wait nowait }
            QueuePurgeOk queue PurgeOk { message_count; }
            QueueDelete queue Delete { queue, if_unused, if_empty; no_wait nowait }
            QueueDeleteOk queue DeleteOk { message_count; }
            QueueUnbind queue Unbind { queue, exchange, routing_key, arguments; }
            QueueUnbindOk queue UnbindOk { ; }
            BasicQosOk basic QosOk { ; }
            BasicConsume basic Consume { queue, consumer_tag, no_local, no_ack, exclusive, arguments; no_wait nowait }
            BasicConsumeOk basic ConsumeOk { consumer_tag; }
            BasicCancel basic Cancel { consumer_tag; no_wait nowait }
            BasicCancelOk basic CancelOk { consumer_tag; }
            BasicPublish basic Publish { exchange, routing_key, mandatory, immediate; }
            BasicReturn basic Return { reply_code, reply_text, exchange, routing_key; }
            BasicDeliver basic Deliver { consumer_tag, delivery_tag, redelivered, exchange, routing_key; }
            BasicGet basic Get { queue, no_ack; }
            BasicGetOk basic GetOk { delivery_tag, redelivered, exchange, routing_key, message_count; }
            BasicGetEmpty basic GetEmpty { ; }
            BasicAck basic Ack { delivery_tag, multiple; }
            BasicReject basic Reject { delivery_tag, requeue; }
            BasicRecoverAsync basic RecoverAsync { requeue; }
            BasicRecover basic Recover { requeue; }
            BasicRecoverOk basic RecoverOk { ; }
            BasicNack basic Nack { delivery_tag, multiple, requeue; }
            ConfirmSelect confirm Select { ; no_wait nowait }
            ConfirmSelectOk confirm SelectOk { ; }
            TxSelect tx Select { ; }
            TxSelectOk tx SelectOk { ; }
            TxCommit tx Commit { ; }
            TxCommitOk tx CommitOk { ; }
            TxRollback tx Rollback { ; }
            TxRollbackOk tx RollbackOk { ; }
        }
    };
}
pub(crate) use for_all_methods;

/// The strategy of one argument. The name is there for the macro, which cannot repeat what names nothing.
fn argument<T: Argument>(_name: &str, rules: Rules) -> BoxedStrategy<T> {
    T::any(rules)
}

macro_rules! strategies {
    ($($variant:ident $class:ident $name:ident { $($field:ident),* ; $($ours:ident $theirs:ident),* })*) => {
        /// One strategy for each method that both codecs know in full.
        fn common_methods(rules: Rules) -> Vec<BoxedStrategy<Method>> {
            vec![$(
                // The unit in front makes a tuple also of no fields.
                (Just(()), $(argument(stringify!($field), rules),)* $(argument(stringify!($ours), rules),)*)
                    .prop_map(|((), $($field,)* $($ours,)*)| {
                        Method::from($class::$name { $($field,)* $($ours,)* })
                    })
                    .boxed(),
            )*]
        }
    };
}
for_all_methods!(strategies);

/// One strategy for each method. The other codec leaves out basic.qos' size and access.request-ok's ticket, which must have
/// their fixed values under strict rules.
pub(crate) fn methods(rules: Rules) -> Vec<BoxedStrategy<Method>> {
    let (sizes, tickets) = match rules {
        Rules::Loose => (any::<u32>().boxed(), any::<u16>().boxed()),
        Rules::Strict => (Just(0).boxed(), Just(1).boxed()),
    };
    let qos = (sizes, any::<u16>(), any::<bool>());
    let qos =
        qos.prop_map(|(prefetch_size, prefetch_count, global)| basic::Qos { prefetch_size, prefetch_count, global });
    let mut all = common_methods(rules);
    all.push(qos.prop_map(Method::from).boxed());
    all.push(tickets.prop_map(|ticket| Method::from(access::RequestOk { ticket })).boxed());
    all
}

pub(crate) fn any_method(rules: Rules) -> Union<BoxedStrategy<Method>> {
    Union::new(methods(rules))
}

pub(crate) fn properties(rules: Rules) -> impl Strategy<Value = BasicProperties> {
    let short = || option::of(ShortStr::any(rules));
    let first =
        (short(), short(), option::of(FieldTable::any(rules)), any::<Option<u8>>(), any::<Option<u8>>(), short());
    let second = (short(), short(), short(), any::<Option<u64>>(), short(), short(), short(), short());
    (first, second).prop_map(|(first, second)| {
        let (content_type, content_encoding, headers, delivery_mode, priority, correlation_id) = first;
        let (reply_to, expiration, message_id, timestamp, type_, user_id, app_id, cluster_id) = second;
        BasicProperties {
            content_type,
            content_encoding,
            headers,
            delivery_mode,
            priority,
            correlation_id,
            reply_to,
            expiration,
            message_id,
            timestamp,
            type_,
            user_id,
            app_id,
            cluster_id,
        }
    })
}

/// Bytes like those of `good`, with a few changed and perhaps the end missing.
pub(crate) fn damaged(good: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Bytes> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (good, changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(mut bytes, changes, end, cut)| {
        for (at, value) in changes.iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        if cut {
            bytes.truncate(end.index(bytes.len() + 1));
        }
        Bytes::from(bytes)
    })
}

/// A change of properties, encoded or decoded.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    SetHeader(ShortStr, FieldValue),
    RemoveHeader(ShortStr),
    /// Of those that are there.
    RemoveSomeHeader(prop::sample::Index),
    Expiration(Option<ShortStr>),
    DeliveryMode(Option<u8>),
    Priority(Option<u8>),
    ReplyTo(Option<ShortStr>),
    Timestamp(Option<u64>),
    UserId(Option<ShortStr>),
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    let short = || ShortStr::any(Rules::Loose);
    let name = || prop_oneof![Just(ShortStr::from_static("x-death")), Just(ShortStr::from_static("BCC")), short()];
    prop_oneof![
        3 => (name(), any::<i64>()).prop_map(|(name, value)| Change::SetHeader(name, FieldValue::I64(value))),
        2 => name().prop_map(Change::RemoveHeader),
        2 => any::<prop::sample::Index>().prop_map(Change::RemoveSomeHeader),
        1 => option::of(short()).prop_map(Change::Expiration),
        1 => any::<Option<u8>>().prop_map(Change::DeliveryMode),
        1 => any::<Option<u8>>().prop_map(Change::Priority),
        1 => option::of(short()).prop_map(Change::ReplyTo),
        1 => any::<Option<u64>>().prop_map(Change::Timestamp),
        1 => option::of(short()).prop_map(Change::UserId),
    ]
}

impl Change {
    /// Makes the change to both.
    pub(crate) fn make(&self, edit: &mut PropertiesEdit<'_>, decoded: &mut BasicProperties) {
        match self.clone() {
            Change::SetHeader(name, value) => {
                edit.set_header(name.clone(), value.clone());
                let headers = decoded.headers.get_or_insert_default();
                headers.0.retain(|(other, _)| *other != name);
                headers.push(name, value);
            }
            Change::RemoveHeader(name) => Self::remove(&name, edit, decoded),
            Change::RemoveSomeHeader(index) => {
                let headers = decoded.headers.as_ref().filter(|headers| !headers.is_empty());
                if let Some(name) = headers.map(|headers| headers.0[index.index(headers.0.len())].0.clone()) {
                    Self::remove(&name, edit, decoded);
                }
            }
            Change::Expiration(value) => {
                edit.set_expiration(value.as_ref());
                decoded.expiration = value;
            }
            Change::DeliveryMode(value) => {
                edit.set_delivery_mode(value);
                decoded.delivery_mode = value;
            }
            Change::Priority(value) => {
                edit.set_priority(value);
                decoded.priority = value;
            }
            Change::ReplyTo(value) => {
                edit.set_reply_to(value.as_ref());
                decoded.reply_to = value;
            }
            Change::Timestamp(value) => {
                edit.set_timestamp(value);
                decoded.timestamp = value;
            }
            Change::UserId(value) => {
                edit.set_user_id(value.as_ref());
                decoded.user_id = value;
            }
        }
    }

    fn remove(name: &ShortStr, edit: &mut PropertiesEdit<'_>, decoded: &mut BasicProperties) {
        edit.remove_header(name.clone());
        if let Some(headers) = &mut decoded.headers {
            headers.0.retain(|(other, _)| other != name);
        }
    }
}

/// Tables and arrays in each other, to any depth, with repeated names, some of whose lengths are wrong.
pub(crate) fn lying_table() -> impl Strategy<Value = Bytes> {
    let level = (any::<bool>(), 0usize..3, prop_oneof![30 => Just(None), 1 => any::<u32>().prop_map(Some)]);
    let levels = prop_oneof![4 => vec(level.clone(), 0..70), 1 => vec(level, 0..400)];
    levels.prop_map(|levels| {
        // From the innermost outwards; each level holds some small entries beside the one within it.
        let mut content: Vec<u8> = Vec::new();
        let mut holds_table = true;
        for (is_table, extra, lie) in levels {
            let value = with_length(if holds_table { b"F" } else { b"A" }, &content, lie);
            let name: &[u8] = if is_table { b"\x01x" } else { b"" };
            content = [&[name, b"V"].concat().repeat(extra)[..], name, &value].concat();
            holds_table = is_table;
        }
        if !holds_table {
            content = with_length(b"\x02CCA", &content, None);
        }
        Bytes::from(with_length(b"", &content, None))
    })
}

/// What stands before, a length, the content.
fn with_length(before: &[u8], content: &[u8], lie: Option<u32>) -> Vec<u8> {
    let len = lie.unwrap_or_else(|| u32::try_from(content.len()).expect("it is small")).to_be_bytes();
    [before, &len, content].concat()
}
