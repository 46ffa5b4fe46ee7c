//! `edsr execution`: what was done and whether it helped.

use clap::Subcommand;
use edsr_server::types::{Execution, ExecutionDetail};

use super::Context;
use super::list::{Id, Limit, Listing, filters, get};
use crate::exit::Outcome;
use crate::output::{plain, word};
use crate::text::{lasted, short, time};

/// How much of a reason stands in a table, in characters.
const TEXT_SHOWN_MAX: usize = 80;

/// Executions: what was done and whether it helped.
#[derive(Debug, Subcommand)]
pub(crate) enum ExecutionCommand {
    /// The newest executions
    List {
        /// Only those that stand so: `ended`, `unended`, or a status like `succeeded`
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// Only those of this playbook
        #[arg(long, value_name = "NAME")]
        playbook: Option<String>,
        /// Only those on this target
        #[arg(long, value_name = "KIND/NAME")]
        target: Option<String>,
        /// How many.
        #[command(flatten)]
        limit: Limit,
    },
    /// One execution with its steps
    Get(Id),
}

const LISTING: Listing<Execution> = Listing {
    resource: "executions",
    head: &[
        "ID", "STATUS", "PLAYBOOK", "TARGET", "STARTED", "TOOK", "REASON",
    ],
    row: |rows, execution| {
        rows.row([
            plain(&execution.id),
            word(&execution.status),
            plain(&execution.playbook),
            plain(&execution.target),
            plain(time(execution.started_at)),
            plain(lasted(execution.started_at, execution.ended_at)),
            plain(short(
                execution.reason.as_deref().unwrap_or_default(),
                TEXT_SHOWN_MAX,
            )),
        ]);
    },
    none: "no executions",
};

/// Lists them or shows one.
pub(crate) async fn run(command: ExecutionCommand, context: &Context) -> Outcome {
    match command {
        ExecutionCommand::List {
            state,
            playbook,
            target,
            limit,
        } => {
            let filters = filters([
                ("state", &state),
                ("playbook", &playbook),
                ("target", &target),
            ]);
            LISTING.run(context, filters, limit.limit).await
        }
        ExecutionCommand::Get(id) => {
            get(
                context,
                LISTING.resource,
                &id.id,
                |sheet, detail: &ExecutionDetail| {
                    sheet.execution(&detail.execution);
                    if let Some(plan) = &detail.plan_detail {
                        sheet.gap();
                        sheet.plan(plan);
                    }
                },
            )
            .await
        }
    }
}
