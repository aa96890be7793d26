//! A stream of frames, decoded as a connection does: frame by frame, each by its kind.

use amqp_codec::{
    Method,
    content::ContentHeader,
    frame::{FrameKind, decode_frame},
    properties,
};
use bytes::BytesMut;

use crate::memory;

const FRAME_MAX: u32 = 4096;

/// See the module.
pub fn frames(data: &[u8]) {
    let mut buf = BytesMut::from(data);
    memory::bounded(data.len(), 0, || {
        while let Ok(Some(frame)) = decode_frame(&mut buf, FRAME_MAX) {
            assert!(frame.payload.len() <= 4096);
            match frame.kind {
                FrameKind::Method => drop(Method::decode(frame.payload)),
                FrameKind::Header => {
                    if let Ok(header) = ContentHeader::decode(frame.payload) {
                        properties::validate(&header.properties).ok();
                    }
                }
                FrameKind::Body | FrameKind::Heartbeat => {}
            }
        }
    });
}
