//! Stories: what happens when, as text. What tests tell by hand, campaigns draw from a seed and shrink to.
//!
//! ```text
//! dice 7                                   # what is left to chance inside (torn writes) follows from it
//! answer step=undo never                   # how actuators answer, tried in order; success at once otherwise
//! answer step=restart times=1 fail exit code 1
//! answer step=restart after=2s ok
//!
//! 0s     slow log=20ms journal=5ms         # how long a commit takes from here on
//! 0s     event order.placed order=a        # type, then fields of its data; a request of its own
//! 1s     event req status=500 x20 every=100ms
//! 2s     event req status=500 x20 batch    # one request
//! 3s     again 1                           # the last but one request once more
//! 30s    pause all maintenance
//! 35s    pause file                        # by the file in the data directory
//! 40s    resume
//! 50s    restart                           # the process dies, and starts again from the logs
//! 51s    crash                             # power is lost: what no sync covered is gone, or torn
//! 52s    crash at=call.after n=2 down=3s   # when that place is reached for the 2nd time from here on
//! 53s    kill at=journal.before            # only the process dies
//! 55s    down                              # the process dies; nothing happens until a `restart`
//! 56s    fail log call=1 eio               # the 2nd call of the next commit to the disk fails
//! 57s    fail journal
//! 58s    full 4096                         # that many bytes are left on the log's disk, until it starts again
//! 58s    retain 16384                      # the log keeps about so many bytes, and what a start needs
//! 59s    freeze 30s                        # the process stands still
//! 60s    clock -1h                         # somebody sets the clock
//! 60s    activate                          # the second bundle, after a line `=====`
//! 70s    approve                           # the plan that waits
//! 2m     end                               # time passes, nothing else happens
//! ```

mod answer;

use std::time::Duration;

use edsr_actuate::scripted::Scripted;
use edsr_log::Fault;
use edsr_model::parse_duration;
use serde_json::{Map, Value};

use crate::point::Point;

/// The most events one line tells of.
const TIMES_MAX: u32 = 10_000;

/// What happens when.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// What is left to chance follows from it.
    pub dice: u64,
    /// How actuators answer.
    pub script: Scripted,
    /// What happens, each so long after the beginning, in order.
    pub lines: Vec<(Duration, What)>,
}

/// An event as a story tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Its type.
    pub kind: String,
    /// Its data.
    pub data: Value,
    /// Extension attributes, given as `@name=value`.
    pub extensions: Map<String, Value>,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A request with events.
    Events(Vec<Told>),
    /// An earlier request comes once more: so many before the last one.
    Again(usize),
    /// A person pauses everything, or what `scope` names.
    Pause {
        /// `all`, `playbook:NAME` or `target:KIND/NAME`.
        scope: String,
    },
    /// A person pauses everything by the file in the data directory.
    PauseFile,
    /// A person lifts every pause.
    Resume,
    /// The process dies and starts again.
    Restart,
    /// The process dies and stays dead until it is started again.
    Down,
    /// The node dies, now or at a place it reaches later.
    Crash(Crash),
    /// The next commit of the event log fails at one of its calls to the disk.
    FailLog {
        /// Which call, from 0.
        call: u64,
        /// How.
        fault: Fault,
    },
    /// The next append to the journal fails.
    FailJournal,
    /// So many bytes are left for the event log.
    Full(u64),
    /// The event log keeps about so many bytes from here on.
    Retain(u64),
    /// How long commits take.
    Slow {
        /// Of the event log.
        log: Duration,
        /// Of the journal.
        journal: Duration,
    },
    /// The process stands still.
    Freeze(Duration),
    /// The system's clock is set forward, or back, by so many microseconds.
    Clock(i64),
    /// The other bundle comes into force.
    Activate,
    /// A person agrees to the plan that waits, or turns it down.
    Approve(bool),
    /// Time passes.
    End,
}

/// How a node dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// The machine dies with it, and what no sync covered.
    pub power: bool,
    /// Where, and at which time of reaching it; now where there is none.
    pub at: Option<(Point, u32)>,
    /// How long it stays dead.
    pub down: Duration,
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
            match words[0] {
                "answer" => {
                    let line = answer::line(&words[1..]).map_err(|why| fail(&why))?;
                    story.script.lines.push(line);
                }
                "dice" => story.dice = number(words.get(1)).map_err(|why| fail(&why))?,
                time => {
                    let at = parse_duration(time).map_err(|error| fail(&error.to_string()))?;
                    let happens = what(at, &words[1..]).map_err(|why| fail(&why))?;
                    story.lines.extend(happens);
                }
            }
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
        "again" => one(What::Again(number(rest.first())?)),
        "pause" if rest == ["file"] => one(What::PauseFile),
        "pause" => one(What::Pause {
            scope: rest.first().unwrap_or(&"all").to_string(),
        }),
        "resume" => one(What::Resume),
        "restart" => one(What::Restart),
        "down" => one(What::Down),
        "crash" => one(What::Crash(crash(rest, true)?)),
        "kill" => one(What::Crash(crash(rest, false)?)),
        "fail" => one(fail(rest)?),
        "full" => one(What::Full(number(rest.first())?)),
        "retain" => one(What::Retain(number(rest.first())?)),
        "slow" => one(slow(rest)?),
        "freeze" => one(What::Freeze(span(rest.first())?)),
        "clock" => one(What::Clock(step(rest.first())?)),
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
    let mut batch = false;
    for field in fields {
        if let Some(number) = field
            .strip_prefix('x')
            .and_then(|number| number.parse().ok())
        {
            if number > TIMES_MAX {
                return Err(format!("x{number}: at most x{TIMES_MAX}"));
            }
            times = number;
            continue;
        }
        if *field == "batch" {
            batch = true;
            continue;
        }
        let (name, value) = pair(field)?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        if name == "every" {
            every = span(value.as_str().as_ref())?;
        } else if let Some(name) = name.strip_prefix('@') {
            extensions.insert(name.to_owned(), value);
        } else {
            data.insert(name.to_owned(), value);
        }
    }
    let event = Told {
        kind: (*kind).to_owned(),
        data: Value::Object(data),
        extensions,
    };
    if batch {
        return Ok(vec![(at, What::Events(vec![event; times as usize]))]);
    }
    Ok((0..times)
        .map(|n| (at + every * n, What::Events(vec![event.clone()])))
        .collect())
}

fn crash(words: &[&str], power: bool) -> Result<Crash, String> {
    let mut crash = Crash {
        power,
        at: None,
        down: Duration::ZERO,
    };
    let mut times = 1;
    for word in words {
        match pair(word)? {
            ("at", point) => crash.at = Some((point.parse()?, 1)),
            ("n", n) => times = number(Some(&n))?,
            ("down", text) => crash.down = span(Some(&text))?,
            (other, _) => return Err(format!("`{other}` says nothing about a crash")),
        }
    }
    if let Some((_, n)) = &mut crash.at {
        *n = times.max(1);
    }
    Ok(crash)
}

fn fail(words: &[&str]) -> Result<What, String> {
    match words {
        ["journal"] => Ok(What::FailJournal),
        ["log", call, fault] => {
            let call = call.strip_prefix("call=");
            let fault = match *fault {
                "eio" => Fault::Eio,
                "enospc" => Fault::Enospc,
                "short" => Fault::ShortWrite,
                other => return Err(format!("`{other}` is no fault: eio, enospc or short")),
            };
            let call = number(call.as_ref())?;
            Ok(What::FailLog { call, fault })
        }
        _ => Err("what fails: `journal`, or `log call=N eio`?".to_owned()),
    }
}

fn slow(words: &[&str]) -> Result<What, String> {
    let (mut log, mut journal) = (Duration::ZERO, Duration::ZERO);
    for word in words {
        match pair(word)? {
            ("log", text) => log = span(Some(&text))?,
            ("journal", text) => journal = span(Some(&text))?,
            (other, _) => return Err(format!("`{other}` is no log")),
        }
    }
    Ok(What::Slow { log, journal })
}

fn pair(word: &str) -> Result<(&str, &str), String> {
    word.split_once('=')
        .ok_or_else(|| format!("`{word}` is no field"))
}

fn number<N: std::str::FromStr>(word: Option<&&str>) -> Result<N, String> {
    let word = word.ok_or("a number is missing")?;
    word.parse().map_err(|_| format!("`{word}` is no number"))
}

fn span(word: Option<&&str>) -> Result<Duration, String> {
    parse_duration(word.ok_or("a duration is missing")?).map_err(|error| error.to_string())
}

fn step(word: Option<&&str>) -> Result<i64, String> {
    let word = word.ok_or("by how much?")?;
    let (sign, rest) = match word.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, word.trim_start_matches('+')),
    };
    let micros = span(Some(&rest))?.as_micros();
    Ok(sign * i64::try_from(micros).map_err(|_| "too far".to_owned())?)
}
