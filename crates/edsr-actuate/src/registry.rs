//! The actuators of a node, by name, with a bound on what runs at once.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use edsr_model::{EffectClass, EffectRequest, Outcome, format_duration};
use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::actuator::{Actuator, ArgError, BoxFuture, not_started};
use crate::catalog::unknown;
use crate::echo::Echo;
use crate::emit::{Emit, Sink};
use crate::exec::{Exec, ExecSettings};
use crate::http::{Connector, Http, HttpPolicy};
use crate::notify::Webhook;

/// How much a registry does at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Limits {
    /// Calls that run at the same time; at least one.
    pub running_max: usize,
    /// Calls that wait for their turn; one more is refused. By default more than the engine lets run at once, so that a
    /// storm of runs waits and fails no step.
    pub waiting_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            running_max: 16,
            waiting_max: 1_024,
        }
    }
}

/// What a node sets for its actuators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// For programs.
    pub exec: ExecSettings,
    /// For everything over HTTP.
    pub http: HttpPolicy,
    /// For all of them.
    pub limits: Limits,
}

/// Actuators by name. A clone shares the bounds.
#[derive(Clone)]
pub struct Registry {
    actuators: BTreeMap<&'static str, Arc<dyn Actuator>>,
    limits: Limits,
    running: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Registry {
    /// Without any actuator.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let running = limits.running_max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            actuators: BTreeMap::new(),
            limits,
            running: Arc::new(Semaphore::new(running)),
            waiting: Arc::default(),
        }
    }

    /// With every actuator of [`crate::catalog`]; events go to `sink`.
    #[must_use]
    pub fn standard(settings: Settings, sink: Sink) -> Self {
        let connector = Connector::new(settings.http);
        Self::new(settings.limits)
            .with(Exec::new(settings.exec))
            .with(Http::new(connector.clone()))
            .with(Webhook::new(connector))
            .with(Emit::new(sink))
            .with(Echo)
    }

    /// With one more actuator, in place of another that has its name.
    #[must_use]
    pub fn with(mut self, actuator: impl Actuator + 'static) -> Self {
        self.actuators.insert(actuator.uses(), Arc::new(actuator));
        self
    }

    /// The names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.actuators.keys().copied().collect()
    }

    /// As [`Actuator::check`].
    ///
    /// # Errors
    /// Every mistake with its path; a single one without a path when no actuator has the name.
    pub fn check(&self, uses: &str, with: &Value) -> Result<(), Vec<ArgError>> {
        match self.actuators.get(uses) {
            Some(actuator) => actuator.check(with),
            None => Err(vec![unknown(uses, &self.names())]),
        }
    }

    /// As [`Actuator::class`]; `None` when no actuator has the name.
    #[must_use]
    pub fn class(&self, uses: &str, with: &Value) -> Option<EffectClass> {
        self.actuators
            .get(uses)
            .map(|actuator| actuator.class(with))
    }

    /// Does it, once its turn has come.
    ///
    /// It waits for its turn at most for `request.timeout` and then fails without having been started; the time for the
    /// effect itself begins afterwards. What it means is said at [`Actuator::perform`]; an actuator that panics leaves
    /// the outcome unknown.
    pub fn perform(&self, request: EffectRequest) -> BoxFuture<Outcome> {
        let registry = self.clone();
        Box::pin(async move { registry.turn(request).await })
    }

    async fn turn(&self, request: EffectRequest) -> Outcome {
        let Some(actuator) = self.actuators.get(request.uses.as_str()) else {
            return not_started(unknown(&request.uses, &self.names()));
        };
        let _permit = match self.permit(&request).await {
            Ok(permit) => permit,
            Err(outcome) => return outcome,
        };
        let attempt = request.attempt.to_string();
        let uses = actuator.uses();
        tracing::debug!(%attempt, uses, "effect started");
        let work = async { actuator.perform(request).await };
        let outcome = AssertUnwindSafe(work)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Outcome::Unknown {
                reason: format!("the actuator `{uses}` panicked"),
            });
        tracing::debug!(%attempt, uses, result = outcome.as_str(), "effect ended");
        outcome
    }

    async fn permit(&self, request: &EffectRequest) -> Result<OwnedSemaphorePermit, Outcome> {
        if let Ok(permit) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(permit);
        }
        let Limits {
            running_max,
            waiting_max,
        } = self.limits;
        let Some(_place) = Place::take(&self.waiting, waiting_max) else {
            return Err(not_started(format!(
                "{running_max} calls run and {waiting_max} wait already"
            )));
        };
        match timeout(request.timeout, Arc::clone(&self.running).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(not_started(format!(
                "its turn did not come within {}, while {running_max} other calls ran",
                format_duration(request.timeout)
            ))),
        }
    }
}

/// A place among those who wait, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        let next = |taken| (taken < max).then_some(taken + 1);
        waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next)
            .ok()
            .map(|_| Self(Arc::clone(waiting)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
