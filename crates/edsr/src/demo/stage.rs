//! The stage: the engine, the shop and the story, and waiting for what should happen next.

use std::time::Duration;

use edsr_model::Timestamp;
use edsr_server::types::EntryRecord;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::engine::{Engine, Home};
use super::follow;
use super::narrator::{Line, Narrator, Part};
use super::shop::client;
use super::shop::emitter::now;
use super::shop::place::{Place, Service, Shop};
use super::shop::proc::Process;
use super::story::Story;
use crate::output::Tone;

/// How long a control command may take.
const CTL_WAIT: Duration = Duration::from_secs(30);
/// How long a service may take to end by itself.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Everything that runs.
pub(super) struct Stage {
    pub(super) home: Home,
    pub(super) narrator: Narrator,
    pub(super) story: Story,
    pub(super) place: Place,
    engine: Engine,
    entries: mpsc::Receiver<EntryRecord>,
    kill: Kill,
}

/// When the engine is killed, to show that it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kill {
    /// It is not.
    Never,
    /// At the first action after this instant: in the very middle of it.
    After(Instant),
    /// It was.
    Done,
}

impl Stage {
    /// Starts the engine, and prepares a shop that is still empty.
    pub(super) async fn open(home: Home, narrator: Narrator, kill: Kill) -> Result<Self, String> {
        let shop = Shop {
            events: format!("{}/v1/events", home.url()),
            owner: Process::own()?,
        };
        let place = Place::create(&home.shop(), &shop)?;
        let engine = Engine::start(&home).await?;
        let entries = follow::entries(&home.url())?;
        let stage = Self {
            home,
            narrator,
            story: Story::default(),
            place,
            engine,
            entries,
            kill,
        };
        let text = format!(
            "engine (pid {}) on {}",
            stage.engine.pid(),
            stage.home.url()
        );
        stage.tell(Tone::Plain, &text);
        Ok(stage)
    }

    /// Says what the demo itself does.
    pub(super) fn tell(&self, tone: Tone, text: &str) {
        self.narrator.tell(&Line {
            at: now(),
            part: Part::Demo,
            tone,
            text: text.to_owned(),
        });
    }

    /// Runs `edsr shop ctl` and answers with the service as it is then.
    pub(super) async fn ctl(&self, action: &[&str]) -> Result<Service, String> {
        let mut command = self.home.program()?;
        command
            .args(["shop", "ctl", "--state"])
            .arg(self.place.dir())
            .args(action)
            .kill_on_drop(true);
        let ran = tokio::time::timeout(CTL_WAIT, command.output()).await;
        let name = format!("shop ctl {}", action.join(" "));
        let output = ran
            .map_err(|_| format!("`{name}` took longer than {CTL_WAIT:?}"))?
            .map_err(|error| format!("`{name}`: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`{name}` failed: {}", said.trim()));
        }
        let service = action.get(1).copied().unwrap_or_default();
        self.service(service)
    }

    pub(super) fn service(&self, name: &str) -> Result<Service, String> {
        let service = self.place.service(name);
        service.ok_or_else(|| format!("`{name}` is not there"))
    }

    /// Tells what happens until `done`, or for `wait`. Answers whether it came to be.
    pub(super) async fn watch(
        &mut self,
        wait: Duration,
        done: impl Fn(&Story) -> bool,
    ) -> Result<bool, String> {
        let deadline = Instant::now() + wait;
        while !done(&self.story) {
            tokio::select! {
                entry = self.entries.recv() => {
                    let entry = entry.ok_or("the journal cannot be followed any more")?;
                    self.note(&entry).await?;
                }
                end = self.engine.ended() => return Err(end),
                () = sleep_until(deadline) => return Ok(false),
            }
        }
        Ok(true)
    }

    async fn note(&mut self, entry: &EntryRecord) -> Result<(), String> {
        let intents = self.story.intents;
        if let Some(line) = self.story.note(entry) {
            self.narrator.tell(&line);
        }
        match self.kill {
            Kill::After(at) if self.story.intents > intents && Instant::now() >= at => {
                self.kill = Kill::Done;
                let pid = self.engine.pid();
                self.tell(
                    Tone::Warn,
                    &format!("kill -9 of the engine (pid {pid}) in the middle of it"),
                );
                let killed_at = now();
                self.engine.kill_and_start().await?;
                let text = format!(
                    "the engine is back (pid {}) after {}, and goes on from its journal",
                    self.engine.pid(),
                    crate::text::span(now().since(killed_at)),
                );
                self.tell(Tone::Plain, &text);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) const fn was_killed(&self) -> bool {
        matches!(self.kill, Kill::Done)
    }

    /// Makes the worker wait for a lock that nobody gives back. Answers when, and what its health says afterwards.
    pub(super) async fn wedge_worker(&self) -> Result<(Timestamp, u16), String> {
        let worker = self.service("worker")?;
        let client = client(Duration::from_secs(2))?;
        let failed = |error: reqwest::Error| format!("the worker does not answer: {error}");
        let sent = client.post(worker.url("/wedge")).send().await;
        sent.and_then(reqwest::Response::error_for_status)
            .map_err(failed)?;
        let health = client
            .get(worker.url("/health"))
            .send()
            .await
            .map_err(failed)?;
        Ok((now(), health.status().as_u16()))
    }

    /// Stops everything that was started, by number and start time.
    pub(super) async fn close(mut self) -> Vec<String> {
        self.entries.close();
        let mut problems = close_shop(&self.place).await;
        problems.extend(self.engine.stop().await.err());
        problems
    }
}

/// Stops every process of a shop; what could not be stopped is said.
pub(super) async fn close_shop(place: &Place) -> Vec<String> {
    place.close();
    let mut problems = Vec::new();
    for (name, service) in place.services() {
        if let Err(error) = service.process.stop(STOP_GRACE).await {
            problems.push(format!("`{name}`: {error}"));
        }
    }
    problems
}
