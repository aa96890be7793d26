//! What a connection keeps, and what it gives back.

use amqp_codec::methods::{basic, channel};
use amqp_connection::{Config, Connection, Event};
use bytes::BytesMut;

use crate::client::{Peer, bytes_of, header_frame, publish_bytes};

#[test]
fn a_connection_is_small() {
    let bytes = size_of::<Connection>();
    assert!(bytes <= 1024, "{bytes}");
    let event = size_of::<Event>();
    assert!(event <= 256, "{event}");
}

/// Whether nobody but `buf` holds the memory that `buf` points to.
fn is_alone(buf: &mut BytesMut) -> bool {
    buf.clear();
    buf.try_reclaim(buf.capacity() + 1)
}

#[test]
fn the_receive_buffer_is_let_go_when_its_frames_are_done() {
    let mut peer = Peer::with_channel();
    let mut buf = BytesMut::with_capacity(65_536);
    buf.extend_from_slice(&publish_bytes(1, "key", b"body").repeat(10));
    peer.server.handle_bytes(peer.now, &mut buf);
    let events = peer.poll();
    assert_eq!(events.len(), 10);
    drop(events);
    assert!(is_alone(&mut buf));
}

#[test]
fn an_unfinished_message_does_not_hold_the_receive_buffer() {
    let mut peer = Peer::with_channel();
    let mut buf = BytesMut::with_capacity(65_536);
    buf.extend_from_slice(&bytes_of(2, &channel::Open {}));
    for number in [1, 2] {
        buf.extend_from_slice(&bytes_of(number, &basic::Publish::default()));
    }
    buf.extend_from_slice(&header_frame(1, 60, 1_000_000));
    buf.extend_from_slice(&crate::client::raw_frame(3, 1, &[1; 1000]));
    peer.server.handle_bytes(peer.now, &mut buf);
    assert_eq!(peer.poll(), [Event::ChannelOpened { channel: 2 }]);
    assert_eq!(peer.server.unfinished_bytes(), 1000);
    assert!(is_alone(&mut buf));
}

#[test]
fn polling_may_be_put_off_to_hold_a_client_back() {
    let mut peer = Peer::opened(Config::default());
    peer.send(1, &channel::Open {});
    let bytes = publish_bytes(1, "k", b"x");
    let mut buf = BytesMut::from(&bytes.repeat(4)[..]);
    peer.server.handle_bytes(peer.now, &mut buf);
    assert_eq!(peer.server.pending_input_bytes(), 4 * bytes.len());
    assert!(matches!(peer.server.poll_event(), Some(Event::Publish { .. })));
    assert_eq!(peer.server.pending_input_bytes(), 3 * bytes.len());
    // Frames in part stay with the shell.
    buf.extend_from_slice(&bytes[..10]);
    peer.server.handle_bytes(peer.now, &mut buf);
    assert_eq!(buf.len(), 10);
    assert_eq!(peer.poll().len(), 3);
}
