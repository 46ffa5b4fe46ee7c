//! CEL expressions (<https://cel.dev>): compiled once at load, evaluated against borrowed variables.
//!
//! Evaluation reads no clock and does no I/O, so an expression gives the same answer in a replay.

mod cost;
mod names;
mod pattern;
mod prepare;
mod read;
mod required;
#[cfg(test)]
mod tests;
mod vars;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::IdedExpr;
use cel::common::types::{DYN_TYPE, INT_TYPE, STRING_TYPE};
use cel::{Context, Env, ExecutionError};
use edsr_model::nesting::nesting;
use serde_json::Value;

pub use cost::LOOP_STEPS_MAX;
pub use names::closest;
pub use pattern::PATTERN_BYTES_MAX;
use pattern::Patterns;
pub use required::Required;
use vars::Resolver;
pub use vars::{EVENT_VARS, EventVars, Scope, Vars, to_cel, to_map};

/// The longest expression that is compiled, in bytes.
pub const EXPR_BYTES_MAX: usize = 8 * 1024;

/// How deep an expression nests at most: brackets one in another, and conditions one behind another.
pub const NESTING_MAX: usize = 32;

/// How many parts of an expression lie one within another at most once it is parsed, as in `a + b + c`. Alternatives and
/// conjunctions are kept as balanced trees, so there may be thousands of them. Evaluation takes up to 40 KiB of stack for
/// each level, and a thread has 2 MiB.
pub const DEPTH_MAX: usize = 40;

/// The parser recurses with large frames; within the bounds above it needs no more than this.
const PARSE_STACK_BYTES: usize = 64 * 1024 * 1024;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Invariant: these names are not in the standard library, so declaring them cannot clash.
    let _ = env.add_extension(cel::extensions::strings);
    let _ = env.add_extension(cel::extensions::math);
    let _ = env.add_extension(cel::extensions::lists);
    let _ = env.add_overload(cost::OVER, "edsr_over", vec![DYN_TYPE], cost::over);
    let _ = env.add_overload(cost::SPEND, "edsr_spend", vec![DYN_TYPE], cost::spend);
    let matches = (vec![STRING_TYPE, INT_TYPE], pattern::matches);
    let _ = env.add_overload(
        pattern::MATCHES_NUMBER,
        "edsr_matches",
        matches.0,
        matches.1,
    );
    Arc::new(env)
});

/// A compiled expression together with its text.
pub struct Expr {
    text: String,
    root: IdedExpr,
    patterns: Patterns,
}

/// Why a text is not an expression that can run here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// One sentence.
    pub message: String,
    /// Where in the text, in characters from 0; `None` where the whole text is meant.
    pub column: Option<usize>,
}

/// An expression had no value for these variables. In a condition this counts as "not met".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}`: {message}")]
pub struct EvalError {
    /// The expression.
    pub text: String,
    /// Why, in CEL's words.
    pub message: String,
}

impl Expr {
    /// Compiles `text`, which may read `variables` and nothing else.
    ///
    /// # Errors
    /// Syntax errors, unknown variables and unknown functions, with their place.
    pub fn compile(text: &str, variables: &[&str]) -> Result<Self, ExprError> {
        // What is refused is taken apart on this stack as well.
        stacker::grow(PARSE_STACK_BYTES, || Self::parse(text, variables))
    }

    fn parse(text: &str, variables: &[&str]) -> Result<Self, ExprError> {
        let whole = |message: String| ExprError {
            message,
            column: None,
        };
        if text.len() > EXPR_BYTES_MAX {
            return Err(whole(format!(
                "the expression is {} bytes long; at most {EXPR_BYTES_MAX} are allowed",
                text.len()
            )));
        }
        let deep = nesting(text);
        if deep > NESTING_MAX {
            return Err(whole(format!(
                "the expression nests {deep} deep; at most {NESTING_MAX} are allowed"
            )));
        }
        let parsed = catch_unwind(|| ENV.compile(text));
        let parsed = parsed.map_err(|_| whole("this is not a CEL expression".to_owned()))?;
        let program = parsed.map_err(|errors| {
            errors.errors.first().map_or_else(
                || whole("this is not a CEL expression".to_owned()),
                |error| ExprError {
                    message: first_line(&error.msg),
                    column: place(text, error.pos),
                },
            )
        })?;
        let info = program.source_info();
        let mut root = program.expression().clone();
        let patterns = prepare::prepare(&mut root, variables, |id| {
            info.offset_for(id).map(|(start, _)| start as usize)
        })?;
        Ok(Self {
            text: text.to_owned(),
            root,
            patterns,
        })
    }

    /// The text as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The comparisons without which it cannot be true.
    #[must_use]
    pub fn required(&self) -> Vec<Required> {
        required::required(&self.root.expr)
    }

    /// Its value as JSON.
    ///
    /// # Errors
    /// When it has none: a missing field, types that do not fit, a division by zero.
    pub fn value(&self, vars: &dyn Vars) -> Result<Value, EvalError> {
        self.run(vars)?
            .json()
            .map(sorted)
            .map_err(|_| self.fail("the value has no JSON form"))
    }

    /// Its value as a truth value.
    ///
    /// # Errors
    /// As [`Expr::value`], and when the value is not a boolean.
    pub fn truth(&self, vars: &dyn Vars) -> Result<bool, EvalError> {
        match self.run(vars)? {
            cel::Value::Bool(flag) => Ok(flag),
            other => Err(self.fail(&format!(
                "a condition must be true or false, not of the type {:?}",
                other.type_of()
            ))),
        }
    }

    fn run(&self, vars: &dyn Vars) -> Result<cel::Value, EvalError> {
        let resolver = Resolver(vars);
        let mut context = context(LOOP_STEPS_MAX);
        context.set_variable_resolver(&resolver);
        self.value_in(&context)
    }

    /// Its value in a context made by [`context`], which several expressions may share.
    ///
    /// # Errors
    /// As [`Expr::value`].
    pub fn value_in(&self, context: &Context<'_, '_>) -> Result<cel::Value, EvalError> {
        // An interpreter that panics over an event costs that evaluation, not the process.
        let run = AssertUnwindSafe(|| cel::Value::resolve(&self.root, context));
        pattern::with(&self.patterns, || catch_unwind(run))
            .map_err(|_| self.fail("the interpreter gave up"))?
            .map_err(|error| self.fail(&words(&error)))
    }

    fn fail(&self, message: &str) -> EvalError {
        EvalError {
            text: self.text.clone(),
            message: message.to_owned(),
        }
    }
}

/// A context for evaluations on this thread, whose loops may visit `steps` elements together. The next one ends it.
#[must_use]
pub fn context<'v>(steps: u64) -> Context<'static, 'v> {
    cost::refuel(steps);
    Context::with_env(Arc::clone(&ENV))
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expr({})", self.text)
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// What went wrong, without the values it went wrong with: CEL prints maps in no order, and what is written down must
/// read the same in a replay.
fn words(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(_)
        | ExecutionError::NoSuchOverload(_)
        | ExecutionError::UndeclaredReference(_)
        | ExecutionError::UnexpectedType { .. }
        | ExecutionError::FunctionError { .. }
        | ExecutionError::InvalidArgumentCount { .. }
        | ExecutionError::MissingArgumentOrTarget => error.to_string(),
        ExecutionError::ValuesNotComparable(..) => "the values cannot be compared".to_owned(),
        ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
            format!("`{operator}` does not apply to these values")
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(operator, ..) => format!("`{operator}` overflows"),
        ExecutionError::IndexOutOfBounds(_) => "the index lies outside the list".to_owned(),
        ExecutionError::UnsupportedIndex(..) => "it cannot be indexed like this".to_owned(),
        _ => "the expression cannot be evaluated".to_owned(),
    }
}

/// The value with the names in its objects sorted: CEL keeps maps in no order, and what leaves the engine must have one.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let map: std::collections::BTreeMap<_, _> = map
                .into_iter()
                .map(|(name, value)| (name, sorted(value)))
                .collect();
            Value::Object(map.into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        value => value,
    }
}

/// A line and a column, both from 1, as a place in the whole text, from 0.
fn place(text: &str, (line, column): (isize, isize)) -> Option<usize> {
    let lines = usize::try_from(line).ok()?.checked_sub(1)?;
    let before = text.split_inclusive('\n').take(lines);
    let before: usize = before.map(|line| line.chars().count()).sum();
    Some(before + usize::try_from(column).ok()?.checked_sub(1)?)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
