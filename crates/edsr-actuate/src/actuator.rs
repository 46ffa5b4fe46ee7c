//! The port: what an actuator promises.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use edsr_model::{EffectClass, EffectRequest, Outcome};
use serde_json::Value;
use tokio::time::Instant;

/// A boxed future that can move between threads and outlives what made it.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One kind of effect.
pub trait Actuator: Send + Sync {
    /// Its name, `category/verb`, as playbooks write it in `uses`.
    fn uses(&self) -> &'static str;

    /// What help the target gives against doing this call twice: fixed, or declared in `with`.
    /// Arguments that cannot be read are [`EffectClass::Plain`], the class that promises least.
    fn class(&self, with: &Value) -> EffectClass;

    /// Checks the arguments and does nothing. Strings may still hold `${...}`; those pass wherever their value cannot
    /// be known yet.
    ///
    /// # Errors
    /// Every mistake, each with the path of the argument.
    fn check(&self, with: &Value) -> Result<(), Vec<ArgError>>;

    /// Does it.
    ///
    /// When this answers `Ok`, the target reported success. `Failed` says that it certainly did not succeed: it was not
    /// started, or the target or the operating system said so, or it was ended by force. `Unknown` says that it may have
    /// happened. The effect is ended when `request.timeout` has passed; for a process its group is gone at most
    /// [`crate::exec::KILL_GRACE`] later. Dropping the future ends the effect too. It never panics, and no answer
    /// carries a secret.
    fn perform(&self, request: EffectRequest) -> BoxFuture<Outcome>;
}

/// One mistake in the arguments of an actuator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ArgError {
    /// Where, for example `env.TOKEN` or `argv[2]`; empty for the arguments as a whole.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for ArgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "`{}` {}", self.path, self.message)
        }
    }
}

/// When a call that begins now has used up `limit`.
pub(crate) fn deadline(limit: Duration) -> Instant {
    let now = Instant::now();
    // Beyond any uptime, for a limit that no clock can count to.
    now.checked_add(limit)
        .unwrap_or_else(|| now + Duration::from_secs(1_000_000_000))
}

/// The outcome of a call that never started, so nothing can have happened.
pub(crate) fn not_started(reason: impl fmt::Display) -> Outcome {
    Outcome::Failed {
        reason: format!("not started: {reason}"),
        output: Value::Null,
    }
}

/// The outcome of a call whose arguments are wrong.
pub(crate) fn bad_arguments(errors: &[ArgError]) -> Outcome {
    let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
    not_started(all.join("; "))
}
