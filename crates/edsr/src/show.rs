//! Detections, decisions and runs as text that people read from top to bottom.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use edsr_model::Timestamp;
use edsr_server::types::{
    Decision, Detection, Evidence, Execution, Incident, Plan, Reason, Step, TimelineEntry,
};
use serde_json::Value;

use crate::exit::Stop;
use crate::output::{Out, Tone, tone};
use crate::text::{figure, lasted, short, time};

/// How wide the names of fields are.
const NAME_WIDTH: usize = 12;
/// How much of a hash is shown, in characters.
const HASH_SHOWN: usize = 12;
/// How much of an input or key value is shown, in characters.
const VALUE_SHOWN_MAX: usize = 200;

/// A text under construction. Everything put into it is made printable.
pub(crate) struct Sheet {
    out: Out,
    text: String,
    depth: usize,
}

impl Sheet {
    /// An empty one.
    pub(crate) fn new(out: &Out) -> Self {
        Self {
            out: out.clone(),
            text: String::new(),
            depth: 0,
        }
    }

    /// Prints it.
    pub(crate) fn print(self) -> Result<(), Stop> {
        self.out.text(&self.text)
    }

    /// A line of its own.
    pub(crate) fn line(&mut self, tone: Tone, text: &str) {
        let painted = self.out.paint(tone, text);
        let _ = writeln!(self.text, "{:1$}{painted}", "", self.depth * 2);
    }

    /// An empty line between parts.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// A heading with a word for the state of things.
    pub(crate) fn heading(&mut self, text: &str, state: &str) {
        let (text, state) = (
            self.out.paint(Tone::Strong, text),
            self.out.paint(tone(state), state),
        );
        let _ = writeln!(self.text, "{:1$}{text}  {state}", "", self.depth * 2);
    }

    /// A named value.
    pub(crate) fn field(&mut self, name: &str, value: &str) {
        self.toned(name, Tone::Plain, value);
    }

    /// A named value that may not be there.
    pub(crate) fn field_if(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }

    /// Named values, separated by commas, unless there are none.
    pub(crate) fn list(&mut self, name: &str, values: &[String]) {
        if !values.is_empty() {
            self.field(name, &values.join(", "));
        }
    }

    /// A named value in the tone it deserves.
    pub(crate) fn toned(&mut self, name: &str, tone: Tone, value: &str) {
        let name = self.out.paint(Tone::Faint, &format!("{name:NAME_WIDTH$}"));
        let value = self.out.paint(tone, value);
        let _ = writeln!(self.text, "{:1$}  {name} {value}", "", self.depth * 2);
    }

    /// What `inner` writes, further to the right.
    pub(crate) fn inside(&mut self, inner: impl FnOnce(&mut Self)) {
        self.depth += 1;
        inner(self);
        self.depth -= 1;
    }

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

/// The first digits of a hash.
pub(crate) fn hash(text: &str) -> String {
    text.chars().take(HASH_SHOWN).collect()
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
    use crate::output::Format;
    use serde_json::json;

    fn text(write: impl FnOnce(&mut Sheet)) -> String {
        let out = Out {
            format: Format::Table,
            color: false,
            terminal: false,
        };
        let mut sheet = Sheet::new(&out);
        write(&mut sheet);
        sheet.text
    }

    #[test]
    fn a_decision_shows_figures_and_until() {
        let decision: Decision = serde_json::from_value(json!({
            "id": "dec-1", "verdict": "deny", "playbook": "restart", "plan": "00", "round": 1,
            "at": "2026-01-02T03:04:05Z", "waiting": false,
            "reasons": [{"code": "guard.cooldown", "text": "too\u{1b}[1m soon",
                "figures": {"left": "9m"}, "until": "2026-01-02T03:14:05.5Z"}]
        }))
        .unwrap();
        let text = text(|sheet| sheet.decision(&decision));
        assert_eq!(
            text,
            "decision dec-1  deny\n\
             \x20 playbook     restart\n\
             \x20 made         2026-01-02T03:04:05Z, asked for the 2nd time\n\
             \x20 because      guard.cooldown: too\\u{1b}[1m soon\n\
             \x20   saw          left = 9m\n\
             \x20   until        2026-01-02T03:14:05.500000Z\n"
        );
    }

    #[test]
    fn a_run_says_what_each_step_did() {
        let execution: Execution = serde_json::from_value(json!({
            "id": "exe-1", "plan": "00", "playbook": "restart", "target": "service/a",
            "status": "unverified", "reason": "nothing proved it",
            "started_at": "2026-01-02T03:04:05Z", "ended_at": "2026-01-02T03:04:35Z",
            "steps": [{"id": "undo", "role": "do", "uses": "exec/run", "status": "done", "attempts": 2,
                "started_at": "2026-01-02T03:04:05Z", "ended_at": "2026-01-02T03:04:06.5Z"}],
        }))
        .unwrap();
        let text = text(|sheet| sheet.execution(&execution));
        for line in [
            "execution exe-1  unverified",
            "undo exec/run done after 2 attempts in 1.5s",
            "took 30s",
            "2026-01-02T03:04:35Z as unverified: nothing proved it",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

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
