//! Actuators that follow a script, for tests and simulation: nothing runs, no time passes.
//!
//! [`Scripted`] answers a request with outcomes and how long after the request each of them arrives by the caller's
//! clock. So a caller can be shown a target that answers, answers late, answers twice or never does.

use std::time::Duration;

use edsr_model::time::human;
use edsr_model::{EffectRequest, Outcome, StepRole};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A script: the first line that matches and is not used up answers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Scripted {
    /// The lines, in the order they are tried.
    pub lines: Vec<Line>,
    /// What is answered where no line matches.
    pub otherwise: Answer,
}

/// One line of a script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Line {
    /// Which requests it is for.
    #[serde(default)]
    pub on: Match,
    /// How many requests it still answers; without a number, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// What it answers.
    pub answer: Answer,
}

/// Which requests a line is for: those that agree with everything that is given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Match {
    /// The actuator's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<String>,
    /// The playbook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playbook: Option<String>,
    /// The target, `kind/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The step's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Which of the step's calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<StepRole>,
    /// Which attempt, 1 for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}

impl Match {
    /// Whether it is for this request.
    #[must_use]
    pub fn fits(&self, request: &EffectRequest) -> bool {
        fn agrees<T: PartialEq>(given: Option<&T>, value: &T) -> bool {
            given.is_none_or(|given| given == value)
        }
        agrees(self.uses.as_ref(), &request.uses)
            && agrees(self.playbook.as_ref(), &request.playbook)
            && agrees(self.target.as_ref(), &request.target.to_string())
            && agrees(self.step.as_ref(), &request.attempt.step)
            && agrees(self.role.as_ref(), &request.attempt.role)
            && agrees(self.attempt.as_ref(), &request.attempt.attempt)
    }
}

/// How a request is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Answer {
    /// With an outcome, after a while.
    After {
        /// How long after the request.
        #[serde(with = "human")]
        delay: Duration,
        /// What comes of it.
        outcome: Outcome,
    },
    /// With an outcome that comes when the request's timeout has passed already.
    Late {
        /// How long after the timeout.
        #[serde(with = "human")]
        by: Duration,
        /// What comes of it.
        outcome: Outcome,
    },
    /// With the same outcome twice.
    Twice {
        /// How long after the request the first one comes.
        #[serde(with = "human")]
        first: Duration,
        /// How long after the first one the second comes.
        #[serde(with = "human")]
        again: Duration,
        /// What comes of it.
        outcome: Outcome,
    },
    /// Not at all.
    Never,
}

impl Default for Answer {
    /// Success at once, with nothing returned.
    fn default() -> Self {
        Self::After {
            delay: Duration::ZERO,
            outcome: Outcome::Ok {
                output: Value::Null,
            },
        }
    }
}

impl Scripted {
    /// The outcomes of `request` in the order they arrive, each with how long after the request it does. Empty when
    /// nothing ever comes back.
    pub fn answer(&mut self, request: &EffectRequest) -> Vec<(Duration, Outcome)> {
        let line = self
            .lines
            .iter_mut()
            .find(|line| line.times != Some(0) && line.on.fits(request));
        let answer = match line {
            Some(line) => {
                line.times = line.times.map(|left| left - 1);
                &line.answer
            }
            None => &self.otherwise,
        };
        match answer {
            Answer::After { delay, outcome } => vec![(*delay, outcome.clone())],
            Answer::Late { by, outcome } => {
                vec![(request.timeout.saturating_add(*by), outcome.clone())]
            }
            Answer::Twice {
                first,
                again,
                outcome,
            } => vec![
                (*first, outcome.clone()),
                (first.saturating_add(*again), outcome.clone()),
            ],
            Answer::Never => Vec::new(),
        }
    }
}
