//! Finishes orders, in a thread of its own. When that thread is wedged, everything looks well: the process lives,
//! `/health` answers, nothing is logged. Orders just never finish.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use reqwest::Client;
use serde_json::json;
use tokio::runtime::Handle;

use super::emitter::Emitter;
use super::place::Place;
use super::serve::Server;
use super::{Orders, client};

/// How often it looks for orders.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long checkout may take.
const CHECKOUT_WAIT: Duration = Duration::from_secs(1);

/// The printer of packing slips: one at a time.
type Printer = Arc<Mutex<()>>;

/// Runs it.
pub(super) async fn run(place: &Place, emitter: Emitter) -> Result<(), String> {
    let printer = Printer::default();
    let worker = Worker {
        place: place.clone(),
        client: client(CHECKOUT_WAIT)?,
        emitter: emitter.clone(),
    };
    let (runtime, shared) = (Handle::current(), printer.clone());
    std::thread::spawn(move || worker.work(&runtime, &shared));
    let server = Server {
        place,
        service: "worker",
        version: "v1".to_owned(),
        routes: Router::new()
            .route("/wedge", post(wedge))
            .with_state(printer),
        emitter,
    };
    server.run().await
}

/// Takes the printer and never gives it back, as a forgotten lock does.
async fn wedge(State(printer): State<Printer>) -> StatusCode {
    std::thread::spawn(move || {
        let _kept = printer.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            std::thread::park();
        }
    });
    StatusCode::ACCEPTED
}

struct Worker {
    place: Place,
    client: Client,
    emitter: Emitter,
}

impl Worker {
    fn work(&self, runtime: &Handle, printer: &Mutex<()>) {
        loop {
            let printing = printer.lock().unwrap_or_else(PoisonError::into_inner);
            // Orders that cannot be had now are had next time: they stay in the book.
            let _ = runtime.block_on(self.round());
            drop(printing);
            runtime.block_on(async { tokio::time::sleep(LOOK_EVERY).await });
        }
    }

    async fn round(&self) -> Result<(), reqwest::Error> {
        let Some(checkout) = self.place.service("checkout") else {
            return Ok(());
        };
        let answer = self.client.get(checkout.url("/pending")).send().await?;
        let pending: Orders = answer.error_for_status()?.json().await?;
        if pending.orders.is_empty() {
            return Ok(());
        }
        // Told before it is noted: told twice counts once, and never told would look like a gap.
        for order in &pending.orders {
            self.emitter.tell(
                "order.completed",
                &format!("completed/{order}"),
                json!({"order_id": order, "queue": "packing"}),
            );
        }
        let done = self.client.post(checkout.url("/done")).json(&pending);
        done.send().await?.error_for_status()?;
        Ok(())
    }
}
