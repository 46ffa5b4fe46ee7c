//! The files of a bundle, read with bounds.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::problem::{Code, Problem};

/// The largest file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The largest bundle that is read, in bytes.
pub const BUNDLE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The most files in a bundle.
pub const FILES_MAX: usize = 2_000;

/// How deep folders may nest.
pub(crate) const FOLDERS_DEEP_MAX: usize = 16;

/// The most entries that are looked at while searching for files.
pub(crate) const ENTRIES_MAX: usize = 20_000;

/// The file that holds the settings of the node. It is not part of what the bundle means.
pub const NODE_FILE: &str = "edsr.yaml";

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceFile {
    /// Path relative to the bundle, with `/` between its parts.
    pub path: String,
    /// What it says, without a byte order mark.
    pub text: String,
}

impl SourceFile {
    /// A file from its path and text.
    #[must_use]
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text: String = text.into();
        Self {
            path: path.into(),
            text: match text.strip_prefix('\u{feff}') {
                Some(rest) => rest.to_owned(),
                None => text,
            },
        }
    }

    /// Whether it holds policies.
    pub(crate) fn is_cedar(&self) -> bool {
        self.path.ends_with(".cedar")
    }
}

/// Reads every file of the bundle in `dir`, sorted by path. Hidden files and folders and `tests/` are not part of it.
pub(crate) fn read(dir: &Path, problems: &mut Vec<Problem>) -> Read {
    let mut reader = Reader {
        files: Vec::new(),
        broken: Vec::new(),
        bytes: 0,
        entries: 0,
        problems,
    };
    match dir.canonicalize() {
        Ok(root) if root.is_dir() => reader.folder(&root, &root, "", 0),
        Ok(_) => reader.complain("", format!("`{}` is not a directory", dir.display())),
        Err(error) => reader.complain("", format!("cannot read `{}`: {error}", dir.display())),
    }
    reader.files.sort_by(|a, b| a.path.cmp(&b.path));
    Read {
        files: reader.files,
        broken: reader.broken,
    }
}

/// The files of a directory.
pub(crate) struct Read {
    /// Those that are text.
    pub(crate) files: Vec<SourceFile>,
    /// Those that are not, as far as they can be shown.
    pub(crate) broken: Vec<SourceFile>,
}

struct Reader<'p> {
    files: Vec<SourceFile>,
    broken: Vec<SourceFile>,
    bytes: usize,
    entries: usize,
    problems: &'p mut Vec<Problem>,
}

impl Reader<'_> {
    fn folder(&mut self, root: &Path, folder: &Path, prefix: &str, depth: usize) {
        if depth > FOLDERS_DEEP_MAX {
            let message = format!("folders nest deeper than {FOLDERS_DEEP_MAX} levels");
            return self.complain(prefix, message);
        }
        let mut names = match names(folder, ENTRIES_MAX.saturating_sub(self.entries)) {
            Ok(names) => names,
            Err(error) => return self.complain(prefix, format!("cannot read the folder: {error}")),
        };
        self.entries += names.len();
        if self.entries >= ENTRIES_MAX {
            let message = format!("the bundle holds more than {ENTRIES_MAX} files and folders");
            return self.complain(prefix, message);
        }
        names.sort();
        for name in names {
            let path = folder.join(&name);
            let Some(name) = name.to_str() else {
                let name = name.display().to_string();
                self.complain(&join(prefix, &name), "its name is not UTF-8".to_owned());
                continue;
            };
            if name.starts_with('.') || (depth == 0 && name == "tests") {
                continue;
            }
            self.entry(root, path, &join(prefix, name), depth);
            if self.files.len() > FILES_MAX {
                self.files.truncate(FILES_MAX);
                let message = format!("the bundle holds more than {FILES_MAX} files");
                return self.complain("", message);
            }
        }
    }

    fn entry(&mut self, root: &Path, path: PathBuf, name: &str, depth: usize) {
        let resolved = match path.canonicalize() {
            Ok(resolved) => resolved,
            Err(_) if !is_ours(name) => return,
            Err(error) => return self.complain(name, format!("cannot be read: {error}")),
        };
        let is_dir = resolved.is_dir();
        if !is_dir && !is_ours(name) {
            return;
        }
        if !resolved.starts_with(root) {
            let message = "this link leads out of the bundle; put the file itself here".to_owned();
            return self.complain(name, message);
        }
        if is_dir {
            // A linked folder would be read twice, or without end.
            if path.is_symlink() {
                let message = "this link leads to a folder; link files, or move the folder here";
                return self.complain(name, message.to_owned());
            }
            return self.folder(root, &resolved, name, depth + 1);
        }
        match text(&resolved) {
            Ok(Ok(text)) => {
                self.bytes += text.len();
                if self.bytes <= BUNDLE_BYTES_MAX {
                    return self.files.push(SourceFile::new(name, text));
                }
                self.complain("", too_large_together());
            }
            Ok(Err((text, at))) => {
                let file = SourceFile::new(name, text);
                let message = "this is not UTF-8; save the file as UTF-8".to_owned();
                self.problems
                    .push(Problem::new(&file, at..at + 1, Code::File, message));
                self.broken.push(file);
            }
            Err(error) => self.complain(name, error.to_string()),
        }
    }

    fn complain(&mut self, path: &str, message: String) {
        let file = SourceFile::new(path, "");
        self.problems
            .push(Problem::new(&file, 0..0, Code::File, message));
    }
}

fn is_ours(name: &str) -> bool {
    [".yaml", ".yml", ".cedar"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}/{name}")
    }
}

fn names(folder: &Path, max: usize) -> io::Result<Vec<std::ffi::OsString>> {
    fs::read_dir(folder)?
        .take(max)
        .map(|entry| Ok(entry?.file_name()))
        .collect()
}

/// The text of a file, or what can be shown of it and where it stops being UTF-8.
fn text(path: &Path) -> io::Result<Result<String, (String, usize)>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("this is not a plain file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(too_large()));
    }
    Ok(String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        (String::from_utf8_lossy(error.as_bytes()).into_owned(), at)
    }))
}

/// The message for a bundle over [`BUNDLE_BYTES_MAX`].
pub(crate) fn too_large_together() -> String {
    format!("the files of the bundle are larger than {BUNDLE_BYTES_MAX} bytes together")
}

/// The message for a file over [`FILE_BYTES_MAX`].
pub(crate) fn too_large() -> String {
    format!("the file is larger than {FILE_BYTES_MAX} bytes; split it")
}
