//! A node as a process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Answer, Place, Process, Request, text, told, wait_for};

/// A node that runs; killed when dropped.
pub(crate) struct Node {
    process: Process,
    pub(crate) address: SocketAddr,
    log: PathBuf,
    cli: Box<dyn Fn() -> Command>,
}

/// A start that came to nothing.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// What it ended with; nothing when a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it said.
    pub(crate) told: String,
}

impl Node {
    /// Starts it and waits until it says where it listens.
    pub(super) fn start(place: &Place, listen: &str, env: &[(&str, &str)]) -> Self {
        Self::try_start(place, listen, env)
            .unwrap_or_else(|refusal| panic!("the node did not start: {}", refusal.told))
    }

    /// Starts it; a node that ends before it listens has refused to start.
    pub(super) fn try_start(
        place: &Place,
        listen: &str,
        env: &[(&str, &str)],
    ) -> Result<Self, Refusal> {
        let log = place.path("node.log");
        let told_before = std::fs::metadata(&log).map_or(0, |meta| meta.len());
        let mut process = place.spawn(listen, env);
        let mut line = String::new();
        let stdout = process.0.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        let Some(address) = address else {
            let status = process.0.wait().unwrap();
            let text = std::fs::read(&log).unwrap();
            let new = &text[usize::try_from(told_before).unwrap()..];
            return Err(Refusal {
                code: status.code(),
                told: format!("{line}{}", String::from_utf8_lossy(new)),
            });
        };
        let (root, home) = (place.root().to_owned(), place.edsr());
        let removed: Vec<_> = home
            .get_envs()
            .map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned)))
            .collect();
        let cli = Box::new(move || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_edsr"));
            for (name, value) in &removed {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            command.current_dir(&root).stdin(Stdio::null());
            command.args(["--server", &format!("http://{address}")]);
            command
        });
        Ok(Self {
            process,
            address,
            log,
            cli,
        })
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.process.0.id()).unwrap()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// How much memory it holds now, in bytes, without what is mapped from files: that is mostly the program itself.
    pub(crate) fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.0.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:"));
        let kib = line.unwrap().split_whitespace().nth(1).unwrap();
        kib.parse::<u64>().unwrap() * 1024
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = wait_for("the end of the node", || self.process.0.try_wait().unwrap());
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// Waits until it has ended, in whatever way.
    pub(crate) fn wait_end(mut self) {
        wait_for("the end of the node", || self.process.0.try_wait().unwrap());
    }

    /// What it said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    #[track_caller]
    pub(crate) fn send(&self, request: &Request) -> Answer {
        let answer = request.send(self.address);
        answer.unwrap_or_else(|| panic!("no answer; {}", self.log()))
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        self.send(&Request::get(path)).is(200).json()
    }

    /// Posts one event of this type with this data.
    #[track_caller]
    pub(crate) fn event(&self, id: &str, kind: &str, data: &Value) -> Answer {
        self.send(&event(id, kind, data))
    }

    /// Posts events that must be taken.
    #[track_caller]
    pub(crate) fn events(&self, kind: &str, events: &[(&str, Value)]) {
        for (id, data) in events {
            self.event(id, kind, data).is(202);
        }
    }

    pub(crate) fn status(&self) -> Value {
        self.get("/v1/status")
    }

    /// The newest items of a list; `path` may have a query.
    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        let page = self.get(&format!("/v1/{path}"));
        page["items"].as_array().unwrap().clone()
    }

    /// The first item of a list with this text at this path, once there is one.
    #[track_caller]
    pub(crate) fn wait_item(&self, list: &str, path: &str, wanted: &str) -> Value {
        wait_for(&format!("{path} = {wanted} in {list}"), || {
            let items = self.list(list);
            items.into_iter().find(|item| text(item, path) == wanted)
        })
    }

    /// Every entry of the journal, oldest first.
    pub(crate) fn journal(&self) -> Vec<Value> {
        self.all("journal")
    }

    /// Every record of a log, oldest first.
    pub(crate) fn all(&self, list: &str) -> Vec<Value> {
        let mut found = Vec::new();
        let mut from = 1;
        loop {
            let page = self.get(&format!("/v1/{list}?from={from}&limit=500"));
            found.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_u64() {
                Some(next) => from = next,
                None => return found,
            }
        }
    }

    /// Runs a command of the program against it.
    pub(crate) fn cli(&self, args: &[&str]) -> Output {
        (self.cli)().args(args).output().unwrap()
    }

    /// Runs a command that must succeed; returns what it wrote.
    #[track_caller]
    pub(crate) fn cli_ok(&self, args: &[&str]) -> String {
        let output = self.cli(args);
        assert!(output.status.success(), "{args:?}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// One event in structured mode.
pub(crate) fn event(id: &str, kind: &str, data: &Value) -> Request {
    let event =
        json!({"specversion": "1.0", "id": id, "source": "/test", "type": kind, "data": data});
    Request::post("/v1/events", event.to_string())
        .header("content-type", "application/cloudevents+json")
}
