//! Snapshots on their way to a replica that is behind: what they name, the blobs that are still needed, the state.
//!
//! A stream of parts has no end of its own: a sender that gives up, because it leads no more or cannot read on, ends it as one that is
//! done. So the start says how many segments come, and nothing is installed before they are there.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use openraft::type_config::alias::SnapshotOf;
use proto::generated::peer::{self as p, snapshot_part::Part};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use types::{GroupId, NodeId};

use super::{
    Peers,
    link::{self, BATCHES},
    server::{Port, invalid},
    wire,
};
use crate::{
    blocking, log_codec,
    raft_types::{C, Vote},
    state_machine::SnapshotData,
};

/// Bytes of bodies or state in one part.
const PART_BYTES: usize = 1024 * 1024;
/// Indexes of entries that are named in the start, and in each part that names more: 10 bytes each at most. Versions that know no such
/// parts take what fits in the start.
const PART_INDEXES: usize = 1_000_000;

/// The blobs that a group's machine needs, for sending a snapshot.
#[derive(Clone)]
pub(crate) struct Live {
    pub indexes: Arc<dyn Fn() -> Vec<u64> + Send + Sync>,
    pub is_in_memory: bool,
    pub blob: Arc<dyn Fn(u64) -> Result<Option<Bytes>, storage::Error> + Send + Sync>,
}

impl Live {
    pub(crate) fn indexes(&self) -> Vec<u64> {
        (self.indexes)()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

/// What a stream of parts begins with.
///
/// # Errors
/// When it begins otherwise, or breaks off.
pub(super) async fn start(parts: &mut (impl Stream<Item = Received> + Unpin)) -> Result<p::SnapshotStart, Status> {
    let first = parts.next().await.transpose()?.and_then(|part| part.part);
    let Some(Part::Start(start)) = first else {
        return Err(Status::invalid_argument("a snapshot starts with its start"));
    };
    Ok(start)
}

/// A part as it comes from the network.
type Received = Result<p::SnapshotPart, Status>;

/// Takes what comes after the start, and gives it to the group once it is whole.
///
/// # Errors
/// When the stream breaks off or is none of a snapshot, the disk is short, or the group does not take it.
pub(super) async fn receive(
    start: p::SnapshotStart,
    mut parts: impl Stream<Item = Received> + Unpin,
    port: &dyn Port,
    is_short_of_disk: impl Fn() -> bool,
) -> Result<Vote, Status> {
    let group = GroupId(start.group);
    let vote = wire::vote_from(start.vote).map_err(invalid)?;
    let meta = log_codec::snapshot_meta(start.meta).map_err(invalid)?;
    let mut live = start.live;
    let mut segments = Vec::new();
    while let Some(part) = parts.next().await.transpose()? {
        if is_short_of_disk() {
            // What has come stays, and is written again by the next try.
            tracing::warn!(group_id = %group, "snapshot broken off, there is too little free disk");
            return Err(Status::resource_exhausted("too little free disk for a snapshot"));
        }
        match part.part {
            Some(Part::Blobs(blobs)) => port.put_blobs(blobs.indexes.into_iter().zip(blobs.blobs).collect()).await,
            Some(Part::Live(more)) => live.extend(more.indexes),
            Some(Part::Segments(s)) => segments.extend(s.keys.into_iter().zip(s.values)),
            Some(Part::Start(_)) | None => return Err(Status::invalid_argument("a second start")),
        }
    }
    let came = count(&segments);
    if start.segments.is_some_and(|expected| came != expected) {
        tracing::info!(group_id = %group, came, expected = start.segments, "snapshot broken off by its sender");
        return Err(Status::aborted("the snapshot broke off"));
    }
    let snapshot = SnapshotData { segments: Arc::new(segments), live };
    port.install(vote, SnapshotOf::<C, SnapshotData> { meta, snapshot }).await.map_err(Status::internal)
}

fn count(segments: &[(u64, Bytes)]) -> u64 {
    u64::try_from(segments.len()).unwrap_or(u64::MAX)
}

/// Sends a snapshot.
///
/// # Errors
/// When something cannot be read, or the peer did not take all of it.
pub(super) async fn send(
    peers: &Peers,
    to: NodeId,
    group: GroupId,
    vote: Vote,
    snapshot: SnapshotOf<C, SnapshotData>,
    source: &Live,
) -> Result<Vote, String> {
    let address = peers.address(to).ok_or_else(|| format!("node {to} has no address"))?;
    let endpoint = link::endpoint(&address).map_err(|e| e.to_string())?;
    let channel = peers.network().connect(endpoint).await.map_err(|e| e.to_string())?;
    let last = snapshot.meta.last_log_id.map_or(0, |id| id.index);
    let live: Vec<u64> = source.indexes().into_iter().filter(|index| *index <= last).collect();
    let start = p::SnapshotStart {
        hello: Some(link::hello(peers.local(), to)),
        group: group.0,
        vote: Some(wire::vote(&vote)),
        meta: log_codec::snapshot_meta_bytes(&snapshot.meta),
        live: live.iter().copied().take(PART_INDEXES).collect(),
        segments: Some(count(&snapshot.snapshot.segments)),
    };
    let (sender, parts) = mpsc::channel(BATCHES);
    let feed = feed(sender, start, live, &snapshot.snapshot.segments, source);
    let mut client = link::client(channel);
    let call = async { client.snapshot(ReceiverStream::new(parts)).await.map_err(|status| status.to_string()) };
    let (fed, done) = tokio::join!(feed, call);
    fed?;
    wire::vote_from(done?.into_inner().vote).map_err(|error| error.to_string())
}

/// All parts, one after the other.
async fn feed(
    sender: mpsc::Sender<p::SnapshotPart>,
    start: p::SnapshotStart,
    live: Vec<u64>,
    state: &[(u64, Bytes)],
    source: &Live,
) -> Result<(), String> {
    send_part(&sender, Part::Start(start)).await?;
    for indexes in live.chunks(PART_INDEXES).skip(1) {
        send_part(&sender, Part::Live(p::SnapshotLive { indexes: indexes.to_vec() })).await?;
    }
    let mut blobs = p::SnapshotBlobs::default();
    let mut bytes = 0;
    for index in live {
        let read = Arc::clone(&source.blob);
        let blob = blocking::read(source.is_in_memory, move || read(index)).await.map_err(|e| e.to_string())?;
        // A blob that went since the list was made is needed by nobody.
        let Some(blob) = blob.map_err(|e| e.to_string())? else { continue };
        bytes += blob.len();
        blobs.indexes.push(index);
        blobs.blobs.push(blob);
        if bytes >= PART_BYTES {
            send_part(&sender, Part::Blobs(std::mem::take(&mut blobs))).await?;
            bytes = 0;
        }
    }
    send_part(&sender, Part::Blobs(blobs)).await?;
    let mut segments = p::SnapshotSegments::default();
    let mut bytes = 0;
    for (key, value) in state {
        bytes += value.len();
        segments.keys.push(*key);
        segments.values.push(value.clone());
        if bytes >= PART_BYTES {
            send_part(&sender, Part::Segments(std::mem::take(&mut segments))).await?;
            bytes = 0;
        }
    }
    send_part(&sender, Part::Segments(segments)).await
}

async fn send_part(sender: &mpsc::Sender<p::SnapshotPart>, part: Part) -> Result<(), String> {
    sender.send(p::SnapshotPart { part: Some(part) }).await.map_err(|_| "the peer broke the snapshot off".to_owned())
}

#[cfg(test)]
mod tests;
