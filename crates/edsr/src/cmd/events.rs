//! `edsr events`: what stands in the event log.

use clap::Subcommand;
use edsr_server::types::EventRecord;
use serde_json::Value;

use super::Context;
use super::list::{Limit, Listing, collect, get};
use crate::client::Query;
use crate::exit::{Exit, Outcome};
use crate::output::plain;
use crate::show::Sheet;
use crate::text::{short, time};

/// How much of an event's data stands in a table, in characters.
const DATA_SHOWN_MAX: usize = 80;

/// Events in the event log.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Events in log order; the newest ones unless --from says where to begin
    List {
        /// The place to begin at
        #[arg(long, value_name = "LSN")]
        from: Option<u64>,
        /// How many.
        #[command(flatten)]
        limit: Limit,
    },
    /// One event
    Get {
        /// Its place in the event log
        #[arg(value_name = "LSN")]
        lsn: u64,
    },
}

const LISTING: Listing<EventRecord> = Listing {
    resource: "events",
    head: &["LSN", "LOGGED", "TYPE", "SOURCE", "SUBJECT", "DATA"],
    row: |rows, record| {
        let text = |name: &str| {
            record
                .event
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or("-")
        };
        rows.row([
            plain(record.lsn.to_string()),
            plain(time(record.at)),
            plain(text("type")),
            plain(text("source")),
            plain(text("subject")),
            plain(data(&record.event)),
        ]);
    },
    none: "no events",
};

/// Lists them or shows one.
pub(crate) async fn run(command: EventsCommand, context: &Context) -> Outcome {
    match command {
        EventsCommand::List { from, limit } => list(context, from, limit.limit).await,
        EventsCommand::Get { lsn } => get(context, LISTING.resource, &lsn.to_string(), event).await,
    }
}

async fn list(context: &Context, from: Option<u64>, limit: u64) -> Outcome {
    let client = context.client()?;
    let mut all = collect(&client, LISTING.resource, &Query::new(), from, limit).await?;
    if from.is_none() {
        // The newest were asked for; they are shown in the order in which they happened all the same.
        all.reverse();
    }
    LISTING.print(context, &all)?;
    Ok(Exit::Ok)
}

/// An event for people.
pub(super) fn event(sheet: &mut Sheet, record: &EventRecord) {
    let text = |name: &str| record.event.get(name).and_then(Value::as_str);
    sheet.heading(
        &format!("event {}", record.lsn),
        text("type").unwrap_or_default(),
    );
    sheet.field("logged", &record.at.to_string());
    if let Value::Object(attributes) = &record.event {
        for (name, value) in attributes {
            if matches!(name.as_str(), "data" | "type" | "specversion") {
                continue;
            }
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            sheet.field(name, &text);
        }
    }
    if let Some(data) = record.event.get("data") {
        sheet.field("data", &data.to_string());
    }
}

/// The beginning of an event's data.
pub(super) fn data(event: &Value) -> String {
    match event.get("data") {
        Some(data) => short(&data.to_string(), DATA_SHOWN_MAX),
        None if event.get("data_base64").is_some() => "(binary)".to_owned(),
        None => "-".to_owned(),
    }
}
