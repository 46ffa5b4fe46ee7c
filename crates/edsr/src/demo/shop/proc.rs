//! Processes, named so that the wrong one is never signalled.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

/// How often a process that was asked to end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long the system may take to end a killed process.
const KILL_WAIT: Duration = Duration::from_secs(2);

/// A process: the number alone may belong to another one later, number and start time may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) pid: u32,
    /// When it started, in clock ticks since the machine did.
    pub(crate) started: u64,
}

impl Process {
    /// The process that has this number now; `None` where there is none, or only the remains of one.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, started) = parse_stat(&stat)?;
        (!matches!(state, 'Z' | 'X')).then_some(Self { pid, started })
    }

    /// The one that asks.
    pub(crate) fn own() -> Result<Self, String> {
        Self::of(std::process::id())
            .ok_or_else(|| "the demo needs `/proc`, as Linux has it".to_owned())
    }

    /// Whether this very process still runs.
    pub(crate) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Signals this very process; `false` where it is gone.
    ///
    /// The handle is taken before the start time is compared, so whatever takes over the number later is safe.
    #[cfg(target_os = "linux")]
    pub(crate) fn signal(self, signal: Signal) -> io::Result<bool> {
        use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};

        let number = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(pid) = number else { return Ok(false) };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(rustix::io::Errno::SRCH) => return Ok(false),
            handle => handle?,
        };
        if !self.is_alive() {
            return Ok(false);
        }
        match pidfd_send_signal(&handle, signal) {
            Err(rustix::io::Errno::SRCH) => Ok(false),
            sent => sent.map(|()| true).map_err(io::Error::from),
        }
    }

    /// There is no way to be sure elsewhere, so nothing is signalled.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn signal(self, _signal: Signal) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Ends it: asks, waits for `grace`, then kills. Answers once it is gone.
    pub(crate) async fn stop(self, grace: Duration) -> Result<(), String> {
        for (signal, wait) in [(Signal::TERM, grace), (Signal::KILL, KILL_WAIT)] {
            let sent = self.signal(signal);
            match sent {
                Ok(false) => return Ok(()),
                Ok(true) if self.gone_within(wait).await => return Ok(()),
                Ok(true) => {}
                Err(error) => return Err(format!("pid {} cannot be stopped: {error}", self.pid)),
            }
        }
        Err(format!("pid {} does not go away", self.pid))
    }

    async fn gone_within(self, wait: Duration) -> bool {
        let deadline = Instant::now() + wait;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(LOOK_EVERY).await;
        }
        true
    }
}

/// Writes `text` so that a reader sees the old content or the new, never a part.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<(), String> {
    let half = path.with_extension(format!("{}.half", std::process::id()));
    std::fs::write(&half, text)
        .and_then(|()| std::fs::rename(&half, path))
        .map_err(|error| format!("`{}` cannot be written: {error}", path.display()))
}

/// State and start time. The name in brackets may hold anything, brackets and blanks included.
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // Field 22 of proc_pid_stat(5), the state being field 3.
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    fn check(stat: &str, expected: Option<(char, u64)>) {
        assert_eq!(parse_stat(stat), expected, "{stat}");
    }

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let rest = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 19 20";
        check(&format!("77 (edsr) S {rest}"), Some(('S', 4242)));
        check(&format!("77 (a) R (b c) Z {rest}"), Some(('Z', 4242)));
        check("77 (edsr) S 1 2", None);
        check("", None);
    }

    fn sleeper() -> (Child, Process) {
        let child = Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        (child, process)
    }

    #[tokio::test]
    async fn only_the_process_that_was_meant_is_stopped() {
        let (mut child, process) = sleeper();
        let earlier = Process {
            started: process.started - 1,
            ..process
        };
        assert!(!earlier.is_alive());
        assert!(!earlier.signal(Signal::KILL).unwrap());
        earlier.stop(Duration::ZERO).await.unwrap();
        assert!(
            process.is_alive(),
            "another one with the same number lives on"
        );

        process.stop(Duration::from_secs(5)).await.unwrap();
        assert!(
            !process.is_alive(),
            "what remains until it is collected counts as gone"
        );
        assert!(!process.signal(Signal::TERM).unwrap());
        child.wait().unwrap();
        assert_eq!(Process::of(process.pid), None);
    }

    #[test]
    fn files_are_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkout.json");
        write_whole(&path, "one").unwrap();
        write_whole(&path, "two").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write_whole(&dir.path().join("no/such"), "x").is_err());
    }
}
