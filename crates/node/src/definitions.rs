//! The file of definitions that a node imports when it starts, after the cluster is founded and before clients are let in.
//!
//! What a file asks for is checked before the node starts at all. Nodes take turns: one waits while another imports, and for those
//! before it that have yet to. A file whose content was imported last by the cluster is not imported again, so that three nodes with
//! the same file import it once, and what operators change stays changed over restarts.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use anyhow::{Context, anyhow};
use broker::Broker;
use management::{DEFINITIONS_HASH, ImportError};
use metadata::{Command, PutGlobalParameter};
use replication::Replication;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use types::ShortStr;

use crate::{config::DefinitionsSection, peers};

/// Pause between two looks at what other nodes do, and between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// How long nodes that are not there are waited for: when a cluster starts, the links between its nodes come up one by one.
const LINKS: Duration = Duration::from_secs(3);
/// How long the others may take, and how long there may be no majority. An import makes a few thousand changes a second.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where this node is with its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has yet to import.
    Waiting,
    /// It imports.
    Importing,
    /// It has imported, or has nothing to.
    Done,
}

/// The stage as other nodes ask for it.
#[derive(Debug)]
pub(crate) struct Turn(AtomicU8);

/// A file that was read and understood.
#[derive(Debug)]
pub(crate) struct Definitions {
    file: PathBuf,
    document: Value,
    /// As JSON, since that is what a parameter holds.
    hash: String,
    skip_if_unchanged: bool,
}

impl Stage {
    const ALL: [Stage; 3] = [Stage::Waiting, Stage::Importing, Stage::Done];

    /// Its name between nodes.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Stage::Waiting => "waiting",
            Stage::Importing => "importing",
            Stage::Done => "done",
        }
    }

    /// The stage of that name. What is not known is done: nobody waits for it.
    pub(crate) fn parse(text: &str) -> Self {
        Stage::ALL.into_iter().find(|stage| stage.as_str() == text).unwrap_or(Stage::Done)
    }

    /// Whether a node waits for another of that stage, which comes before it or not.
    fn is_waited_for(self, comes_before: bool) -> bool {
        match self {
            Stage::Waiting => comes_before,
            Stage::Importing => true,
            Stage::Done => false,
        }
    }
}

impl Turn {
    /// A node that has a file starts by waiting.
    pub(crate) fn new(has_file: bool) -> Self {
        let turn = Turn(AtomicU8::new(0));
        turn.set(if has_file { Stage::Waiting } else { Stage::Done });
        turn
    }

    pub(crate) fn stage(&self) -> Stage {
        Stage::ALL[usize::from(self.0.load(Ordering::Relaxed))]
    }

    fn set(&self, stage: Stage) {
        let at = Stage::ALL.iter().position(|one| *one == stage).unwrap_or_default();
        self.0.store(u8::try_from(at).unwrap_or_default(), Ordering::Relaxed);
    }
}

impl Definitions {
    /// Reads the file, if one is configured.
    ///
    /// # Errors
    /// When it cannot be read or understood; names the file and the item.
    pub(crate) fn read(section: &DefinitionsSection) -> anyhow::Result<Option<Self>> {
        if section.file.as_os_str().is_empty() {
            return Ok(None);
        }
        let wrong = || format!("definitions.file {}", section.file.display());
        let content = fs::read(&section.file).with_context(wrong)?;
        let document: Value = serde_json::from_slice(&content).context("it is no JSON").with_context(wrong)?;
        management::check_definitions(&document).map_err(|why| anyhow!(why)).with_context(wrong)?;
        let hash: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        let hash = Value::String(hash).to_string();
        let (file, skip_if_unchanged) = (section.file.clone(), section.skip_if_unchanged);
        Ok(Some(Definitions { file, document, hash, skip_if_unchanged }))
    }

    /// Imports them, when it is this node's turn and they are news.
    ///
    /// # Errors
    /// When an item is refused, or there is no majority for too long; names the file and the item.
    pub(crate) async fn import(&self, broker: &Broker, replication: &Replication, turn: &Turn) -> anyhow::Result<()> {
        if !self.is_known(broker) {
            take_turn(replication, turn).await;
        }
        let imported = if self.is_known(broker) {
            tracing::info!(file = %self.file.display(), "definitions are unchanged, not imported again");
            Ok(())
        } else {
            self.import_now(broker).await
        };
        turn.set(Stage::Done);
        imported.with_context(|| format!("definitions.file {}", self.file.display()))
    }

    /// Whether the cluster has imported just this last, and that is enough.
    fn is_known(&self, broker: &Broker) -> bool {
        let machine = broker.read_metadata();
        self.skip_if_unchanged && machine.global_parameter(DEFINITIONS_HASH.as_bytes()) == Some(self.hash.as_str())
    }

    async fn import_now(&self, broker: &Broker) -> anyhow::Result<()> {
        let file = self.file.display();
        let give_up = Instant::now() + PATIENCE;
        let items = loop {
            match management::import(broker, &self.document, None).await {
                Ok(items) => break items,
                // What was done is done; again it changes nothing.
                Err(ImportError::Unavailable(why)) if Instant::now() < give_up => {
                    tracing::info!(%file, why, "definitions wait for a majority");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        };
        let put = PutGlobalParameter { name: ShortStr::from_static(DEFINITIONS_HASH), value: self.hash.clone() };
        broker.change(Command::PutGlobalParameter(put)).await.context("the file's hash was not remembered")?;
        tracing::info!(%file, items, "definitions imported");
        Ok(())
    }
}

/// Waits for this node's turn. Who begins says so first and looks again then, so that of two that begin at once one goes back.
async fn take_turn(replication: &Replication, turn: &Turn) {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let is_link_awaited = begin.elapsed() < LINKS;
        let waits = |stage: Option<Stage>, comes_before| match stage {
            Some(stage) => stage.is_waited_for(comes_before),
            None => is_link_awaited,
        };
        if !peers::any_definitions(replication, waits).await {
            turn.set(Stage::Importing);
            if !peers::any_definitions(replication, |stage, _| stage == Some(Stage::Importing)).await {
                return;
            }
            turn.set(Stage::Waiting);
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::warn!("other nodes have not imported their definitions in time, this one waits no longer");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> anyhow::Result<Option<Definitions>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("definitions.json");
        fs::write(&file, content).unwrap();
        Definitions::read(&DefinitionsSection { file, skip_if_unchanged: true })
    }

    #[test]
    fn without_a_file_there_is_nothing_to_import() {
        assert!(Definitions::read(&DefinitionsSection::default()).unwrap().is_none());
        assert_eq!((Turn::new(false).stage(), Turn::new(true).stage()), (Stage::Done, Stage::Waiting));
    }

    #[test]
    fn a_broken_file_is_named_with_its_item() {
        for (content, expected) in [
            ("{", "no JSON"),
            ("[]", "object"),
            (r#"{"queues": [{"name": "q", "vhost": "/"}, {"vhost": "/"}]}"#, "queues[1]: 'name' is missing"),
        ] {
            let error = format!("{:#}", read(content).unwrap_err());
            assert!(error.contains("definitions.json") && error.contains(expected), "{error}");
        }
        let missing = DefinitionsSection { file: PathBuf::from("/nowhere.json"), skip_if_unchanged: true };
        let error = format!("{:#}", Definitions::read(&missing).unwrap_err());
        assert!(error.contains("/nowhere.json"), "{error}");
    }

    #[test]
    fn two_contents_have_two_hashes() {
        let hash = |content: &str| read(content).unwrap().unwrap().hash;
        assert_eq!(hash("{}"), hash("{}"));
        assert_ne!(hash("{}"), hash("{ }"));
        assert_eq!(hash("{}").len(), 66, "quotes included");
    }

    #[test]
    fn of_two_nodes_that_wait_for_each_other_only_one_does() {
        assert!(Stage::Waiting.is_waited_for(true) && !Stage::Waiting.is_waited_for(false));
        assert!(Stage::Importing.is_waited_for(true) && Stage::Importing.is_waited_for(false));
        assert!(!Stage::Done.is_waited_for(true));
        for stage in Stage::ALL {
            assert_eq!(Stage::parse(stage.as_str()), stage);
        }
        assert_eq!(Stage::parse("of a later version"), Stage::Done);
    }
}
