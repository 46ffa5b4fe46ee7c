//! Starting a service as a process of its own.

use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::client;
use super::place::Place;
use super::proc::Process;

/// How long a new process may take until it is healthy.
const HEALTHY_WAIT: Duration = Duration::from_secs(10);
/// How often it is asked.
const HEALTHY_EVERY: Duration = Duration::from_millis(20);

/// Starts a process that stays when this one ends, and waits until it is healthy.
pub(super) async fn start(
    place: &Place,
    name: &str,
    version: &str,
) -> Result<(Process, u16), String> {
    use std::os::unix::process::CommandExt as _;

    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["shop", name, "--state"]).arg(place.dir());
    if name == "checkout" {
        command.args(["--version", version]);
    }
    let spawned = command
        .stdin(Stdio::null())
        .stdout(place.log(name)?)
        .stderr(place.log(name)?)
        .process_group(0)
        .spawn();
    let mut child = spawned.map_err(|error| format!("`{name}` cannot be started: {error}"))?;
    let process = Process::of(child.id());
    let deadline = Instant::now() + HEALTHY_WAIT;
    let client = client(Duration::from_secs(1))?;
    while Instant::now() < deadline {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!(
                "`{name}` ended at once, with {status}; see its log"
            ));
        }
        let text = std::fs::read_to_string(place.port_file(child.id())).unwrap_or_default();
        if let (Ok(port), Some(process)) = (text.parse::<u16>(), process) {
            let health = format!("http://127.0.0.1:{port}/health");
            let answer = client.get(health).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok((process, port));
            }
        }
        sleep(HEALTHY_EVERY).await;
    }
    // It was started here and nobody else knows of it, so the number still is the child's.
    let _ = child.kill();
    let _ = child.wait();
    Err(format!("`{name}` did not become healthy"))
}
