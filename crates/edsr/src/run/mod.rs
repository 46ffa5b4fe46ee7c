//! Running a node: put together what the bundle's directory says, serve until told to stop.
//!
//! ```text
//! setup    settings            -> the two logs, actuators, tokens
//! doors    source documents    -> sources with their secrets
//! reload   a changed directory -> a checked bundle, in force or refused
//! layout   where a node keeps what
//! ```

mod doors;
pub(crate) mod layout;
mod reload;
mod setup;

pub(crate) use setup::compile;

use std::sync::Arc;

use edsr_model::{Actor, PauseScope};
use edsr_node::Node;
use edsr_node::api::{Command, NodeApi};
use edsr_server::ServerSettings;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::RunArgs;
use crate::exit::{Exit, Failure};
use crate::output::complain;
use crate::text::shown;

/// Runs a node until it is told to stop.
pub(crate) async fn run(args: RunArgs) -> Exit {
    match serve(args).await {
        Ok(()) => Exit::Ok,
        Err(failure) => {
            complain(&failure, std::env::var_os("NO_COLOR").is_some());
            failure.exit
        }
    }
}

async fn serve(args: RunArgs) -> Result<(), Failure> {
    // Taken before the bundle is read, so that no edit falls in between.
    let read = reload::stamp(&args.dir);
    let (setup, settings) = setup::setup(&args)?;
    let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
        let text = format!("cannot listen on {}: {error}", settings.listen);
        Failure::new(Exit::Unreachable, text)
            .help("another node may run there; choose another address with --listen")
    })?;
    let address = listener
        .local_addr()
        .map_or(settings.listen, |address| address);
    let (node, started) = edsr_node::start(setup)
        .map_err(|error| Failure::new(Exit::Broken, format!("the node does not start: {error}")))?;
    tracing::info!(
        events = started.events,
        entries = started.entries,
        from = ?started.from,
        "caught up with the event log and the journal"
    );
    let reload = reload::watch(&args.dir, read, Arc::clone(&node));
    let router = edsr_server::router(
        Arc::clone(&node) as Arc<dyn NodeApi>,
        ServerSettings::default(),
    );
    // Whoever reads the line below may send a signal at once.
    let shutdown = until_told(Arc::clone(&node))?;
    let status = node.status();
    println!(
        "edsr {} listens on http://{address}  bundle {}  data {}",
        status.version,
        status.bundle.short(),
        shown(&settings.data_dir)
    );
    let served = edsr_server::serve(listener, router, shutdown).await;
    drop(reload);
    stop(node).await;
    served.map_err(|error| Failure::new(Exit::Unreachable, format!("the server ended: {error}")))
}

/// Ends when the process is told to stop; SIGUSR1 pauses all automatic dispatch.
fn until_told(node: Arc<Node>) -> Result<impl Future<Output = ()> + Send, Failure> {
    let fail = |error| {
        Failure::new(
            Exit::Unreachable,
            format!("signals cannot be received: {error}"),
        )
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    let mut pause = signal(SignalKind::user_defined1()).map_err(fail)?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = pause.recv() => {
                    let command = Command::Pause {
                        scope: PauseScope::All,
                        reason: "the signal SIGUSR1".to_owned(),
                    };
                    match node.command(Actor::Person("signal".to_owned()), command).await {
                        Ok(_) => tracing::warn!("all automatic dispatch is paused by a signal"),
                        Err(error) => tracing::error!(%error, "the signal could not pause"),
                    }
                }
            }
        }
        tracing::info!("stopping");
        node.say_farewell();
    })
}

/// Stops the node on a thread that may wait.
async fn stop(node: Arc<Node>) {
    let stopped = tokio::task::spawn_blocking(move || node.stop()).await;
    if stopped.is_err() {
        tracing::error!("the node did not stop cleanly");
    }
}
