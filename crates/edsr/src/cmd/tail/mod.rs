//! `edsr tail`: what happens, as it happens.

mod sse;

use std::time::Duration;

use clap::{Args, ValueEnum};
use edsr_server::types::{EntryRecord, EventRecord, Missed};
use serde_json::Value;

use self::sse::{Message, Parser};
use super::Context;
use super::events::data;
use super::list::filters;
use crate::client::{Client, Query, typed};
use crate::exit::{Exit, Failure, Outcome, Stop};
use crate::output::{Out, Tone, remark, tone};
use crate::text::{printable, span, time};

/// The first wait before connecting again; each following one is twice as long.
const WAIT_MIN: Duration = Duration::from_millis(250);
/// The longest wait before connecting again.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// Watch what happens, live.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Only entries of this kind, for example `decided`
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only what concerns this detector
    #[arg(long, value_name = "NAME")]
    detector: Option<String>,
    /// Only what concerns this playbook
    #[arg(long, value_name = "NAME")]
    playbook: Option<String>,
    /// Only events whose type begins so, for example `order.`
    #[arg(long = "type", value_name = "PREFIX")]
    event_type: Option<String>,
    /// Only events of the event log, or only entries of the journal
    #[arg(long, value_enum)]
    only: Option<Only>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Only {
    Events,
    Entries,
}

/// Watches until it is interrupted. What cannot be mended by waiting ends it.
pub(crate) async fn run(args: &TailArgs, context: &Context) -> Outcome {
    let client = context.client()?;
    let query = query(args);
    let mut wait = WAIT_MIN;
    let mut connected = false;
    loop {
        let ended = match client.stream(&["tail"], &query).await {
            Ok(stream) => {
                if connected {
                    remark("connected again; what happened in between is not shown");
                }
                connected = true;
                wait = WAIT_MIN;
                watch(&client, stream, &context.out).await
            }
            Err(failure) => Err(failure.into()),
        };
        let why = match ended {
            Ok(()) => format!("{} closed the stream", client.address()),
            Err(Stop::Failed(failure)) if connected && passes(&failure) => failure.message,
            Err(stop) => return Err(stop),
        };
        remark(&format!("{why}; trying again in {}", span(wait)));
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(WAIT_MAX);
    }
}

/// Whether a later attempt may succeed. The very first one is not repeated: then the address is more likely wrong.
const fn passes(failure: &Failure) -> bool {
    matches!(failure.exit, Exit::Unreachable | Exit::Timeout)
}

fn query(args: &TailArgs) -> Query {
    let only = args.only.map(|only| match only {
        Only::Events => "events".to_owned(),
        Only::Entries => "entries".to_owned(),
    });
    filters([
        ("kind", &args.kind),
        ("detector", &args.detector),
        ("playbook", &args.playbook),
        ("type", &args.event_type),
        ("only", &only),
    ])
}

async fn watch(client: &Client, mut stream: reqwest::Response, out: &Out) -> Result<(), Stop> {
    let mut parser = Parser::default();
    while let Some(piece) = client.piece(&mut stream).await? {
        let messages = parser.feed(&piece).map_err(|sse::TooLong| {
            let max = sse::MESSAGE_BYTES_MAX;
            Failure::new(
                Exit::Negative,
                format!("a message is longer than {max} bytes"),
            )
        })?;
        for message in messages {
            show(out, &message)?;
        }
    }
    Ok(())
}

fn show(out: &Out, message: &Message) -> Result<(), Stop> {
    let value: Value = serde_json::from_str(&message.data).map_err(|error| {
        Failure::new(
            Exit::Unreachable,
            format!("the stream is not understood: {error}"),
        )
        .help("see whether --server names an edsr node of this version")
    })?;
    if message.name == "missed" {
        let missed: Missed = typed(&value)?;
        let missed = missed.missed;
        remark(&format!(
            "this watcher is too slow: {missed} events and entries went by unseen"
        ));
        return if out.is_table() {
            Ok(())
        } else {
            out.item(&value)
        };
    }
    if !out.is_table() {
        return out.item(&value);
    }
    match message.name.as_str() {
        "event" => out.line(event_line(out, &typed(&value)?)),
        "entry" => out.line(entry_line(out, &typed(&value)?)),
        // A newer server may tell more; what it is cannot be said here.
        _ => out.item(&value),
    }
}

fn event_line(out: &Out, record: &EventRecord) -> String {
    let text = |name: &str| {
        record
            .event
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or("-")
    };
    format!(
        "{} {} {} {} {}",
        out.paint(Tone::Faint, &time(record.at)),
        out.paint(Tone::Faint, &format!("event:{:<7}", record.lsn)),
        format_args!("{:<20}", printable(text("type"))),
        printable(text("source")),
        out.paint(Tone::Faint, &data(&record.event)),
    )
}

fn entry_line(out: &Out, record: &EntryRecord) -> String {
    let word = match record.kind.as_str() {
        "detection-opened" => "open",
        "detection-resolved" => "resolved",
        "decided" => field(&record.fact, &["decision", "verdict"]),
        "execution-ended" => field(&record.fact, &["status"]),
        "step-outcome" => field(&record.fact, &["outcome", "result"]),
        "paused" => "paused",
        _ => "",
    };
    format!(
        "{} {} {} {}",
        out.paint(Tone::Faint, &time(record.at)),
        out.paint(Tone::Faint, &format!("entry:{:<7}", record.seq)),
        out.paint(tone(word), &format!("{:<20}", record.kind)),
        printable(&record.text),
    )
}

fn field<'v>(fact: &'v Value, path: &[&str]) -> &'v str {
    let found = path.iter().try_fold(fact, |value, name| value.get(name));
    found.and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use serde_json::json;

    #[test]
    fn lines_are_one_line_each_and_literal() {
        let out = Out {
            format: Format::Table,
            color: false,
            terminal: false,
        };
        let record: EventRecord = typed(&json!({
            "lsn": 7, "at": "2026-01-02T03:04:05.5Z",
            "event": {"type": "a\u{1b}[2J", "source": "/s\n", "data": {"x": "\u{9b}"}}
        }))
        .unwrap();
        let line = event_line(&out, &record);
        assert_eq!(
            line,
            "2026-01-02T03:04:05Z event:7       a\\u{1b}[2J           /s\\n {\"x\":\"\\u{9b}\"}"
        );
        let entry: EntryRecord = typed(&json!({
            "seq": 3, "at": "2026-01-02T03:04:05Z", "lsn": 7, "actor": "engine", "kind": "decided",
            "text": "deny", "fact": {"decision": {"verdict": "deny"}}, "prev": "", "hash": ""
        }))
        .unwrap();
        assert_eq!(
            entry_line(&out, &entry),
            "2026-01-02T03:04:05Z entry:3       decided              deny"
        );
    }
}
