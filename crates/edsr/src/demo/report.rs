//! The end of the demo: what the record says, shown with the commands that anybody would use.

use std::collections::BTreeSet;

use edsr_model::Timestamp;
use serde_json::Value;

use super::Faults;
use super::narrator::took;
use super::stage::Stage;
use super::story::Finding;
use crate::output::{Rows, Tone, plain};

/// Shows timelines, the refused decision, the proof and the summary.
pub(super) async fn tell(stage: &Stage, faults: &Faults) -> Result<(), String> {
    let leak = finding(stage, "checkout-errors")?;
    let wedge = finding(stage, "orders-stuck")?;
    for (title, found) in [
        ("Incident 1: what happened, from the journal", leak),
        ("Incident 2", wedge),
    ] {
        stage.narrator.heading(title);
        command(stage, &["incident", "get", &found.incident]).await?;
    }
    let refused = stage.story.refused.as_deref();
    let refused = refused.ok_or("nothing was refused, and the wipe should have been")?;
    stage.narrator.heading("Why was the order cache not wiped?");
    command(stage, &["explain", refused]).await?;

    stage.narrator.heading("Is the record whole?");
    let bundle = stage.home.bundle();
    command(stage, &["audit", "verify", &bundle.to_string_lossy()]).await?;
    once(stage)?;
    summary(
        stage,
        &[
            ("checkout v2 leaks", faults.leak, leak),
            ("the worker is wedged", faults.wedge, wedge),
        ],
    )
}

/// Holds what was really done against what should have been.
fn once(stage: &Stage) -> Result<(), String> {
    let actions = stage.place.actions();
    if let Some(step) = twice(&actions) {
        return Err(format!("{step} was done twice"));
    }
    let killed = if stage.was_killed() {
        ", though the engine was killed in the middle"
    } else {
        ""
    };
    let repeated = actions.iter().filter(|action| action["repeated"] == true);
    let text = match repeated.count() {
        0 => format!("nothing was done twice{killed}"),
        calls => format!("nothing was done twice{killed}; repetitions recognised: {calls}"),
    };
    stage.narrator.say(&text);
    Ok(())
}

/// Says how to go on while everything runs.
pub(super) fn keep(stage: &Stage) {
    stage
        .narrator
        .heading("Everything keeps running until Ctrl-C. In another terminal:");
    let shop = format!("edsr shop ctl --state {}", stage.place.dir().display());
    for line in [
        &format!("export EDSR_SERVER={}", stage.home.url()),
        "edsr status",
        "edsr tail",
        "edsr incident list",
        "edsr pause --reason 'let me look first'",
        &format!(
            "{shop} deploy checkout v2   # break it again; within a minute the cooldown says no"
        ),
        &format!("{shop} status checkout"),
    ] {
        stage.narrator.say(&format!("  {line}"));
    }
    stage.narrator.say("");
}

/// Says what to try next.
pub(super) fn next(stage: &Stage) {
    stage.narrator.heading("Next");
    for (line, what) in [
        ("edsr demo --keep", "the same, left running to play with"),
        ("edsr check examples/shop", "the bundle this ran on"),
        ("edsr schema Detector", "what a detector may say"),
        ("edsr run DIR", "your own"),
    ] {
        stage.narrator.say(&format!("  {line:<28} {what}"));
    }
}

/// Runs a command of this program, as a person would.
async fn command(stage: &Stage, args: &[&str]) -> Result<(), String> {
    let out = stage.narrator.out();
    let typed = format!("$ edsr {}", args.join(" "));
    stage.narrator.say(&out.paint(Tone::Faint, &typed));
    let mut command = stage.home.program()?;
    command.args(args).args(["--server", &stage.home.url()]);
    if !out.color {
        command.arg("--no-color");
    }
    let status = command.kill_on_drop(true).status().await;
    let status = status.map_err(|error| format!("`{typed}`: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{typed}` failed: {status}"))
    }
}

fn summary(stage: &Stage, rows: &[(&str, Timestamp, &Finding)]) -> Result<(), String> {
    stage.narrator.heading("How long it took");
    let mut table = Rows::new(&["FAULT", "DETECT", "DECIDE", "ACT", "VERIFY", "ALL"]);
    for (name, fault, found) in rows {
        let (fault, opened) = (Some(*fault), Some(found.opened_at));
        let good = |text| (text, Tone::Good);
        table.row([
            plain(*name),
            plain(took(fault, opened)),
            plain(took(opened, found.decided_at)),
            plain(took(found.decided_at, found.acted_at)),
            plain(took(found.acted_at, found.ended_at)),
            good(took(fault, found.ended_at)),
        ]);
    }
    // Where nobody reads any more there is nothing to say either.
    let _ = stage.narrator.out().table(table, "");
    Ok(())
}

fn finding<'a>(stage: &'a Stage, detector: &str) -> Result<&'a Finding, String> {
    let found = stage.story.finding(detector);
    found.ok_or_else(|| format!("`{detector}` found nothing"))
}

/// The first step of a run that was really done more than once.
fn twice(actions: &[Value]) -> Option<String> {
    let mut seen = BTreeSet::new();
    for action in actions {
        let text = |name: &str| action[name].as_str().unwrap_or_default().to_owned();
        let step = (text("execution"), text("step"));
        // What people do has no run, and what was recognised as a repetition was not done.
        if step.0.is_empty() || action["repeated"] == true {
            continue;
        }
        let name = format!("step {} of {}", step.1, step.0);
        if !seen.insert(step) {
            return Some(name);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn doing_it_twice_does_not_go_unseen() {
        let action = |execution: &str, step: &str, repeated: Option<bool>| json!({"execution": execution, "step": step, "repeated": repeated});
        let good = [
            action("", "", None),
            action("", "", None),
            action("exe-1", "a", None),
            action("exe-1", "a", Some(true)),
            action("exe-1", "b", None),
            action("exe-2", "a", None),
        ];
        assert_eq!(twice(&good), None);
        let mut bad = good.to_vec();
        bad.push(action("exe-2", "a", None));
        assert_eq!(twice(&bad).as_deref(), Some("step a of exe-2"));
    }
}
