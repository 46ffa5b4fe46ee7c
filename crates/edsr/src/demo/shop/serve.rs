//! What every service of the shop has: a port, `/health`, and an end.

use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{interval, timeout};

use super::emitter::Emitter;
use super::place::Place;
use super::proc::write_whole;

/// How often it is looked whether the shop is still open.
const OPEN_EVERY: Duration = Duration::from_millis(500);
/// How long open requests may keep a service from ending.
const DRAIN_WAIT: Duration = Duration::from_millis(500);
/// How long the last events may take to be sent.
const FLUSH_WAIT: Duration = Duration::from_millis(500);

/// A service, about to listen.
pub(super) struct Server<'a> {
    pub(super) place: &'a Place,
    pub(super) service: &'static str,
    pub(super) version: String,
    pub(super) routes: Router,
    pub(super) emitter: Emitter,
}

impl Server<'_> {
    /// Listens on a free port of loopback until SIGTERM comes or the shop closes.
    pub(super) async fn run(self) -> Result<(), String> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(|error| format!("`{}` cannot listen: {error}", self.service))?;
        let port = listener
            .local_addr()
            .map_err(|error| error.to_string())?
            .port();
        let port_file = self.place.port_file(std::process::id());

        let (service, version) = (self.service, self.version);
        let health = move || {
            let answer = health(service, &version);
            async move { Json(answer) }
        };
        let routes = self.routes.route("/health", get(health));
        write_whole(&port_file, &port.to_string())?;

        let mut ended = Box::pin(ended(self.place.clone()));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = axum::serve(listener, routes).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        let mut serving = Box::pin(serving.into_future());
        tokio::select! {
            _ = &mut serving => {}
            () = &mut ended => {
                let _ = stop.send(());
                let _ = timeout(DRAIN_WAIT, serving).await;
            }
        }
        self.emitter.flush(FLUSH_WAIT).await;
        let _ = std::fs::remove_file(port_file);
        Ok(())
    }
}

/// Resident size of this process in KiB; 0 where it cannot be read.
pub(super) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let figure = line.and_then(|line| line.split_ascii_whitespace().next());
    figure.and_then(|figure| figure.parse().ok()).unwrap_or(0)
}

fn health(service: &str, version: &str) -> Value {
    json!({
        "service": service,
        "version": version,
        "pid": std::process::id(),
        "resident_kib": resident_kib(),
    })
}

/// Returns when the process should end.
async fn ended(place: Place) {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        return;
    };
    let mut look = interval(OPEN_EVERY);
    loop {
        tokio::select! {
            _ = terminated.recv() => return,
            _ = look.tick() => {
                if !place.shop().is_some_and(|shop| shop.owner.is_alive()) {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_touched_shows() {
        let before = resident_kib();
        let held = vec![1_u8; 64 << 20];
        let after = resident_kib();
        assert!(
            before > 0 && after >= before + (32 << 10),
            "{before} {after}"
        );
        drop(held);
    }
}
