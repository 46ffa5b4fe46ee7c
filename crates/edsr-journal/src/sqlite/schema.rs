//! The tables, and how the file is opened.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use edsr_model::{Digest, Seq, Timestamp};
use rusqlite::{Connection, OpenFlags, params};

use crate::error::JournalError;
use crate::files::beside;
use crate::merkle::empty_root;
use crate::signer::Signer;

/// Says in the file's header that it is a journal: "edsJ".
const APPLICATION_ID: i64 = 0x6564_734a;
/// The version of the tables and of what is hashed.
const VERSION: i64 = 2;
const PAGE_BYTES: u64 = 4096;
/// The writer holds so much of the file in memory, in KiB: about the pages that one settling of mentions changes.
const CACHE_KIB: i64 = 8192;
/// The write-ahead log is cut back to this after a burst, in bytes.
const WAL_BYTES_KEPT: i64 = 64 * 1024 * 1024;

// `body` is the truth. `kind`, `correlation`, `mention` and `recent` are an index over it, and only what some query asks for is in
// it: each row there costs as much as the entry. `subtree` saves reading every hash for a proof. All of them can be made
// again from the bodies, and are compared with them.
const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    correlation TEXT,
    body TEXT NOT NULL,
    prev BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE TABLE mention (id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (id, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE recent (id TEXT NOT NULL, seq INTEGER NOT NULL) STRICT;
CREATE TABLE subtree (
    level INTEGER NOT NULL,
    position INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (level, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
CREATE TABLE head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    at INTEGER NOT NULL,
    tree BLOB NOT NULL,
    note TEXT NOT NULL
) STRICT;
";

/// What was fixed when the journal was made.
pub(crate) struct Meta {
    /// The name of the key.
    pub(crate) key: String,
    pub(crate) checkpoint_every: u64,
}

/// Opens for writing; refuses a file system that does not let SQLite keep its promise.
pub(crate) fn open_writable(path: &Path, bytes_max: u64) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    guard(&connection)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if mode != "wal" || synchronous != 2 {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
        let text = format!("no synced write-ahead log is possible here (mode `{mode}`)");
        return Err(rusqlite::Error::SqliteFailure(code, Some(text)));
    }
    let pages = i64::try_from(bytes_max / PAGE_BYTES)
        .unwrap_or(i64::MAX)
        .max(1);
    let _: i64 =
        connection.pragma_update_and_check(None, "max_page_count", pages, |row| row.get(0))?;
    let _: i64 =
        connection.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES_KEPT, |row| {
            row.get(0)
        })?;
    Ok(connection)
}

/// Opens for reading beside a writer that is there or may come.
pub(crate) fn open_beside(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, READ_FLAGS)?;
    guard(&connection)?;
    Ok(connection)
}

/// Opens for reading once. A file without a write-ahead log beside it is taken as one that nobody writes,
/// so that a copy can be read from a read-only place and nothing is put beside it.
pub(crate) fn open_readable(path: &Path) -> rusqlite::Result<Connection> {
    if has_log(path) {
        return open_beside(path);
    }
    let flags = READ_FLAGS | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(immutable_uri(path), flags)?;
    guard(&connection)?;
    Ok(connection)
}

/// Whether somebody writes the file, or stopped in the middle of it.
pub(crate) fn has_log(path: &Path) -> bool {
    beside(path, "-wal").exists()
}

const READ_FLAGS: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// A file from a stranger's hand must not make SQLite do more than read tables.
fn guard(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)
}

fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri.push_str("?immutable=1");
    uri
}

pub(crate) fn is_empty(connection: &Connection, path: &Path) -> Result<bool, JournalError> {
    let count = |name: &str| -> rusqlite::Result<i64> {
        connection.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| {
            row.get(0)
        })
    };
    count("sqlite_schema")
        .map(|tables| tables == 0)
        .map_err(|error| JournalError::storage("read", path)(error.into()))
}

/// Makes the tables and the signed checkpoint of an empty journal, as one unit.
pub(crate) fn create(
    connection: &mut Connection,
    path: &Path,
    signer: &Signer,
    checkpoint_every: u64,
) -> Result<(), JournalError> {
    let mut run = || -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        let every = checkpoint_every.max(1).to_string();
        for (name, value) in [
            ("key", signer.public().name()),
            ("checkpoint_every", &every),
        ] {
            transaction.execute(
                "INSERT INTO meta (name, value) VALUES (?1, ?2)",
                params![name, value],
            )?;
        }
        transaction.execute(
            "INSERT INTO head (one, seq, hash, at, tree, note) VALUES (1, ?1, ?2, ?3, x'', ?4)",
            params![
                Seq::ZERO.0,
                Digest::default().0,
                Timestamp::default().as_micros(),
                signer.checkpoint(0, empty_root()),
            ],
        )?;
        transaction.commit()
    };
    run().map_err(|error| JournalError::storage("make", path)(error.into()))
}

/// Whether the file is a journal with exactly our tables; a trigger of somebody else's would change what is written.
pub(crate) fn check(connection: &Connection, path: &Path) -> Result<Meta, JournalError> {
    let fail = |error: rusqlite::Error| JournalError::storage("read", path)(error.into());
    let format = |reason: String| JournalError::Format {
        path: path.to_owned(),
        reason,
    };
    let header = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if header("application_id").map_err(fail)? != APPLICATION_ID {
        return Err(format("it is another kind of file".to_owned()));
    }
    let version = header("user_version").map_err(fail)?;
    if version != VERSION {
        return Err(format(format!(
            "it has version {version}, this program knows {VERSION}"
        )));
    }
    let expected = Connection::open_in_memory().map_err(fail)?;
    expected.execute_batch(TABLES).map_err(fail)?;
    if objects(connection).map_err(fail)? != objects(&expected).map_err(fail)? {
        return Err(format(
            "its tables, indexes or triggers were changed".to_owned(),
        ));
    }
    let value = |name: &str| -> rusqlite::Result<String> {
        connection.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| {
            row.get(0)
        })
    };
    let key = value("key").map_err(|_| format("it does not name its key".to_owned()))?;
    let checkpoint_every = value("checkpoint_every")
        .ok()
        .and_then(|text| text.parse().ok());
    match checkpoint_every {
        Some(checkpoint_every) if checkpoint_every > 0 => Ok(Meta {
            key,
            checkpoint_every,
        }),
        _ => Err(format(
            "it does not say how often checkpoints are kept".to_owned(),
        )),
    }
}

fn objects(connection: &Connection) -> rusqlite::Result<Vec<[Option<String>; 4]>> {
    connection
        .prepare(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name LIMIT 100",
        )?
        .query_map([], |row| {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
        })?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_name_in_a_uri() {
        let uri = immutable_uri(Path::new("/a b/c?d#e%f.db"));
        assert_eq!(uri, "file:/a%20b/c%3Fd%23e%25f.db?immutable=1");
    }
}
