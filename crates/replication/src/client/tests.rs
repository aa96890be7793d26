//! What is sent, sent again, and told to the sessions.

use proptest::{collection::vec, prelude::*};
use queue::{Cancelled, QueueEnded};
use types::{BlobBuilder, QueueId, RecordParts};

use super::*;
use crate::api::{AlarmKind, DeadLetterBatch, SessionDelivery};

const GROUP: GroupId = GroupId(1);
const NODE: NodeId = NodeId(1);
const BOOT: u64 = 100;
const SESSION: SessionId = SessionId { node: NODE, serial: 1 };
/// Sends the empty chunks by which a node asks whether it is known.
const NOBODY: SessionId = SessionId { node: NODE, serial: 0 };

#[derive(Debug, PartialEq)]
enum Told {
    Replied(u64, ChunkReplies),
    Lost,
}

/// The way to the leaders and the sessions, which only note what comes.
#[derive(Default)]
struct Ends {
    sent: Mutex<Vec<(NodeId, Chunk)>>,
    told: Mutex<Vec<Told>>,
}

impl Route for Ends {
    fn submit(&self, to: NodeId, group: GroupId, submission: Submission) {
        assert_eq!(group, GROUP);
        let chunk = proto::chunk::decode(submission.chunk).unwrap();
        assert_eq!(chunk.slots, submission.blob.slot_count());
        self.sent.lock().push((to, chunk));
    }
}

impl Sessions for Ends {
    fn replied(&self, session: SessionId, group: GroupId, token: u64, replies: ChunkReplies) {
        assert_eq!(group, GROUP);
        if session == NOBODY {
            return;
        }
        assert_eq!(session, SESSION);
        self.told.lock().push(Told::Replied(token, replies));
    }

    fn deliver(&self, _: SessionDelivery) {
        unreachable!("a client delivers nothing");
    }

    fn cancelled(&self, _: Cancelled) {
        unreachable!("a client cancels nothing");
    }

    fn dead_letters(&self, _: GroupId, _: DeadLetterBatch) {
        unreachable!("a client kills no messages");
    }

    fn queues_ended(&self, _: GroupId, _: Vec<QueueEnded>) {
        unreachable!("a client ends no queues");
    }

    fn alarms_changed(&self, _: Vec<(NodeId, AlarmKind)>) {
        unreachable!("no alarm stands here");
    }

    fn sessions_lost(&self, group: GroupId) {
        assert_eq!(group, GROUP);
        self.told.lock().push(Told::Lost);
    }
}

struct Bench {
    ends: Arc<Ends>,
    client: GroupClient,
}

impl Bench {
    fn new() -> Self {
        let ends = Arc::new(Ends::default());
        let client = GroupClient::new(GROUP, NODE, BOOT, ends.clone(), ends.clone());
        Bench { ends, client }
    }

    fn led_by(leader: u64) -> Self {
        let bench = Bench::new();
        bench.client.leader(NodeId(leader), 1);
        bench
    }

    fn submit(&self, tokens: std::ops::RangeInclusive<u64>) {
        for token in tokens {
            self.client.submit(SESSION, token, vec![Command::Purge { queue: QueueId(token) }], Blob::default());
        }
    }

    fn answer(&self, seq: u64, result: AnswerResult) {
        self.client.answered(vec![Answered { boot: BOOT, seq, result }]);
    }

    /// To whom which numbers went since the last look.
    fn sent(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut *self.ends.sent.lock()).into_iter().map(|(to, chunk)| (to.0, chunk.seq)).collect()
    }

    fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.ends.told.lock())
    }
}

fn done() -> AnswerResult {
    AnswerResult::Applied(vec![Answer::Reply(queue::Reply::Done)])
}

fn replied(token: u64) -> Told {
    Told::Replied(token, ChunkReplies::Applied(vec![Answer::Reply(queue::Reply::Done)]))
}

fn to(leader: u64, seqs: std::ops::RangeInclusive<u64>) -> Vec<(u64, u64)> {
    seqs.map(|seq| (leader, seq)).collect()
}

#[test]
fn chunks_wait_for_a_leader_and_go_to_it_in_order() {
    let bench = Bench::new();
    bench.submit(1..=3);
    assert_eq!(bench.sent(), []);
    bench.client.leader(NodeId(2), 1);
    bench.submit(4..=4);
    assert_eq!(bench.sent(), to(2, 1..=4));
    assert_eq!(bench.client.known_leader(), Some(NodeId(2)));
}

#[test]
fn a_chunk_carries_its_producer_its_session_and_its_blob_each_time() {
    let bench = Bench::led_by(2);
    let mut blob = BlobBuilder::default();
    for key in [b"a", b"b"] {
        blob.push(&RecordParts { exchange: b"", routing_key: key, properties: b"", body: &[] });
    }
    bench.client.submit(SESSION, 9, vec![Command::Tick], blob.finish());
    bench.client.leader(NodeId(3), 2);
    let expected = Chunk {
        producer: Producer { node: NODE, boot: BOOT },
        seq: 1,
        session: SESSION,
        commands: vec![Command::Tick],
        slots: 2,
    };
    assert_eq!(*bench.ends.sent.lock(), [(NodeId(2), expected.clone()), (NodeId(3), expected)]);
}

#[test]
fn an_answered_chunk_is_not_sent_again() {
    let bench = Bench::led_by(2);
    bench.submit(1..=4);
    bench.answer(3, done());
    bench.answer(1, done());
    assert_eq!(bench.told(), [replied(3), replied(1)]);
    bench.sent();
    bench.client.leader(NodeId(3), 2);
    assert_eq!(bench.sent(), [(3, 2), (3, 4)]);
    bench.answer(1, done());
    bench.answer(77, done());
    assert_eq!(bench.told(), [], "nobody is answered twice");
}

#[test]
fn a_newer_leader_gets_everything_unanswered_in_order_and_an_older_one_nothing() {
    let bench = Bench::led_by(2);
    bench.submit(1..=3);
    bench.sent();
    bench.client.leader(NodeId(3), 5);
    assert_eq!(bench.sent(), to(3, 1..=3));
    bench.client.leader(NodeId(2), 4);
    assert_eq!(bench.sent(), [], "the term is over");
    bench.submit(4..=4);
    assert_eq!(bench.sent(), [(3, 4)]);
    bench.client.leader(NodeId(3), 5);
    assert_eq!(bench.sent(), to(3, 1..=4), "it says so again: it may have lost what it had");
}

#[test]
fn a_node_that_waits_for_nothing_asks_a_new_leader_whether_it_is_known() {
    let bench = Bench::led_by(2);
    assert_eq!(bench.sent(), [], "it has never sent anything");
    bench.submit(1..=1);
    bench.answer(1, done());
    bench.told();
    bench.sent();
    bench.client.leader(NodeId(3), 2);
    bench.client.leader(NodeId(2), 3);
    assert_eq!(bench.sent(), [(3, 2), (2, 2)], "one question is enough");
    bench.answer(2, AnswerResult::Applied(vec![]));
    assert_eq!(bench.told(), [], "the answer is nobody's");
    bench.client.leader(NodeId(3), 4);
    bench.answer(3, AnswerResult::Fenced);
    assert_eq!(bench.told(), [Told::Lost]);
}

#[test]
fn the_link_to_the_leader_resends_when_it_is_back_and_no_other_does() {
    let bench = Bench::led_by(2);
    bench.submit(1..=2);
    bench.sent();
    bench.client.link_up(NodeId(3));
    assert_eq!(bench.sent(), []);
    bench.client.link_up(NodeId(2));
    assert_eq!(bench.sent(), to(2, 1..=2));
}

#[test]
fn one_gap_is_filled_once() {
    let bench = Bench::led_by(2);
    bench.submit(1..=4);
    bench.answer(1, done());
    bench.sent();
    for seq in 3..=4 {
        bench.answer(seq, AnswerResult::Gap { expected: 2 });
    }
    assert_eq!(bench.sent(), to(2, 2..=4));
    bench.answer(2, done());
    bench.answer(4, AnswerResult::Gap { expected: 3 });
    assert_eq!(bench.sent(), to(2, 3..=4), "another gap");
    bench.client.leader(NodeId(2), 2);
    bench.sent();
    bench.answer(4, AnswerResult::Gap { expected: 3 });
    assert_eq!(bench.sent(), to(2, 3..=4), "the same gap under another leader");
}

#[test]
fn a_gap_that_was_filled_meanwhile_is_passed_over() {
    let bench = Bench::led_by(2);
    bench.submit(1..=3);
    (1..=2).for_each(|seq| bench.answer(seq, done()));
    bench.told();
    bench.sent();
    bench.answer(2, AnswerResult::Gap { expected: 1 });
    assert_eq!((bench.sent(), bench.told()), (vec![], vec![]));
}

#[test]
fn a_group_that_has_forgotten_answered_chunks_has_fenced_this_node() {
    let bench = Bench::led_by(2);
    bench.submit(1..=3);
    (1..=2).for_each(|seq| bench.answer(seq, done()));
    bench.told();
    bench.answer(3, AnswerResult::Gap { expected: 1 });
    assert_eq!(bench.told(), [Told::Replied(3, ChunkReplies::Unavailable), Told::Lost]);
}

#[test]
fn a_fenced_node_ends_its_sessions_and_numbers_anew() {
    let bench = Bench::led_by(2);
    bench.submit(1..=3);
    bench.answer(1, done());
    bench.told();
    bench.sent();
    bench.client.answered(vec![
        Answered { boot: BOOT, seq: 2, result: AnswerResult::Fenced },
        Answered { boot: BOOT, seq: 3, result: AnswerResult::Fenced },
    ]);
    assert_eq!(bench.told(), [unavailable(2), unavailable(3), Told::Lost]);
    bench.submit(4..=5);
    let sent = std::mem::take(&mut *bench.ends.sent.lock());
    let numbers: Vec<_> = sent.iter().map(|(_, chunk)| (chunk.producer.boot > BOOT, chunk.seq)).collect();
    assert_eq!(numbers, [(true, 1), (true, 2)]);
    bench.answer(1, done());
    assert_eq!(bench.told(), [], "the answer to an earlier incarnation");
    let boot = sent[0].1.producer.boot;
    bench.client.answered(vec![Answered { boot, seq: 1, result: done() }]);
    assert_eq!(bench.told(), [replied(4)]);
}

#[test]
fn a_fenced_node_ends_its_sessions_also_when_nothing_is_unanswered() {
    let bench = Bench::led_by(2);
    bench.submit(1..=1);
    bench.answer(1, done());
    bench.told();
    bench.answer(1, AnswerResult::Fenced);
    assert_eq!(bench.told(), [Told::Lost]);
}

#[test]
fn a_duplicate_is_known_to_be_applied_though_its_answer_is_lost() {
    let bench = Bench::led_by(2);
    bench.submit(1..=1);
    bench.answer(1, AnswerResult::Duplicate);
    assert_eq!(bench.told(), [Told::Replied(1, ChunkReplies::AppliedUnanswered)]);
}

impl Bench {
    fn ticks(&self, count: u32) {
        (0..count).for_each(|_| self.client.tick());
    }

    /// Submits a message.
    fn publish(&self, token: u64) {
        self.publish_bytes(token, 1);
    }

    fn publish_bytes(&self, token: u64, bytes: usize) {
        let mut blob = BlobBuilder::default();
        let body = [Bytes::from(vec![0; bytes])];
        blob.push(&RecordParts { exchange: b"", routing_key: b"", properties: b"", body: &body });
        self.client.submit(SESSION, token, vec![Command::Tick], blob.finish());
    }
}

fn unavailable(token: u64) -> Told {
    Told::Replied(token, ChunkReplies::Unavailable)
}

#[test]
fn who_waits_is_told_once_that_a_group_does_not_answer_and_the_chunks_stay() {
    let bench = Bench::led_by(2);
    bench.submit(1..=2);
    bench.ticks(TICKS_MAX);
    assert_eq!(bench.told(), []);
    bench.ticks(1);
    assert_eq!(bench.told(), [unavailable(1), unavailable(2)]);
    bench.ticks(1);
    assert_eq!(bench.told(), []);
    bench.sent();
    bench.client.leader(NodeId(3), 2);
    assert_eq!(bench.sent(), to(3, 1..=2), "what comes later needs them");
    (1..=2).for_each(|seq| bench.answer(seq, done()));
    assert_eq!(bench.told(), [], "it was told already");
}

#[test]
fn a_group_that_answers_now_and_then_is_waited_for() {
    let bench = Bench::led_by(2);
    bench.submit(1..=3);
    bench.ticks(TICKS_MAX);
    bench.answer(1, done());
    bench.ticks(TICKS_MAX);
    assert_eq!(bench.told(), [replied(1)]);
}

#[test]
fn a_leader_that_only_says_that_it_leads_is_not_waited_for() {
    let bench = Bench::led_by(2);
    bench.publish(1);
    for _ in 0..=TICKS_MAX {
        bench.client.leader(NodeId(2), 1);
        bench.ticks(1);
    }
    assert_eq!(bench.told(), [unavailable(1)]);
    bench.publish(2);
    for _ in 0..2 {
        bench.client.leader(NodeId(2), 1);
        bench.ticks(1);
    }
    assert_eq!(bench.told(), [unavailable(2)], "it has still answered nothing");
    bench.publish(3);
    bench.answer(1, done());
    bench.ticks(TICKS_MAX);
    assert_eq!(bench.told(), [], "it has answered");
}

#[test]
fn idle_time_does_not_count() {
    let bench = Bench::led_by(2);
    bench.submit(1..=1);
    bench.answer(1, done());
    bench.told();
    bench.ticks(10 * TICKS_MAX);
    bench.submit(2..=2);
    bench.ticks(TICKS_MAX);
    assert_eq!(bench.told(), []);
}

#[test]
fn who_comes_later_waits_a_moment_for_a_group_that_does_not_answer() {
    let bench = Bench::led_by(2);
    bench.publish(1);
    bench.ticks(TICKS_MAX + 1);
    assert_eq!(bench.told(), [unavailable(1)]);
    bench.publish(2);
    bench.ticks(1);
    assert_eq!(bench.told(), [], "it may be back");
    bench.ticks(1);
    assert_eq!(bench.told(), [unavailable(2)]);
    bench.publish(3);
    (1..=3).for_each(|seq| bench.answer(seq, done()));
    assert_eq!(bench.told(), [replied(3)]);
}

#[test]
fn a_group_that_does_not_answer_keeps_few_messages_until_it_has_a_leader_again() {
    let bench = Bench::led_by(2);
    bench.publish_bytes(1, KEPT_BYTES_MAX);
    bench.ticks(TICKS_MAX + 1);
    assert_eq!(bench.told(), [unavailable(1)]);
    bench.sent();
    bench.publish(2);
    assert_eq!((bench.told(), bench.sent()), (vec![unavailable(2)], vec![]));
    bench.submit(3..=3);
    assert_eq!((bench.told(), bench.sent()), (vec![], vec![(2, 2)]), "commands alone may be needed later");
    bench.client.leader(NodeId(3), 2);
    bench.sent();
    bench.publish(4);
    assert_eq!((bench.told(), bench.sent()), (vec![], vec![(3, 3)]));
    bench.ticks(TICKS_OF_GRACE);
    assert_eq!(bench.told(), [], "the new leader has some time");
    bench.ticks(1);
    assert_eq!(bench.told(), [unavailable(3), unavailable(4)]);
}

#[test]
fn messages_that_are_answered_late_make_room_for_others() {
    let bench = Bench::led_by(2);
    bench.publish_bytes(1, KEPT_BYTES_MAX);
    bench.publish(2);
    bench.ticks(TICKS_MAX + 1);
    bench.answer(1, done());
    bench.ticks(TICKS_MAX + 1);
    bench.told();
    bench.sent();
    bench.publish(3);
    assert_eq!((bench.told(), bench.sent()), (vec![], vec![(2, 3)]));
}

#[test]
fn what_a_lost_memory_group_has_not_answered_is_unavailable() {
    let bench = Bench::led_by(2);
    bench.submit(1..=2);
    bench.client.lost(BOOT + 7);
    assert_eq!(bench.told(), [unavailable(1), unavailable(2)]);
    bench.sent();
    bench.client.leader(NodeId(3), 2);
    assert_eq!(bench.sent(), []);
}

#[test]
fn a_memory_group_is_led_by_its_node_from_the_start() {
    let ends = Arc::new(Ends::default());
    let client = GroupClient::new(GroupId::local(NodeId(3)), NODE, BOOT, ends.clone(), ends);
    assert_eq!(client.known_leader(), Some(NodeId(3)));
}

/// What may happen between a node and a group.
#[derive(Clone, Copy, Debug)]
enum Step {
    Submit,
    /// The leader applies so many of the chunks that came to it, and answers.
    Apply(usize),
    /// The same, but the answers are lost, and the link comes back.
    ApplyUnheard(usize),
    /// Another node leads. What had not been applied is lost.
    Elect,
    /// What is on its way to the leader is lost, and the link comes back.
    Cut,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Submit),
        3 => (1_usize..5).prop_map(Step::Apply),
        1 => (1_usize..5).prop_map(Step::ApplyUnheard),
        1 => Just(Step::Elect),
        1 => Just(Step::Cut),
    ];
    vec(step, 0..60)
}

/// A group that numbers as the queue machine does.
struct Group {
    bench: Bench,
    term: u64,
    last_seq: u64,
    /// Tokens of chunks, by the command that they carry.
    applied: Vec<u64>,
}

impl Group {
    fn apply(&mut self, count: usize) -> Vec<Answered> {
        let mut sent = self.bench.ends.sent.lock();
        let count = count.min(sent.len());
        let answers = sent.drain(..count).map(|(to, chunk)| {
            assert_eq!(to, NodeId(self.term), "chunks go to the leader");
            let expected = self.last_seq + 1;
            let result = match chunk.seq.cmp(&expected) {
                std::cmp::Ordering::Less => AnswerResult::Duplicate,
                std::cmp::Ordering::Equal => {
                    self.last_seq = chunk.seq;
                    self.applied.extend(chunk.commands.iter().map(|command| match command {
                        Command::Purge { queue } => queue.0,
                        other => panic!("{other:?}"),
                    }));
                    done()
                }
                std::cmp::Ordering::Greater => AnswerResult::Gap { expected },
            };
            Answered { boot: BOOT, seq: chunk.seq, result }
        });
        answers.collect()
    }

    fn elect(&mut self) {
        self.term += 1;
        self.bench.ends.sent.lock().clear();
        self.bench.client.leader(NodeId(self.term), self.term);
    }

    fn step(&mut self, step: Step, submitted: &mut u64) {
        let leader = NodeId(self.term);
        match step {
            Step::Submit => {
                *submitted += 1;
                self.bench.submit(*submitted..=*submitted);
            }
            Step::Apply(count) => {
                let answers = self.apply(count);
                self.bench.client.answered(answers);
            }
            Step::ApplyUnheard(count) => {
                drop(self.apply(count));
                self.bench.client.link_up(leader);
            }
            Step::Elect => self.elect(),
            Step::Cut => {
                self.bench.ends.sent.lock().clear();
                self.bench.client.link_up(leader);
            }
        }
    }
}

proptest! {
    #[test]
    fn every_chunk_is_applied_once_in_order_and_answered_once(steps in steps()) {
        let mut group = Group { bench: Bench::new(), term: 0, last_seq: 0, applied: Vec::new() };
        group.elect();
        let mut submitted = 0;
        for step in steps {
            group.step(step, &mut submitted);
        }
        group.elect();
        while !group.bench.ends.sent.lock().is_empty() {
            group.step(Step::Apply(usize::MAX), &mut submitted);
        }
        let all: Vec<u64> = (1..=submitted).collect();
        prop_assert_eq!(&group.applied, &all);
        let told = group.bench.told().into_iter().map(|told| match told {
            Told::Replied(token, ChunkReplies::Applied(_) | ChunkReplies::AppliedUnanswered) => token,
            other => panic!("{other:?}"),
        });
        // An answer that was lost comes after those that were on their way behind it.
        let mut answered: Vec<u64> = told.collect();
        answered.sort_unstable();
        prop_assert_eq!(answered, all);
    }
}
