//! The story so far: journal entries in, lines and times out.

use std::collections::BTreeMap;

use edsr_model::{
    Decision, Detection, DetectionId, DetectionState, EffectRequest, ExecutionId, ExecutionStatus,
    Fact, Outcome, StepRole, TargetRef, Timestamp, Verdict,
};
use edsr_server::types::EntryRecord;
use serde_json::Value;

use super::narrator::{Line, Part};
use crate::output::Tone;

/// What was found, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    pub(super) detector: String,
    pub(super) incident: String,
    pub(super) state: DetectionState,
    pub(super) opened_at: Timestamp,
    pub(super) decided_at: Option<Timestamp>,
    pub(super) acted_at: Option<Timestamp>,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) status: Option<ExecutionStatus>,
}

impl Finding {
    /// Whether the repair is over and the trouble gone, or there is nothing more to wait for.
    pub(super) fn is_over(&self) -> bool {
        match self.status {
            Some(ExecutionStatus::Succeeded) => self.state == DetectionState::Resolved,
            Some(status) => status.is_ended(),
            None => false,
        }
    }

    pub(super) fn is_repaired(&self) -> bool {
        self.status == Some(ExecutionStatus::Succeeded) && self.is_over()
    }
}

/// The story so far.
#[derive(Debug, Default)]
pub(super) struct Story {
    findings: BTreeMap<DetectionId, Finding>,
    /// Playbook and detection of every run.
    runs: BTreeMap<ExecutionId, (String, Option<DetectionId>)>,
    /// The first decision that said no.
    pub(super) refused: Option<String>,
    /// How many calls were intended so far.
    pub(super) intents: u32,
}

impl Story {
    /// The first finding of a detector.
    pub(super) fn finding(&self, detector: &str) -> Option<&Finding> {
        let of = self
            .findings
            .values()
            .filter(|found| found.detector == detector);
        of.min_by_key(|found| found.opened_at)
    }

    /// Whether nothing was ever found.
    pub(super) fn is_quiet(&self) -> bool {
        self.findings.is_empty()
    }

    /// Takes an entry in; the line it is worth, if it is.
    pub(super) fn note(&mut self, entry: &EntryRecord) -> Option<Line> {
        let at = entry.at;
        let fact = serde_json::from_value(entry.fact.clone()).ok()?;
        let (part, tone, text) = match fact {
            Fact::DetectionOpened(detection) => self.opened(detection, at),
            Fact::DetectionResolved { detection, .. } => self.resolved(&detection)?,
            Fact::Decided {
                decision,
                playbook,
                target,
                detection,
            } => self.decided(&decision, &playbook, target.as_ref(), detection, at),
            Fact::ExecutionStarted {
                execution,
                playbook,
                detection,
                ..
            } => {
                self.runs.insert(execution, (playbook, detection));
                return None;
            }
            Fact::StepIntended(request) => {
                self.intents += 1;
                (Part::Act, Tone::Warn, intended(&request))
            }
            Fact::StepOutcome { attempt, outcome } => {
                // After a crash the probe is what says that it happened.
                let happened =
                    attempt.role == StepRole::Do || matches!(outcome, Outcome::Ok { .. });
                if let Some(found) = self.run(&attempt.execution).filter(|_| happened) {
                    found.acted_at = Some(at);
                }
                came(attempt.role, &attempt.step, &outcome)
            }
            Fact::Verified { passed, text, .. } if passed => {
                (Part::Verify, Tone::Good, format!("there is proof: {text}"))
            }
            Fact::Verified { text, .. } => (Part::Verify, Tone::Bad, format!("no proof: {text}")),
            Fact::ExecutionEnded {
                execution,
                status,
                reason,
            } => self.ended(&execution, status, &reason, at),
            _ => return None,
        };
        Some(Line {
            at,
            part,
            tone,
            text,
        })
    }

    fn opened(&mut self, detection: Detection, at: Timestamp) -> (Part, Tone, String) {
        let text = format!(
            "{} opened ({}, {}): {}",
            detection.detector, detection.severity, detection.key, detection.evidence.text
        );
        let found = Finding {
            detector: detection.detector,
            incident: detection.incident.to_string(),
            state: detection.state,
            opened_at: at,
            decided_at: None,
            acted_at: None,
            ended_at: None,
            status: None,
        };
        self.findings.insert(detection.id, found);
        (Part::Detect, Tone::Bad, text)
    }

    fn resolved(&mut self, detection: &DetectionId) -> Option<(Part, Tone, String)> {
        let found = self.findings.get_mut(detection)?;
        found.state = DetectionState::Resolved;
        let text = format!("{} is resolved", found.detector);
        Some((Part::Verify, Tone::Good, text))
    }

    fn decided(
        &mut self,
        decision: &Decision,
        playbook: &str,
        target: Option<&TargetRef>,
        detection: Option<DetectionId>,
        at: Timestamp,
    ) -> (Part, Tone, String) {
        let target = target.map_or_else(|| "?".to_owned(), ToString::to_string);
        let reasons: Vec<_> = decision
            .reasons
            .iter()
            .map(|reason| format!("{} ({})", reason.text, reason.code))
            .collect();
        let text = format!(
            "{playbook} on {target}: {}, {}",
            decision.verdict,
            reasons.join("; ")
        );
        let tone = match decision.verdict {
            Verdict::Auto => Tone::Good,
            Verdict::Deny => Tone::Bad,
            Verdict::Observe | Verdict::Suggest | Verdict::Approve => Tone::Warn,
        };
        if decision.verdict == Verdict::Deny {
            self.refused.get_or_insert_with(|| decision.id.to_string());
        } else if let Some(found) = detection.and_then(|id| self.findings.get_mut(&id)) {
            found.decided_at = Some(at);
        }
        (Part::Decide, tone, text)
    }

    fn ended(
        &mut self,
        execution: &ExecutionId,
        status: ExecutionStatus,
        reason: &str,
        at: Timestamp,
    ) -> (Part, Tone, String) {
        if let Some(found) = self.run(execution) {
            found.ended_at = Some(at);
            found.status = Some(status);
        }
        let tone = match status {
            ExecutionStatus::Succeeded => Tone::Good,
            _ => Tone::Bad,
        };
        let playbook = self
            .runs
            .get(execution)
            .map_or("?", |(playbook, _)| playbook);
        let reason = match status {
            ExecutionStatus::Succeeded => String::new(),
            _ => format!(": {reason}"),
        };
        (
            Part::Done,
            tone,
            format!("{playbook} {status}{reason} ({execution})"),
        )
    }

    fn run(&mut self, execution: &ExecutionId) -> Option<&mut Finding> {
        let detection = self.runs.get(execution)?.1.as_ref()?;
        self.findings.get_mut(detection)
    }
}

fn intended(request: &EffectRequest) -> String {
    let step = &request.attempt.step;
    let again = match request.attempt.attempt {
        0 | 1 => String::new(),
        attempt => format!(" (attempt {attempt})"),
    };
    let what = match request.attempt.role {
        StepRole::Do => format!("step {step}{again}"),
        StepRole::Undo => format!("undo of step {step}{again}"),
        StepRole::Probe => format!("did step {step} happen? asking"),
    };
    format!("{what}: {} {}", request.uses, command(&request.with))
}

/// The command as a person would write it: without the path of the program and where the shop lives.
fn command(with: &Value) -> String {
    let argv = with["argv"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let words: Vec<_> = argv.iter().filter_map(Value::as_str).collect();
    match words.as_slice() {
        [_, "shop", "ctl", "--state", _, rest @ ..] => format!("shop ctl {}", rest.join(" ")),
        other => other.join(" "),
    }
}

fn came(role: StepRole, step: &str, outcome: &Outcome) -> (Part, Tone, String) {
    let (tone, text) = match outcome {
        Outcome::Ok { output } if role == StepRole::Probe => {
            let text = format!("step {step} did happen: {}", changed(step, &output["json"]));
            (Tone::Good, text)
        }
        Outcome::Ok { output } => (Tone::Good, changed(step, &output["json"])),
        Outcome::Failed { .. } if role == StepRole::Probe => {
            (Tone::Warn, format!("step {step} did not happen"))
        }
        Outcome::Failed { reason, .. } => (Tone::Bad, format!("step {step} failed: {reason}")),
        Outcome::Unknown { reason } => (
            Tone::Warn,
            format!("whether step {step} happened is not known: {reason}"),
        ),
    };
    (Part::Act, tone, text)
}

/// What the control command says it did.
fn changed(step: &str, done: &Value) -> String {
    let (Some(service), Some(pid)) = (done["service"].as_str(), done["pid"].as_u64()) else {
        return format!("step {step} is done");
    };
    let version = done["version"].as_str().unwrap_or("?");
    let after = format!("{version} (pid {pid})");
    let took = done["took_ms"].as_u64().unwrap_or(0);
    match (done["version_before"].as_str(), done["pid_before"].as_u64()) {
        (Some(version), Some(pid)) => {
            format!("{service}: {version} (pid {pid}) -> {after}, in {took} ms")
        }
        _ => format!("{service}: {after}, in {took} ms"),
    }
}

#[cfg(test)]
mod tests;
