//! `edsr explain`: what was seen, decided, done and proved; and why, or why not.

use clap::Args;
use edsr_server::types::{Explanation, Situation};

use super::Context;
use super::events::event;
use super::list::{document, filters};
use crate::exit::Outcome;
use crate::output::Tone;
use crate::show::Sheet;
use crate::text::count;

/// How many events a detection rests on are shown in full.
const EVENTS_SHOWN_MAX: usize = 3;

/// Tell the story of an event, detection, decision or execution.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A place in the event log (`42` or `event:42`), or an id (`det-…`, `dec-…`, `exe-…`, `inc-…`)
    #[arg(value_name = "REF", required_unless_present = "id",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reference: Option<String>,
    /// The event with this id, instead of REF
    #[arg(
        long,
        value_name = "ID",
        requires = "source",
        conflicts_with = "reference"
    )]
    id: Option<String>,
    /// The source of the event with that id
    #[arg(long, value_name = "URI", requires = "id")]
    source: Option<String>,
}

/// Tells it.
pub(crate) async fn run(args: &ExplainArgs, context: &Context) -> Outcome {
    let client = context.client()?;
    let value = match &args.reference {
        Some(reference) => client.get(&["explain", reference], &Vec::new()).await?,
        None => {
            let query = filters([("source", &args.source), ("id", &args.id)]);
            client.get(&["explain"], &query).await?
        }
    };
    document(context, &value, story)
}

fn story(sheet: &mut Sheet, explanation: &Explanation) {
    sheet.line(Tone::Strong, &explanation.subject);
    sheet.line(Tone::Plain, &explanation.summary);
    if let Some(record) = &explanation.event {
        sheet.gap();
        event(sheet, record);
    }
    let many = explanation.situations.len() > 1;
    for (place, situation) in explanation.situations.iter().enumerate() {
        sheet.gap();
        if many {
            let head = format!(
                "situation {} of {}",
                place + 1,
                explanation.situations.len()
            );
            sheet.heading(&head, &situation.outcome);
        } else {
            sheet.heading("outcome", &situation.outcome);
        }
        // With a single situation the summary says the same.
        if situation.text != explanation.summary {
            sheet.line(Tone::Plain, &situation.text);
        }
        sheet.inside(|sheet| self::situation(sheet, situation));
    }
}

fn situation(sheet: &mut Sheet, situation: &Situation) {
    if let Some(detection) = &situation.detection {
        part(sheet, "what was seen");
        sheet.detection(detection);
    }
    if !situation.events.is_empty() {
        part(sheet, "the events it rests on");
        for record in situation.events.iter().take(EVENTS_SHOWN_MAX) {
            event(sheet, record);
        }
        let more = situation.events.len().saturating_sub(EVENTS_SHOWN_MAX);
        if more > 0 {
            let text = format!(
                "and {} more (-o json shows all)",
                count(more as u64, "event")
            );
            sheet.line(Tone::Faint, &text);
        }
    }
    if !situation.plans.is_empty() {
        part(sheet, "what was planned");
        situation.plans.iter().for_each(|plan| sheet.plan(plan));
    }
    if !situation.decisions.is_empty() {
        part(sheet, "what was decided, and why");
        for decision in &situation.decisions {
            sheet.decision(decision);
        }
    }
    if !situation.executions.is_empty() {
        part(sheet, "what was done, and whether it helped");
        for execution in &situation.executions {
            sheet.execution(execution);
        }
    }
    if !situation.timeline.is_empty() {
        part(sheet, "in order");
        sheet.timeline(&situation.timeline);
    }
}

fn part(sheet: &mut Sheet, title: &str) {
    sheet.gap();
    sheet.line(Tone::Faint, &format!("- {title} -"));
}
