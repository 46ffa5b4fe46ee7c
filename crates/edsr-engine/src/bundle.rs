//! What the engine runs: a bundle that is already checked, so that nothing in it can be wrong any more.
//!
//! `edsr-bundle` makes these from what the user wrote.

use std::collections::BTreeMap;
use std::time::Duration;

use edsr_model::{Autonomy, BundleHash, Digest, EffectClass, Key, Risk, Severity, TargetRef};

use edsr_expr::Expr;

use crate::detect::Prefilter;
use crate::policy::{Policies, Target};
use crate::template::Template;

/// Everything that is in force at one place of the event log.
#[derive(Debug)]
pub struct Bundle {
    /// Digest over every file of it.
    pub hash: BundleHash,
    /// What is wrong when.
    pub detectors: Vec<Detector>,
    /// What the conditions of the detectors cannot do without: [`Prefilter::of`] them.
    pub prefilter: Prefilter,
    /// How to repair it, by name.
    pub playbooks: BTreeMap<String, Playbook>,
    /// What is known about targets.
    pub targets: BTreeMap<TargetRef, Target>,
    /// Who may do what to which.
    pub policies: Policies,
}

/// One rule that finds where a system stopped behaving.
#[derive(Debug)]
pub struct Detector {
    /// Its name.
    pub name: String,
    /// Who owns it.
    pub owner: String,
    /// Digest over its document; its state survives a change of the bundle while this stays the same.
    pub hash: Digest,
    /// Which events concern it; all where there is none. Reads [`EVENT_VARS`](edsr_expr::EVENT_VARS).
    pub on: Option<Expr>,
    /// One state machine per value of these, by the name they have in the key.
    pub by: Vec<(String, Expr)>,
    /// What it looks for.
    pub kind: Kind,
    /// How long the condition must hold before a detection opens (`for`).
    pub hold_for: Duration,
    /// How long the condition must be gone before a detection is resolved (`keepFor`).
    pub keep_for: Duration,
    /// How bad it is.
    pub severity: Severity,
    /// Playbooks to plan when it opens, in order.
    pub respond: Vec<String>,
    /// The finding in one sentence; may read `detection`.
    pub summary: Option<Template>,
    /// The most keys it keeps state for; the one that was idle longest gives way, and that is counted.
    pub keys_max: usize,
}

/// What a detector looks for.
#[derive(Debug)]
pub enum Kind {
    /// Single events.
    Match(MatchSpec),
    /// How many events (or distinct values) in a sliding window.
    Count(CountSpec),
    /// Which share of events in a sliding window.
    Ratio(RatioSpec),
    /// Something that should have happened and did not.
    Absent(AbsentSpec),
}

/// An event of the detector for which `when` holds opens; one for which it does not hold clears.
#[derive(Debug)]
pub struct MatchSpec {
    /// Whether the event says that something is wrong; every event does where there is none.
    pub when: Option<Expr>,
    /// Whether the event says that it is over. Where there is neither this nor `when`, a detection is
    /// resolved once no event came for `keep_for`.
    pub clear: Option<Expr>,
}

/// A number of events, or of distinct values, in a sliding window.
#[derive(Debug)]
pub struct CountSpec {
    /// Which events count; all of the detector's where there is none.
    pub of: Option<Expr>,
    /// Count distinct values of this instead of events.
    pub distinct: Option<Expr>,
    /// Length of the window.
    pub over: Duration,
    /// When it is wrong.
    pub open: Threshold,
    /// When it is right again; where there is none, when `open` no longer holds.
    pub clear: Option<Threshold>,
}

/// A share of events in a sliding window.
#[derive(Debug)]
pub struct RatioSpec {
    /// Which events are in the numerator.
    pub of: Expr,
    /// Length of the window.
    pub over: Duration,
    /// When it is wrong, as a share from 0 to 1.
    pub open: Threshold,
    /// When it is right again; where there is none, when `open` no longer holds.
    pub clear: Option<Threshold>,
    /// With fewer events in the window nothing is said.
    pub min_count: u64,
}

/// Something that should have happened within a time.
#[derive(Debug)]
pub struct AbsentSpec {
    /// What starts the clock for a key. Where there is none, every `expect` starts it anew (a heartbeat).
    pub after: Option<Expr>,
    /// What should happen.
    pub expect: Expr,
    /// Within how long.
    pub within: Duration,
    /// Keys that are expected without ever having been seen; their clock starts when the detector does.
    pub keys: Vec<Key>,
}

/// A line that a figure crosses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// Greater than.
    Above(f64),
    /// Greater than or equal to.
    AtLeast(f64),
    /// Less than.
    Below(f64),
    /// Less than or equal to.
    AtMost(f64),
}

impl Threshold {
    /// Whether `figure` is beyond the line.
    #[must_use]
    pub fn holds(self, figure: f64) -> bool {
        match self {
            Self::Above(line) => figure > line,
            Self::AtLeast(line) => figure >= line,
            Self::Below(line) => figure < line,
            Self::AtMost(line) => figure <= line,
        }
    }

    /// Whether few or no events can be beyond the line, so that a window must have filled up first.
    #[must_use]
    pub const fn is_low(self) -> bool {
        matches!(self, Self::Below(_) | Self::AtMost(_))
    }
}

/// The variables that playbook strings may read: the detection that asked, the target, the inputs (in steps),
/// the outputs of earlier steps, and the run itself.
pub const PLAYBOOK_VARS: &[&str] = &["detection", "target", "inputs", "steps", "execution"];

/// The variables that a playbook's `target` and `inputs` may read.
pub const PLAN_VARS: &[&str] = &["detection"];

/// The variables that `verify.until` may read.
pub const VERIFY_VARS: &[&str] = &["detection", "steps"];

/// How to repair something.
#[derive(Debug)]
pub struct Playbook {
    /// Its name.
    pub name: String,
    /// Who owns it.
    pub owner: String,
    /// What it works on, `kind/name`.
    pub target: Template,
    /// How much harm it can do.
    pub risk: Risk,
    /// How far it may go by itself.
    pub autonomy: Autonomy,
    /// Values computed from the detection when the plan is made.
    pub inputs: BTreeMap<String, Template>,
    /// What holds it back.
    pub guards: Guards,
    /// What it does, in order.
    pub steps: Vec<Step>,
    /// How to tell that it helped; without it no run can be more than `unverified`.
    pub verify: Option<Verify>,
    /// Playbooks for the same detection when this one did not help or may not run.
    pub otherwise: Vec<String>,
}

/// What holds a playbook back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guards {
    /// Pause after a run on the same target.
    pub cooldown: Duration,
    /// The most runs of the playbook in a time; several may apply.
    pub limits: Vec<Limit>,
    /// Stop after this many runs in a row on a target that were not verified.
    pub breaker: Breaker,
    /// The oldest evidence it acts on.
    pub evidence_max_age: Duration,
    /// The most actions of ours that may lie behind its cause.
    pub depth_max: u32,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            cooldown: Duration::from_secs(60),
            limits: Vec::new(),
            breaker: Breaker::default(),
            evidence_max_age: Duration::from_secs(300),
            depth_max: 3,
        }
    }
}

/// So many runs in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The most runs.
    pub runs: u32,
    /// In any window of this length.
    pub per: Duration,
}

/// Stops a playbook that does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// Opens after this many runs in a row that were not verified.
    pub after: u32,
    /// One more run is let through this long after the last; if it is verified the breaker closes.
    pub reset: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            after: 3,
            reset: Duration::from_secs(3600),
        }
    }
}

/// One thing to do.
#[derive(Debug)]
pub struct Step {
    /// Its name in the playbook.
    pub id: String,
    /// What it does.
    pub call: Call,
    /// What takes it back when a later step fails.
    pub undo: Option<Call>,
    /// What tells whether it happened, when its outcome is unknown: success means it did, failure that it did not.
    pub probe: Option<Call>,
}

/// One call to an actuator.
#[derive(Debug)]
pub struct Call {
    /// The actuator: `category/verb`.
    pub uses: String,
    /// Its arguments; may read [`PLAYBOOK_VARS`].
    pub with: Template,
    /// What may be done if the outcome gets lost.
    pub class: EffectClass,
    /// The longest one attempt may take.
    pub timeout: Duration,
    /// What to do when an attempt fails.
    pub retry: Retry,
}

/// How failed attempts are repeated: exponential backoff with full jitter between `min` and the doubled wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// Wait before the second attempt.
    pub min: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 1,
            min: Duration::from_secs(1),
            max: Duration::from_secs(30),
        }
    }
}

/// How to tell that a repair helped.
#[derive(Debug)]
pub struct Verify {
    /// Must become true; may read [`VERIFY_VARS`].
    pub until: Expr,
    /// Within how long after the last step.
    pub within: Duration,
}

impl Bundle {
    /// What is known about a target; `unknown` environment and no team where no document says.
    #[must_use]
    pub fn target(&self, target: &TargetRef) -> Target {
        self.targets.get(target).cloned().unwrap_or_else(|| Target {
            environment: "unknown".to_owned(),
            ..Target::default()
        })
    }

    /// A bundle with nothing in it, in force before the first one is activated.
    ///
    /// # Errors
    /// Never in practice: the built-in policy schema would have to be wrong.
    pub fn empty() -> Result<Self, Vec<crate::policy::PolicyError>> {
        Ok(Self {
            hash: BundleHash::default(),
            detectors: Vec::new(),
            prefilter: Prefilter::default(),
            playbooks: BTreeMap::new(),
            targets: BTreeMap::new(),
            policies: Policies::compile(&[])?,
        })
    }
}
