//! What nodes ask each other for administration: who is connected to you, end that connection, have you imported your definitions.

use std::{sync::Arc, time::Duration};

use broker::Broker;
use bytes::Bytes;
use management::ClientsOf;
use replication::{AskError, BoxFuture, PeerAnswer, PeerAsk, Replication};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use types::NodeId;

use crate::definitions::{Stage, Turn};

/// How long another node may take to answer. Connections have two seconds to describe themselves.
const LIMIT: Duration = Duration::from_secs(5);

/// How long another node may take to say where it is with its definitions.
const STAGE_LIMIT: Duration = Duration::from_secs(1);

/// A question between nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Question {
    Connections,
    Channels,
    Consumers,
    Close { name: String, reason: String },
    Definitions,
}

/// Answers for this node.
pub(crate) struct Answers {
    /// Its name.
    pub name: String,
    pub broker: Arc<Broker>,
    /// Where it is with its definitions.
    pub turn: Arc<Turn>,
}

impl Question {
    fn of(what: ClientsOf) -> Self {
        match what {
            ClientsOf::Connections => Question::Connections,
            ClientsOf::Channels => Question::Channels,
            ClientsOf::Consumers => Question::Consumers,
        }
    }
}

impl PeerAnswer for Answers {
    fn answer(&self, _from: NodeId, question: Bytes) -> BoxFuture<Bytes> {
        let (broker, name, stage) = (Arc::clone(&self.broker), self.name.clone(), self.turn.stage());
        Box::pin(async move {
            let what = match serde_json::from_slice(&question) {
                Ok(Question::Connections) => ClientsOf::Connections,
                Ok(Question::Channels) => ClientsOf::Channels,
                Ok(Question::Consumers) => ClientsOf::Consumers,
                Ok(Question::Close { name, reason }) => {
                    return encode(&Value::Bool(broker.close_connection_named(&name, &reason)));
                }
                Ok(Question::Definitions) => return encode(&Value::String(stage.as_str().to_owned())),
                Err(error) => {
                    tracing::warn!(%error, "a node asks what this one does not understand");
                    return Bytes::new();
                }
            };
            encode(&Value::Array(management::clients(what, &name, &broker.list_connections().await)))
        })
    }
}

/// The clients of all nodes that answer.
pub(crate) async fn clients(peers: &dyn PeerAsk, what: ClientsOf) -> Vec<Value> {
    let mut all = Vec::new();
    for answer in ask_all(peers, &Question::of(what)).await {
        if let Value::Array(items) = answer {
            all.extend(items);
        }
    }
    all
}

/// Ends a connection wherever it is; whether there was one.
pub(crate) async fn close(peers: &dyn PeerAsk, name: String, reason: String) -> bool {
    let answers = ask_all(peers, &Question::Close { name, reason }).await;
    answers.contains(&Value::Bool(true))
}

/// Whether it is so of some other node's stage with its definitions (`None`: the node is not there), given whether that node comes
/// before this one.
pub(crate) async fn any_definitions(replication: &Replication, is_so: impl Fn(Option<Stage>, bool) -> bool) -> bool {
    let here = replication.node();
    let question = encode_question(&Question::Definitions);
    for node in replication.nodes().into_iter().filter(|node| *node != here) {
        let stage = match replication.ask(node, question.clone(), STAGE_LIMIT).await {
            Ok(answer) => {
                let answer = serde_json::from_slice(&answer).unwrap_or(Value::Null);
                Some(Stage::parse(answer.as_str().unwrap_or_default()))
            }
            Err(AskError::Down | AskError::NoSuchNode | AskError::TooLarge) => None,
            // It is starting, or busy.
            Err(AskError::Timeout | AskError::Refused(_)) => Some(Stage::Waiting),
        };
        if is_so(stage, node < here) {
            return true;
        }
    }
    false
}

fn encode_question(question: &Question) -> Bytes {
    Bytes::from(serde_json::to_vec(question).expect("words and texts have a JSON form"))
}

async fn ask_all(peers: &dyn PeerAsk, question: &Question) -> Vec<Value> {
    let question = encode_question(question);
    let asked: Vec<_> =
        peers.nodes().into_iter().map(|node| (node, peers.ask(node, question.clone(), LIMIT))).collect();
    let answers = asked.into_iter().map(|(node, answer)| async move {
        match answer.await {
            Ok(answer) => serde_json::from_slice(&answer).unwrap_or(Value::Null),
            Err(error) => {
                tracing::info!(%node, %error, "a node is left out of a listing");
                Value::Null
            }
        }
    });
    futures_util::future::join_all(answers).await
}

fn encode(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}
