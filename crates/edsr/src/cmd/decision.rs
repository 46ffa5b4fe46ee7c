//! `edsr decision`: what may be done, and why not; and a person's answer to what waits for one.

use clap::{Args, Subcommand};
use edsr_server::types::{CommandAnswer, Decision, ReasonRequest};

use super::Context;
use super::list::{Id, Limit, Listing, filters, get, reason};
use crate::client::typed;
use crate::exit::{Exit, Outcome};
use crate::output::{plain, word};
use crate::show::Sheet;
use crate::text::{short, time};

/// How much of a reason stands in a table, in characters.
const TEXT_SHOWN_MAX: usize = 80;

/// Decisions: what may be done, and why not.
#[derive(Debug, Subcommand)]
pub(crate) enum DecisionCommand {
    /// The newest decisions
    List {
        /// Only those that are `waiting` for a person, or have this verdict
        #[arg(long, value_parser = ["waiting", "deny", "observe", "suggest", "approve", "auto"])]
        state: Option<String>,
        /// Only those on this playbook
        #[arg(long, value_name = "NAME")]
        playbook: Option<String>,
        /// How many.
        #[command(flatten)]
        limit: Limit,
    },
    /// One decision with every reason
    Get(Id),
    /// Agree to a plan that waits for a person
    Approve(AnswerArgs),
    /// Turn down a plan that waits for a person
    Reject(AnswerArgs),
}

/// An answer to a decision that asks for one.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// Which one.
    #[command(flatten)]
    id: Id,
    /// Why; kept in the journal with your name
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

const LISTING: Listing<Decision> = Listing {
    resource: "decisions",
    head: &[
        "ID", "VERDICT", "PLAYBOOK", "TARGET", "MADE", "STATE", "REASON",
    ],
    row: |rows, decision| {
        let why = telling(decision);
        rows.row([
            plain(&decision.id),
            word(&decision.verdict),
            plain(&decision.playbook),
            plain(decision.target.as_deref().unwrap_or("-")),
            plain(time(decision.at)),
            word(state(decision)),
            plain(short(&why, TEXT_SHOWN_MAX)),
        ]);
    },
    none: "no decisions",
};

/// The reason that tells most: the first that stands against it, with how many more there are; else the last one weighed.
fn telling(decision: &Decision) -> String {
    const NONE_AGAINST: &[&str] = &["permitted", "autonomy", "policy.needs-approval", "manual"];
    let mut against = decision.reasons.iter().filter(|reason| {
        decision.verdict == "deny" && !NONE_AGAINST.contains(&reason.code.as_str())
    });
    let Some(why) = against.next().or(decision.reasons.last()) else {
        return String::new();
    };
    let more = match against.count() {
        0 => String::new(),
        more => format!(" (+{more})"),
    };
    format!("{}{more}: {}", why.code, why.text)
}

/// Lists them, shows one, or answers one.
pub(crate) async fn run(command: DecisionCommand, context: &Context) -> Outcome {
    match command {
        DecisionCommand::List {
            state,
            playbook,
            limit,
        } => {
            let filters = filters([("state", &state), ("playbook", &playbook)]);
            LISTING.run(context, filters, limit.limit).await
        }
        DecisionCommand::Get(id) => get(context, LISTING.resource, &id.id, Sheet::decision).await,
        DecisionCommand::Approve(args) => answer(context, &args, "approve", "approved").await,
        DecisionCommand::Reject(args) => answer(context, &args, "reject", "rejected").await,
    }
}

async fn answer(context: &Context, args: &AnswerArgs, verb: &str, done: &str) -> Outcome {
    let body = ReasonRequest {
        reason: reason(&args.reason)?,
    };
    let path = [LISTING.resource, args.id.id.as_str(), verb];
    let value = context.client()?.post(&path, &body).await?;
    if !context.out.is_table() {
        context.out.document(&value)?;
        return Ok(Exit::Ok);
    }
    let answer: CommandAnswer = typed(&value)?;
    let line = format!("{done} {} (journal entry {})", args.id.id, answer.seq);
    context.out.line(crate::text::printable(&line))?;
    Ok(Exit::Ok)
}

fn state(decision: &Decision) -> &'static str {
    match &decision.answer {
        Some(answer) if answer.granted => "approved",
        Some(_) => "rejected",
        None if decision.waiting => "waiting",
        None if decision.superseded_by.is_some() => "superseded",
        None if decision.execution.is_some() => "executed",
        None => "-",
    }
}
