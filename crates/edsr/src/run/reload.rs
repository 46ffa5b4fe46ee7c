//! A changed bundle is checked whole, then comes into force at one place of the event log; a bad one is refused, and
//! the old one runs on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use edsr_node::Node;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::setup;

/// How long a directory must be quiet before it is read, so that a half-written change is not.
const QUIET: Duration = Duration::from_millis(300);

/// Looks again this often whatever the system reports, for file systems that report nothing.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Ends watching when dropped.
pub(super) struct Reload {
    _watcher: Option<RecommendedWatcher>,
    task: JoinHandle<()>,
}

impl Drop for Reload {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a directory looks like: path, length and time of each file.
pub(super) type Stamp = Vec<(PathBuf, u64, Option<std::time::SystemTime>)>;

/// Watches a bundle's directory, which looked like `read` when the node's bundle was read from it.
pub(super) fn watch(dir: &Path, read: Stamp, node: Arc<Node>) -> Reload {
    let changed = Arc::new(Notify::new());
    let watcher = watcher(dir, Arc::clone(&changed))
        .inspect_err(|error| {
            tracing::warn!(%error, "changes of the bundle are noticed every 10 s only");
        })
        .ok();
    let task = tokio::spawn(reload(dir.to_owned(), read, node, changed));
    Reload {
        _watcher: watcher,
        task,
    }
}

fn watcher(dir: &Path, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let touches = event.is_ok_and(|event| {
            !event.kind.is_access() && event.paths.iter().any(|path| concerns_a_bundle(path))
        });
        if touches {
            changed.notify_one();
        }
    })?;
    watcher.watch(dir, RecursiveMode::Recursive)?;
    Ok(watcher)
}

/// What is written into the data directory, which often lies below the bundle, is no change of the bundle; nor is a log.
fn concerns_a_bundle(path: &Path) -> bool {
    let hidden =
        |part: std::path::Component<'_>| part.as_os_str().to_string_lossy().starts_with(".edsr");
    (is_document(path) || path.is_dir()) && !path.components().any(hidden)
}

fn is_document(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("yaml" | "yml" | "cedar"))
}

async fn reload(dir: PathBuf, read: Stamp, node: Arc<Node>, changed: Arc<Notify>) {
    let mut last = read;
    loop {
        let _ = tokio::time::timeout(LOOK_EVERY, changed.notified()).await;
        tokio::time::sleep(QUIET).await;
        let stamp = stamp(&dir);
        if last != stamp {
            last = stamp;
            look(&dir, &node).await;
        }
    }
}

/// Reads the directory again and puts what it says into force. Doors are opened anew even where the bundle means the
/// same as before: who may send is said in files that do not count for its hash.
async fn look(dir: &Path, node: &Node) {
    let loaded = setup::load(dir).and_then(|compiled| {
        let hash = compiled.bundle.hash;
        Ok((hash, setup::activation(compiled)?))
    });
    match loaded {
        Ok((hash, activation)) => {
            let before = edsr_node::api::NodeApi::status(node).bundle;
            match node.activate(activation).await {
                Ok(seq) if hash != before => {
                    tracing::info!(bundle = hash.short(), %seq, "a changed bundle is in force");
                }
                Ok(_) => {}
                Err(error) => refuse(node, &error.to_string()),
            }
        }
        Err(failure) => refuse(node, &failure.to_string()),
    }
}

fn refuse(node: &Node, problems: &str) {
    tracing::error!(
        problems,
        "the changed bundle is refused; the old one runs on"
    );
    node.refuse_bundle(problems.to_owned());
}

/// What the directory looks like, so that it is only read when it looks different.
pub(super) fn stamp(dir: &Path) -> Stamp {
    let mut found = Vec::new();
    let mut folders = vec![(dir.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() && !hidden && depth < 16 {
                folders.push((path, depth + 1));
            } else if meta.is_file() && is_document(&path) && found.len() < 10_000 {
                found.push((path, meta.len(), meta.modified().ok()));
            }
        }
    }
    found.sort();
    found
}
