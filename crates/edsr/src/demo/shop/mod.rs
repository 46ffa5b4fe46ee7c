//! The shop that the demo breaks and the engine repairs: real processes on loopback, each of them this program.
//!
//! ```text
//! load -> storefront -> checkout -> book of orders <- checkout <- worker
//!              |            |                                       |
//!     http.server.request  order.placed                      order.completed     -> the engine
//!
//! ctl    what playbooks call: deploy, rollback, restart; notes every action it really does
//! place  the directory all of them share
//! proc   processes by number and start time
//! ```

mod behalf;
mod checkout;
pub(crate) mod ctl;
pub(crate) mod emitter;
mod ledger;
mod load;
pub(crate) mod place;
pub(crate) mod proc;
mod serve;
mod start;
mod storefront;
mod worker;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use reqwest::Client;
use serde::{Deserialize, Serialize};

use ctl::Ctl;
use emitter::Emitter;
use load::Load;
use place::Place;

/// A part of the demo's shop.
#[derive(Debug, Parser)]
#[command(name = "edsr shop")]
struct Shop {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// The front door
    Storefront(In),
    /// Takes orders
    Checkout {
        #[command(flatten)]
        place: In,
        #[arg(long, default_value = "v1")]
        version: String,
    },
    /// Finishes orders
    Worker(In),
    /// The customers
    Load {
        #[command(flatten)]
        place: In,
        #[arg(long, default_value_t = 20)]
        per_second: u32,
        /// For how many seconds
        #[arg(long, default_value_t = 3600)]
        seconds: u32,
    },
    /// Changes what runs
    Ctl(Ctl),
}

#[derive(Debug, clap::Args)]
struct In {
    /// The directory the shop lives in
    #[arg(long)]
    state: PathBuf,
}

/// An order on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    order_id: String,
}

/// Several of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Orders {
    orders: Vec<String>,
}

/// Runs the part of the shop that `args` name, to its end.
///
/// # Errors
/// One sentence that says why it could not.
pub(crate) async fn run(args: Vec<OsString>) -> Result<(), String> {
    let name = OsString::from("edsr shop");
    let parsed = Shop::try_parse_from(std::iter::once(name).chain(args));
    let role = parsed.map_err(|error| error.render().to_string())?.role;
    match role {
        Role::Storefront(place) => {
            let (place, emitter) = enter(&place, "storefront")?;
            storefront::run(&place, emitter).await
        }
        Role::Checkout { place, version } => {
            let (place, emitter) = enter(&place, "checkout")?;
            checkout::run(&place, &version, emitter).await
        }
        Role::Worker(place) => {
            let (place, emitter) = enter(&place, "worker")?;
            worker::run(&place, emitter).await
        }
        Role::Load {
            place,
            per_second,
            seconds,
        } => {
            let (place, emitter) = enter(&place, "load")?;
            load::run(
                &place,
                Load {
                    per_second,
                    seconds,
                },
                emitter,
            )
            .await
        }
        Role::Ctl(ctl) => ctl.run().await,
    }
}

fn enter(place: &In, service: &str) -> Result<(Place, Emitter), String> {
    let place = Place::new(&place.state);
    let shop = place.shop().ok_or("the shop is closed")?;
    Ok((place, Emitter::start(service, &shop.events)?))
}

/// An HTTP client for loopback: no proxy, no certificates, nothing that takes longer than `wait`.
pub(crate) fn client(wait: Duration) -> Result<Client, String> {
    // It fails when it is set already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .timeout(wait)
        .build()
        .map_err(|error| format!("no HTTP client: {error}"))
}
