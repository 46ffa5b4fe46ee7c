//! The key that signs checkpoints, and the file it lives in.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::{Signer as _, SigningKey};
use edsr_model::Digest;
use zeroize::Zeroizing;

use crate::files::{beside, sync_parent};
use crate::note::{Checkpoint, ED25519, PublicKey, seal};

/// A key file is one short line; more is not read.
const KEY_FILE_BYTES_MAX: u64 = 1024;
const PRIVATE_PREFIX: &str = "PRIVATE+KEY+";

/// Signs the checkpoints of one journal with Ed25519.
pub struct Signer {
    key: SigningKey,
    public: PublicKey,
}

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Others can read or change the key file.
    #[error(
        "the key file `{}` is open to others (mode {mode:04o}); run `chmod 600 {}`",
        path.display(), path.display()
    )]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not a key.
    #[error(
        "the file `{}` is not a journal key; restore it from a copy, or move it away to have a new key made",
        .0.display()
    )]
    NotAKey(PathBuf),
    /// The file could not be read or written.
    #[error("cannot {action} the key file `{}`: {cause}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes to make a key from: {0}")]
    Random(getrandom::Error),
}

impl Signer {
    /// The key in the file at `path`, which is made, with `.pub` beside it, where there is none yet.
    ///
    /// Keep it outside the data directory: whoever can write both can rewrite the journal unseen.
    ///
    /// # Errors
    /// [`KeyError`]; a file that others can read is refused.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                Self::create(path)
            }
            other => other,
        }
    }

    /// The key in the file at `path`.
    ///
    /// # Errors
    /// [`KeyError`]; a file that others can read is refused.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let fail = io_error("read", path);
        let file = File::open(path).map_err(&fail)?;
        let mode = file.metadata().map_err(&fail)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(KEY_FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(&fail)?;
        let signer = parse(text.trim()).ok_or_else(|| KeyError::NotAKey(path.to_owned()))?;
        // The directory may be read-only by now; a key without its public half beside it still signs.
        let _ = signer.write_public(path);
        Ok(signer)
    }

    /// A new key in a new file at `path`, with `.pub` beside it.
    ///
    /// # Errors
    /// [`KeyError`]; a file that is already there is left alone.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(KeyError::Random)?;
        let signer = Self::from_seed(&seed);
        let fail = io_error("create", path);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(&fail)?;
        }
        // Written aside and linked into place, so that a crash leaves no half key and a second start no second key.
        let aside = beside(path, ".new");
        let _ = fs::remove_file(&aside);
        write_new(&aside, 0o600, signer.to_text().as_bytes()).map_err(&fail)?;
        let linked = fs::hard_link(&aside, path);
        let _ = fs::remove_file(&aside);
        linked.and_then(|()| sync_parent(path)).map_err(&fail)?;
        signer.write_public(path)?;
        Ok(signer)
    }

    /// A key from 32 secret bytes; for tests and simulations, which must not draw one.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = PublicKey::new(key.verifying_key());
        Self { key, public }
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The signed checkpoint of the first `size` entries.
    #[must_use]
    pub fn checkpoint(&self, size: u64, root: Digest) -> String {
        let origin = self.public.name().to_owned();
        self.sign_text(&Checkpoint { origin, size, root }.text())
    }

    pub(crate) fn sign_text(&self, text: &str) -> String {
        seal(text, &self.public, &self.key.sign(text.as_bytes()))
    }

    fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(vec![ED25519]);
        bytes.extend_from_slice(self.key.as_bytes());
        let seed = Zeroizing::new(BASE64_STANDARD.encode(&*bytes));
        let (name, id) = (self.public.name(), hex::encode(self.public.id()));
        Zeroizing::new(format!("{PRIVATE_PREFIX}{name}+{id}+{}\n", *seed))
    }

    fn write_public(&self, path: &Path) -> Result<(), KeyError> {
        let path = beside(path, ".pub");
        let text = format!("{}\n", self.public);
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            return Ok(());
        }
        crate::files::replace(&path, 0o644, text.as_bytes()).map_err(io_error("write", &path))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public)
    }
}

fn parse(text: &str) -> Option<Signer> {
    let mut parts = text.strip_prefix(PRIVATE_PREFIX)?.splitn(3, '+');
    let (name, id, seed) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = Zeroizing::new(BASE64_STANDARD.decode(seed).ok()?);
    let (kind, seed) = bytes.split_first()?;
    let signer = Signer::from_seed(seed.try_into().ok()?);
    let same = signer.public.name() == name && hex::encode(signer.public.id()) == id;
    (*kind == ED25519 && same).then_some(signer)
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn io_error(action: &'static str, path: &Path) -> impl Fn(io::Error) -> KeyError {
    let path = path.to_owned();
    move |cause| KeyError::Io {
        action,
        path: path.clone(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/journal.key");
        let made = Signer::load_or_create(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = Signer::load_or_create(&path).unwrap();
        assert_eq!(read.public(), made.public());
        let public = fs::read_to_string(dir.path().join("keys/journal.key.pub")).unwrap();
        assert_eq!(public.parse::<PublicKey>().unwrap(), *made.public());
        assert!(
            matches!(Signer::create(&path), Err(KeyError::Io { .. })),
            "left alone"
        );
        let other = Signer::create(&dir.path().join("other.key")).unwrap();
        assert_ne!(other.public(), made.public());
        let names = fs::read_dir(dir.path().join("keys")).unwrap().count();
        assert_eq!(
            names, 2,
            "nothing but the key and its public half is left behind"
        );
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_what_to_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.key");
        Signer::create(&path).unwrap();
        for mode in [0o644, 0o640, 0o604, 0o660, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = Signer::load_or_create(&path).unwrap_err();
            assert!(matches!(error, KeyError::Exposed { .. }), "{mode:o}");
            let command = format!("chmod 600 {}", path.display());
            assert!(error.to_string().contains(&command), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(Signer::load(&path).is_ok());
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.key");
        let text = Signer::from_seed(&[9; 32]).to_text();
        for bad in [
            "",
            "secret-bytes",
            &text[..60],
            &text.replace("PRIVATE", "PUBLIC"),
        ] {
            let _ = fs::remove_file(&path);
            write_new(&path, 0o600, bad.as_bytes()).unwrap();
            let error = Signer::load_or_create(&path).unwrap_err();
            assert!(matches!(error, KeyError::NotAKey(_)), "{bad}");
            assert!(!error.to_string().contains("secret-bytes"));
        }
        let debug = format!("{:?}", Signer::from_seed(&[9; 32]));
        assert!(!debug.contains(&BASE64_STANDARD.encode([9; 32])), "{debug}");
    }
}
