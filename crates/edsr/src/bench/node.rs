//! A node as anybody runs it, and what it used.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::bundles::Bundle;
use super::wire::Wire;
use super::{now, pause};

/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(600);
/// How often a starting node is asked whether it takes events.
const ASK_EVERY: Duration = Duration::from_millis(2);
/// How long an idle node is left alone before its memory is read.
pub(super) const SETTLE: Duration = Duration::from_millis(500);
/// Units of CPU time in `/proc`, per second: 100 on every architecture that Linux has for Rust.
const TICKS_PER_SECOND: f64 = 100.0;
/// How many lines of a node's log are shown when it failed.
const LOG_LINES: usize = 10;

/// A directory for everything, removed at the end.
pub(super) struct Place(PathBuf);

impl Place {
    /// Below `dir`, or below the system's directory for such things.
    pub(super) fn make(dir: Option<&Path>) -> Result<Self, String> {
        let base = dir.map_or_else(std::env::temp_dir, Path::to_owned);
        let path = base.join(format!("edsr-bench-{}", std::process::id()));
        let path = std::path::absolute(&path).unwrap_or(path);
        fs::create_dir_all(&base)
            .and_then(|()| fs::create_dir(&path))
            .map_err(|error| format!("cannot make the directory `{}`: {error}", path.display()))?;
        Ok(Self(path))
    }

    /// A directory of its own for one measurement.
    pub(super) fn room(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.0.join(name);
        fs::create_dir_all(&path)
            .map_err(|error| format!("cannot make the directory `{}`: {error}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running node; killed when dropped.
pub(super) struct Node {
    child: Child,
    dir: PathBuf,
    /// Where it listens on loopback.
    pub(super) port: u16,
    /// From its start until it took events.
    pub(super) started_in: Duration,
}

/// What a node used so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Used {
    /// User and system time of all threads, in seconds.
    pub(super) cpu_seconds: f64,
    /// Space its data takes on the disk, in bytes.
    pub(super) disk_bytes: u64,
    /// Memory it has now, in bytes.
    pub(super) memory_bytes: u64,
}

impl Node {
    /// Starts one on `bundle` in the empty directory `dir`.
    pub(super) fn start(dir: &Path, bundle: &Bundle) -> Result<Self, String> {
        bundle.write(&dir.join("ops"))?;
        Self::again(dir)
    }

    /// Starts one on what is in `dir` already.
    pub(super) fn again(dir: &Path) -> Result<Self, String> {
        let port = free_port()?;
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(dir.join("node.log"))
            .map_err(|error| format!("the node has no log: {error}"))?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("EDSR_") {
                command.env_remove(name);
            }
        }
        let begun = now();
        let child = command
            .arg("run")
            .arg(dir.join("ops"))
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .arg("--data-dir")
            .arg(dir.join("data"))
            .env("EDSR_LOG", "warn")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("the node cannot be started: {error}"))?;
        let mut node = Self {
            child,
            dir: dir.to_owned(),
            port,
            started_in: Duration::ZERO,
        };
        while !node.is_ready() {
            if let Ok(Some(status)) = node.child.try_wait() {
                return Err(format!("the node ended: {status}\n{}", node.log_end()));
            }
            if begun.elapsed() > START_MAX {
                return Err(format!("the node took no events within {START_MAX:?}"));
            }
            pause(ASK_EVERY);
        }
        node.started_in = begun.elapsed();
        Ok(node)
    }

    /// A connection to it.
    pub(super) fn wire(&self) -> Result<Wire, String> {
        Wire::open(self.port).map_err(|error| format!("no connection to the node: {error}"))
    }

    /// What it used so far.
    pub(super) fn used(&self) -> Result<Used, String> {
        let pid = self.child.id();
        let read = |name: &str| {
            fs::read_to_string(format!("/proc/{pid}/{name}"))
                .map_err(|error| format!("what the node uses cannot be read: {error}"))
        };
        Ok(Used {
            cpu_seconds: cpu_seconds(&read("stat")?).unwrap_or_default(),
            disk_bytes: disk_bytes(&self.dir.join("data")),
            memory_bytes: memory_bytes(&read("status")?).unwrap_or_default(),
        })
    }

    /// A figure of its metrics, 0 where it has none yet.
    pub(super) fn metric(wire: &mut Wire, line: &str) -> Result<u64, String> {
        let answer = wire
            .get("/metrics")
            .map_err(|error| format!("the node did not answer: {error}"))?;
        let text = String::from_utf8_lossy(answer.body);
        let found = text.lines().find_map(|found| found.strip_prefix(line));
        Ok(found
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(0))
    }

    /// Kills it without a word.
    pub(super) fn kill(mut self) {
        self.end();
    }

    /// The end of its log.
    pub(super) fn log_end(&self) -> String {
        let text = fs::read(self.dir.join("node.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    fn is_ready(&self) -> bool {
        let Ok(mut wire) = Wire::open(self.port) else {
            return false;
        };
        wire.get("/readyz").is_ok_and(|answer| answer.status == 200)
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end();
    }
}

/// How busy the machine is: runnable threads, averaged over the last minute.
pub(super) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// A port of loopback that nobody listens on now.
fn free_port() -> Result<u16, String> {
    let bound = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|bound| bound.local_addr());
    let address = bound.map_err(|error| format!("there is no free port on loopback: {error}"))?;
    Ok(address.port())
}

/// Fields 14 and 15 of proc_pid_stat(5). The name in brackets may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND)
}

fn memory_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Blocks of 512 bytes are what the disk gave, whatever the files claim to be.
fn disk_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
            Ok(meta) => meta.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read() {
        let stat = "7 (a ) b) S 1 1 1 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 100 1 1";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(
            memory_bytes("VmPeak: 9 kB\nVmRSS:\t  12 kB\n"),
            Some(12_288)
        );
        assert_eq!(cpu_seconds(""), None);
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/b"), vec![1; 10_000]).unwrap();
        let bytes = disk_bytes(dir.path());
        assert!((8_192..1 << 20).contains(&bytes), "{bytes}");
    }
}
