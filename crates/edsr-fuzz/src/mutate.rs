//! Seeded mutations of kept inputs, for tests that have no coverage to go by.

use edsr_log::rng::SplitMix64;

/// The longest input that is made, in bytes.
const BYTES_MAX: usize = 64 * 1024;

/// Pieces that parsers are sensitive to.
const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "null",
    "true",
    "1e999",
    "-0",
    "18446744073709551616",
    "0.1",
    "\n",
    "\r\n",
    "\0",
    "\u{202e}",
    "&a",
    "*a",
    "<<:",
    "---",
    "!!",
    "${",
    "}",
    "has(",
    "all(x,",
    "size(",
    "matches('",
    "specversion",
    "1.0",
    "data_base64",
    "id",
    ": ",
    "- ",
    "  ",
    "|",
    ">",
    "%",
    "#",
    "'",
    "forall",
    "permit",
    "when {",
    "0x",
    "9999d",
    "1ms",
];

/// Makes inputs out of others.
#[derive(Debug)]
pub struct Mutator {
    dice: SplitMix64,
}

impl Mutator {
    /// Everything it makes follows from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            dice: SplitMix64::new(seed),
        }
    }

    /// An input made out of one of `kept`, which must not be empty.
    pub fn next(&mut self, kept: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.pick(kept).clone();
        for _ in 0..1 + self.dice.below(6) {
            self.change(&mut input, kept);
        }
        input.truncate(BYTES_MAX);
        input
    }

    fn pick<'k>(&mut self, kept: &'k [Vec<u8>]) -> &'k Vec<u8> {
        &kept[self.below(kept.len())]
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.dice.below(bound as u64)).unwrap_or(0)
    }

    fn change(&mut self, input: &mut Vec<u8>, kept: &[Vec<u8>]) {
        let len = input.len();
        let at = self.below(len + 1);
        match self.below(7) {
            0 if len > 0 => {
                let bit = self.below(8);
                input[at.min(len - 1)] ^= 1 << bit;
            }
            1 => {
                let end = (at + self.below(16)).min(len);
                input.drain(at..end);
            }
            2 => {
                let end = (at + self.below(64)).min(len);
                let piece = input[at..end].to_vec();
                for _ in 0..1 + self.below(12) {
                    input.splice(at..at, piece.iter().copied());
                }
            }
            3 => {
                let other = self.pick(kept).clone();
                let from = self.below(other.len() + 1);
                let end = (from + self.below(256)).min(other.len());
                input.splice(at..at, other[from..end].iter().copied());
            }
            4 => {
                let byte = u8::try_from(self.below(256)).unwrap_or(0);
                input.insert(at, byte);
            }
            5 => input.truncate(at),
            _ => {
                let word = WORDS[self.below(WORDS.len())];
                input.splice(at..at, word.bytes());
            }
        }
    }
}
