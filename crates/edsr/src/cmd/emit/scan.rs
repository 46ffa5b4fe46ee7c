//! Finding the end of an object by its braces, outside of strings, without parsing it.

/// An object on its way in.
#[derive(Default)]
pub(super) struct Scan {
    /// What belongs to it so far.
    pub(super) text: Vec<u8>,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// Takes what belongs to the object; how much that was, and whether the object is complete.
    pub(super) fn feed(&mut self, piece: &[u8]) -> (usize, bool) {
        for (place, byte) in piece.iter().enumerate() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if self.depth == 0 && !self.in_string {
                self.text.extend_from_slice(&piece[..=place]);
                return (place + 1, true);
            }
        }
        self.text.extend_from_slice(piece);
        (piece.len(), false)
    }
}
