//! Publishes ready for the socket: a buffer that holds copies of one encoded publish for as long as the run lasts.
//!
//! Only the stamp at the start of each body changes, so that a message costs sixteen bytes written here and its share of one
//! write to the socket. The rest of the bodies is noise, different in each copy, which nobody can compress.

use amqp_codec::{
    BasicProperties,
    content::{Content, encode_message},
    frame::FRAME_HEADER_BYTES,
    methods::basic,
    properties::PERSISTENT,
};
use bytes::BytesMut;

use crate::identity::{STAMP_BYTES, Stamp};

/// Most bytes of one burst, unless one publish is larger.
const BURST_BYTES_MAX: usize = 256 * 1024;

/// The delivery mode of a message that need not survive a restart.
const TRANSIENT: u8 = 1;

/// What all messages of a publisher have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Template<'a> {
    /// The queue: the routing key on the default exchange.
    pub(crate) queue: &'a str,
    /// Body size. Unit: bytes.
    pub(crate) size: usize,
    pub(crate) persistent: bool,
    pub(crate) frame_max: u32,
    /// Most publishes that can ever be sent at once.
    pub(crate) copies_max: usize,
}

/// Copies of one publish, of which some are on their way.
#[derive(Debug)]
pub(crate) struct Burst {
    bytes: BytesMut,
    /// Length of one publish with all its frames.
    publish_len: usize,
    /// Where in a publish its body starts.
    body_at: usize,
    /// How much of the body the stamp takes: the smallest frame holds a whole one.
    stamp_len: usize,
    copies: usize,
    /// The loaded copies' bytes that are not written yet.
    from: usize,
    to: usize,
}

impl Burst {
    /// Encodes the copies for a channel.
    pub(crate) fn new(template: &Template<'_>, channel: u16) -> Self {
        let one = encode_publish(template, channel, &vec![0; template.size]);
        let publish_len = one.len();
        let copies = (BURST_BYTES_MAX / publish_len).clamp(1, template.copies_max.max(1));
        let head_len = encode_publish(template, channel, &[]).len();
        let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
        let mut bytes = BytesMut::with_capacity(copies * publish_len);
        for _ in 0..copies {
            let body = noise.bytes(template.size);
            bytes.extend_from_slice(&encode_publish(template, channel, &body));
        }
        Burst {
            bytes,
            publish_len,
            body_at: head_len + FRAME_HEADER_BYTES,
            stamp_len: template.size.min(STAMP_BYTES),
            copies,
            from: 0,
            to: 0,
        }
    }

    /// How many publishes fit.
    pub(crate) fn copies(&self) -> usize {
        self.copies
    }

    /// Loads the publish of that place with a stamp. All places below it must be loaded, and the last burst written.
    #[inline]
    pub(crate) fn load(&mut self, place: usize, stamp: Stamp) {
        debug_assert!(place < self.copies, "only as many as fit are loaded");
        if self.stamp_len == 0 {
            return;
        }
        let at = place * self.publish_len + self.body_at;
        stamp.write(&mut self.bytes[at..at + self.stamp_len]);
    }

    /// Makes the first publishes ready to be written.
    pub(crate) fn launch(&mut self, publishes: usize) {
        debug_assert!(self.is_written(), "a burst is written before the next is launched");
        self.from = 0;
        self.to = publishes * self.publish_len;
    }

    /// What is to be written.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }

    /// Notes what was written.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.from += bytes;
    }

    /// Whether nothing waits to be written.
    pub(crate) fn is_written(&self) -> bool {
        self.from == self.to
    }

    /// Forgets what waits to be written: the connection is gone.
    pub(crate) fn reset(&mut self) {
        self.from = 0;
        self.to = 0;
    }
}

fn encode_publish(template: &Template<'_>, channel: u16, body: &[u8]) -> BytesMut {
    let method =
        basic::PublishRef { exchange: b"", routing_key: template.queue.as_bytes(), mandatory: false, immediate: false };
    let delivery_mode = Some(if template.persistent { PERSISTENT } else { TRANSIENT });
    let properties = BasicProperties { delivery_mode, ..BasicProperties::default() }.to_bytes();
    let mut bytes = BytesMut::new();
    let content = Content { properties: &properties, body: &[body] };
    encode_message(&mut bytes, channel, template.frame_max, &method, &content);
    bytes
}

/// Marsaglia's xorshift: noise that no compressor finds.
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            bytes.extend_from_slice(&self.0.to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use amqp_codec::{Method, content::ContentHeader, frame::FrameKind};

    use super::*;
    use crate::{identity::Identity, units::count};

    fn template(size: usize) -> Template<'static> {
        Template { queue: "perf-0", size, persistent: true, frame_max: 4096, copies_max: 1000 }
    }

    /// All messages in the bytes: routing key, announced size, body.
    fn messages(bytes: &[u8]) -> Vec<(String, u64, Vec<u8>)> {
        let mut buffer = BytesMut::from(bytes);
        let mut messages = Vec::new();
        while let Some(frame) = amqp_codec::frame::decode_frame(&mut buffer, 4096).unwrap() {
            assert_eq!(frame.channel, 1);
            match frame.kind {
                FrameKind::Method => match Method::decode(frame.payload).unwrap() {
                    Method::BasicPublish(publish) => {
                        messages.push((publish.routing_key.to_string_lossy(), 0, Vec::new()));
                    }
                    other => panic!("{}", other.name()),
                },
                FrameKind::Header => {
                    let header = ContentHeader::decode(frame.payload).unwrap();
                    let properties = BasicProperties::decode(header.properties).unwrap();
                    assert_eq!(properties.delivery_mode, Some(PERSISTENT));
                    messages.last_mut().unwrap().1 = header.body_size;
                }
                FrameKind::Body => messages.last_mut().unwrap().2.extend_from_slice(&frame.payload),
                FrameKind::Heartbeat => panic!("no heartbeat was written"),
            }
        }
        assert!(buffer.is_empty());
        messages
    }

    #[test]
    fn launched_publishes_are_whole_messages_with_their_stamps() {
        for size in [0, 7, 8, 15, 16, 1024, 10_000] {
            let mut burst = Burst::new(&template(size), 1);
            let stamp = |sequence| {
                let identity = Identity { run: 1, publisher: 2, sequence };
                Stamp { start_ns: 1000 + sequence, identity: Some(identity) }
            };
            for place in 0..3 {
                burst.load(place, stamp(count(place)));
            }
            burst.launch(3);
            let messages = messages(burst.pending());
            assert_eq!(messages.len(), 3);
            for (sequence, (key, announced, body)) in (0..).zip(messages) {
                assert_eq!((key.as_str(), announced, body.len()), ("perf-0", count(size), size));
                let expected = (size >= 8).then(|| {
                    let stamp = stamp(sequence);
                    if size >= 16 { stamp } else { Stamp { identity: None, ..stamp } }
                });
                assert_eq!(Stamp::read(&body), expected);
            }
        }
    }

    #[test]
    fn a_burst_is_bounded_in_bytes_and_by_the_window() {
        let burst = Burst::new(&template(1024), 1);
        assert!(burst.copies() > 100 && burst.bytes.len() <= BURST_BYTES_MAX);
        assert_eq!(Burst::new(&Template { copies_max: 5, ..template(16) }, 1).copies(), 5);
        assert_eq!(Burst::new(&template(1_000_000), 1).copies(), 1);
    }

    #[test]
    fn a_burst_is_written_piece_by_piece() {
        let mut burst = Burst::new(&template(16), 1);
        burst.launch(2);
        let all = burst.pending().len();
        assert_eq!(all, 2 * burst.publish_len);
        burst.advance(10);
        assert_eq!(burst.pending().len(), all - 10);
        assert!(!burst.is_written());
        burst.advance(all - 10);
        assert!(burst.is_written());
    }

    #[test]
    fn bodies_differ_from_each_other() {
        let mut burst = Burst::new(&template(100), 1);
        burst.launch(2);
        let messages = messages(burst.pending());
        assert_ne!(messages[0].2, messages[1].2);
    }
}
