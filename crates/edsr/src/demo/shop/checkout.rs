//! Takes orders into the book. Version 2 never gives back the memory of a request.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::emitter::Emitter;
use super::ledger::Ledger;
use super::place::Place;
use super::serve::{Server, resident_kib};
use super::{Order, Orders};

/// What a request leaves behind in version 2, in bytes.
const LEAK_BYTES: usize = 512 << 10;
/// The resident size beyond which no order is taken, in KiB: better to refuse than to be killed halfway.
const BUDGET_KIB: u64 = 64 << 10;
/// The most orders that are handed out at once.
const PENDING_MAX: usize = 50;
/// The version that leaks.
const LEAKING: &str = "v2";

struct Checkout {
    version: String,
    ledger: Mutex<Ledger>,
    leaked: Mutex<Vec<Vec<u8>>>,
    emitter: Emitter,
}

/// Runs `version` of it.
pub(super) async fn run(place: &Place, version: &str, emitter: Emitter) -> Result<(), String> {
    let checkout = Arc::new(Checkout {
        version: version.to_owned(),
        ledger: Mutex::new(Ledger::open(&place.orders())?),
        leaked: Mutex::default(),
        emitter: emitter.clone(),
    });
    let server = Server {
        place,
        service: "checkout",
        version: version.to_owned(),
        routes: Router::new()
            .route("/checkout", post(check_out))
            .route("/pending", get(pending))
            .route("/done", post(done))
            .with_state(checkout),
        emitter,
    };
    server.run().await
}

async fn check_out(
    State(checkout): State<Arc<Checkout>>,
    Json(Order { order_id }): Json<Order>,
) -> (StatusCode, Json<Value>) {
    let answer = |status, error: &str| {
        let body = json!({
            "version": checkout.version,
            "resident_kib": resident_kib(),
            "error": error,
        });
        (status, Json(body))
    };
    if checkout.version == LEAKING {
        if resident_kib() > BUDGET_KIB {
            return answer(StatusCode::SERVICE_UNAVAILABLE, "out of memory budget");
        }
        // Every page is written to, so the memory is really taken.
        lock(&checkout.leaked).push(vec![0xA5; LEAK_BYTES]);
    }
    if let Err(error) = lock(&checkout.ledger).place(&order_id) {
        return answer(StatusCode::INTERNAL_SERVER_ERROR, &error);
    }
    checkout.emitter.tell(
        "order.placed",
        &format!("placed/{order_id}"),
        json!({"order_id": order_id, "queue": "packing"}),
    );
    answer(StatusCode::OK, "")
}

async fn pending(State(checkout): State<Arc<Checkout>>) -> (StatusCode, Json<Orders>) {
    match lock(&checkout.ledger).pending(PENDING_MAX) {
        Ok(orders) => (StatusCode::OK, Json(Orders { orders })),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Json(Orders::default())),
    }
}

async fn done(State(checkout): State<Arc<Checkout>>, Json(done): Json<Orders>) -> StatusCode {
    match lock(&checkout.ledger).finish(&done.orders) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What it guards is whole between any two calls, so a panic elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
