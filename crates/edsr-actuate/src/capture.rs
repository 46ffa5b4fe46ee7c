//! Keeping the beginning and the end of an output of any length.

use std::collections::VecDeque;

use crate::redact::Redactor;

/// How much of the beginning is kept, in bytes.
pub const HEAD_KEPT: usize = 32 * 1024;
/// How much of the end is kept, in bytes.
pub const TAIL_KEPT: usize = 32 * 1024;

/// An output as it comes in. Besides what is kept it remembers a margin, so that a secret across a cut can be recognised.
pub(crate) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    margin: usize,
    total: u64,
}

/// What is shown of an output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) text: String,
    /// Bytes that were left out between beginning and end.
    pub(crate) left_out: u64,
}

impl Capture {
    /// `margin` is the length of the longest text that must be recognised.
    pub(crate) fn new(margin: usize) -> Self {
        Self {
            head: Vec::new(),
            tail: VecDeque::new(),
            margin,
            total: 0,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.total = self.total.saturating_add(bytes.len() as u64);
        let room = (HEAD_KEPT + self.margin).saturating_sub(self.head.len());
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        let kept = TAIL_KEPT + self.margin;
        self.tail.extend(&rest[rest.len().saturating_sub(kept)..]);
        self.tail.drain(..self.tail.len().saturating_sub(kept));
    }

    /// The output without secrets; where bytes are left out, a line in their place says how many.
    pub(crate) fn shown(mut self, redactor: &Redactor) -> Shown {
        let kept = (self.head.len() + self.tail.len()) as u64;
        let left_out = self.total.saturating_sub((HEAD_KEPT + TAIL_KEPT) as u64);
        let mut tail = Vec::from(std::mem::take(&mut self.tail));
        if kept == self.total {
            // All of it is there, so the end is looked at together with what stands before it.
            let mut all = self.head;
            all.append(&mut tail);
            if left_out == 0 {
                let text = redactor.part(&all, 0..all.len());
                return Shown { text, left_out };
            }
            let end = redactor.part(&all, all.len() - TAIL_KEPT..all.len());
            return joined(&redactor.part(&all, 0..HEAD_KEPT), &end, left_out);
        }
        let end = redactor.part(&tail, tail.len() - TAIL_KEPT..tail.len());
        joined(&redactor.part(&self.head, 0..HEAD_KEPT), &end, left_out)
    }
}

fn joined(head: &str, tail: &str, left_out: u64) -> Shown {
    Shown {
        text: format!("{head}\n[{left_out} bytes left out]\n{tail}"),
        left_out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(bytes: &[u8], piece: usize, redactor: &Redactor) -> Shown {
        let mut capture = Capture::new(redactor.longest());
        for piece in bytes.chunks(piece) {
            capture.push(piece);
        }
        capture.shown(redactor)
    }

    #[test]
    fn the_beginning_and_the_end_stay() {
        let kept = HEAD_KEPT + TAIL_KEPT;
        for (length, left_out) in [
            (0, 0),
            (10, 0),
            (kept, 0),
            (kept + 1, 1),
            (9 * kept, 8 * kept),
        ] {
            let bytes: Vec<u8> = (0..length).map(|n| b'a' + (n % 23) as u8).collect();
            for piece in [7, 4096, length.max(1)] {
                let shown = capture(&bytes, piece, &Redactor::default());
                assert_eq!(shown.left_out, left_out as u64, "{length}");
                assert!(shown.text.len() < kept + 64);
                assert!(bytes.starts_with(&shown.text.as_bytes()[..length.min(HEAD_KEPT)]));
                let end = &shown.text.as_bytes()[shown.text.len() - length.min(TAIL_KEPT)..];
                assert!(bytes.ends_with(end), "{length} in {piece}");
            }
        }
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_stands() {
        let secret = "s3cr3t-v4lue";
        let mut redactor = Redactor::default();
        redactor.hide(secret);
        let kept = HEAD_KEPT + TAIL_KEPT;
        for length in [kept - 5, kept + 3, kept + 20, kept + 60, 3 * kept] {
            for cut in [HEAD_KEPT, length - TAIL_KEPT] {
                for before in 0..=secret.len() {
                    let mut bytes = vec![b'.'; length];
                    let at = cut - before;
                    bytes[at..at + secret.len()].copy_from_slice(secret.as_bytes());
                    let shown = capture(&bytes, 4096, &redactor);
                    let bare = shown.text.replace("bytes left out", "");
                    let leak = secret.bytes().filter(|b| b.is_ascii_alphabetic());
                    for byte in leak {
                        assert!(!bare.contains(char::from(byte)), "{length} {cut} {before}");
                    }
                }
            }
        }
    }
}
