//! Cuts the bytes of one input into what a target is made of. Every byte sequence is an input: what is missing is zero or empty.

/// The rest of an input.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// The next bytes, with their number in two bytes (little endian) in front.
    pub fn piece(&mut self) -> &'a [u8] {
        let len = usize::from(u16::from_le_bytes([self.byte(), self.byte()]));
        let (piece, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        piece
    }

    /// All pieces that are left.
    pub fn pieces(mut self) -> impl Iterator<Item = &'a [u8]> {
        std::iter::from_fn(move || (!self.0.is_empty()).then(|| self.piece()))
    }
}

/// What [`Input::piece`] takes.
///
/// # Panics
/// When it is longer than a piece can be.
pub fn piece(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("a piece of a seed is short");
    [&len.to_le_bytes(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_and_a_last_one_may_be_cut_short() {
        let bytes = [piece(b"one"), piece(b""), piece(b"three")].concat();
        assert_eq!(Input(&bytes).pieces().collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
        assert_eq!(Input(&bytes[..11]).pieces().collect::<Vec<_>>(), [&b"one"[..], b"", b"th"]);
        assert_eq!(Input(b"").piece(), b"");
    }
}
