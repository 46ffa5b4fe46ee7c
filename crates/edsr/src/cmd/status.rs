//! `edsr status`: how the node is.

use edsr_server::types::NodeStatus;

use super::Context;
use super::list::document;
use crate::client::typed;
use crate::exit::{Exit, Outcome};
use crate::output::Tone;
use crate::show::{Sheet, hash};
use crate::text::{count, now, span, time};

/// Shows it; the answer is no where the node is not ready.
pub(crate) async fn run(context: &Context) -> Outcome {
    let client = context.client()?;
    let value = client.get(&["status"], &Vec::new()).await?;
    let status: NodeStatus = typed(&value)?;
    let address = client.address().to_string();
    document(context, &value, |sheet, status| {
        show(sheet, &address, status)
    })?;
    Ok(if status.ready {
        Exit::Ok
    } else {
        Exit::Negative
    })
}

fn show(sheet: &mut Sheet, address: &str, status: &NodeStatus) {
    let ready = if status.ready { "ready" } else { "not-ready" };
    sheet.heading(&format!("edsr {} at {address}", status.version), ready);
    for problem in &status.problems {
        sheet.toned("problem", Tone::Bad, problem);
    }
    let since = format!(
        "{}, up {}",
        time(status.started_at),
        span(now().since(status.started_at))
    );
    sheet.field("started", &since);
    sheet.field("bundle", &hash(&status.bundle));
    if let Some(problems) = &status.bundle_problems {
        sheet.toned(
            "bundle",
            Tone::Bad,
            &format!("the changed one is refused: {problems}"),
        );
    }
    sheet.field("event log", &format!("up to {}", status.lsn));
    sheet.field("journal", &format!("up to {}", status.seq));
    let counts = &status.counts;
    let open = format!(
        "{} in {}",
        count(counts.open_detections, "detection"),
        count(counts.open_incidents, "incident")
    );
    sheet.field("open", &open);
    sheet.field("running", &count(counts.running_executions, "execution"));
    sheet.field("waiting", &count(counts.waiting_decisions, "decision"));
    if status.paused {
        let text = format!("{}; see `edsr pause list`", count(counts.pauses, "pause"));
        sheet.toned("paused", Tone::Warn, &text);
    }
}
