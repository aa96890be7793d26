//! One client's connection, from its first byte or after its handshake: raw bytes, or frames that are whole, in any pieces. What
//! the broker learns and what the client gets does not depend on where the bytes are cut, and every session ends once.

mod peer;

use std::collections::BTreeSet;

use amqp_connection::Event;

use self::peer::Peer;
pub(crate) use self::peer::handshake;
use crate::{input::Input, memory};

/// The client has logged in already.
const OPENED: u8 = 1;
/// What follows is taken for kind, channel and payload of frames.
const FRAMED: u8 = 2;
/// The broker looks at events only when all has come.
const LAZY: u8 = 4;
/// The first bytes are a client's.
const GREETED: u8 = 8;

/// See the module.
pub fn connection(data: &[u8]) {
    let mut input = Input(data);
    let flags = input.byte();
    let cuts = input.piece();
    let sizes: Vec<usize> = cuts.iter().map(|cut| 1 + usize::from(*cut)).collect();
    let mut bytes = Vec::new();
    if flags & OPENED == 0 && flags & GREETED != 0 {
        bytes.extend(b"AMQP\0\0\x09\x01");
    }
    if flags & FRAMED == 0 {
        bytes.extend(input.0);
    } else {
        frames(input, &mut bytes);
    }
    let whole = memory::bounded(bytes.len(), 0, || run(flags & OPENED != 0, &bytes, &[bytes.len().max(1)], false));
    let pieces = run(flags & OPENED != 0, &bytes, &sizes, flags & LAZY != 0);
    assert_eq!(whole.0, pieces.0, "events depend on where the bytes are cut");
    assert_eq!(whole.1, pieces.1, "output depends on where the bytes are cut");
}

/// Whole frames: each is kind, channel and a piece.
fn frames(mut input: Input<'_>, bytes: &mut Vec<u8>) {
    while !input.0.is_empty() {
        let (kind, channel) = (input.byte(), input.byte());
        let payload = input.piece();
        let len = u32::try_from(payload.len()).expect("a piece is short");
        bytes.extend([kind, 0, channel]);
        bytes.extend(len.to_be_bytes());
        bytes.extend(payload);
        bytes.push(0xce);
    }
}

/// Hands the bytes in in pieces of these sizes, again and again; what the broker learnt, and what the client got.
fn run(opened: bool, bytes: &[u8], sizes: &[usize], is_lazy: bool) -> (Vec<String>, Vec<u8>) {
    let mut peer = if opened { Peer::opened() } else { Peer::connected() };
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(1);
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        peer.hand_in(piece);
        if !is_lazy {
            peer.poll();
        }
        rest = behind;
    }
    peer.poll();
    peer.server.handle_eof();
    peer.poll();
    assert!(peer.server.is_closed());
    assert_eq!((peer.server.unfinished_bytes(), peer.server.next_timeout()), (0, None));
    check_sessions(&peer.events);
    (spread(&peer.events), peer.output)
}

/// Each session ends once, and nothing comes from one that is not there.
fn check_sessions(events: &[Event]) {
    let mut open = BTreeSet::new();
    for event in events {
        match event {
            Event::ChannelOpened { channel } => assert!(open.insert(*channel), "channel {channel} is open twice"),
            Event::ChannelClosed { channel } => assert!(open.remove(channel), "channel {channel} ends twice"),
            Event::Method { channel, .. }
            | Event::Publish { channel, .. }
            | Event::Settle { channel, .. }
            | Event::Recover { channel, .. } => assert!(open.contains(channel), "channel {channel} is not open"),
            Event::Closed => assert!(open.is_empty(), "the connection ends before its sessions"),
            Event::Login { .. } | Event::LoginResponse { .. } | Event::Open { .. } | Event::UpdateSecret { .. } => {}
        }
    }
    assert!(open.is_empty(), "a session does not end");
    let ends = events.iter().filter(|event| matches!(event, Event::Closed)).count();
    assert!(ends <= 1, "the connection ends {ends} times");
}

/// Settlements may come as one event or as several; bodies in one piece or in several.
fn spread(events: &[Event]) -> Vec<String> {
    let mut all = Vec::new();
    for event in events {
        match event {
            Event::Settle { channel, verb, deliveries, transactional } => {
                for settled in deliveries {
                    let (consumer, queue) = (settled.consumer, settled.queue);
                    let one = |seq| format!("{channel} {verb:?} {transactional} {consumer} {queue} {seq}");
                    all.extend((settled.range.first..=settled.range.last).map(one));
                }
            }
            Event::Publish { channel, publish } => {
                all.push(format!("{channel} {publish:?} {:?} {:?}", publish.properties, publish.body.to_bytes()));
            }
            event => all.push(format!("{event:?}")),
        }
    }
    all
}
