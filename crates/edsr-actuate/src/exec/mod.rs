//! `exec/run`: a program in a process group of its own, never through a shell.
//!
//! Every item of `argv` reaches the program as one argument, whatever it holds. The environment is empty but for what
//! is listed, a fixed `PATH` and the `EDSR_*` variables that say on whose behalf it runs.
//!
//! When the time is up, and when the call is dropped, the process group is ended. When the program ends by itself,
//! whatever it left running lives on, in its group or in a session of its own: a command that restarts a service
//! leaves exactly that. Its standard output is then closed, so a service that stays must write elsewhere.

mod args;
mod lookup;
mod process;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edsr_model::{EffectClass, EffectRequest, Outcome, format_duration};
use serde_json::{Map, Value, json};

pub use args::{ARGV_MAX, ENV_MAX, STDIN_MAX};
pub use lookup::PATH;
pub use process::{KILL_GRACE, PIPE_WAIT};

pub use crate::capture::{HEAD_KEPT, TAIL_KEPT};

use crate::actuator::{Actuator, ArgError, BoxFuture, bad_arguments, not_started};
use crate::args::{Mode, read};
use crate::redact::Redactor;
use crate::secret::{Secret, resolve};
use args::ExecArgs;
use process::{Command, Ended, Finished};

/// The name playbooks use.
pub const USES: &str = "exec/run";

/// The most characters of a program's last line that a reason repeats.
pub const REASON_LINE_MAX: usize = 300;

/// What a node sets for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecSettings {
    /// Where programs run, and what relative paths start from.
    pub work_dir: PathBuf,
    /// How long a process group may take to end after SIGTERM before it is killed; at most [`KILL_GRACE`].
    pub grace: Duration,
}

impl Default for ExecSettings {
    fn default() -> Self {
        Self {
            work_dir: PathBuf::from("/"),
            grace: KILL_GRACE,
        }
    }
}

/// Runs programs.
#[derive(Debug, Clone, Default)]
pub struct Exec {
    settings: ExecSettings,
}

impl Exec {
    /// Programs run as the node and start from `settings.work_dir`.
    #[must_use]
    pub fn new(mut settings: ExecSettings) -> Self {
        settings.grace = settings.grace.min(KILL_GRACE);
        Self { settings }
    }
}

impl Actuator for Exec {
    fn uses(&self) -> &'static str {
        USES
    }

    fn class(&self, with: &Value) -> EffectClass {
        class(with)
    }

    fn check(&self, with: &Value) -> Result<(), Vec<ArgError>> {
        check(with)
    }

    fn perform(&self, request: EffectRequest) -> BoxFuture<Outcome> {
        let settings = self.settings.clone();
        Box::pin(async move {
            let args = match read(&request.with, Mode::Final, ExecArgs::read) {
                Ok(args) => args,
                Err(errors) => return bad_arguments(&errors),
            };
            perform(&settings, args, &request).await
        })
    }
}

pub(crate) fn class(_with: &Value) -> EffectClass {
    EffectClass::Plain
}

pub(crate) fn check(with: &Value) -> Result<(), Vec<ArgError>> {
    read(with, Mode::Draft, ExecArgs::read).map(|_| ())
}

pub(crate) fn schema() -> Value {
    args::schema()
}

async fn perform(settings: &ExecSettings, args: ExecArgs, request: &EffectRequest) -> Outcome {
    let (env, redactor) = match resolve(args.env, request.timeout).await {
        Ok(resolved) => resolved,
        Err(error) => return not_started(error),
    };
    let cwd = match &args.cwd {
        Some(cwd) => settings.work_dir.join(cwd),
        None => settings.work_dir.clone(),
    };
    let program = match lookup::program(&args.argv[0], &cwd) {
        Ok(program) => program,
        Err(error) => return not_started(error),
    };
    let command = Command {
        program: &program,
        argv: &args.argv,
        cwd: &cwd,
        env: environment(env, request),
        stdin: args.stdin,
    };
    let margin = redactor.longest();
    let outcome = match process::run(command, request.timeout, settings.grace, margin).await {
        Ok(finished) => outcome(finished, &args.ok_codes, request.timeout, &redactor),
        Err(error) => not_started(spawn_error(&program, &cwd, &error)),
    };
    redactor.outcome(outcome)
}

fn environment(
    mut env: BTreeMap<String, Secret>,
    request: &EffectRequest,
) -> BTreeMap<String, Secret> {
    env.entry("PATH".to_owned())
        .or_insert_with(|| Secret::new(PATH.to_owned()));
    for (name, value) in [
        ("EDSR_EXECUTION", request.attempt.execution.to_string()),
        ("EDSR_STEP", request.attempt.step.clone()),
        ("EDSR_ATTEMPT", request.attempt.attempt.to_string()),
        ("EDSR_IDEMPOTENCY_KEY", request.idempotency_key.clone()),
        ("EDSR_CORRELATION", request.correlated_by().to_owned()),
        ("EDSR_DEPTH", request.depth.to_string()),
        ("EDSR_TARGET", request.target.to_string()),
    ] {
        env.insert(name.to_owned(), Secret::new(value));
    }
    if let Some(trace) = &request.traceparent {
        env.entry("TRACEPARENT".to_owned())
            .or_insert_with(|| Secret::new(trace.clone()));
    }
    env
}

fn spawn_error(program: &Path, cwd: &Path, error: &std::io::Error) -> String {
    if !cwd.is_dir() {
        return format!("`cwd` is `{}`, which is no directory", cwd.display());
    }
    if error.kind() == std::io::ErrorKind::NotFound {
        // The file itself was there a moment ago.
        return format!(
            "`{}` names an interpreter that does not exist",
            program.display()
        );
    }
    format!("`{}`: {error}", program.display())
}

fn outcome(
    finished: Finished,
    ok_codes: &[i32],
    timeout: Duration,
    redactor: &Redactor,
) -> Outcome {
    let stdout = finished.stdout.shown(redactor);
    let stderr = finished.stderr.shown(redactor);
    let mut output = Map::new();
    output.insert(
        "truncated".into(),
        json!(stdout.left_out + stderr.left_out > 0),
    );
    if stdout.left_out == 0
        && let Ok(object @ Value::Object(_)) = serde_json::from_str(&stdout.text)
    {
        output.insert("json".into(), object);
    }
    let last = last_line(&stderr.text);
    output.insert("stdout".into(), stdout.text.into());
    output.insert("stderr".into(), stderr.text.into());
    let reason = match finished.ended {
        Ended::Exited(code) => {
            output.insert("exitCode".into(), code.into());
            if ok_codes.contains(&code) {
                return Outcome::Ok {
                    output: output.into(),
                };
            }
            format!("exit code {code}{last}")
        }
        Ended::Signalled(signal) => {
            output.insert("signal".into(), signal.into());
            format!("killed by signal {signal}{last}")
        }
        Ended::TimedOut => format!(
            "timed out after {}; the process group was killed",
            format_duration(timeout)
        ),
        Ended::Lost(error) => {
            return Outcome::Unknown {
                reason: format!("the end of the program could not be observed: {error}"),
            };
        }
    };
    Outcome::Failed {
        reason,
        output: output.into(),
    }
}

/// The last line that says something, as `: <line>`, without control characters.
fn last_line(text: &str) -> String {
    let Some(line) = text.lines().rev().find(|line| !line.trim().is_empty()) else {
        return String::new();
    };
    let clean = line.trim().chars().filter(|c| !c.is_control());
    let shown: String = clean.take(REASON_LINE_MAX).collect();
    format!(": {shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_repeats_one_clean_line() {
        for (text, line) in [
            ("", ""),
            ("\n \n", ""),
            ("one\ntwo\n\n", ": two"),
            ("\u{1b}[31mred\u{7}\r\n", ": [31mred"),
        ] {
            assert_eq!(last_line(text), line);
        }
        let long = "x".repeat(2 * REASON_LINE_MAX);
        assert_eq!(last_line(&long).len(), REASON_LINE_MAX + 2);
    }
}
