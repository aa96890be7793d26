//! Whatever comes, in whatever pieces: no panic, the same events and output however the bytes are cut, and each session ends
//! once.

use std::collections::BTreeSet;

use amqp_codec::{
    Method, ReplyCode,
    methods::{access, basic, channel, confirm, connection, queue, tx},
};
use amqp_connection::{Config, Connection, Event};
use bytes::Bytes;
use proptest::prelude::*;
use types::SeqRange;

use crate::client::{
    Got, Peer, bytes_of, close, close_channel, delivery, header_frame, publish_bytes, raw_frame, short, start_ok,
    tune_ok,
};

/// Settlements of a channel may come as one event or as several: as the broker sees it, there is no difference.
fn spread_settlements(events: Vec<Event>) -> Vec<String> {
    let mut all = Vec::new();
    for event in events {
        if let Event::Settle { channel, verb, deliveries, transactional } = &event {
            for settled in deliveries {
                for seq in settled.range.first..=settled.range.last {
                    all.push(format!(
                        "{channel} {verb:?} {transactional} {} {} {seq}",
                        settled.consumer, settled.queue
                    ));
                }
            }
        } else if let Event::Publish { channel, publish } = &event {
            all.push(format!("{channel} {publish:?} {:?} {:?}", publish.properties, publish.body.to_bytes()));
        } else {
            all.push(format!("{event:?}"));
        }
    }
    all
}

/// A broker that delivers something to each new channel, before anything else that the client sent there counts, and that
/// commits at once.
fn deliver_some(server: &mut Connection, event: &Event) {
    match event {
        Event::ChannelOpened { channel } => {
            for seq in 1..=7 {
                server.deliver(*channel, &delivery(1 + u32::try_from(seq % 2).unwrap(), seq, b"body"));
            }
        }
        Event::Method { channel, method: Method::TxCommit(_) } => server.send(*channel, tx::CommitOk {}),
        _ => {}
    }
}

/// Sends the bytes in pieces of these sizes (again and again), to a broker that answers at once; events and output. Events
/// are polled after each piece, or, by a lazy shell, only at the end.
fn run(mut peer: Peer, bytes: &[u8], sizes: &[usize], is_lazy: bool) -> (Vec<String>, Bytes) {
    let mut events = Vec::new();
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        if is_lazy {
            peer.hand_in(piece);
        } else {
            events.extend(peer.send_bytes_and(piece, deliver_some));
        }
        rest = behind;
    }
    events.extend(peer.send_bytes_and(b"", deliver_some));
    peer.server.handle_eof();
    events.extend(peer.poll());
    assert!(peer.server.is_closed());
    let events_spread = spread_settlements(events);
    (events_spread, peer.got_bytes())
}

fn piece_sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), prop::collection::vec(1usize..40, 1..8), prop::collection::vec(1usize..5000, 1..8),]
}

/// What a client does on a channel.
#[derive(Clone, Debug)]
enum Step {
    /// A method, or a publish: whole frames with the channel's number to be filled in.
    Frames(fn(u16, u64) -> Vec<u8>, u64),
    /// Closes the channel. The next step on it opens it again.
    Close,
    /// Something that may make no sense now.
    Rude(Vec<u8>),
}

fn step() -> impl Strategy<Value = (u16, Step)> {
    let frames: Vec<fn(u16, u64) -> Vec<u8>> = vec![
        |n, x| bytes_of(n, &channel::Flow { active: x < u64::MAX }),
        |n, _| bytes_of(n, &access::Request::default()),
        |n, _| bytes_of(n, &queue::Declare { queue: short("q"), ..queue::Declare::default() }),
        |n, x| bytes_of(n, &basic::Get { queue: short("q"), no_ack: x % 2 == 0 }),
        |n, x| bytes_of(n, &basic::Ack { delivery_tag: x % 8, multiple: x % 8 == 0 }),
        |n, x| bytes_of(n, &basic::Ack { delivery_tag: x % 8, multiple: x % 3 == 0 }),
        |n, x| bytes_of(n, &basic::Nack { delivery_tag: x % 4, multiple: x % 4 == 0, requeue: x % 3 == 0 }),
        |n, x| bytes_of(n, &basic::Reject { delivery_tag: x % 8, requeue: x % 3 == 0 }),
        |n, _| bytes_of(n, &basic::Recover { requeue: true }),
        |n, x| bytes_of(n, &confirm::Select { no_wait: x % 2 == 0 }),
        |n, x| if x % 3 == 0 { bytes_of(n, &tx::Select {}) } else { bytes_of(n, &tx::Rollback {}) },
        |n, x| if x % 3 == 0 { bytes_of(n, &tx::Select {}) } else { bytes_of(n, &tx::Commit {}) },
        |_, _| bytes_of(0, &connection::UpdateSecret { new_secret: Bytes::from_static(b"new"), reason: short("old") }),
        |n, x| publish_bytes(n, "k", &vec![7; usize::try_from(x % 9000).unwrap()]),
        |n, x| publish_bytes(n, "k", &vec![7; usize::try_from(x % 9).unwrap()]),
        |_, _| raw_frame(8, 0, b""),
    ];
    let rude = prop_oneof![
        (0u16..4).prop_map(|n| bytes_of(n, &channel::CloseOk {})),
        (0u16..4).prop_map(|n| [bytes_of(n, &channel::CloseOk {}), bytes_of(n, &channel::Open {})].concat()),
        (0u16..4).prop_map(|n| bytes_of(n, &channel::Open {})),
        (0u16..4).prop_map(|n| bytes_of(n, &basic::Publish::default())),
        (0u16..4).prop_map(|n| bytes_of(n, &tx::Select {})),
        (0u16..4).prop_map(|n| bytes_of(n, &basic::Deliver::default())),
        (0u16..4, 0u64..300).prop_map(|(n, size)| header_frame(n, 60, size)),
        (0u16..4, 0usize..300).prop_map(|(n, size)| raw_frame(3, n, &vec![1; size])),
        (0u8..10, 0u16..4, prop::collection::vec(any::<u8>(), 0..30))
            .prop_map(|(kind, n, payload)| raw_frame(kind, n, &payload)),
        Just(bytes_of(0, &close())),
    ];
    let step = prop_oneof![
        60 => (prop::sample::select(frames), any::<u64>()).prop_map(|(frames, x)| Step::Frames(frames, x)),
        4 => Just(Step::Close),
        1 => rude.prop_map(Step::Rude),
    ];
    (1u16..4, step)
}

/// A client that opens its channels before it uses them.
#[derive(Default)]
struct Client {
    open: BTreeSet<u16>,
}

impl Client {
    fn bytes(&mut self, number: u16, step: &Step) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.open.insert(number) {
            bytes.extend(bytes_of(number, &channel::Open {}));
        }
        match step {
            Step::Frames(frames, x) => bytes.extend(frames(number, *x)),
            Step::Close => {
                bytes.extend(bytes_of(number, &close_channel()));
                self.open.remove(&number);
            }
            Step::Rude(rude) => bytes.extend(rude),
        }
        bytes
    }

    /// What the client answers to what it gets.
    fn answer(&mut self, got: &[Got]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for got in got {
            match got {
                Got::Method(number, Method::ChannelClose(_)) => {
                    self.open.remove(number);
                    bytes.extend(bytes_of(*number, &channel::CloseOk {}));
                }
                Got::Method(0, Method::ConnectionClose(_)) => bytes.extend(bytes_of(0, &connection::CloseOk {})),
                Got::Method(..) | Got::Content { .. } | Got::Heartbeat => {}
            }
        }
        bytes
    }
}

/// The frames of steps that do not wait for answers.
fn script(steps: &[(u16, Step)]) -> Vec<u8> {
    let mut client = Client::default();
    steps.iter().flat_map(|(number, step)| client.bytes(*number, step)).collect()
}

/// The end that a client may put behind its frames.
fn ending() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(bytes_of(0, &close())),
        Just(bytes_of(0, &connection::CloseOk {})),
        Just(Vec::new()),
        prop::collection::vec(any::<u8>(), 0..40),
    ]
}

/// A whole session as a client should behave.
fn valid_session(bodies: &[usize]) -> Vec<u8> {
    let mut bytes = b"AMQP\0\0\x09\x01".to_vec();
    bytes.extend(bytes_of(0, &start_ok(&["authentication_failure_close"])));
    bytes.extend(bytes_of(0, &tune_ok(4096, 100, 60)));
    bytes.extend(bytes_of(0, &connection::Open { virtual_host: short("/") }));
    bytes.extend(bytes_of(1, &channel::Open {}));
    bytes.extend(bytes_of(1, &confirm::Select { no_wait: false }));
    bytes.extend(bytes_of(1, &queue::Declare { queue: short("q"), ..queue::Declare::default() }));
    bytes.extend(raw_frame(8, 0, b""));
    for size in bodies {
        bytes.extend(publish_bytes(1, "q", &vec![3; *size]));
    }
    bytes.extend(bytes_of(1, &close_channel()));
    bytes.extend(bytes_of(0, &close()));
    bytes
}

/// Each session ends exactly once, nothing comes from one that is not open, and `Closed` is the last event.
#[derive(Default)]
struct Sessions {
    open: BTreeSet<u16>,
    closed: bool,
}

impl Sessions {
    fn check(&mut self, event: &Event) {
        assert!(!self.closed, "{event:?} after Closed");
        match event {
            Event::ChannelOpened { channel } => assert!(self.open.insert(*channel), "{event:?}"),
            Event::ChannelClosed { channel } => assert!(self.open.remove(channel), "{event:?}"),
            Event::Method { channel, .. }
            | Event::Publish { channel, .. }
            | Event::Settle { channel, .. }
            | Event::Recover { channel, .. } => assert!(self.open.contains(channel), "{event:?}"),
            Event::Closed => {
                assert!(self.open.is_empty());
                self.closed = true;
            }
            Event::Login { .. } | Event::LoginResponse { .. } | Event::Open { .. } | Event::UpdateSecret { .. } => {}
        }
    }
}

/// What client and broker may do at any time.
#[derive(Clone, Debug)]
enum Act {
    Client(u16, Step),
    Deliver(u16),
    Confirm(u16, u64, u64, bool),
    SoftError(u16),
    HardError,
    Send(u16),
    Pass(u64),
    Release,
    Eof,
}

fn act() -> impl Strategy<Value = Act> {
    let number = 0u16..4;
    prop_oneof![
        200 => step().prop_map(|(number, step)| Act::Client(number, step)),
        60 => number.clone().prop_map(Act::Deliver),
        40 => (number.clone(), 0u64..10, 0u64..10, any::<bool>()).prop_map(|(n, a, b, ok)| Act::Confirm(n, a, b, ok)),
        10 => number.clone().prop_map(Act::SoftError),
        10 => number.prop_map(Act::Send),
        10 => (0u64..8_000).prop_map(Act::Pass),
        1 => Just(Act::HardError),
        1 => Just(Act::Release),
        1 => Just(Act::Eof),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_in_any_pieces_have_one_meaning(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        header in any::<bool>(),
        sizes in piece_sizes(),
        is_lazy in any::<bool>(),
    ) {
        let bytes = if header { [b"AMQP\0\0\x09\x01", &bytes[..]].concat() } else { bytes };
        let whole = run(Peer::connected(Config::default()), &bytes, &[bytes.len().max(1)], false);
        prop_assert_eq!(run(Peer::connected(Config::default()), &bytes, &sizes, is_lazy), whole);
    }

    #[test]
    fn any_frames_in_any_pieces_have_one_meaning(
        steps in prop::collection::vec(step(), 0..60),
        ending in ending(),
        sizes in piece_sizes(),
        is_lazy in any::<bool>(),
    ) {
        let bytes = [script(&steps), ending].concat();
        let peer = || Peer::opened(Config::default());
        prop_assert_eq!(run(peer(), &bytes, &sizes, is_lazy), run(peer(), &bytes, &[bytes.len().max(1)], false));
    }

    #[test]
    fn a_valid_session_in_any_pieces_has_one_meaning(
        bodies in prop::collection::vec(0usize..20_000, 0..8),
        sizes in piece_sizes(),
        is_lazy in any::<bool>(),
    ) {
        let bytes = valid_session(&bodies);
        let (events, output) = run(Peer::connected(Config::default()), &bytes, &sizes, is_lazy);
        prop_assert_eq!(events.len(), 4 + bodies.len());
        prop_assert_eq!(run(Peer::connected(Config::default()), &bytes, &[bytes.len()], false), (events, output));
    }

    #[test]
    fn sessions_end_exactly_once_whatever_client_and_broker_do(acts in prop::collection::vec(act(), 0..200)) {
        let mut peer = Peer::opened_with(Config::default(), &["consumer_cancel_notify"], tune_ok(4096, 3, 10));
        let mut sessions = Sessions::default();
        let mut client = Client::default();
        let mut seq = 0;
        for act in acts {
            seq += 1;
            let mut events = Vec::new();
            match act {
                Act::Client(number, step) => events = peer.send_bytes(&client.bytes(number, &step)),
                Act::Deliver(number) => peer.server.deliver(number, &delivery(1, seq, b"body")),
                Act::Confirm(number, first, last, ok) => peer.server.confirm(number, SeqRange { first, last }, ok),
                Act::SoftError(number) => peer.server.soft_error(number, ReplyCode::NotFound, "gone", 0, 0),
                Act::HardError => peer.server.hard_error(ReplyCode::InternalError, "oops", 0, 0),
                Act::Send(number) => peer.server.send(number, queue::DeclareOk::default()),
                Act::Pass(ms) => {
                    peer.pass_ms(ms);
                    events = peer.timeout();
                }
                Act::Release => peer.server.release(),
                Act::Eof => peer.server.handle_eof(),
            }
            events.extend(peer.poll());
            // What the client gets is whole frames.
            let answer = client.answer(&peer.got());
            events.extend(peer.send_bytes(&answer));
            events.iter().for_each(|event| sessions.check(event));
        }
        peer.server.handle_eof();
        peer.poll().iter().for_each(|event| sessions.check(event));
        prop_assert!(sessions.closed);
        prop_assert!(peer.server.is_closed());
        prop_assert_eq!(peer.server.unfinished_bytes(), 0);
        prop_assert_eq!(peer.server.next_timeout(), None);
    }
}
