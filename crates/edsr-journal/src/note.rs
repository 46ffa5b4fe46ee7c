//! Checkpoints as signed notes, in the text forms of C2SP `signed-note` and `tlog-checkpoint`
//! (<https://c2sp.org/signed-note>, <https://c2sp.org/tlog-checkpoint>), so that other tools can check them.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::{Signature, VerifyingKey};
use edsr_model::Digest;

/// The longest note that is looked at, in bytes.
pub const NOTE_BYTES_MAX: usize = 16 * 1024;

/// What every origin starts with; the fingerprint of the key follows.
pub const ORIGIN_PREFIX: &str = "edsr.dev/journal/";

/// The type byte of plain Ed25519 signatures in signed notes.
pub(crate) const ED25519: u8 = 1;

const SIGNATURE_MARK: &str = "\u{2014} ";
const KEY_ID_BYTES: usize = 4;

/// What a checkpoint states: the journal of `origin` with `size` entries has the Merkle root `root`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which journal: the name of its key.
    pub origin: String,
    /// How many entries it covers; also the seq of the last of them.
    pub size: u64,
    /// The root of the Merkle tree over their hashes.
    pub root: Digest,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let root = BASE64_STANDARD.encode(self.root.0);
        format!("{}\n{}\n{root}\n", self.origin, self.size)
    }

    /// Reads a checkpoint without looking at its signatures: only for telling what a note claims.
    ///
    /// # Errors
    /// [`NoteError`] where the text is not a checkpoint.
    pub fn parse_unverified(note: &str) -> Result<Self, NoteError> {
        let (text, _) = split(note)?;
        Self::parse_text(text)
    }

    fn parse_text(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty());
        let origin = line().ok_or(NoteError::Form("the origin line is missing"))?;
        let size = line().ok_or(NoteError::Form("the size line is missing"))?;
        let root = line().ok_or(NoteError::Form("the root line is missing"))?;
        Ok(Self {
            origin: origin.to_owned(),
            size: parse_size(size)?,
            root: parse_root(root)?,
        })
    }
}

/// Why a text is not a checkpoint one may believe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is not a checkpoint.
    #[error("the text is not a signed checkpoint: {0}")]
    Form(&'static str),
    /// No signature line is by the key.
    #[error("the checkpoint is not signed by `{expected}`")]
    NoSignature {
        /// The name of the key.
        expected: String,
    },
    /// A signature line claims to be by the key, and is not.
    #[error("the signature by `{name}` does not fit the checkpoint")]
    BadSignature {
        /// The name of the key.
        name: String,
    },
    /// The key signed the checkpoint of another journal.
    #[error("the checkpoint is of `{found}`; expected one of `{expected}`")]
    Origin {
        /// The name of the key.
        expected: String,
        /// The origin line.
        found: String,
    },
}

/// The public half of a journal's key: enough to verify everything, not enough to change anything.
///
/// Written as a C2SP verifier key: `name+key id+base64`.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    id: [u8; KEY_ID_BYTES],
    key: VerifyingKey,
}

impl PublicKey {
    pub(crate) fn new(key: VerifyingKey) -> Self {
        let fingerprint = Digest::of(key.as_bytes());
        let name = format!("{ORIGIN_PREFIX}{}", hex::encode(&fingerprint.0[..8]));
        Self::named(name, key)
    }

    fn named(name: String, key: VerifyingKey) -> Self {
        let mut bytes = name.clone().into_bytes();
        bytes.extend_from_slice(&[b'\n', ED25519]);
        bytes.extend_from_slice(key.as_bytes());
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&Digest::of(&bytes).0[..KEY_ID_BYTES]);
        Self { name, id, key }
    }

    /// The name of the key, which is the origin of the journal it signs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn id(&self) -> [u8; KEY_ID_BYTES] {
        self.id
    }

    /// Reads the checkpoint of this key's journal.
    ///
    /// # Errors
    /// [`NoteError`] unless the note is a checkpoint of this origin with a good signature by this key.
    /// Lines by other keys are passed over.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let checkpoint = Checkpoint::parse_text(self.signed_text(note)?)?;
        if checkpoint.origin != self.name {
            return Err(NoteError::Origin {
                expected: self.name.clone(),
                found: checkpoint.origin,
            });
        }
        Ok(checkpoint)
    }

    fn signed_text<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        let (text, signatures) = split(note)?;
        for line in signatures.lines() {
            let (name, signature) = parse_signature(line)?;
            let Some(signature) = signature.strip_prefix(&self.id) else {
                continue;
            };
            if name == self.name {
                let bad = || NoteError::BadSignature {
                    name: name.to_owned(),
                };
                let signature = Signature::from_slice(signature).map_err(|_| bad())?;
                self.key
                    .verify_strict(text.as_bytes(), &signature)
                    .map_err(|_| bad())?;
                return Ok(text);
            }
        }
        Err(NoteError::NoSignature {
            expected: self.name.clone(),
        })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(self.key.as_bytes());
        let key = BASE64_STANDARD.encode(bytes);
        write!(f, "{}+{}+{key}", self.name, hex::encode(self.id))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a verifier key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a public key; expected the one line of the `.pub` file beside the journal's key"
)]
pub struct PublicKeyError(String);

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        parse_verifier_key(text).ok_or_else(|| PublicKeyError(text.chars().take(200).collect()))
    }
}

fn parse_verifier_key(text: &str) -> Option<PublicKey> {
    let (name, rest) = text.split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    let bytes = BASE64_STANDARD.decode(key).ok()?;
    let (kind, bytes) = bytes.split_first()?;
    let key = VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()?;
    let key = PublicKey::named(name.to_owned(), key);
    (*kind == ED25519 && is_name(name) && hex::encode(key.id) == id).then_some(key)
}

/// The note over `text`, with the one signature line.
pub(crate) fn seal(text: &str, key: &PublicKey, signature: &Signature) -> String {
    let mut bytes = key.id().to_vec();
    bytes.extend_from_slice(&signature.to_bytes());
    let signature = BASE64_STANDARD.encode(bytes);
    format!("{text}\n{SIGNATURE_MARK}{} {signature}\n", key.name())
}

fn split(note: &str) -> Result<(&str, &str), NoteError> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(NoteError::Form("it is longer than 16 KiB"));
    }
    if note.chars().any(|c| c < ' ' && c != '\n') {
        return Err(NoteError::Form("it contains a control character"));
    }
    let middle = note
        .rfind("\n\n")
        .ok_or(NoteError::Form("there are no signatures"))?;
    let (text, signatures) = (&note[..=middle], &note[middle + 2..]);
    if signatures.is_empty() || !signatures.ends_with('\n') {
        return Err(NoteError::Form("it does not end with a signature line"));
    }
    Ok((text, signatures))
}

fn parse_signature(line: &str) -> Result<(&str, Vec<u8>), NoteError> {
    const BAD: NoteError = NoteError::Form("a signature line is malformed");
    let rest = line.strip_prefix(SIGNATURE_MARK).ok_or(BAD)?;
    let (name, signature) = rest.split_once(' ').ok_or(BAD)?;
    let signature = BASE64_STANDARD.decode(signature).map_err(|_| BAD)?;
    if is_name(name) && signature.len() > KEY_ID_BYTES {
        Ok((name, signature))
    } else {
        Err(BAD)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+')
}

fn parse_size(text: &str) -> Result<u64, NoteError> {
    const BAD: NoteError = NoteError::Form("the size is not a plain decimal number");
    let size: u64 = text.parse().map_err(|_| BAD)?;
    // Sizes are seqs, and those are stored as signed numbers.
    if size.to_string() == text && i64::try_from(size).is_ok() {
        Ok(size)
    } else {
        Err(BAD)
    }
}

fn parse_root(text: &str) -> Result<Digest, NoteError> {
    const BAD: NoteError = NoteError::Form("the root is not the Base64 of 32 bytes");
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| BAD)?;
    bytes.try_into().map(Digest).map_err(|_| BAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signer::Signer;

    // The example of golang.org/x/mod/sumdb/note, an independent implementation.
    const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\
        \n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn a_note_of_another_implementation_is_verified() {
        let key: PublicKey = GO_KEY.parse().unwrap();
        assert_eq!(key.to_string(), GO_KEY);
        assert!(
            key.signed_text(GO_NOTE)
                .unwrap()
                .starts_with("If you think")
        );
        let bent = GO_NOTE.replace("don't", "do");
        let bad = NoteError::BadSignature {
            name: "PeterNeumann".into(),
        };
        assert_eq!(key.signed_text(&bent), Err(bad));
    }

    fn signed() -> (PublicKey, String) {
        let signer = Signer::from_seed(&[7; 32]);
        (
            signer.public().clone(),
            signer.checkpoint(12, Digest::of(b"root")),
        )
    }

    #[test]
    fn a_checkpoint_reads_as_it_was_signed() {
        let (key, note) = signed();
        let checkpoint = key.open(&note).unwrap();
        assert_eq!(
            (checkpoint.size, checkpoint.root),
            (12, Digest::of(b"root"))
        );
        assert_eq!(checkpoint.origin, key.name());
        assert!(note.starts_with(&format!("{}\n12\n", key.name())), "{note}");
        assert_eq!(Checkpoint::parse_unverified(&note).unwrap(), checkpoint);
        assert_eq!(key.to_string().parse::<PublicKey>().unwrap(), key);
    }

    #[test]
    fn every_bent_byte_of_a_checkpoint_is_found() {
        let (key, note) = signed();
        for place in 0..note.len() {
            for bit in [0, 1 + place % 7] {
                let mut bytes = note.clone().into_bytes();
                bytes[place] ^= 1 << bit;
                if let Ok(bent) = String::from_utf8(bytes) {
                    assert!(key.open(&bent).is_err(), "byte {place} bit {bit}:\n{bent}");
                }
            }
        }
    }

    #[test]
    fn lines_by_other_keys_are_passed_over() {
        let (key, note) = signed();
        let (_, other_line) = split(GO_NOTE).unwrap();
        assert!(key.open(&format!("{note}{other_line}")).is_ok());
        let only_other = format!("{}{other_line}", &note[..note.find('\u{2014}').unwrap()]);
        assert!(matches!(
            key.open(&only_other),
            Err(NoteError::NoSignature { .. })
        ));
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let (key, note) = signed();
        let long = format!("{}{note}", "x".repeat(NOTE_BYTES_MAX));
        let size = |size: &str| note.replace("\n12\n", &format!("\n{size}\n"));
        for bad in [
            "",
            "\n\n",
            "a\n\nb",
            &note[1..],
            &note[..note.len() - 1],
            &long,
        ] {
            assert!(key.open(bad).is_err(), "{bad}");
        }
        for bad in [
            "012",
            "+12",
            "-1",
            "",
            "99999999999999999999",
            "9223372036854775808",
        ] {
            assert!(Checkpoint::parse_unverified(&size(bad)).is_err(), "{bad}");
        }
        assert!(Checkpoint::parse_unverified(&size("0")).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_taken_for_a_checkpoint_by_chance(head in "\\PC{0,60}", tail in "[ -~\u{2014}\n]{0,120}") {
            let key: PublicKey = GO_KEY.parse().unwrap();
            let (note, name) = (format!("{head}\n\n{tail}\n"), format!("{head}+{tail}"));
            assert!(key.open(&note).is_err());
            assert!(name.parse::<PublicKey>().is_err());
        }
    }

    #[test]
    fn another_origin_is_refused_even_with_a_good_signature() {
        let signer = Signer::from_seed(&[7; 32]);
        let note = signer.sign_text("elsewhere\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
        assert!(matches!(
            signer.public().open(&note),
            Err(NoteError::Origin { .. })
        ));
    }
}
