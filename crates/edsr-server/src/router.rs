//! The table of routes. Each is described where it is served, so the description cannot fall behind.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use edsr_node::api::NodeApi;
use http::StatusCode;
use tokio::sync::Semaphore;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::{Modify, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::guard::{guard, no_such_path};
use crate::problem::{Answer, Fault};
use crate::room::Room;
use crate::routes::{commands, ingest, lists, logs, node, tail, why};
use crate::settings::ServerSettings;
use crate::types::Missed;

/// What every handler has.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) node: Arc<dyn NodeApi>,
    pub(crate) settings: Arc<ServerSettings>,
    pub(crate) bodies: Arc<Semaphore>,
    /// For bodies that have not fully arrived: whoever sends them need not be honest, nor end.
    pub(crate) arriving: Arc<Room>,
    /// For bodies until their answer.
    pub(crate) held: Arc<Room>,
    pub(crate) watchers: Arc<Semaphore>,
    pub(crate) reads: Arc<Semaphore>,
    pub(crate) openapi: Arc<str>,
}

impl Shared {
    /// Runs a read of the logs where it may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let _turn =
            (self.reads.acquire().await).map_err(|_| Fault::internal("the server is stopping"))?;
        let shared = self.clone();
        tokio::task::spawn_blocking(move || work(&shared))
            .await
            .unwrap_or_else(|_| Err(Fault::internal("a read of the logs did not end well")))
    }
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "edsr",
        description = "Events in, detections, decisions and verified repairs out, and why."
    ),
    components(schemas(Missed)),
    modifiers(&Tokens)
)]
struct Info;

/// Says that a person shows a token.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, description: &mut OpenApi) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        (description.components.get_or_insert_default()).add_security_scheme("token", bearer);
        description.security = Some(vec![SecurityRequirement::new("token", [""; 0])]);
    }
}

/// The API over `node`.
pub fn router(node: Arc<dyn NodeApi>, settings: ServerSettings) -> Router {
    let (table, description) = table();
    let shared = Shared {
        node,
        bodies: Arc::new(Semaphore::new(settings.bodies_max)),
        arriving: Room::new(settings.bodies_arriving_bytes_max),
        held: Room::new(settings.bodies_bytes_max),
        watchers: Arc::new(Semaphore::new(settings.watchers_max)),
        reads: Arc::new(Semaphore::new(settings.reads_max.max(1))),
        settings: Arc::new(settings),
        openapi: description.to_json().unwrap_or_default().into(),
    };
    table
        .fallback(async || no_such_path())
        .method_not_allowed_fallback(async || {
            Fault::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "this path has other methods; `/openapi.json` lists them",
            )
        })
        .layer(from_fn_with_state(shared.clone(), guard))
        .with_state(shared)
}

/// The description of the API, as `/openapi.json` gives it.
#[must_use]
pub fn openapi() -> OpenApi {
    table().1
}

fn table() -> (Router<Shared>, OpenApi) {
    OpenApiRouter::with_openapi(Info::openapi())
        .routes(routes!(logs::events, ingest::events))
        .routes(routes!(ingest::hook))
        .routes(routes!(logs::event))
        .routes(routes!(lists::detections))
        .routes(routes!(lists::detection))
        .routes(routes!(lists::incidents))
        .routes(routes!(lists::incident))
        .routes(routes!(lists::decisions))
        .routes(routes!(lists::decision))
        .routes(routes!(commands::approve))
        .routes(routes!(commands::reject))
        .routes(routes!(lists::executions))
        .routes(routes!(lists::execution))
        .routes(routes!(logs::journal))
        .routes(routes!(logs::entry))
        .routes(routes!(why::explain_named))
        .routes(routes!(why::explain))
        .routes(routes!(lists::pauses, commands::pause))
        .routes(routes!(commands::lift))
        .routes(routes!(commands::resume))
        .routes(routes!(commands::note))
        .routes(routes!(tail::tail))
        .routes(routes!(node::status))
        .routes(routes!(node::documents))
        .routes(routes!(node::metrics))
        .routes(routes!(node::healthz))
        .routes(routes!(node::readyz))
        .routes(routes!(node::openapi))
        .split_for_parts()
}
