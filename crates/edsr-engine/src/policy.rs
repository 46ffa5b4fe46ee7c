//! Policies in Cedar (<https://www.cedarpolicy.com>): who and what may do which to what.
//!
//! Nothing permits, nothing happens; any `forbid` wins; a policy that fails while it is judged is reported and
//! counts as a refusal, so that an error never widens what is allowed.

mod bounds;
mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

pub use bounds::{NESTING_MAX, OPERATORS_MAX};
use cedar_policy::{
    Authorizer, Decision as Answer, Entities, PolicyId, PolicySet, Request, Schema, ValidationMode,
    Validator,
};
use edsr_model::{Risk, Severity, TargetRef};
use miette::Diagnostic;
use request::{context, principal, resource, uid};

/// Cedar's parser and validator recurse with large frames; within the bounds they need no more than this.
const COMPILE_STACK_BYTES: usize = 256 * 1024 * 1024;

/// What policies may speak about. Policies are checked against this at load.
pub const SCHEMA: &str = include_str!("policy.cedarschema");

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyAction {
    /// Do it without asking anybody.
    Auto,
    /// Put it in front of a person, who may agree.
    Propose,
}

impl PolicyAction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Propose => "propose",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal<'a> {
    /// A playbook, by name and owner.
    Playbook {
        /// Its name.
        name: &'a str,
        /// Who owns it.
        owner: &'a str,
    },
    /// A person, by the name they authenticated with.
    Person(&'a str),
}

/// What is known about a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// Where it runs: `prod`, `staging`; `unknown` where no document says.
    pub environment: String,
    /// Who owns it; empty where no document says.
    pub team: String,
    /// Labels, for `resource.hasTag("tier") && resource.getTag("tier") == "1"`.
    pub labels: BTreeMap<String, String>,
}

/// What a policy may weigh.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolicyContext<'a> {
    /// Name of the playbook, also where a person asks.
    pub playbook: &'a str,
    /// How much harm it can do.
    pub risk: Risk,
    /// How bad the detection is.
    pub severity: Severity,
    /// Name of the detector; empty for a manual run.
    pub detector: &'a str,
    /// Age of the evidence in whole seconds.
    pub evidence_age_seconds: i64,
    /// How many actions of ours lie behind the cause.
    pub depth: u32,
    /// Ended runs of this playbook on this target that were not verified, since the last one that was.
    pub unverified_in_a_row: u32,
}

/// One question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Question<'a> {
    /// Who asks.
    pub principal: Principal<'a>,
    /// For what.
    pub action: PolicyAction,
    /// On what.
    pub target: &'a TargetRef,
    /// What is known about it.
    pub facts: &'a Target,
    /// What else counts.
    pub context: PolicyContext<'a>,
}

/// The answer, with the policies that decided it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyAnswer {
    /// Whether it is permitted.
    pub permitted: bool,
    /// The policies that decided, by id, in order; empty where none permits.
    pub policies: Vec<String>,
    /// What went wrong while judging; any of them means not permitted.
    pub errors: Vec<String>,
}

/// A mistake in a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// Name of the file.
    pub file: String,
    /// Byte range in it, where known.
    pub span: Option<std::ops::Range<usize>>,
    /// One sentence.
    pub message: String,
    /// What to do instead, where Cedar knows.
    pub help: Option<String>,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.message)
    }
}

impl std::error::Error for PolicyError {}

/// A set of policies that fits the schema.
pub struct Policies {
    set: PolicySet,
    schema: Schema,
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl Policies {
    /// Compiles policy files, given as (name, text). A policy's id is its `@id` annotation, else `file#n`. Policies that
    /// go deeper than [`NESTING_MAX`] and [`OPERATORS_MAX`] are refused before Cedar sees any of them.
    ///
    /// # Errors
    /// Every syntax error, every policy that does not fit the schema, every id used twice.
    pub fn compile(files: &[(String, String)]) -> Result<Self, Vec<PolicyError>> {
        let deep = files
            .iter()
            .filter_map(|(file, text)| bounds::too_deep(file, text));
        let deep: Vec<_> = deep.collect();
        if !deep.is_empty() {
            return Err(deep);
        }
        stacker::grow(COMPILE_STACK_BYTES, || Self::compile_bounded(files))
    }

    fn compile_bounded(files: &[(String, String)]) -> Result<Self, Vec<PolicyError>> {
        let schema = schema()?;
        let mut set = PolicySet::new();
        let mut origin = BTreeMap::new();
        let mut errors = Vec::new();
        for (file, text) in files {
            match PolicySet::from_str(text) {
                Ok(parsed) => take(file, text, &parsed, &mut set, &mut origin, &mut errors),
                Err(parse) => errors.extend(parse.iter().map(|error| PolicyError {
                    file: file.clone(),
                    span: span(error),
                    message: error.to_string(),
                    help: error.help().map(|help| help.to_string()),
                })),
            }
        }
        let checked = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
        errors.extend(checked.validation_errors().map(|error| {
            let id = error.policy_id().to_string();
            let (file, whole) = origin.get(&id).cloned().unwrap_or_default();
            PolicyError {
                file,
                span: Some(span(error).unwrap_or(whole)),
                message: error.to_string(),
                help: error.help().map(|help| help.to_string()),
            }
        }));
        if errors.is_empty() {
            Ok(Self { set, schema })
        } else {
            Err(errors)
        }
    }

    /// The ids of all policies, in order.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<String> {
        self.set
            .policies()
            .map(|policy| policy.id().to_string())
            .collect()
    }

    /// Judges one question. Never fails: what goes wrong is in the answer, which is then a no.
    #[must_use]
    pub fn judge(&self, question: &Question<'_>) -> PolicyAnswer {
        match self.try_judge(question) {
            Ok(answer) => answer,
            Err(error) => PolicyAnswer {
                permitted: false,
                policies: Vec::new(),
                errors: vec![error],
            },
        }
    }

    fn try_judge(&self, question: &Question<'_>) -> Result<PolicyAnswer, String> {
        let principal = principal(&question.principal)?;
        let resource = resource(question.target, question.facts)?;
        let action = uid("Action", question.action.as_str())?;
        let request = Request::new(
            principal.uid(),
            action,
            resource.uid(),
            context(&question.context)?,
            Some(&self.schema),
        )
        .map_err(|error| error.to_string())?;
        let entities = Entities::from_entities([principal, resource], Some(&self.schema))
            .map_err(|error| error.to_string())?;
        let response = Authorizer::new().is_authorized(&request, &self.set, &entities);
        let diagnostics = response.diagnostics();
        let mut policies: Vec<_> = diagnostics.reason().map(ToString::to_string).collect();
        policies.sort();
        let mut errors: Vec<_> = diagnostics.errors().map(ToString::to_string).collect();
        errors.sort();
        Ok(PolicyAnswer {
            permitted: response.decision() == Answer::Allow && errors.is_empty(),
            policies,
            errors,
        })
    }
}

fn span(error: &dyn Diagnostic) -> Option<std::ops::Range<usize>> {
    let label = error.labels()?.next()?;
    Some(label.offset()..label.offset() + label.len())
}

fn schema() -> Result<Schema, Vec<PolicyError>> {
    Schema::from_cedarschema_str(SCHEMA)
        .map(|(schema, _warnings)| schema)
        .map_err(|error| {
            vec![PolicyError {
                file: "built-in schema".to_owned(),
                span: None,
                message: error.to_string(),
                help: None,
            }]
        })
}

type Origin = BTreeMap<String, (String, std::ops::Range<usize>)>;

fn take(
    file: &str,
    text: &str,
    parsed: &PolicySet,
    set: &mut PolicySet,
    origin: &mut Origin,
    errors: &mut Vec<PolicyError>,
) {
    let mut fail = |message: String, span| {
        errors.push(PolicyError {
            file: file.to_owned(),
            span,
            message,
            help: None,
        });
    };
    if parsed.templates().next().is_some() {
        fail(
            "policy templates are not supported; write the policy out".to_owned(),
            None,
        );
    }
    let mut policies: Vec<_> = parsed.policies().collect();
    policies.sort_by_key(|policy| place(policy.id()));
    let mut from = 0;
    for policy in policies {
        let source = policy.to_cedar().unwrap_or_default();
        let start = text[from..]
            .find(source.trim())
            .map_or(from, |at| from + at);
        let span = start..(start + source.trim().len()).min(text.len());
        from = if start > from { span.end } else { from };
        let id = policy.annotation("id").map_or_else(
            || format!("{file}#{}", place(policy.id()) + 1),
            ToOwned::to_owned,
        );
        if origin.contains_key(&id) {
            fail(format!("the policy id `{id}` is used twice"), Some(span));
            continue;
        }
        origin.insert(id.clone(), (file.to_owned(), span));
        if let Err(error) = set.add(policy.new_id(PolicyId::new(&id))) {
            fail(error.to_string(), None);
        }
    }
}

/// Cedar names the policies of a text `policy0`, `policy1`, … in the order they stand.
fn place(id: &PolicyId) -> usize {
    let text: &str = id.as_ref();
    text.trim_start_matches("policy").parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICIES: &str = r#"
        @id("repair-low-risk")
        permit (principal is Playbook, action == Action::"auto", resource is Target)
        when { context.riskLevel <= 1 && resource.environment == "prod" };

        @id("propose-all")
        permit (principal, action == Action::"propose", resource);

        @id("payments-are-sacred")
        forbid (principal, action, resource)
        when { resource.hasTag("tier") && resource.getTag("tier") == "0" };
    "#;

    fn policies(text: &str) -> Result<Policies, Vec<PolicyError>> {
        Policies::compile(&[("a.cedar".to_owned(), text.to_owned())])
    }

    fn check(risk: Risk, tier: &str, action: PolicyAction, permitted: bool, by: &[&str]) {
        let facts = Target {
            environment: "prod".into(),
            team: "payments".into(),
            labels: [("tier".to_owned(), tier.to_owned())].into(),
        };
        let answer = policies(POLICIES).unwrap().judge(&Question {
            principal: Principal::Playbook {
                name: "restart",
                owner: "payments",
            },
            action,
            target: &"service/checkout".parse().unwrap(),
            facts: &facts,
            context: PolicyContext {
                playbook: "restart",
                risk,
                severity: Severity::Critical,
                detector: "errors",
                evidence_age_seconds: 3,
                depth: 0,
                unverified_in_a_row: 0,
            },
        });
        assert_eq!(answer.permitted, permitted, "{answer:?}");
        assert_eq!(answer.policies, by, "{answer:?}");
        assert!(answer.errors.is_empty(), "{answer:?}");
    }

    #[test]
    fn nothing_permits_unless_a_policy_does_and_forbid_wins() {
        check(
            Risk::Low,
            "1",
            PolicyAction::Auto,
            true,
            &["repair-low-risk"],
        );
        check(Risk::High, "1", PolicyAction::Auto, false, &[]);
        check(
            Risk::High,
            "1",
            PolicyAction::Propose,
            true,
            &["propose-all"],
        );
        check(
            Risk::Low,
            "0",
            PolicyAction::Auto,
            false,
            &["payments-are-sacred"],
        );
        assert!(!policies("").unwrap().ids().contains("x"));
    }

    #[test]
    fn mistakes_are_found_at_load() {
        for (text, part) in [
            (
                "permit (principal, action, resource) when { context.rsk == 1 };",
                "rsk",
            ),
            (
                "permit (principal, action == Action::\"atuo\", resource);",
                "atuo",
            ),
            ("permit (principal, action, resource", "unexpected"),
            (
                "@id(\"a\") permit (principal, action, resource); @id(\"a\") forbid (principal, action, resource);",
                "used twice",
            ),
            (
                "permit (principal == ?principal, action, resource);",
                "template",
            ),
        ] {
            let errors = policies(text).unwrap_err();
            assert!(
                errors.iter().any(|error| error.message.contains(part)),
                "{text}: {errors:?}"
            );
        }
    }
}
