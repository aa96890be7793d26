//! A snapshot that comes whole is installed, and no other.

use std::pin::Pin;

use futures_util::stream;
use openraft::{
    impls::EmptyNode,
    raft::{
        AppendEntriesRequest, StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse, VoteRequest,
        VoteResponse,
    },
};
use parking_lot::Mutex;
use prost::Message as _;

use super::*;
use crate::{
    BoxFuture,
    log_codec::log_id,
    raft_types::{SnapshotMeta, StoredMembership},
    transport::MESSAGE_BYTES_MAX,
};

/// Notes what is installed.
#[derive(Default)]
struct Group {
    blobs: Mutex<Vec<(u64, Bytes)>>,
    installed: Mutex<Vec<SnapshotOf<C, SnapshotData>>>,
}

impl Port for Group {
    fn stream_append(
        &self,
        _: ReceiverStream<AppendEntriesRequest<C>>,
    ) -> Pin<Box<dyn Stream<Item = Option<StreamAppendResult<C>>> + Send>> {
        Box::pin(stream::empty())
    }

    fn vote(&self, _: VoteRequest<C>, _: bool) -> BoxFuture<Option<VoteResponse<C>>> {
        Box::pin(async { None })
    }

    fn transfer(&self, _: TransferLeaderRequest<C>) -> BoxFuture<Option<TransferLeaderResponse<C>>> {
        Box::pin(async { None })
    }

    fn install(&self, vote: Vote, snapshot: SnapshotOf<C, SnapshotData>) -> BoxFuture<Result<Vote, String>> {
        self.installed.lock().push(snapshot);
        Box::pin(async move { Ok(vote) })
    }

    fn put_blobs(&self, blobs: Vec<(u64, Bytes)>) -> BoxFuture<()> {
        self.blobs.lock().extend(blobs);
        Box::pin(async {})
    }
}

fn bytes(name: u64) -> Bytes {
    Bytes::from(vec![u8::try_from(name).unwrap(); PART_BYTES])
}

/// Three segments of as many parts, with the blobs of two entries of three: that of one is gone.
const SEGMENTS: u64 = 3;
const LIVE: [u64; 3] = [4, 5, 6];

fn segments() -> Vec<(u64, Bytes)> {
    (0..SEGMENTS).map(|key| (key, bytes(key))).collect()
}

/// What a leader sends, with these blobs on its disk.
async fn sent(blob: impl Fn(u64) -> Result<Option<Bytes>, storage::Error> + Send + Sync + 'static) -> Vec<Received> {
    let source = Live { indexes: Arc::new(|| LIVE.to_vec()), is_in_memory: true, blob: Arc::new(blob) };
    let meta = SnapshotMeta {
        last_log_id: Some(log_id(1, 2, 9)),
        last_membership: StoredMembership::new(None, openraft::Membership::<u64, EmptyNode>::default()),
    };
    let start = p::SnapshotStart {
        hello: None,
        group: 1,
        vote: Some(wire::vote(&Vote::new_committed(1, 2))),
        meta: log_codec::snapshot_meta_bytes(&meta),
        live: LIVE.to_vec(),
        segments: Some(SEGMENTS),
    };
    let (sender, parts) = mpsc::channel(100);
    feed(sender, start, LIVE.to_vec(), &segments(), &source).await.ok();
    ReceiverStream::new(parts).map(Ok).collect().await
}

fn but_for_one(index: u64) -> Result<Option<Bytes>, storage::Error> {
    Ok((index != LIVE[1]).then(|| bytes(index)))
}

async fn take(parts: Vec<Received>, group: &Group) -> Result<Vote, Status> {
    let mut parts = stream::iter(parts);
    let start = start(&mut parts).await?;
    receive(start, parts, group, || false).await
}

#[tokio::test]
async fn a_whole_snapshot_is_installed() {
    let group = Group::default();
    assert_eq!(take(sent(but_for_one).await, &group).await.unwrap(), Vote::new_committed(1, 2));
    let installed = group.installed.lock();
    assert_eq!(installed.len(), 1);
    assert_eq!(*installed[0].snapshot.segments, segments());
    assert_eq!(installed[0].snapshot.live, LIVE);
    assert_eq!(*group.blobs.lock(), [(4, bytes(4)), (6, bytes(6))]);
}

#[tokio::test]
async fn a_snapshot_whose_sender_gives_up_is_not_installed() {
    let whole = sent(but_for_one).await.len();
    for kept in 0..whole - 1 {
        let group = Group::default();
        let parts = sent(but_for_one).await.into_iter().take(kept).collect();
        take(parts, &group).await.unwrap_err();
        assert!(group.installed.lock().is_empty(), "{kept} of {whole} parts");
    }
}

#[tokio::test]
async fn a_snapshot_whose_sender_cannot_read_a_body_is_not_installed() {
    let damaged = |_| Err(storage::Error::Missing { group: GroupId(1), index: LIVE[0] });
    let group = Group::default();
    let error = take(sent(damaged).await, &group).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::Aborted);
    assert!(group.installed.lock().is_empty());
}

#[tokio::test]
async fn a_snapshot_of_a_version_that_does_not_say_how_much_comes_is_installed_as_it_is() {
    let mut parts = sent(but_for_one).await;
    if let Ok(p::SnapshotPart { part: Some(Part::Start(start)) }) = &mut parts[0] {
        start.segments = None;
    }
    let group = Group::default();
    take(parts, &group).await.unwrap();
    assert_eq!(group.installed.lock().len(), 1);
}

#[test]
fn a_part_with_as_many_indexes_as_there_may_be_fits_into_a_message() {
    let part = p::SnapshotLive { indexes: vec![u64::MAX; PART_INDEXES] };
    assert!(part.encoded_len() < MESSAGE_BYTES_MAX / 2, "the start has the membership besides");
}
