//! `edsr detection`: what is, or was, wrong.

use clap::Subcommand;
use edsr_server::types::Detection;

use super::Context;
use super::list::{Id, Limit, Listing, filters, get};
use crate::exit::Outcome;
use crate::output::{plain, word};
use crate::show::Sheet;
use crate::text::{lasted, short, time};

/// How much of a finding stands in a table, in characters.
const TEXT_SHOWN_MAX: usize = 80;

/// Detections: what is, or was, wrong.
#[derive(Debug, Subcommand)]
pub(crate) enum DetectionCommand {
    /// The newest detections
    List {
        /// Only those that are `open` or `resolved`
        #[arg(long, value_parser = ["open", "resolved"])]
        state: Option<String>,
        /// Only those of this detector
        #[arg(long, value_name = "NAME")]
        detector: Option<String>,
        /// How many.
        #[command(flatten)]
        limit: Limit,
    },
    /// One detection with its evidence
    Get(Id),
}

const LISTING: Listing<Detection> = Listing {
    resource: "detections",
    head: &[
        "ID", "STATE", "SEVERITY", "DETECTOR", "KEY", "OPENED", "LASTED", "EVIDENCE",
    ],
    row: |rows, detection| {
        rows.row([
            plain(&detection.id),
            word(&detection.state),
            word(&detection.severity),
            plain(&detection.detector),
            plain(&detection.key_text),
            plain(time(detection.opened_at)),
            plain(lasted(detection.opened_at, detection.resolved_at)),
            plain(short(&detection.evidence.text, TEXT_SHOWN_MAX)),
        ]);
    },
    none: "no detections",
};

/// Lists them or shows one.
pub(crate) async fn run(command: DetectionCommand, context: &Context) -> Outcome {
    match command {
        DetectionCommand::List {
            state,
            detector,
            limit,
        } => {
            let filters = filters([("state", &state), ("detector", &detector)]);
            LISTING.run(context, filters, limit.limit).await
        }
        DetectionCommand::Get(id) => get(context, LISTING.resource, &id.id, Sheet::detection).await,
    }
}
