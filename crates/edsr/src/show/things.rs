//! What each kind of thing says about itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use edsr_model::Timestamp;
use edsr_server::types::{
    Decision, Detection, Evidence, Execution, Incident, Plan, Reason, Step, TimelineEntry,
};
use serde_json::Value;

use super::{Sheet, hash};
use crate::output::{Tone, tone};
use crate::text::{figure, lasted, short, time};

/// How much of an input is shown, in characters.
const VALUE_SHOWN_MAX: usize = 200;

impl Sheet {
    /// A detection.
    pub(crate) fn detection(&mut self, detection: &Detection) {
        self.heading(&format!("detection {}", detection.id), &detection.state);
        self.field("detector", &detection.detector);
        self.field("key", &detection.key_text);
        self.toned("severity", tone(&detection.severity), &detection.severity);
        self.field("owner", &detection.owner);
        self.field("since", &instant(detection.since));
        let open = lasted(detection.opened_at, detection.resolved_at);
        self.field(
            "opened",
            &format!("{}, open for {open}", instant(detection.opened_at)),
        );
        if let Some(at) = detection.resolved_at {
            let why = detection.resolution.as_deref().unwrap_or("resolved");
            self.field("resolved", &format!("{}, {why}", instant(at)));
        }
        self.evidence(&detection.evidence);
        self.field("incident", &detection.incident);
        self.field_if("correlation", detection.correlation.as_deref());
        if detection.depth > 0 {
            let text = format!("{} of our own actions lie behind it", detection.depth);
            self.field("depth", &text);
        }
        self.list("decisions", &detection.decisions);
        self.list("executions", &detection.executions);
        self.field("bundle", &hash(&detection.bundle));
    }

    /// What a detection rests on.
    pub(crate) fn evidence(&mut self, evidence: &Evidence) {
        self.field("evidence", &evidence.text);
        if !evidence.figures.is_empty() {
            self.field("figures", &figures(&evidence.figures));
        }
        if !evidence.lsns.is_empty() {
            let lsns: Vec<String> = evidence.lsns.iter().map(u64::to_string).collect();
            let text = format!("{}, the last one {}", lsns.join(", "), instant(evidence.at));
            self.field("events", &text);
        }
    }

    /// An incident.
    pub(crate) fn incident(&mut self, incident: &Incident) {
        self.heading(&format!("incident {}", incident.id), &incident.state);
        self.field("title", &incident.title);
        self.toned("severity", tone(&incident.severity), &incident.severity);
        let open = lasted(incident.opened_at, incident.resolved_at);
        self.field(
            "opened",
            &format!("{}, open for {open}", instant(incident.opened_at)),
        );
        if let Some(at) = incident.resolved_at {
            self.field("resolved", &instant(at));
        }
        self.list("targets", &incident.targets);
        self.list("detections", &incident.detections);
        self.list("decisions", &incident.decisions);
        self.list("executions", &incident.executions);
    }

    /// A plan.
    pub(crate) fn plan(&mut self, plan: &Plan) {
        let head = format!(
            "plan {}: {} on {}",
            hash(&plan.hash),
            plan.playbook,
            plan.target
        );
        self.line(Tone::Strong, &head);
        self.field("risk", &plan.risk);
        if !plan.inputs.is_empty() {
            self.field("inputs", &inputs(&plan.inputs));
        }
        self.field("evidence of", &instant(plan.evidence_at));
        self.field("made", &instant(plan.made_at));
    }

    /// A decision with every reason.
    pub(crate) fn decision(&mut self, decision: &Decision) {
        let state = if decision.waiting {
            format!("{}, waiting for a person", decision.verdict)
        } else {
            decision.verdict.clone()
        };
        let head = self
            .out
            .paint(Tone::Strong, &format!("decision {}", decision.id));
        let state = self.out.paint(tone(&decision.verdict), &state);
        let _ = writeln!(self.text, "{:1$}{head}  {state}", "", self.depth * 2);
        self.field("playbook", &decision.playbook);
        self.field_if("target", decision.target.as_deref());
        let round = match decision.round {
            0 => String::new(),
            round => format!(", asked for the {} time", ordinal(round + 1)),
        };
        self.field("made", &format!("{}{round}", instant(decision.at)));
        for reason in &decision.reasons {
            self.reason(reason);
        }
        if let Some(answer) = &decision.answer {
            let word = if answer.granted {
                "approved"
            } else {
                "rejected"
            };
            let text = format!(
                "{word} by {} at {}: {}",
                answer.by,
                instant(answer.at),
                answer.reason
            );
            self.field("answer", &text);
        }
        if decision.waiting {
            let how = format!(
                "edsr decision approve {} --reason TEXT (or reject)",
                decision.id
            );
            self.field("answer with", &how);
        }
        self.field_if("detection", decision.detection.as_deref());
        self.field_if("execution", decision.execution.as_deref());
        self.field_if("superseded", decision.superseded_by.as_deref());
    }

    fn reason(&mut self, reason: &Reason) {
        self.field("because", &format!("{}: {}", reason.code, reason.text));
        self.inside(|sheet| {
            if !reason.figures.is_empty() {
                let all: Vec<String> = reason
                    .figures
                    .iter()
                    .map(|(name, value)| format!("{name} = {value}"))
                    .collect();
                sheet.field("saw", &all.join(", "));
            }
            if let Some(until) = reason.until {
                sheet.field("until", &instant(until));
            }
        });
    }

    /// A run with its steps and how it ended.
    pub(crate) fn execution(&mut self, execution: &Execution) {
        self.heading(&format!("execution {}", execution.id), &execution.status);
        self.field("playbook", &execution.playbook);
        self.field("target", &execution.target);
        let took = lasted(execution.started_at, execution.ended_at);
        self.field(
            "started",
            &format!("{}, took {took}", instant(execution.started_at)),
        );
        for step in &execution.steps {
            self.step(step);
        }
        match &execution.verification {
            Some(verification) => {
                let (word, tone) = if verification.passed {
                    ("passed", Tone::Good)
                } else {
                    ("failed", Tone::Bad)
                };
                let text = format!("{word} {}: {}", instant(verification.at), verification.text);
                self.toned("verified", tone, &text);
            }
            None => self.field("verified", "no"),
        }
        if let Some(at) = execution.ended_at {
            let why = match execution.reason.as_deref() {
                None | Some("") => String::new(),
                Some(why) => format!(": {why}"),
            };
            self.field(
                "ended",
                &format!("{} as {}{why}", instant(at), execution.status),
            );
        }
        self.field_if("detection", execution.detection.as_deref());
        self.field_if("incident", execution.incident.as_deref());
    }

    fn step(&mut self, step: &Step) {
        let role = match step.role.as_str() {
            "do" => String::new(),
            role => format!(" ({role})"),
        };
        let mut text = format!("{}{role} {} {}", step.id, step.uses, step.status);
        if step.attempts > 1 {
            let _ = write!(text, " after {} attempts", step.attempts);
        }
        if let Some(ended) = step.ended_at {
            let _ = write!(text, " in {}", lasted(step.started_at, Some(ended)));
        }
        if let Some(why) = &step.last_reason {
            let _ = write!(text, ": {why}");
        }
        if let Some(at) = step.next_attempt_at {
            let _ = write!(text, "; next attempt {}", instant(at));
        }
        self.toned("step", tone(&step.status), &text);
    }

    /// What happened, in order.
    pub(crate) fn timeline(&mut self, entries: &[TimelineEntry]) {
        for entry in entries {
            let text = format!("{}  {:>6}  {}", instant(entry.at), entry.seq, entry.text);
            self.line(Tone::Plain, &text);
        }
    }
}

/// An instant as it is recorded.
fn instant(at: Timestamp) -> String {
    if at.as_micros() % 1_000_000 == 0 {
        time(at)
    } else {
        at.to_string()
    }
}

fn figures(figures: &BTreeMap<String, f64>) -> String {
    let all: Vec<String> = figures
        .iter()
        .map(|(name, value)| format!("{name} = {}", figure(*value)))
        .collect();
    all.join(", ")
}

fn inputs(inputs: &BTreeMap<String, Value>) -> String {
    let all: Vec<String> = inputs
        .iter()
        .map(|(name, value)| format!("{name} = {}", short(&value.to_string(), VALUE_SHOWN_MAX)))
        .collect();
    all.join(", ")
}

fn ordinal(number: u32) -> String {
    let end = match (number % 10, number % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{number}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals() {
        let all: Vec<String> = [1, 2, 3, 4, 11, 12, 13, 21, 102]
            .into_iter()
            .map(ordinal)
            .collect();
        assert_eq!(
            all,
            [
                "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd"
            ]
        );
    }
}
