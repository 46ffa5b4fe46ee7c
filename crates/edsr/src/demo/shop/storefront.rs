//! The front door: takes an order, hands it to checkout, and tells the engine how that went.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Order;
use super::client;
use super::emitter::Emitter;
use super::place::Place;
use super::serve::Server;

/// How long checkout may take.
const CHECKOUT_WAIT: Duration = Duration::from_secs(1);

struct Storefront {
    place: Place,
    client: Client,
    emitter: Emitter,
    requests: AtomicU64,
}

/// Runs it.
pub(super) async fn run(place: &Place, emitter: Emitter) -> Result<(), String> {
    let storefront = Arc::new(Storefront {
        place: place.clone(),
        client: client(CHECKOUT_WAIT)?,
        emitter: emitter.clone(),
        requests: AtomicU64::new(0),
    });
    let server = Server {
        place,
        service: "storefront",
        version: "v1".to_owned(),
        routes: Router::new()
            .route("/order", post(order))
            .with_state(storefront),
        emitter,
    };
    server.run().await
}

async fn order(
    State(storefront): State<Arc<Storefront>>,
    Json(order): Json<Order>,
) -> (StatusCode, Json<Value>) {
    let began = Instant::now();
    let (status, body) = storefront.check_out(&order).await;
    let request = storefront.requests.fetch_add(1, Ordering::Relaxed);
    storefront.emitter.tell(
        "http.server.request",
        &format!("request/{}/{request}", std::process::id()),
        json!({
            "service": "checkout",
            "version": body["version"].as_str().unwrap_or("unknown"),
            "status": status.as_u16(),
            "ms": u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        }),
    );
    (status, Json(body))
}

impl Storefront {
    async fn check_out(&self, order: &Order) -> (StatusCode, Value) {
        // Read each time: after a deploy checkout is another process on another port.
        let Some(checkout) = self.place.service("checkout") else {
            return (
                StatusCode::BAD_GATEWAY,
                json!({"error": "there is no checkout"}),
            );
        };
        let sent = self
            .client
            .post(checkout.url("/checkout"))
            .json(order)
            .send();
        match sent.await {
            Ok(answer) => {
                let status = answer.status();
                (status, answer.json().await.unwrap_or_default())
            }
            Err(_) => (
                StatusCode::BAD_GATEWAY,
                json!({"error": "checkout does not answer"}),
            ),
        }
    }
}
