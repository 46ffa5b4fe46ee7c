//! Transcripts: one line per entry, short enough to write by hand.

use edsr_model::{Entry, Fact, Key, Outcome, Reason, StepRole, Timestamp, format_duration};

/// The transcript of a journal, with times since `epoch`. Starts and activations are left out.
#[must_use]
pub fn lines(entries: &[Entry], epoch: Timestamp) -> Vec<String> {
    entries
        .iter()
        .filter_map(|entry| {
            let text = line(&entry.draft.fact)?;
            let since = entry.draft.at.since(epoch);
            // The clock moves on by a microsecond with each event; a transcript is written in milliseconds.
            let since =
                std::time::Duration::from_millis(since.as_millis().try_into().unwrap_or(u64::MAX));
            Some(format!("{} {text}", format_duration(since)))
        })
        .collect()
}

fn line(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::NodeStarted { .. } | Fact::BundleActivated { .. } | Fact::Planned(_) => return None,
        Fact::Paused(pause) => format!("paused {}", pause.scope),
        Fact::Resumed { .. } => "resumed".to_owned(),
        Fact::Approval { granted, .. } => {
            (if *granted { "approved" } else { "rejected" }).to_owned()
        }
        Fact::Note { text } => format!("note {text}"),
        Fact::StepOutcome { attempt, outcome } => {
            let why = match outcome {
                Outcome::Ok { .. } => String::new(),
                Outcome::Failed { reason, .. } | Outcome::Unknown { reason } => {
                    format!(": {reason}")
                }
            };
            format!("outcome {} {}{why}", attempt.step, outcome.as_str())
        }
        Fact::DetectionOpened(detection) => {
            format!("opened {}{}", detection.detector, key(&detection.key))
        }
        Fact::DetectionUpdated { .. } => "updated".to_owned(),
        Fact::DetectionResolved { resolution, .. } => format!("resolved {resolution}"),
        Fact::Decided {
            decision,
            playbook,
            target,
            ..
        } => {
            let target = target
                .as_ref()
                .map_or_else(|| "-".to_owned(), ToString::to_string);
            format!(
                "{} {playbook} {target} [{}]",
                decision.verdict,
                codes(&decision.reasons)
            )
        }
        Fact::ExecutionStarted { .. } => return None,
        Fact::StepIntended(request) => {
            let role = match request.attempt.role {
                StepRole::Do => "do",
                StepRole::Undo => "undo",
                StepRole::Probe => "probe",
            };
            format!(
                "{role} {} #{}",
                request.attempt.step, request.attempt.attempt
            )
        }
        Fact::StepRetry { attempt, .. } => format!("retry {}", attempt.step),
        Fact::Verified { passed, .. } => {
            (if *passed { "verified" } else { "not verified" }).to_owned()
        }
        Fact::ExecutionEnded { status, .. } => format!("ended {status}"),
    })
}

fn key(key: &Key) -> String {
    if key.0.is_empty() {
        String::new()
    } else {
        format!(" {key}")
    }
}

fn codes(reasons: &[Reason]) -> String {
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code.as_str()).collect();
    codes.join(" ")
}
