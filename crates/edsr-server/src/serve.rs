//! Connections: how many, how long for headers, how long without progress, and what becomes of them on a stop.

mod patient;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use patient::Patient;

/// How much of headers is read before more is refused, in bytes. What comes with the last piece is read too, so headers
/// of up to twice that may pass.
const HEADERS_BYTES_MAX: usize = 32 * 1024;
/// How many headers a request has.
const HEADERS_MAX: usize = 100;
/// How long to wait when the system has no more connections to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bounds of connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How many are open at once; more wait to be taken.
    pub(crate) connections_max: usize,
    /// How long the headers of a request may take, and a connection may stay idle between requests.
    pub(crate) headers_time_max: Duration,
    /// How long a client may leave an answer unread.
    pub(crate) write_idle_max: Duration,
    /// How long requests that are under way may take once the node stops.
    pub(crate) stop_time_max: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            headers_time_max: Duration::from_secs(15),
            write_idle_max: Duration::from_secs(30),
            stop_time_max: Duration::from_secs(5),
        }
    }
}

/// Serves `router` on `listener` until `shutdown` is done; requests under way get a moment to finish.
///
/// # Errors
/// When `listener` is not one that connections come from. One connection that cannot be taken, or none left to
/// give, is waited for.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    serve_within(Bounds::default(), listener, router, shutdown).await
}

pub(crate) async fn serve_within(
    bounds: Bounds,
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(bounds.connections_max));
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    let ended = loop {
        while connections.try_join_next().is_some() {}
        let taken = tokio::select! {
            () = &mut shutdown => break Ok(()),
            taken = take(&listener, &places) => taken,
        };
        let (stream, place) = match taken {
            Ok(taken) => taken,
            Err(error) => break Err(error),
        };
        let (router, stopped) = (router.clone(), stopped.clone());
        connections.spawn(async move {
            connection(bounds, stream, router, stopped).await;
            drop(place);
        });
    };
    drop(listener);
    stop.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(bounds.stop_time_max, all).await.is_err() {
        connections.shutdown().await;
    }
    ended
}

/// The next connection, once there is a place for it.
async fn take(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = (Arc::clone(places).acquire_owned().await).map_err(io::Error::other)?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Ok((stream, place)),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    bounds: Bounds,
    stream: TcpStream,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection stays delayed");
    }
    let stream = Patient::new(stream, bounds.write_idle_max);
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.headers_time_max)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADERS_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = std::pin::pin!(serving);
    let stop = async { stopped.wait_for(|stopped| *stopped).await.is_ok() };
    let ended = tokio::select! {
        ended = serving.as_mut() => Some(ended),
        _ = stop => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
