//! What changes the shop, and what playbooks call: `edsr shop ctl --state DIR rollback checkout`.
//!
//! One command at a time. Each prints one line of JSON and notes the same line in `actions.log`; a command that was
//! done before on behalf of the same step is recognised by its key and not done again.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::behalf::Behalf;
use super::client;
use super::emitter::{Emitter, now};
use super::place::{Place, Service, Shop};
use super::start::start;

/// How long requests that are under way may take after a new process took over.
const HANDOVER: Duration = Duration::from_millis(150);
/// How long a process may take to end by itself.
const STOP_GRACE: Duration = Duration::from_secs(3);
/// How long telling the engine about a deploy may take; it is no condition of the deploy.
const TELL_WAIT: Duration = Duration::from_millis(500);

/// Changes what runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Ctl {
    /// The directory the shop lives in
    #[arg(long)]
    state: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Run a version of a service in place of what runs now
    Deploy { service: Name, version: String },
    /// Run the version that ran before the last deploy
    Rollback { service: Name },
    /// Run the same version in a new process
    Restart { service: Name },
    /// Say what runs
    Status { service: Name },
    /// Succeed if an action was done on behalf of this step (asked after a crash)
    Did,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    Storefront,
    Checkout,
    Worker,
    Load,
}

impl Name {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Storefront => "storefront",
            Self::Checkout => "checkout",
            Self::Worker => "worker",
            Self::Load => "load",
        }
    }

    /// Whether two processes of it must not run at the same time.
    const fn is_single(self) -> bool {
        matches!(self, Self::Worker | Self::Load)
    }
}

impl Ctl {
    pub(super) async fn run(self) -> Result<(), String> {
        let place = Place::new(&self.state);
        let shop = place.shop().ok_or("the shop is closed")?;
        // Held to the end: whoever asks `did` meanwhile waits for the answer.
        let _lock = place.lock()?;
        let behalf = Behalf::from_env();
        let earlier = behalf.earlier(&place.actions());
        let line = match (&self.action, earlier) {
            (Action::Status { service }, _) => status(&place, *service).await?,
            (Action::Did, Some(done)) => done,
            (Action::Did, None) => return Err("nothing was done for this step".to_owned()),
            (_, Some(mut done)) => {
                done["repeated"] = true.into();
                place.note_action(&done)?;
                done
            }
            (action, None) => {
                let done = act(&place, &shop, action, &behalf).await?;
                place.note_action(&done)?;
                done
            }
        };
        print_line(&line);
        Ok(())
    }
}

/// The reader may be gone; what was done is noted all the same.
fn print_line(line: &Value) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}

async fn act(
    place: &Place,
    shop: &Shop,
    action: &Action,
    behalf: &Behalf,
) -> Result<Value, String> {
    let began = Instant::now();
    let (word, service) = match action {
        Action::Deploy { service, .. } => ("deploy", *service),
        Action::Rollback { service } => ("rollback", *service),
        Action::Restart { service } => ("restart", *service),
        Action::Status { .. } | Action::Did => return Err("nothing to do".to_owned()),
    };
    let name = service.as_str();
    let before = place.service(name);
    let (version, previous) = versions(action, before.as_ref())?;
    if service.is_single()
        && let Some(before) = &before
    {
        before.process.stop(STOP_GRACE).await?;
    }
    let (process, port) = start(place, name, &version).await?;
    let after = Service {
        process,
        port,
        version: version.clone(),
        previous,
    };
    place.set_service(name, &after)?;
    if let Some(before) = before.as_ref().filter(|_| !service.is_single()) {
        sleep(HANDOVER).await;
        before.process.stop(STOP_GRACE).await?;
    }
    if word != "restart" {
        tell(shop, name, &version, behalf).await;
    }
    Ok(json!({
        "at": now().to_string(),
        "action": word,
        "service": name,
        "version": version,
        "version_before": before.as_ref().map(|before| before.version.clone()),
        "pid": process.pid,
        "pid_before": before.as_ref().map(|before| before.process.pid),
        "took_ms": u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "execution": behalf.execution,
        "step": behalf.step,
        "attempt": behalf.attempt,
    }))
}

/// The version to run, and the one to remember for a rollback.
fn versions(action: &Action, before: Option<&Service>) -> Result<(String, Option<String>), String> {
    let running = before.map(|before| before.version.clone());
    match action {
        Action::Deploy { version, .. } => Ok((version.clone(), running)),
        Action::Restart { .. } => {
            let before = before.ok_or("it does not run, so it cannot be restarted")?;
            Ok((before.version.clone(), before.previous.clone()))
        }
        Action::Rollback { .. } => {
            let previous = before.and_then(|before| before.previous.clone());
            let previous = previous.ok_or("there is no earlier version to go back to")?;
            Ok((previous, None))
        }
        Action::Status { .. } | Action::Did => Err("it has no version".to_owned()),
    }
}

async fn status(place: &Place, service: Name) -> Result<Value, String> {
    let name = service.as_str();
    let Some(found) = place.service(name).filter(|found| found.process.is_alive()) else {
        return Err(format!("`{name}` does not run"));
    };
    let asked = client(Duration::from_secs(2))?.get(found.url("/health"));
    let answer = asked.send().await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let health: Value = answer.json().await.unwrap_or_default();
    Ok(json!({
        "service": name,
        "version": found.version,
        "pid": found.process.pid,
        "url": found.url(""),
        "status": status,
        "resident_kib": health["resident_kib"],
    }))
}

/// Tells the engine about a deploy, and about the run that caused it.
async fn tell(shop: &Shop, service: &str, version: &str, behalf: &Behalf) {
    let Ok(emitter) = Emitter::start("deploy", &shop.events) else {
        return;
    };
    let known = [
        ("causationid", &behalf.execution),
        ("correlationid", &behalf.correlation),
        ("edsrdepth", &behalf.depth),
    ];
    let known = known.into_iter().filter(|(_, value)| !value.is_empty());
    let extensions: Vec<_> = known.map(|(name, value)| (name, value.clone())).collect();
    let id = format!("deploy/{service}/{version}/{}", now().as_micros());
    let data = json!({"service": service, "version": version});
    emitter.tell_with("deploy.finished", &id, data, &extensions);
    emitter.flush(TELL_WAIT).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::shop::proc::Process;

    fn service(version: &str, previous: Option<&str>) -> Service {
        Service {
            process: Process { pid: 1, started: 1 },
            port: 1,
            version: version.into(),
            previous: previous.map(str::to_owned),
        }
    }

    #[test]
    fn versions_go_forth_and_back() {
        let checkout = Name::Checkout;
        let deploy = Action::Deploy {
            service: checkout,
            version: "v2".into(),
        };
        let rollback = Action::Rollback { service: checkout };
        let restart = Action::Restart { service: checkout };
        let (first, second) = (service("v1", None), service("v2", Some("v1")));
        for (action, before, expected) in [
            (&deploy, None, Some(("v2", None))),
            (&deploy, Some(&first), Some(("v2", Some("v1")))),
            (&rollback, Some(&second), Some(("v1", None))),
            (&rollback, Some(&first), None),
            (&rollback, None, None),
            (&restart, Some(&second), Some(("v2", Some("v1")))),
            (&restart, None, None),
        ] {
            let found = versions(action, before).ok();
            let expected = expected.map(|(version, previous): (&str, Option<&str>)| {
                (version.to_owned(), previous.map(str::to_owned))
            });
            assert_eq!(found, expected, "{action:?} {before:?}");
        }
    }
}
