//! `edsr incident`: detections that belong together.

use clap::Subcommand;
use edsr_server::types::{Incident, IncidentDetail};

use super::Context;
use super::list::{Id, Limit, Listing, filters, get};
use crate::exit::Outcome;
use crate::output::{Tone, plain, word};
use crate::text::{lasted, time};

/// Incidents: detections that belong together.
#[derive(Debug, Subcommand)]
pub(crate) enum IncidentCommand {
    /// The newest incidents
    List {
        /// Only those that are `open` or `resolved`
        #[arg(long, value_parser = ["open", "resolved"])]
        state: Option<String>,
        /// How many.
        #[command(flatten)]
        limit: Limit,
    },
    /// One incident with its timeline
    Get(Id),
}

const LISTING: Listing<Incident> = Listing {
    resource: "incidents",
    head: &[
        "ID",
        "STATE",
        "SEVERITY",
        "TITLE",
        "OPENED",
        "LASTED",
        "DETECTIONS",
        "RUNS",
    ],
    row: |rows, incident| {
        rows.row([
            plain(&incident.id),
            word(&incident.state),
            word(&incident.severity),
            plain(&incident.title),
            plain(time(incident.opened_at)),
            plain(lasted(incident.opened_at, incident.resolved_at)),
            plain(incident.counts.detections.to_string()),
            plain(incident.counts.executions.to_string()),
        ]);
    },
    none: "no incidents",
};

/// Lists them or shows one.
pub(crate) async fn run(command: IncidentCommand, context: &Context) -> Outcome {
    match command {
        IncidentCommand::List { state, limit } => {
            LISTING
                .run(context, filters([("state", &state)]), limit.limit)
                .await
        }
        IncidentCommand::Get(id) => {
            get(
                context,
                LISTING.resource,
                &id.id,
                |sheet, detail: &IncidentDetail| {
                    sheet.incident(&detail.incident);
                    sheet.gap();
                    sheet.line(Tone::Strong, "timeline");
                    sheet.inside(|sheet| {
                        sheet.timeline(&detail.timeline);
                        if detail.timeline_cut {
                            sheet.line(Tone::Faint, "(shortened: there are more entries)");
                        }
                    });
                },
            )
            .await
        }
    }
}
