//! Stories: what happens when, as text.
//!
//! ```text
//! answer step=undo never                   # how actuators answer, tried in order; success at once otherwise
//! answer step=restart times=1 fail exit code 1
//! answer step=restart after=2s ok
//!
//! 0s     event order.placed order=a        # type, then fields of its data
//! 1s     event req status=500 x20 every=100ms
//! 30s    pause all maintenance
//! 40s    resume
//! 50s    restart                           # the process dies, and starts again from the logs
//! 55s    down                              # the process dies; nothing happens until a `restart`
//! 60s    activate                          # the second bundle, after a line `=====`
//! 70s    approve                           # the plan that waits
//! 2m     end                               # time passes, nothing else happens
//! ```

use std::time::Duration;

use edsr_actuate::scripted::{Answer, Line, Match, Scripted};
use edsr_model::{Outcome, StepRole, parse_duration};
use serde_json::{Map, Value};

/// What happens when.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// How actuators answer.
    pub script: Scripted,
    /// What happens, each so long after the beginning, in order.
    pub lines: Vec<(Duration, What)>,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// An event: type, data, and extension attributes.
    Event {
        /// Its type.
        kind: String,
        /// Its data.
        data: Value,
        /// Extension attributes, given as `@name=value`.
        extensions: Map<String, Value>,
    },
    /// A person pauses everything, or what `scope` names.
    Pause {
        /// `all`, `playbook:NAME` or `target:KIND/NAME`.
        scope: String,
    },
    /// A person lifts every pause.
    Resume,
    /// The process dies and starts again.
    Restart,
    /// The process dies and stays dead until it is started again.
    Down,
    /// The other bundle comes into force.
    Activate,
    /// A person agrees to the plan that waits, or turns it down.
    Approve(bool),
    /// Time passes.
    End,
}

impl Story {
    /// Reads a story.
    ///
    /// # Errors
    /// The line that is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut story = Self::default();
        for line in text.lines() {
            let line = line.split(" #").next().unwrap_or_default().trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fail = |why: &str| format!("`{line}`: {why}");
            let words: Vec<_> = line.split_whitespace().collect();
            if words[0] == "answer" {
                let line = answer(&words[1..]).map_err(|why| fail(&why))?;
                story.script.lines.push(line);
                continue;
            }
            let at = parse_duration(words[0]).map_err(|error| fail(&error.to_string()))?;
            let happens = what(at, &words[1..]).map_err(|why| fail(&why))?;
            story.lines.extend(happens);
        }
        story.lines.sort_by_key(|(at, _)| *at);
        Ok(story)
    }
}

fn what(at: Duration, words: &[&str]) -> Result<Vec<(Duration, What)>, String> {
    let (verb, rest) = words.split_first().ok_or("what happens?")?;
    let one = |what| Ok(vec![(at, what)]);
    match *verb {
        "event" => events(at, rest),
        "pause" => one(What::Pause {
            scope: rest.first().unwrap_or(&"all").to_string(),
        }),
        "resume" => one(What::Resume),
        "restart" => one(What::Restart),
        "down" => one(What::Down),
        "activate" => one(What::Activate),
        "approve" => one(What::Approve(true)),
        "reject" => one(What::Approve(false)),
        "end" => one(What::End),
        other => Err(format!("`{other}` is no verb of a story")),
    }
}

fn events(at: Duration, words: &[&str]) -> Result<Vec<(Duration, What)>, String> {
    let (kind, fields) = words.split_first().ok_or("which type of event?")?;
    let mut data = Map::new();
    let mut extensions = Map::new();
    let mut times = 1;
    let mut every = Duration::ZERO;
    for field in fields {
        if let Some(number) = field
            .strip_prefix('x')
            .and_then(|number| number.parse().ok())
        {
            times = number;
            continue;
        }
        let (name, value) = field
            .split_once('=')
            .ok_or_else(|| format!("`{field}` is no field"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        if name == "every" {
            every =
                parse_duration(value.as_str().unwrap_or_default()).map_err(|e| e.to_string())?;
        } else if let Some(name) = name.strip_prefix('@') {
            extensions.insert(name.to_owned(), value);
        } else {
            data.insert(name.to_owned(), value);
        }
    }
    let event = What::Event {
        kind: (*kind).to_owned(),
        data: Value::Object(data),
        extensions,
    };
    Ok((0..times)
        .map(|n| (at + every * n, event.clone()))
        .collect())
}

fn answer(words: &[&str]) -> Result<Line, String> {
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
    Err("what does it answer: ok, fail, unknown, twice or never?".to_owned())
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
        "never" => Ok(Answer::Never),
        other => Err(format!("`{other}` is no answer")),
    }
}
