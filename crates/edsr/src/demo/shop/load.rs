//! The customers: a steady stream of orders.

use std::time::Duration;

use axum::Router;
use reqwest::Client;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::emitter::Emitter;
use super::place::Place;
use super::serve::Server;
use super::{Order, client};

/// How long the storefront may take.
const STOREFRONT_WAIT: Duration = Duration::from_secs(2);

/// How many orders.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) per_second: u32,
    pub(super) seconds: u32,
}

/// Places orders until the time is up, then waits for its end.
pub(super) async fn run(place: &Place, load: Load, emitter: Emitter) -> Result<(), String> {
    tokio::spawn(place_orders(place.clone(), client(STOREFRONT_WAIT)?, load));
    let server = Server {
        place,
        service: "load",
        version: "v1".to_owned(),
        routes: Router::new(),
        emitter,
    };
    server.run().await
}

async fn place_orders(place: Place, client: Client, load: Load) {
    let until = Instant::now() + Duration::from_secs(u64::from(load.seconds));
    let mut tick = interval(Duration::from_secs(1) / load.per_second.max(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0_u64;
    while Instant::now() < until {
        tick.tick().await;
        number += 1;
        let Some(storefront) = place.service("storefront") else {
            continue;
        };
        let order = Order {
            order_id: format!("order-{number:06}"),
        };
        let sent = client.post(storefront.url("/order")).json(&order).send();
        // Customers do not wait for each other, and a refused one goes away.
        tokio::spawn(sent);
    }
}
