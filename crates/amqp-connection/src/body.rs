//! A message body in the pieces in which its frames came.

use std::mem;

use bytes::{Bytes, BytesMut};

/// A piece that is not the whole body is copied together with its neighbours when it is smaller than this, so that a body cut
/// into tiny frames holds neither a handle per frame nor the receive buffers around them.
const PIECE_BYTES_MIN: usize = 16 * 1024;

/// A message body. The usual body of one frame needs no memory beside the receive buffer it is a slice of.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pieces: Pieces,
}

#[derive(Clone, Debug, Default)]
enum Pieces {
    #[default]
    Empty,
    One(Bytes),
    Many(Vec<Bytes>),
}

impl Body {
    /// The pieces, in order; none is empty.
    pub fn pieces(&self) -> &[Bytes] {
        match &self.pieces {
            Pieces::Empty => &[],
            Pieces::One(one) => std::slice::from_ref(one),
            Pieces::Many(many) => many,
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.pieces().iter().map(Bytes::len).sum()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.pieces().is_empty()
    }

    /// The whole body in one piece: without a copy when it is in one piece.
    pub fn to_bytes(&self) -> Bytes {
        match &self.pieces {
            Pieces::Empty => Bytes::new(),
            Pieces::One(one) => one.clone(),
            Pieces::Many(many) => {
                let mut whole = BytesMut::with_capacity(self.len());
                for piece in many {
                    whole.extend_from_slice(piece);
                }
                whole.freeze()
            }
        }
    }

    fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        match &mut self.pieces {
            Pieces::Empty => self.pieces = Pieces::One(piece),
            Pieces::One(one) => self.pieces = Pieces::Many(vec![mem::take(one), piece]),
            Pieces::Many(many) => many.push(piece),
        }
    }
}

impl From<Bytes> for Body {
    fn from(piece: Bytes) -> Self {
        let mut body = Body::default();
        body.push(piece);
        body
    }
}

impl PartialEq for Body {
    /// Equal bytes, however they are cut.
    fn eq(&self, other: &Self) -> bool {
        let ours = self.pieces().iter().flat_map(|piece| piece.iter());
        let theirs = other.pieces().iter().flat_map(|piece| piece.iter());
        ours.eq(theirs)
    }
}

impl Eq for Body {}

/// A body that is still coming in.
#[derive(Debug, Default)]
pub(crate) struct BodyBuilder {
    body: Body,
    /// Small pieces, copied; they come after those in `body`.
    tail: BytesMut,
    len: usize,
}

impl BodyBuilder {
    /// Adds the payload of a body frame; the body is complete with the `last`.
    pub(crate) fn push(&mut self, piece: Bytes, last: bool) {
        self.len += piece.len();
        let whole = last && self.body.is_empty() && self.tail.is_empty();
        if piece.len() < PIECE_BYTES_MIN && !whole {
            self.tail.extend_from_slice(&piece);
        } else {
            self.flush();
            self.body.push(piece);
        }
    }

    /// How many bytes have come.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The body. The builder is empty afterwards.
    pub(crate) fn finish(&mut self) -> Body {
        self.flush();
        self.len = 0;
        mem::take(&mut self.body)
    }

    fn flush(&mut self) {
        if !self.tail.is_empty() {
            self.body.push(mem::take(&mut self.tail).freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(pieces: &[&'static [u8]]) -> Body {
        let mut builder = BodyBuilder::default();
        for (at, piece) in pieces.iter().enumerate() {
            builder.push(Bytes::from_static(piece), at + 1 == pieces.len());
        }
        builder.finish()
    }

    #[test]
    fn a_body_of_one_frame_is_not_copied() {
        let piece = Bytes::from_static(b"hello");
        let mut builder = BodyBuilder::default();
        builder.push(piece.clone(), true);
        let body = builder.finish();
        assert_eq!(body.pieces().len(), 1);
        assert_eq!(body.to_bytes().as_ptr(), piece.as_ptr());
    }

    #[test]
    fn tiny_pieces_are_gathered() {
        let body = built(&[b"a".as_slice(); 10_000]);
        assert_eq!(body.pieces().len(), 1);
        assert_eq!(body.len(), 10_000);
    }

    #[test]
    fn big_and_small_pieces_keep_their_order() {
        static BIG: [u8; PIECE_BYTES_MIN] = [7; PIECE_BYTES_MIN];
        let body = built(&[b"ab", b"", b"c", &BIG, b"d", b"e", &BIG]);
        let whole = [b"abc".as_slice(), &BIG, b"de", &BIG].concat();
        assert_eq!(body.to_bytes(), whole);
        assert_eq!(body, Body::from(Bytes::from(whole)));
        assert_eq!(body.pieces().len(), 4);
    }

    #[test]
    fn an_empty_body_has_no_pieces() {
        assert!(built(&[b"", b""]).is_empty());
        assert!(Body::from(Bytes::new()).pieces().is_empty());
        assert_eq!(Body::default().to_bytes(), Bytes::new());
    }
}
