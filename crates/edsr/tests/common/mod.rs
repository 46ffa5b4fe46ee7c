//! The real program in a directory of its own: bundles are written, nodes run and die, and nothing stays behind.
#![allow(dead_code, reason = "every test takes what it needs")]
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by a panic, its helpers too"
)]

pub(crate) mod http;
pub(crate) mod node;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use http::{Answer, Request};
pub(crate) use node::Node;

/// How long anything may take that should happen soon.
pub(crate) const WAIT: Duration = Duration::from_secs(30);

/// How often it is looked whether it happened.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A policy that lets every playbook do everything.
pub(crate) const PERMIT_ALL: &str = "@id(\"anything\")\npermit (principal, action, resource);\n";

/// The settings of a node that takes events from anybody.
pub(crate) const OPEN_NODE: &str = "\
apiVersion: edsr.dev/v1
kind: Node
spec:
  ingest: { auth: { none: true } }
";

/// A directory with a bundle (`ops`) and what a node keeps (`home/data`, `home/keys`).
pub(crate) struct Place {
    root: TempDir,
}

impl Place {
    /// With `edsr.yaml`, and a policy that permits everything.
    pub(crate) fn new(settings: &str) -> Self {
        let place = Self {
            root: tempfile::tempdir().unwrap(),
        };
        place.write("edsr.yaml", settings);
        place.write("policies/all.cedar", PERMIT_ALL);
        place
    }

    /// Writes a file of the bundle, whole or not at all, as editors do.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.ops().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let draft = self.path("draft");
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, path).unwrap();
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(crate) fn ops(&self) -> PathBuf {
        self.path("ops")
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path("home/data")
    }

    /// The program, with nothing of what the person who runs the tests has set.
    pub(crate) fn edsr(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edsr"));
        let set = std::env::vars_os().map(|(name, _)| name);
        for name in set.filter(|name| name.to_string_lossy().starts_with("EDSR_")) {
            command.env_remove(name);
        }
        command
            .current_dir(self.root())
            .env("HOME", self.root())
            .env_remove("XDG_CONFIG_HOME")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Starts a node on a free port.
    pub(crate) fn start(&self) -> Node {
        self.start_with(&[])
    }

    /// Starts a node with these environment variables.
    pub(crate) fn start_with(&self, env: &[(&str, &str)]) -> Node {
        self.start_at("127.0.0.1:0", env)
    }

    /// Starts a node that listens elsewhere.
    pub(crate) fn start_at(&self, listen: &str, env: &[(&str, &str)]) -> Node {
        Node::start(self, listen, env)
    }

    /// Starts a node, which may refuse.
    pub(crate) fn try_start(&self, env: &[(&str, &str)]) -> Result<Node, node::Refusal> {
        Node::try_start(self, "127.0.0.1:0", env)
    }

    /// Begins to start a node, and does not wait for it.
    pub(crate) fn spawn(&self, listen: &str, env: &[(&str, &str)]) -> Process {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("node.log"))
            .unwrap();
        let mut command = self.edsr();
        command
            .arg("run")
            .arg(self.ops())
            .args(["--listen", listen]);
        command.arg("--data-dir").arg(self.data_dir());
        command.envs(env.iter().copied());
        command.stdout(Stdio::piped()).stderr(log);
        Process(command.spawn().unwrap())
    }

    /// What `edsr audit verify` says of the journal as it stands on the disk.
    pub(crate) fn audit(&self) -> Output {
        let mut command = self.edsr();
        let command = command.args(["audit", "verify", "--data-dir"]);
        command.arg(self.data_dir()).output().unwrap()
    }

    /// Verifies the journal as it stands on the disk.
    pub(crate) fn verify_audit(&self) {
        let output = self.audit();
        let told = told(&output);
        assert!(
            output.status.success() && told.starts_with("ok: "),
            "{told}"
        );
    }
}

/// What a command wrote, both outputs.
pub(crate) fn told(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

/// Asks until there is an answer.
pub(crate) fn wait_for<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    wait_within(WAIT, what, ask)
}

/// Asks until there is an answer, or the time is up.
pub(crate) fn wait_within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let watch = Stopwatch::start();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            watch.elapsed() < limit,
            "{what}: did not come about in {limit:?}"
        );
        nap(LOOK_EVERY);
    }
}

#[allow(clippy::disallowed_methods, reason = "other processes are polled")]
pub(crate) fn nap(time: Duration) {
    std::thread::sleep(time);
}

/// Time as it passes outside.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[allow(
        clippy::disallowed_methods,
        reason = "a test waits for real processes in real time"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The time of day, in microseconds since the Unix epoch.
#[allow(
    clippy::disallowed_methods,
    reason = "senders sign with the time of day"
)]
pub(crate) fn now_micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_micros()).unwrap()
}

/// A process that does not outlive the test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Starts it with its output in `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let file = std::fs::File::create(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port of loopback that is free now.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The text at a path of a JSON value, such as `/event/id`; empty where there is none.
pub(crate) fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
