//! Cuts the input into frames and leads each to where it belongs.

use amqp_codec::{
    frame::{FRAME_END, FRAME_HEADER_BYTES, FrameError, FrameKind, RawFrame, decode_frame},
    methods::{Method, MethodError, basic},
    protocol_header::ProtocolHeader,
};
use bytes::{Buf, Bytes, BytesMut};

use super::{CloseReason, Connection};
use crate::{fault::Fault, phase::Phase, text};

const PROTOCOL_HEADER_BYTES: usize = 8;

/// Kind, channel and payload size.
struct FrameHeader {
    kind: u8,
    channel: u16,
    size: u32,
}

impl FrameHeader {
    /// Of the frame at the front of `input`, if so much has come.
    fn peek(input: &[u8]) -> Option<Self> {
        let &[kind, channel_high, channel_low, size @ ..] = input.first_chunk::<FRAME_HEADER_BYTES>()?;
        let channel = u16::from_be_bytes([channel_high, channel_low]);
        Some(FrameHeader { kind, channel, size: u32::from_be_bytes(size) })
    }

    fn payload_len(&self) -> usize {
        usize::try_from(self.size).expect("usize has at least 32 bits")
    }

    fn frame_len(&self) -> usize {
        FRAME_HEADER_BYTES + self.payload_len() + 1
    }

    /// Whether the payload is larger than agreed. Clients that forget to count a frame's overhead are forgiven.
    fn is_too_large(&self, frame_max: u32) -> bool {
        frame_max != 0 && self.size > frame_max
    }
}

impl Connection {
    /// Moves whole frames from `buf` to the input.
    pub(super) fn take_frames(&mut self, buf: &mut BytesMut) {
        if self.phase == Phase::Closed || self.deaf {
            buf.clear();
            return;
        }
        while !self.input.is_empty() && !buf.is_empty() {
            // The input seldom ends within a frame: when the size that is allowed changes behind the frames in it.
            let lacking = self.lacking();
            if lacking == 0 {
                break;
            }
            let part = buf.split_to(lacking.min(buf.len()));
            self.input.extend_from_slice(&part);
        }
        let whole = buf.split_to(self.whole_frames(buf));
        if self.input.is_empty() {
            self.input = whole;
        } else {
            self.input.unsplit(whole);
        }
    }

    /// How many bytes the last frame of the input lacks, as far as is known. Any number, if a frame is too large for now:
    /// the reader shall find out.
    fn lacking(&self) -> usize {
        let mut rest = &self.input[..];
        if self.phase == Phase::Header {
            let Some(frames) = rest.get(PROTOCOL_HEADER_BYTES..) else {
                return PROTOCOL_HEADER_BYTES - rest.len();
            };
            rest = frames;
        }
        loop {
            if rest.is_empty() {
                return 0;
            }
            let Some(header) = FrameHeader::peek(rest) else {
                return FRAME_HEADER_BYTES - rest.len();
            };
            if header.is_too_large(self.frame_limit()) {
                return usize::MAX;
            }
            let Some(behind) = rest.get(header.frame_len()..) else {
                return header.frame_len() - rest.len();
            };
            rest = behind;
        }
    }

    /// How many bytes at the front of `buf` are whole frames. All, if one is too large: the reader shall find out.
    fn whole_frames(&self, buf: &[u8]) -> usize {
        let mut at = 0;
        if self.phase == Phase::Header && self.input.is_empty() {
            if buf.len() < PROTOCOL_HEADER_BYTES {
                return 0;
            }
            at = PROTOCOL_HEADER_BYTES;
        }
        while let Some(header) = buf.get(at..).and_then(FrameHeader::peek) {
            if header.is_too_large(self.frame_limit()) {
                return buf.len();
            }
            let end = at + header.frame_len();
            if end > buf.len() {
                break;
            }
            at = end;
        }
        at
    }

    fn frame_limit(&self) -> u32 {
        self.tuning.frame_max
    }

    /// Whether the last event is a settlement and the next frame one of the same channel: they may become one event.
    pub(super) fn next_frame_settles_too(&self) -> bool {
        let Some(channel) = self.events.settling() else { return false };
        let Some(header) = FrameHeader::peek(&self.input) else { return false };
        let ids = self.input.get(FRAME_HEADER_BYTES..).and_then(<[u8]>::first_chunk);
        header.kind == FrameKind::Method.octet() && header.channel == channel && ids.is_some_and(settles)
    }

    /// Takes one frame from the input and acts on it. False when nothing can be done until more bytes or an answer come.
    pub(super) fn read_frame(&mut self) -> bool {
        if self.phase == Phase::Header {
            return self.read_protocol_header();
        }
        if self.phase == Phase::Closed || self.deaf {
            self.input.clear();
            return false;
        }
        if self.phase.holds_input() {
            return false;
        }
        let Some(header) = FrameHeader::peek(&self.input) else { return false };
        let limit = self.frame_limit();
        match decode_frame(&mut self.input, limit) {
            Ok(Some(frame)) => self.dispatch(frame),
            Ok(None) => return false,
            Err(FrameError::TooLarge { .. }) => {
                self.lost_frames(Fault::frame_too_large(header.kind, header.size, limit))
            }
            Err(FrameError::BadEnd | FrameError::UnknownKind(_)) => return self.read_odd_frame(&header),
        }
        true
    }

    /// A frame of unknown kind, or one that does not end as it should.
    fn read_odd_frame(&mut self, header: &FrameHeader) -> bool {
        if header.is_too_large(self.frame_limit()) {
            self.lost_frames(Fault::frame_too_large(header.kind, header.size, self.frame_limit()));
            return true;
        }
        if self.input.len() < header.frame_len() {
            return false;
        }
        self.input.advance(FRAME_HEADER_BYTES);
        let payload = self.input.split_to(header.payload_len());
        match self.input.get_u8() {
            FRAME_END => self.odd_frame(Fault::unknown_frame(header.kind, &payload)),
            marker => self.lost_frames(Fault::bad_frame_end(header.kind, &payload, marker)),
        }
        true
    }

    /// A frame that is wrong in itself; those after it may be right.
    fn odd_frame(&mut self, fault: Fault) {
        if !self.phase.is_over() {
            self.fail(fault);
        }
    }

    /// Where the next frame starts is not known.
    fn lost_frames(&mut self, fault: Fault) {
        self.deaf = true;
        self.input.clear();
        if self.phase == Phase::Closing {
            // Close-ok will not be understood.
            self.finish();
        } else {
            self.odd_frame(fault);
        }
    }

    fn read_protocol_header(&mut self) -> bool {
        let Some(&header) = self.input.first_chunk::<PROTOCOL_HEADER_BYTES>() else { return false };
        self.input.advance(PROTOCOL_HEADER_BYTES);
        match ProtocolHeader::parse(&header) {
            ProtocolHeader::Amqp091 => self.start(),
            ProtocolHeader::Unsupported { answer, guess } => {
                self.output.buffer().extend_from_slice(&answer);
                self.close_at_once(CloseReason::Protocol(guess));
            }
        }
        true
    }

    fn dispatch(&mut self, frame: RawFrame) {
        match self.phase {
            Phase::Closing => self.closing_frame(frame),
            Phase::Leaving if self.farewell.is_some() => self.closing_frame(frame),
            Phase::Leaving | Phase::Closed => {}
            _ if frame.channel == 0 => self.connection_frame(frame),
            Phase::Running => self.channel_frame(frame),
            _ => self.fail(Fault::unexpected_frame(frame.kind.octet(), &frame.payload)),
        }
    }
}

/// Whether class and method id are those of `basic.ack`, `basic.nack` or `basic.reject`.
fn settles(&[class_high, class_low, method_high, method_low]: &[u8; 4]) -> bool {
    let ids = (u16::from_be_bytes([class_high, class_low]), u16::from_be_bytes([method_high, method_low]));
    let settling = [&basic::Ack::INFO, &basic::Nack::INFO, &basic::Reject::INFO];
    settling.iter().any(|info| (info.class_id, info.method_id) == ids)
}

/// How many octets of malformed arguments an error text can show: as many as fit when each is one digit and a comma.
const ARGUMENTS_SHOWN: usize = 128;

/// Reads a method frame's payload.
pub(super) fn decode_method(payload: Bytes) -> Result<Method, Fault> {
    // Copied for the error text, since the payload is gone then; cheaper than another reference to it.
    let mut shown = [0; ARGUMENTS_SHOWN + 4];
    let shown_len = payload.len().min(shown.len());
    shown[..shown_len].copy_from_slice(&payload[..shown_len]);
    match Method::decode(payload) {
        Ok(method) if text::is_utf8(&method) => Ok(method),
        Ok(method) => Err(Fault::not_utf8().of_ids(method.class_id(), method.method_id())),
        Err(MethodError::NoIds(_)) => Err(Fault::unknown_frame(FrameKind::Method.octet(), &shown[..shown_len])),
        Err(MethodError::UnknownClass { class_id, method_id } | MethodError::UnknownMethod { class_id, method_id }) => {
            Err(Fault::unknown_method(class_id, method_id))
        }
        Err(MethodError::Malformed { class_id, method_id, .. }) => {
            Err(Fault::malformed_method(shown.get(4..shown_len).unwrap_or_default()).of_ids(class_id, method_id))
        }
    }
}
