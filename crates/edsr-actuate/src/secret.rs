//! Secrets are references until the moment a call is performed.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FileType, Mode as FileMode, OFlags};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::args::{Mode, Reader, has_expression};
use crate::redact::Redactor;

/// The largest file a secret is read from, in bytes.
pub(crate) const SECRET_FILE_MAX: u64 = 64 * 1024;

/// A value that is wiped when dropped and never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The value itself, for the one place it is meant for.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a secret stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretRef {
    /// In an environment variable of the node.
    Env(String),
    /// In a file on the node.
    File(PathBuf),
}

/// A value that is written out, or that contains a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    Plain(String),
    Secret { prefix: String, secret: SecretRef },
}

impl Text {
    /// Reads `"text"` or `{ secret: { env | file }, prefix }`.
    pub(crate) fn read(reader: &mut Reader, path: &str, value: &Value) -> Self {
        match value {
            Value::Object(map) => Self::read_secret(reader, path, value, map),
            other => Self::Plain(reader.scalar(path, other)),
        }
    }

    fn read_secret(
        reader: &mut Reader,
        path: &str,
        value: &Value,
        map: &Map<String, Value>,
    ) -> Self {
        reader.object(path, value, &["secret", "prefix"]);
        let prefix = match map.get("prefix") {
            None | Some(Value::Null) => String::new(),
            Some(prefix) => reader.scalar(&format!("{path}.prefix"), prefix),
        };
        let place = format!("{path}.secret");
        let secret = match map.get("secret") {
            Some(secret) => SecretRef::read(reader, &place, secret),
            None => {
                reader.complain(&place, SECRET_FORM);
                SecretRef::Env(String::new())
            }
        };
        Self::Secret { prefix, secret }
    }

    /// The value, noting what must never be shown.
    fn resolve(&self, redactor: &mut Redactor) -> Result<Secret, SecretError> {
        match self {
            Self::Plain(text) => Ok(Secret::new(text.clone())),
            Self::Secret { prefix, secret } => {
                let value = secret.resolve()?;
                redactor.hide(value.expose());
                Ok(Secret::new(format!("{prefix}{}", value.expose())))
            }
        }
    }
}

const SECRET_FORM: &str =
    "must be `{ env: NAME }` or `{ file: /path }`, the place where the node finds the secret";

impl SecretRef {
    fn read(reader: &mut Reader, path: &str, value: &Value) -> Self {
        let nowhere = Self::Env(String::new());
        let Value::Object(map) = value else {
            reader.complain(path, SECRET_FORM);
            return nowhere;
        };
        let mut entries = map.iter();
        let (Some((kind, Value::String(place))), None) = (entries.next(), entries.next()) else {
            reader.complain(path, SECRET_FORM);
            return nowhere;
        };
        if reader.mode == Mode::Draft && has_expression(place) {
            // Otherwise an event could choose which secret of the node is sent where.
            reader.complain(path, "must be written out: it cannot hold an expression");
            return nowhere;
        }
        match kind.as_str() {
            "env" if is_env_name(place) => Self::Env(place.clone()),
            "env" => {
                reader.complain(path, "names no environment variable");
                nowhere
            }
            "file" if Path::new(place).is_absolute() && !place.contains('\0') => {
                Self::File(PathBuf::from(place))
            }
            "file" => {
                reader.complain(path, "must name a file by its absolute path");
                nowhere
            }
            _ => {
                reader.complain(path, SECRET_FORM);
                nowhere
            }
        }
    }

    fn resolve(&self) -> Result<Secret, SecretError> {
        let value = match self {
            Self::Env(name) => std::env::var(name)
                .map(Secret::new)
                .map_err(|_| self.error("is not set, or is not UTF-8")),
            Self::File(path) => self.read_file(path),
        }?;
        if value.expose().is_empty() {
            return Err(self.error("is empty"));
        }
        Ok(value)
    }

    fn read_file(&self, path: &Path) -> Result<Secret, SecretError> {
        // Not blocking, so that opening a pipe by mistake does not hang before its kind is known.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::open(path, flags, FileMode::empty())
            .map_err(|error| self.error(&std::io::Error::from(error).to_string()))?;
        let stat = rustix::fs::fstat(&file)
            .map_err(|error| self.error(&std::io::Error::from(error).to_string()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(self.error("is not a regular file"));
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        std::fs::File::from(file)
            .take(SECRET_FILE_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| self.error(&error.to_string()))?;
        if bytes.len() as u64 > SECRET_FILE_MAX {
            return Err(self.error(&format!("is larger than {SECRET_FILE_MAX} bytes")));
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| self.error("is not UTF-8"))?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        Ok(Secret::new(
            text.strip_suffix('\r').unwrap_or(text).to_owned(),
        ))
    }

    fn error(&self, what: &str) -> SecretError {
        SecretError(match self {
            Self::Env(name) => {
                format!("the secret in the environment variable `{name}` {what}")
            }
            Self::File(path) => format!("the secret in the file `{}` {what}", path.display()),
        })
    }
}

/// Why a secret could not be had. It names the place and never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SecretError(String);

/// Resolves every text and returns with the values what must be hidden from whatever the call returns.
/// It takes at most `limit`: a file may stand on a disk that does not answer.
pub(crate) async fn resolve(
    texts: BTreeMap<String, Text>,
    limit: Duration,
) -> Result<(BTreeMap<String, Secret>, Redactor), SecretError> {
    let work = move || {
        let mut redactor = Redactor::default();
        let mut values = BTreeMap::new();
        for (name, text) in &texts {
            values.insert(name.clone(), text.resolve(&mut redactor)?);
        }
        Ok((values, redactor))
    };
    match tokio::time::timeout(limit, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(resolved)) => resolved,
        Ok(Err(_)) | Err(_) => Err(SecretError(
            "the secrets could not be read in time".to_owned(),
        )),
    }
}

/// Whether `name` can name an environment variable.
pub(crate) fn is_env_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The JSON Schema of [`Text`].
pub(crate) fn text_schema() -> Value {
    json!({
        "description": "Text, or a secret that the node looks up when the call is made.",
        "anyOf": [
            {"type": ["string", "number", "boolean"]},
            {
                "type": "object",
                "additionalProperties": false,
                "required": ["secret"],
                "properties": {
                    "prefix": {"type": "string", "description": "Stands before the secret, for example `Bearer `."},
                    "secret": {
                        "type": "object",
                        "additionalProperties": false,
                        "minProperties": 1,
                        "maxProperties": 1,
                        "properties": {
                            "env": {"type": "string", "description": "An environment variable of the node."},
                            "file": {"type": "string", "description": "A file on the node, by its absolute path."}
                        }
                    }
                }
            }
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;

    fn read(value: &Value) -> Result<Text, Vec<crate::ArgError>> {
        args::read(value, Mode::Draft, |r, v| Text::read(r, "env.T", v))
    }

    fn file(content: &[u8]) -> (tempfile::TempDir, SecretRef) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, content).unwrap();
        (dir, SecretRef::File(path))
    }

    #[test]
    fn a_reference_is_read_and_never_holds_an_expression() {
        assert_eq!(read(&json!("x")).unwrap(), Text::Plain("x".into()));
        assert!(read(&json!({"secret": {"env": "TOKEN"}, "prefix": "Bearer "})).is_ok());
        assert!(read(&json!({"secret": {"file": "/run/s"}})).is_ok());
        for bad in [
            json!({"secret": {"env": "${data.which}"}}),
            json!({"secret": {"file": "/run/${data.which}"}}),
            json!({"secret": {"file": "relative"}}),
            json!({"secret": {"env": "A=B"}}),
            json!({"secret": {"env": "A", "file": "/b"}}),
            json!({"secret": {"vault": "a"}}),
            json!({"secret": "TOKEN"}),
            json!({"secret": "${data.secret}"}),
            json!({"prefix": "x"}),
            json!({"secret": {"env": "A"}, "suffix": "x"}),
            json!(["x"]),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_is_read_without_its_last_newline() {
        for (content, value) in [
            (&b"abc\n"[..], "abc"),
            (b"abc\r\n", "abc"),
            (b"a\n\n", "a\n"),
            (b"abc", "abc"),
        ] {
            let (_dir, place) = file(content);
            assert_eq!(place.resolve().unwrap().expose(), value);
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_with_its_place() {
        let max = usize::try_from(SECRET_FILE_MAX).unwrap();
        let (_dir, at_bound) = file(&vec![b'a'; max]);
        assert!(at_bound.resolve().is_ok());
        for (content, why) in [
            (vec![b'a'; max + 1], "larger"),
            (b"\n".to_vec(), "empty"),
            (vec![0xff], "UTF-8"),
        ] {
            let (_dir, place) = file(&content);
            let error = place.resolve().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("/secret"), "{error}");
        }
        let dir = tempfile::tempdir().unwrap();
        let error = SecretRef::File(dir.path().into()).resolve().unwrap_err();
        assert!(error.to_string().contains("regular"), "{error}");
        let error = SecretRef::Env("EDSR_NOT_SET_ANYWHERE".into())
            .resolve()
            .unwrap_err();
        assert!(error.to_string().contains("EDSR_NOT_SET_ANYWHERE"));
    }

    #[test]
    fn a_pipe_is_refused_without_waiting_for_a_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let error = SecretRef::File(path).resolve().unwrap_err();
        assert!(error.to_string().contains("regular"), "{error}");
    }

    #[test]
    fn debug_prints_stars() {
        assert_eq!(format!("{:?}", Secret::new("hunter22".into())), "***");
    }
}
