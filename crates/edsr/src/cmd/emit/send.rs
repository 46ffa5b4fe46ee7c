//! Sending events in batches, and counting what became of them.

use std::time::Duration;

use edsr_server::types::{EventsAnswer, RejectedEvent};
use reqwest::StatusCode;
use serde::Serialize;
use serde_json::Value;

use crate::client::{Answer, Client};
use crate::exit::{Exit, Failure};

/// Events of one batch.
const BATCH_EVENTS_MAX: usize = 100;
/// Bytes of one batch; a single larger event travels alone. Well below what a node takes at once.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// How often a batch is sent to a node that is behind.
const ATTEMPTS_MAX: u32 = 8;
/// The longest wait between two attempts, whatever the node asks for.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// The wait where the node names none.
const WAIT_DEFAULT: Duration = Duration::from_secs(1);
/// How many rejections are told one by one; the rest is counted.
const REJECTIONS_MAX: usize = 100;

const MEDIA_TYPE: &str = "application/cloudevents-batch+json";

/// What became of the events.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    /// Now durable.
    pub(super) accepted: u64,
    /// Durable before.
    pub(super) duplicates: u64,
    /// Turned down.
    pub(super) rejected: u64,
    /// The first of those turned down.
    pub(super) rejections: Vec<Rejection>,
}

/// An event that was turned down, by the node or already here.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Rejection {
    /// The line it begins at.
    pub(super) line: u64,
    /// Its id, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    /// A stable code.
    pub(super) code: String,
    /// One sentence.
    pub(super) reason: String,
}

/// Collects events and sends them in batches.
pub(super) struct Sender {
    client: Client,
    /// A JSON list without its closing bracket.
    body: Vec<u8>,
    /// Where each event of the batch begins in the input.
    lines: Vec<u64>,
    report: Report,
}

impl Sender {
    /// Sends nothing yet.
    pub(super) const fn new(client: Client) -> Self {
        Self {
            client,
            body: Vec::new(),
            lines: Vec::new(),
            report: Report {
                accepted: 0,
                duplicates: 0,
                rejected: 0,
                rejections: Vec::new(),
            },
        }
    }

    /// What became of the events that were sent so far.
    pub(super) const fn report(&self) -> &Report {
        &self.report
    }

    /// Adds an event that begins at `line`, and sends the batch when it is full.
    pub(super) async fn put(&mut self, line: u64, event: Value) -> Result<(), Failure> {
        let text = event.to_string();
        if !self.lines.is_empty() && self.body.len() + text.len() > BATCH_BYTES_MAX {
            self.flush().await?;
        }
        self.body
            .push(if self.lines.is_empty() { b'[' } else { b',' });
        self.body.extend_from_slice(text.as_bytes());
        self.lines.push(line);
        if self.lines.len() >= BATCH_EVENTS_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    /// Notes an event that is not worth sending.
    pub(super) fn refuse(&mut self, line: u64, reason: String) {
        self.report.reject(Rejection {
            line,
            id: None,
            code: "not-an-event".to_owned(),
            reason,
        });
    }

    /// Sends what was collected.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let mut body = std::mem::take(&mut self.body);
        body.push(b']');
        let lines = std::mem::take(&mut self.lines);
        let answer = self
            .deliver(body, lines.first().copied().unwrap_or(0))
            .await?;
        if answer.status.is_success() {
            let answer: EventsAnswer = answer.json()?;
            self.report.accepted += answer.accepted;
            self.report.duplicates += answer.duplicates;
            self.report.all(&lines, answer.rejected);
            return Ok(());
        }
        match answer.problem() {
            // None of them was kept, each for a reason of its own; the next batch may fare better.
            Some(problem) if !problem.rejected.is_empty() => {
                self.report.all(&lines, problem.rejected);
                Ok(())
            }
            _ => Err(at(answer.failure(), &lines)),
        }
    }

    /// The answer to a batch; a node that is behind is asked again. Repeating is safe: a node knows events by
    /// source and id.
    async fn deliver(&self, body: Vec<u8>, line: u64) -> Result<Answer, Failure> {
        for attempt in 1.. {
            let answer = self
                .client
                .send(&["events"], MEDIA_TYPE, body.clone())
                .await
                .map_err(|failure| at(failure, &[line]))?;
            let behind = matches!(
                answer.status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            );
            if !behind || attempt >= ATTEMPTS_MAX {
                return Ok(answer);
            }
            let wait = answer.retry_after.unwrap_or(WAIT_DEFAULT).min(WAIT_MAX);
            tracing::info!(attempt, wait_ms = wait.as_millis(), "the node is behind");
            tokio::time::sleep(wait).await;
        }
        Err(Failure::new(Exit::Unreachable, "the node stays behind"))
    }
}

impl Report {
    fn reject(&mut self, rejection: Rejection) {
        self.rejected += 1;
        if self.rejections.len() < REJECTIONS_MAX {
            self.rejections.push(rejection);
        }
    }

    fn all(&mut self, lines: &[u64], rejected: Vec<RejectedEvent>) {
        for event in rejected {
            let place = usize::try_from(event.index).unwrap_or(usize::MAX);
            self.reject(Rejection {
                line: lines.get(place).copied().unwrap_or(0),
                id: event.id,
                code: event.code,
                reason: event.reason,
            });
        }
    }
}

fn at(mut failure: Failure, lines: &[u64]) -> Failure {
    if let Some(line) = lines.first() {
        let place = format!("stopped at line {line}: ");
        failure.message.insert_str(0, &place);
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_are_told_by_line_and_bounded() {
        let mut report = Report::default();
        let lines: Vec<u64> = (1..=1000).map(|n| n * 2).collect();
        let rejected = |index| RejectedEvent {
            index,
            id: None,
            code: "c".into(),
            reason: "r".into(),
        };
        report.all(&lines, (0..500).map(rejected).collect());
        assert_eq!(report.rejected, 500);
        assert_eq!(report.rejections.len(), REJECTIONS_MAX);
        assert_eq!(report.rejections[3].line, 8);
    }
}
