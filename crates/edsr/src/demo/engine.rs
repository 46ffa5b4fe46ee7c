//! The engine as the demo runs it: this program again, `edsr run`, on the demo's bundle.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::shop::client;
use super::shop::place::append;
use super::shop::proc::Process;

/// How long it may take to start.
const READY_WAIT: Duration = Duration::from_secs(20);
/// How often it is asked whether it has.
const READY_EVERY: Duration = Duration::from_millis(25);
/// How long it may take to end by itself.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// How many lines of its log are shown when something went wrong.
const LOG_LINES: usize = 20;

/// Where it works.
#[derive(Debug, Clone)]
pub(super) struct Home {
    /// The demo's directory.
    pub(super) dir: PathBuf,
    /// Where it listens on loopback.
    pub(super) port: u16,
}

impl Home {
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn bundle(&self) -> PathBuf {
        self.dir.join("ops")
    }

    pub(super) fn shop(&self) -> PathBuf {
        self.dir.join("shop")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("engine.log")
    }

    /// The end of the engine's log.
    pub(super) fn log_tail(&self) -> String {
        let text = std::fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().map(crate::text::printable).collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// This program, with no setting that the person's environment makes.
    pub(super) fn program(&self) -> Result<Command, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("EDSR_") {
                command.env_remove(name);
            }
        }
        command.env("EDSR_CONFIG", self.dir.join("cli.yaml"));
        Ok(command)
    }
}

/// A running engine.
#[derive(Debug)]
pub(super) struct Engine {
    home: Home,
    child: Child,
    process: Process,
}

impl Engine {
    /// Starts it and waits until it takes events.
    pub(super) async fn start(home: &Home) -> Result<Self, String> {
        let log = || append(&home.log());
        let listen = format!("127.0.0.1:{}", home.port);
        let spawned = home
            .program()?
            .arg("run")
            .arg(home.bundle())
            .args(["--listen", &listen])
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(log()?)
            .stderr(log()?)
            // Ctrl-C is for the demo, which stops the engine in its turn.
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let child = spawned.map_err(|error| format!("the engine cannot be started: {error}"))?;
        let process = child.id().and_then(Process::of);
        let process = process.ok_or("the engine ended at once")?;
        let mut engine = Self {
            home: home.clone(),
            child,
            process,
        };
        engine.ready().await?;
        Ok(engine)
    }

    pub(super) const fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Waits for its end, which should not come by itself.
    pub(super) async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => format!("the engine ended by itself: {status}"),
            Err(error) => format!("the engine is lost: {error}"),
        }
    }

    /// Kills it without a word and starts it again.
    pub(super) async fn kill_and_start(&mut self) -> Result<(), String> {
        self.process
            .signal(Signal::KILL)
            .map_err(|error| error.to_string())?;
        self.child.wait().await.map_err(|error| error.to_string())?;
        *self = Self::start(&self.home).await?;
        Ok(())
    }

    /// Asks it to end, and ends it where it does not.
    pub(super) async fn stop(mut self) -> Result<(), String> {
        let asked = self.process.signal(Signal::TERM);
        if !asked.map_err(|error| error.to_string())? {
            // It was gone before, which was told already.
            return Ok(());
        }
        match timeout(STOP_GRACE, self.child.wait()).await {
            Ok(Ok(status)) => clean(status),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => {
                let _ = self.child.kill().await;
                Err(format!(
                    "the engine did not end within {STOP_GRACE:?} and was killed"
                ))
            }
        }
    }

    async fn ready(&mut self) -> Result<(), String> {
        let client = client(Duration::from_secs(1))?;
        let url = format!("{}/readyz", self.home.url());
        let deadline = Instant::now() + READY_WAIT;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the engine did not start: {status}"));
            }
            let answer = client.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            sleep(READY_EVERY).await;
        }
        Err(format!("the engine was not ready within {READY_WAIT:?}"))
    }
}

fn clean(status: ExitStatus) -> Result<(), String> {
    if status.success() {
        return Ok(());
    }
    Err(format!("the engine did not end well: {status}"))
}

/// A port of loopback that nobody listens on now. The engine must come back on the same one after a restart, so it
/// cannot be left to the system each time.
pub(super) fn free_port() -> Result<u16, String> {
    let bound = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|bound| bound.local_addr());
    let address = bound.map_err(|error| format!("there is no free port on loopback: {error}"))?;
    Ok(address.port())
}

/// Makes a directory that nobody else can look into.
pub(super) fn private_dir(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().mode(0o700).create(path);
    made.map_err(|error| format!("`{}` cannot be made: {error}", path.display()))
}
