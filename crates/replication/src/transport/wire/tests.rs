//! Everything that is said comes out as it went in.

use proptest::{collection::vec, prelude::*};
use prost::Message as _;
use queue::ChunkResult;

use super::*;

const GROUP: GroupId = GroupId(7);
const NODE: NodeId = NodeId(3);

/// Over the wire and back.
fn sent(message: &p::Message) -> p::message::Kind {
    p::Message::decode(Bytes::from(message.encode_to_vec())).unwrap().kind.unwrap()
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn slots() -> impl Strategy<Value = Vec<SlotRange>> {
    vec(any::<(u32, u32)>().prop_map(|(first, count)| SlotRange { first, count }), 0..3)
}

fn answers() -> impl Strategy<Value = Answer> {
    let got = (any::<u64>(), any::<bool>(), any::<u32>(), any::<u64>(), bytes()).prop_map(
        |(seq, redelivered, delivery_count, remaining, record)| {
            let message = MessageRef::default();
            Answer::Got(Got { seq, message, redelivered, delivery_count, remaining }, record)
        },
    );
    let refusals = [Refusal::NoSuchQueue, Refusal::ExclusiveUse, Refusal::InUse, Refusal::NotEmpty];
    prop_oneof![
        3 => Just(Answer::Reply(Reply::Done)),
        1 => any::<u64>().prop_map(|messages| Answer::Reply(Reply::Deleted { messages })),
        1 => any::<(u32, bool)>()
            .prop_map(|(consumers, queue_ended)| Answer::Reply(Reply::Detached { consumers, queue_ended })),
        1 => (slots(), slots())
            .prop_map(|(rejected, missing)| Answer::Reply(Reply::NotTaken { rejected, missing })),
        1 => Just(Answer::Reply(Reply::Empty)),
        1 => any::<u64>().prop_map(|messages| Answer::Reply(Reply::Purged { messages })),
        1 => (any::<u64>(), any::<u32>())
            .prop_map(|(messages, consumers)| Answer::Reply(Reply::Depth { messages, consumers })),
        1 => prop::sample::select(refusals.to_vec()).prop_map(|refusal| Answer::Reply(Reply::Refused(refusal))),
        1 => got,
        1 => (vec(bytes(), 0..3), any::<Option<u64>>())
            .prop_map(|(records, next)| Answer::Peeked(PeekedRecords { records, next })),
    ]
}

fn results() -> impl Strategy<Value = AnswerResult> {
    prop_oneof![
        2 => vec(Just(Answer::Reply(Reply::Done)), 0..5).prop_map(AnswerResult::Applied),
        2 => vec(answers(), 0..5).prop_map(AnswerResult::Applied),
        1 => Just(AnswerResult::Duplicate),
        1 => any::<u64>().prop_map(|expected| AnswerResult::Gap { expected }),
        1 => Just(AnswerResult::Fenced),
    ]
}

fn delivered() -> impl Strategy<Value = DeliveredRecord> {
    let counts = prop_oneof![3 => Just(0), 1 => 0_u32..1_000_000];
    (bytes(), any::<bool>(), counts).prop_map(|(record, redelivered, delivery_count)| DeliveredRecord {
        record,
        redelivered,
        delivery_count,
    })
}

proptest! {
    #[test]
    fn entries_come_back(original in log_codec::tests::entries()) {
        let wired = p::Entry::decode(Bytes::from(entry(&original).encode_to_vec())).unwrap();
        prop_assert_eq!(entry_from(wired).unwrap(), original);
    }

    #[test]
    fn votes_and_log_ids_come_back(term in any::<u64>(), node in any::<u64>(), index in any::<u64>()) {
        for original in [Vote::new(term, node), Vote::new_committed(term, node)] {
            prop_assert_eq!(vote_from(Some(vote(&original))).unwrap(), original);
        }
        let id = log_codec::log_id(term, node, index);
        prop_assert_eq!(log_id_from(log_id(&id)), id);
    }

    #[test]
    fn answers_come_back(list in vec((any::<u64>(), any::<u64>(), results()), 0..6)) {
        let list: Vec<Answered> =
            list.into_iter().map(|(boot, seq, result)| Answered { boot, seq, result }).collect();
        let p::message::Kind::Replies(wired) = sent(&replies(GROUP, list.clone())) else { panic!("another kind") };
        let (group, back) = replies_from(wired).unwrap();
        prop_assert_eq!(group, GROUP);
        prop_assert_eq!(format!("{back:?}"), format!("{list:?}"));
    }

    #[test]
    fn deliveries_come_back(
        serial in any::<u64>(), number in any::<u32>(), queue in any::<u64>(), first_seq in any::<u64>(),
        messages in vec(delivered(), 0..6),
    ) {
        let delivery =
            SessionDelivery { consumer: consumer(NODE, serial, number), queue: QueueId(queue), first_seq, messages };
        let p::message::Kind::Deliver(wired) = sent(&deliver(&delivery)) else { panic!("another kind") };
        prop_assert_eq!(format!("{:?}", deliver_from(wired, NODE)), format!("{delivery:?}"));
    }

    #[test]
    fn cancellations_come_back(serial in any::<u64>(), number in any::<u32>(), queue in any::<u64>(), timeout in proptest::option::of(1..u64::MAX)) {
        let reason = timeout.map_or(CancelReason::QueueGone, |after_ms| CancelReason::Timeout { after_ms });
        let original = Cancelled { consumer: consumer(NODE, serial, number), queue: QueueId(queue), reason };
        let p::message::Kind::Cancelled(wired) = sent(&cancelled(&original)) else { panic!("another kind") };
        prop_assert_eq!(cancelled_from(&wired, NODE), original);
    }

    #[test]
    fn damaged_messages_never_panic(
        original in log_codec::tests::entries(), list in vec(results(), 0..4),
        changes in vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let damage = |mut bytes: Vec<u8>| {
            for (at, value) in &changes {
                let len = bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(at % len) {
                    *byte = *value;
                }
            }
            Bytes::from(bytes)
        };
        if let Ok(wired) = p::Entry::decode(damage(entry(&original).encode_to_vec())) {
            drop(entry_from(wired));
        }
        let list = list.into_iter().map(|result| Answered { boot: 1, seq: 1, result }).collect();
        let message = p::Message::decode(damage(replies(GROUP, list).encode_to_vec()));
        if let Ok(p::Message { kind: Some(p::message::Kind::Replies(wired)) }) = message {
            drop(replies_from(wired));
        }
    }
}

#[test]
fn what_the_group_says_in_short_is_told_apart() {
    assert!(matches!(sent(&leader(GROUP, 9)), p::message::Kind::Leader(l) if l.group == 7 && l.term == 9));
    assert!(matches!(sent(&applied(12)), p::message::Kind::Applied(a) if a.index == 12));
    let (chunk, blob) = (Bytes::from_static(b"chunk"), Bytes::from_static(b"blob"));
    let submitted = sent(&submit(GROUP, chunk.clone(), blob.clone()));
    assert!(matches!(submitted, p::message::Kind::Submit(s) if s.group == 7 && s.chunk == chunk && s.blob == blob));
}

#[test]
fn missing_parts_and_unknown_kinds_are_errors() {
    assert!(vote_from(None).is_err());
    assert!(entry_from(p::Entry::default()).is_err());
    let unknown = p::Entry { log_id: Some(p::LogId::default()), kind: 300, ..p::Entry::default() };
    assert!(entry_from(unknown).is_err());
    let empty = p::ChunkReply { answers: vec![p::Answer { answer: None }], ..p::ChunkReply::default() };
    assert!(replies_from(p::Replies { group: 1, replies: vec![empty] }).is_err());
    let refused = p::Answer { answer: Some(p::answer::Answer::Refused(99)) };
    let refused = p::ChunkReply { answers: vec![refused], ..p::ChunkReply::default() };
    assert!(replies_from(p::Replies { group: 1, replies: vec![refused] }).is_err());
}

#[test]
fn a_machines_plain_results_become_answers() {
    let refused = Reply::Refused(Refusal::InUse);
    let applied = AnswerResult::plain(ChunkResult::Applied(vec![Reply::Done, refused.clone()]));
    assert!(matches!(applied, AnswerResult::Applied(list)
        if list == [Answer::Reply(Reply::Done), Answer::Reply(refused)]));
    assert!(matches!(AnswerResult::plain(ChunkResult::Gap { expected: 4 }), AnswerResult::Gap { expected: 4 }));
}

#[test]
fn answers_that_are_named_by_their_number_are_bounded_over_the_whole_message() {
    let done = |done| p::ChunkReply { done, ..p::ChunkReply::default() };
    let read = |replies| replies_from(p::Replies { group: 4, replies });
    assert_eq!(read(vec![done(1000); 10]).unwrap().1.len(), 10);
    read(vec![done(u32::MAX)]).unwrap_err();
    read(vec![done(1 << 20); 2]).unwrap_err();
}
