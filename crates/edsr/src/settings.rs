//! Settings of the command line: a flag, else the environment, else the file of the person, else the default.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use crate::exit::{Exit, Failure};
use crate::output::{Format, remark};
use crate::text::shown;

/// Where the server is unless somebody says otherwise.
pub(crate) const SERVER_DEFAULT: &str = "http://127.0.0.1:7310";

/// The longest token, and the longest token file, in bytes.
const TOKEN_BYTES_MAX: u64 = 16 * 1024;

/// The longest settings file, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The settings file of a person.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct File {
    /// The server's address.
    pub(crate) server: Option<String>,
    /// A file with the token.
    pub(crate) token_file: Option<PathBuf>,
    /// How results are written.
    pub(crate) output: Option<Format>,
}

impl File {
    /// Reads `$EDSR_CONFIG`, else `edsr/config.yaml` in the person's configuration directory, where that exists.
    pub(crate) fn find() -> Result<Self, Failure> {
        if let Some(path) = variable("EDSR_CONFIG") {
            return Self::read(Path::new(&path));
        }
        let home = variable("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".config")));
        match home.map(|home| home.join("edsr/config.yaml")) {
            Some(path) if path.exists() => Self::read(&path),
            _ => Ok(Self::default()),
        }
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let text = read_bounded(path, FILE_BYTES_MAX, "the settings file")?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut file: Self = serde_saphyr::from_str(&text).map_err(|error| {
            let error = error.to_string();
            let first = error.lines().next().unwrap_or_default();
            Failure::usage(format!(
                "the settings file `{}` is not understood: {first}",
                shown(path)
            ))
            .help("known settings are `server`, `tokenFile` and `output`")
        })?;
        // A path in the file is meant from where the file is.
        if let (Some(token), Some(dir)) = (&file.token_file, path.parent()) {
            file.token_file = Some(dir.join(token));
        }
        Ok(file)
    }
}

/// Where to ask, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Its address.
    pub(crate) url: Url,
    /// The bearer token.
    pub(crate) token: Option<String>,
}

impl Server {
    /// From the flags, the environment and the file, in this order.
    pub(crate) fn resolve(
        url: Option<&str>,
        token_file: Option<&Path>,
        file: &File,
    ) -> Result<Self, Failure> {
        let text = url.or(file.server.as_deref()).unwrap_or(SERVER_DEFAULT);
        let url = address(text)?;
        let token = token(token_file, file)?;
        if token.is_some() && url.scheme() == "http" && !is_loopback(&url) {
            remark(
                "warning: the token travels unencrypted to this server; use an https:// address",
            );
        }
        Ok(Self { url, token })
    }
}

/// Whether the address is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// An environment variable that is set to something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn address(text: &str) -> Result<Url, Failure> {
    let wrong = |why: &str| {
        Failure::usage(format!("`{text}` is not a server address: {why}"))
            .help(format!("write it like `{SERVER_DEFAULT}`"))
    };
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("it must begin with `http://` or `https://`"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            Failure::usage("a server address must not carry a name or a password")
                .help("put the token into EDSR_TOKEN or a --token-file"),
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it must not have a query or a fragment"));
    }
    Ok(url)
}

fn token(flag: Option<&Path>, file: &File) -> Result<Option<String>, Failure> {
    if let Some(path) = flag {
        return token_from(path).map(Some);
    }
    if let Some(token) = variable("EDSR_TOKEN") {
        return checked(&token, "EDSR_TOKEN").map(Some);
    }
    if let Some(path) = variable("EDSR_TOKEN_FILE") {
        return token_from(Path::new(&path)).map(Some);
    }
    file.token_file.as_deref().map(token_from).transpose()
}

fn token_from(path: &Path) -> Result<String, Failure> {
    let text = read_bounded(path, TOKEN_BYTES_MAX, "the token file")?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0) {
            remark(&format!(
                "warning: others can read the token file `{0}`; run `chmod 600 {0}`",
                shown(path)
            ));
        }
    }
    checked(&text, &format!("the token file `{}`", shown(path)))
}

/// The token without blanks around it. What it is is never repeated, not even when it is wrong.
fn checked(text: &str, whence: &str) -> Result<String, Failure> {
    let token = text.trim();
    if token.is_empty() {
        return Err(Failure::usage(format!("{whence} is empty")));
    }
    if token.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(Failure::usage(format!(
            "{whence} does not hold a token: blanks and special characters cannot be part of one"
        )));
    }
    Ok(token.to_owned())
}

fn read_bounded(path: &Path, max: u64, what: &str) -> Result<String, Failure> {
    let fail = |why: String| {
        Failure::new(
            Exit::Usage,
            format!("{what} `{}` cannot be read: {why}", shown(path)),
        )
    };
    let file = fs::File::open(path).map_err(|error| fail(error.to_string()))?;
    let mut text = String::new();
    file.take(max + 1)
        .read_to_string(&mut text)
        .map_err(|error| fail(error.to_string()))?;
    if text.len() as u64 > max {
        return Err(fail(format!("it is longer than {max} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yaml");
        fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn the_file_is_read_strictly() {
        let (dir, path) = write("server: https://edsr.test\ntokenFile: token\noutput: json\n");
        let file = File::read(&path).unwrap();
        assert_eq!(file.server.as_deref(), Some("https://edsr.test"));
        assert_eq!(file.token_file, Some(dir.path().join("token")));
        assert_eq!(file.output, Some(Format::Json));

        let (_dir, path) = write("");
        assert_eq!(File::read(&path).unwrap(), File::default());
        for bad in ["token: secret\n", "output: xml\n", "- a\n"] {
            let (_dir, path) = write(bad);
            assert_eq!(File::read(&path).unwrap_err().exit, Exit::Usage, "{bad}");
        }
        let (_dir, path) = write(&" ".repeat(FILE_BYTES_MAX as usize + 1));
        assert!(File::read(&path).unwrap_err().message.contains("longer"));
    }

    #[test]
    fn addresses_are_checked() {
        for good in ["http://127.0.0.1:7310", "https://edsr.test/base/"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "127.0.0.1:7310",
            "ftp://x",
            "http://",
            "https://u:p@host",
            "http://h/?q",
        ] {
            let failure = address(bad).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{bad}");
            assert!(failure.help.is_some());
        }
        for (url, local) in [
            ("http://localhost:1", true),
            ("http://[::1]:1", true),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&address(url).unwrap()), local, "{url}");
        }
    }

    #[test]
    fn a_flag_goes_before_the_file() {
        let file = File {
            server: Some("http://127.0.0.1:2".into()),
            ..File::default()
        };
        let server = Server::resolve(Some("http://127.0.0.1:1"), None, &file).unwrap();
        assert_eq!(server.url.port(), Some(1));
        assert_eq!(
            Server::resolve(None, None, &file).unwrap().url.port(),
            Some(2)
        );
    }

    #[test]
    fn a_bad_token_is_not_repeated() {
        let failure = checked("to ken", "EDSR_TOKEN").unwrap_err();
        assert!(!failure.message.contains("to ken"));
        assert_eq!(checked(" abc\n", "EDSR_TOKEN").unwrap(), "abc");
        assert!(checked("\n", "EDSR_TOKEN").is_err());
    }
}
