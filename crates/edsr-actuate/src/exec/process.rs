//! One process group, from its start to its end.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::actuator::deadline;
use crate::capture::Capture;
use crate::secret::Secret;

/// The longest a process group may take between SIGTERM and SIGKILL, and the default.
pub const KILL_GRACE: Duration = Duration::from_secs(2);
/// How long the output is read after the program ended, for what still is in the pipes. Something it left running may
/// hold them open for ever.
pub const PIPE_WAIT: Duration = Duration::from_millis(250);
/// How long the system may take to hand over a killed process.
const REAP_WAIT: Duration = Duration::from_secs(1);
/// How often a terminated program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How much is read from a pipe at once, in bytes.
const READ_PIECE: usize = 16 * 1024;

/// What to run.
pub(super) struct Command<'a> {
    pub(super) program: &'a Path,
    pub(super) argv: &'a [String],
    pub(super) cwd: &'a Path,
    pub(super) env: BTreeMap<String, Secret>,
    pub(super) stdin: Option<String>,
}

/// How it ended.
pub(super) enum Ended {
    Exited(i32),
    Signalled(i32),
    TimedOut,
    /// Somebody else took its exit status.
    Lost(io::Error),
}

/// What came of it.
pub(super) struct Finished {
    pub(super) ended: Ended,
    pub(super) stdout: Capture,
    pub(super) stderr: Capture,
}

/// Runs `command` to its end, at most for `limit` and then `grace` more for its group to end.
pub(super) async fn run(
    command: Command<'_>,
    limit: Duration,
    grace: Duration,
    margin: usize,
) -> io::Result<Finished> {
    let deadline = deadline(limit);
    let mut group = Group::start(&command)?;
    let mut stdout = Capture::new(margin);
    let mut stderr = Capture::new(margin);
    let (out, err) = (group.child.stdout.take(), group.child.stderr.take());
    let feed = feed(group.child.stdin.take(), command.stdin);
    let mut pipes = Pipes {
        open: true,
        drain: Box::pin(async {
            tokio::join!(drain(out, &mut stdout), drain(err, &mut stderr));
        }),
    };
    let ended = match until(&mut group, &mut pipes, feed, deadline).await {
        Some(Ok(status)) => ended(status),
        Some(Err(error)) => Ended::Lost(error),
        None => {
            group.end(&mut pipes, grace).await;
            Ended::TimedOut
        }
    };
    // Nothing more may come: this is a wait for what is in the pipes already.
    let _ = timeout(PIPE_WAIT, pipes.closed()).await;
    drop(pipes);
    Ok(Finished {
        ended,
        stdout,
        stderr,
    })
}

/// The two outputs, read to their ends.
struct Pipes<'a> {
    open: bool,
    drain: Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
}

impl Pipes<'_> {
    async fn closed(&mut self) {
        if self.open {
            self.drain.as_mut().await;
            self.open = false;
        }
    }
}

/// A program and its group; both are killed when this is dropped before the program's end was seen.
struct Group {
    child: Child,
}

impl Group {
    fn start(command: &Command<'_>) -> io::Result<Self> {
        let mut start = tokio::process::Command::new(command.program);
        start
            .arg0(&command.argv[0])
            .args(&command.argv[1..])
            .current_dir(command.cwd)
            .env_clear()
            .envs(
                command
                    .env
                    .iter()
                    .map(|(name, value)| (name, value.expose())),
            )
            .stdin(if command.stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        Ok(Self {
            child: start.spawn()?,
        })
    }

    /// The group's id, as long as the program's end was not collected: until then the id cannot belong to anything else.
    fn id(&self) -> Option<Pid> {
        let id = i32::try_from(self.child.id()?).ok()?;
        Pid::from_raw(id)
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id() {
            // It fails only when nobody is left in the group.
            let _ = kill_process_group(id, signal);
        }
    }

    /// Ends the group: asks, waits while anybody seems left, then kills whoever is.
    async fn end(&mut self, pipes: &mut Pipes<'_>, grace: Duration) {
        self.signal(Signal::TERM);
        let asked = async {
            let ((), ()) = tokio::join!(self.exited(), pipes.closed());
        };
        let _ = timeout(grace, asked).await;
        self.signal(Signal::KILL);
        let _ = timeout(REAP_WAIT, self.child.wait()).await;
    }

    /// Waits for the program to exit without collecting it, which would give its id away.
    async fn exited(&self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while let Some(id) = self.id() {
            if !matches!(waitid(WaitId::Pid(id), options), Ok(None)) {
                return;
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Waits for the program's exit while its pipes are served; `None` when the time is up first.
async fn until(
    group: &mut Group,
    pipes: &mut Pipes<'_>,
    feed: impl Future<Output = ()>,
    deadline: Instant,
) -> Option<io::Result<ExitStatus>> {
    tokio::pin!(feed);
    let mut feeding = true;
    loop {
        // The deadline comes first: an output that never pauses must not keep it from being looked at.
        tokio::select! {
            biased;
            () = sleep_until(deadline) => return None,
            status = group.child.wait() => return Some(status),
            () = &mut feed, if feeding => feeding = false,
            () = pipes.closed(), if pipes.open => {}
        }
    }
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, Some(signal)) => Ended::Signalled(signal),
        (None, None) => Ended::Lost(io::Error::other("neither a code nor a signal")),
    }
}

async fn drain(pipe: Option<impl AsyncRead + Unpin>, into: &mut Capture) {
    let Some(mut pipe) = pipe else { return };
    let mut piece = vec![0; READ_PIECE];
    while let Ok(length @ 1..) = pipe.read(&mut piece).await {
        into.push(&piece[..length]);
    }
}

async fn feed(pipe: Option<ChildStdin>, text: Option<String>) {
    if let (Some(mut pipe), Some(text)) = (pipe, text) {
        // A program need not read what it is given.
        let _ = pipe.write_all(text.as_bytes()).await;
    }
}
