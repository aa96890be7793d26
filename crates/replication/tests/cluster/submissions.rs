//! Chunks: applied once, answered in order, wherever they come from.

use queue::{Command, Refusal, Reply};
use replication::{Answer, ChunkReplies, Groups};
use types::{GroupId, QueueId};

use crate::{
    cluster::{Cluster, QUEUE},
    recorder::until,
};

fn done() -> ChunkReplies {
    ChunkReplies::Applied(vec![Answer::Reply(Reply::Done)])
}

#[test]
fn chunks_of_all_nodes_to_all_shards_are_applied_once_and_answered_in_order() {
    const CHUNKS: u64 = 120;
    const MESSAGES: u64 = 3;
    let cluster = Cluster::in_memory();
    let shards = cluster.node(0).replication.shards();
    // Nobody waits for leaders: what is submitted before there is one is kept.
    for node in cluster.nodes() {
        for group in &shards {
            let session = node.session(u64::from(group.0));
            let config = queue::QueueConfig::default();
            node.submit(*group, session, 0, vec![Command::CreateQueue { queue: QUEUE, config }]);
            for token in 1..=CHUNKS {
                let bodies: Vec<String> = (0..MESSAGES).map(|n| format!("{}-{token}-{n}", node.id)).collect();
                node.publish(*group, session, token, QUEUE, &bodies);
            }
        }
    }
    for node in cluster.nodes() {
        for group in &shards {
            let count = usize::try_from(CHUNKS).unwrap() + 1;
            let answers = node.recorder.answers(node.session(u64::from(group.0)), *group, count);
            let tokens: Vec<u64> = answers.iter().map(|(token, _)| *token).collect();
            assert_eq!(tokens, (0..=CHUNKS).collect::<Vec<_>>());
            // An election that took its time may have cost an answer, never a chunk.
            assert!(answers.iter().all(|(_, r)| *r == done() || *r == ChunkReplies::AppliedUnanswered), "{answers:?}");
        }
    }
    for group in &shards {
        let leader = cluster.node(cluster.leader(*group));
        assert_eq!(leader.stats(*group, QUEUE).enqueued, 3 * CHUNKS * MESSAGES);
        for node in cluster.nodes() {
            until("the replica is where the leader is", || node.stats(*group, QUEUE) == leader.stats(*group, QUEUE));
        }
    }
}

#[test]
fn answers_of_every_kind_come_back_to_the_node_that_asked() {
    let cluster = Cluster::in_memory();
    let group = GroupId(1);
    for node in cluster.nodes() {
        let (session, queue) = (node.session(1), QueueId(QUEUE.0 + node.id.0));
        node.create(group, session, queue);
        node.publish(group, session, 1, queue, &["first".to_owned(), "second".to_owned()]);
        let commands = vec![
            Command::Inspect { queue },
            Command::Get { queue, no_ack: true },
            Command::DeleteQueue { queue, if_unused: false, if_empty: true },
            Command::Purge { queue },
            Command::Get { queue, no_ack: true },
            Command::Purge { queue: QueueId(1) },
            Command::DeleteQueue { queue, if_unused: false, if_empty: false },
        ];
        node.submit(group, session, 2, commands);
        let answers = node.recorder.answers(session, group, 3);
        let (2, ChunkReplies::Applied(answers)) = &answers[2] else { panic!("{answers:?}") };
        let [depth, Answer::Got(got, record), rest @ ..] = answers.as_slice() else { panic!("{answers:?}") };
        assert_eq!(*depth, Answer::Reply(Reply::Depth { messages: 2, consumers: 0 }));
        assert_eq!(types::MessageRecord::decode(record.clone()).unwrap().body, "first");
        assert_eq!((got.remaining, got.redelivered), (1, false));
        let expected = [
            Reply::Refused(Refusal::NotEmpty),
            Reply::Purged { messages: 1 },
            Reply::Empty,
            Reply::Refused(Refusal::NoSuchQueue),
            Reply::Deleted { messages: 0 },
        ];
        assert_eq!(rest, expected.map(Answer::Reply));
    }
}

#[test]
fn the_memory_of_another_node_is_used_like_a_shard() {
    let cluster = Cluster::in_memory();
    let (owner, other) = (cluster.node(0), cluster.node(1));
    let group = GroupId::local(owner.id);
    for node in [owner, other] {
        let (session, queue) = (node.session(1), QueueId(QUEUE.0 + node.id.0));
        node.create(group, session, queue);
        node.publish(group, session, 1, queue, &["here".to_owned()]);
        node.submit(group, session, 2, vec![Command::Get { queue, no_ack: true }]);
        let answers = node.recorder.answers(session, group, 3);
        let (_, ChunkReplies::Applied(answers)) = &answers[2] else { panic!("{answers:?}") };
        let [Answer::Got(_, record)] = answers.as_slice() else { panic!("{answers:?}") };
        assert_eq!(types::MessageRecord::decode(record.clone()).unwrap().body, "here");
    }
}
