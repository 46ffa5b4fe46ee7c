//! How actuators answer in a story.

use std::time::Duration;

use edsr_actuate::scripted::{Answer, Line, Match};
use edsr_model::{Outcome, StepRole, parse_duration};
use serde_json::Value;

pub(super) fn line(words: &[&str]) -> Result<Line, String> {
    let mut on = Match::default();
    let mut times = None;
    let mut after = Duration::ZERO;
    for (place, word) in words.iter().enumerate() {
        let Some((name, value)) = word.split_once('=') else {
            let answer = outcome(&words[place..], after)?;
            return Ok(Line { on, times, answer });
        };
        let value = value.to_owned();
        match name {
            "uses" => on.uses = Some(value),
            "playbook" => on.playbook = Some(value),
            "target" => on.target = Some(value),
            "step" => on.step = Some(value),
            "attempt" => on.attempt = value.parse().ok(),
            "role" => {
                on.role = Some(match value.as_str() {
                    "do" => StepRole::Do,
                    "undo" => StepRole::Undo,
                    "probe" => StepRole::Probe,
                    _ => return Err(format!("`{value}` is no role")),
                });
            }
            "times" => times = value.parse().ok(),
            "after" => after = parse_duration(&value).map_err(|error| error.to_string())?,
            _ => return Err(format!("`{name}` says nothing about a call")),
        }
    }
    Err("what does it answer: ok, fail, unknown, twice, late or never?".to_owned())
}

fn outcome(words: &[&str], delay: Duration) -> Result<Answer, String> {
    let rest = words[1..].join(" ");
    let or = |default: &str| {
        if rest.is_empty() {
            default.to_owned()
        } else {
            rest.clone()
        }
    };
    let ok = || Outcome::Ok {
        output: serde_json::from_str(&rest).unwrap_or(Value::Null),
    };
    match words[0] {
        "ok" => Ok(Answer::After {
            delay,
            outcome: ok(),
        }),
        "fail" => Ok(Answer::After {
            delay,
            outcome: Outcome::Failed {
                reason: or("it failed"),
                output: Value::Null,
            },
        }),
        "unknown" => Ok(Answer::After {
            delay,
            outcome: Outcome::Unknown {
                reason: or("nobody knows"),
            },
        }),
        "twice" => Ok(Answer::Twice {
            first: delay,
            again: Duration::from_secs(1),
            outcome: ok(),
        }),
        "late" => Ok(Answer::Late {
            by: delay,
            outcome: ok(),
        }),
        "never" => Ok(Answer::Never),
        other => Err(format!("`{other}` is no answer")),
    }
}
