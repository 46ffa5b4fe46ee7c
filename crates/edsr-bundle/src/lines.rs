//! Where lines begin, found once per file: counting them anew for every mistake would take a hostile file minutes.

/// The lines of a text.
#[derive(Debug)]
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(
            std::iter::once(0)
                .chain(breaks.map(|(at, _)| at + 1))
                .collect(),
        )
    }

    /// The line a byte is on, from 1, and where that line begins.
    pub(crate) fn at(&self, byte: usize) -> (usize, usize) {
        let line = self.0.partition_point(|start| *start <= byte).max(1);
        (line, self.0[line - 1])
    }
}
