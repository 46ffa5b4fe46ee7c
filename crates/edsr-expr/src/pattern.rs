//! Patterns of `matches`: literal ones only, compiled once and within a bound. A pattern that an event brought along would
//! be compiled at every evaluation, and cost whatever its sender likes.

use std::cell::RefCell;
use std::sync::Arc;

use cel::ExecutionError;
use cel::common::ast::{CallExpr, Expr as Ast, LiteralValue};
use cel::common::types::{CelBool, CelInt, CelString};
use cel::common::value::CowVal;
use regex::{Regex, RegexBuilder};

/// How much room a compiled pattern takes at most, in bytes; what it remembers while it searches has as much again.
pub const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// The function that texts call.
pub(crate) const MATCHES: &str = "matches";

/// What is called in its place: a text and the number of a pattern. No text can call it.
pub(crate) const MATCHES_NUMBER: &str = "@matches";

/// The patterns of one expression, by number.
pub(crate) type Patterns = Arc<[Regex]>;

thread_local! {
    /// Those of the expression that is evaluated: CEL takes plain functions only, so they meet here.
    static PATTERNS: RefCell<Option<Patterns>> = const { RefCell::new(None) };
}

/// Makes a call of `matches` one of [`MATCHES_NUMBER`], and gives the pattern that has this number now.
pub(crate) fn take(call: &mut CallExpr, number: usize) -> Result<Regex, String> {
    let Some(last) = call.args.last_mut() else {
        return Err("`matches` takes a text and a pattern".to_owned());
    };
    let Ast::Literal(LiteralValue::String(pattern)) = &last.expr else {
        return Err("the pattern of `matches` must be a text in quotes, so that it is compiled once and no event can choose it; \
             to compare with a value use `==`, `contains`, `startsWith` or `endsWith`"
            .to_owned());
    };
    let pattern = compile(pattern.inner())?;
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    last.expr = Ast::Literal(LiteralValue::Int(CelInt::from(number)));
    call.func_name = MATCHES_NUMBER.to_owned();
    if let Some(text) = call.target.take() {
        call.args.insert(0, *text);
    }
    if call.args.len() != 2 {
        return Err("`matches` takes a text and a pattern".to_owned());
    }
    Ok(pattern)
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern)
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => format!(
            "the pattern takes more than {PATTERN_BYTES_MAX} bytes once compiled; repeat less, or use `[a-z0-9_]` for `\\w`"
        ),
        error => {
            let why = error.to_string();
            let last = why.lines().last().unwrap_or_default();
            format!("this is not a pattern: {}", last.trim_start_matches("error: "))
        }
    })
}

/// Evaluates with `patterns` at hand.
pub(crate) fn with<T>(patterns: &Patterns, run: impl FnOnce() -> T) -> T {
    if patterns.is_empty() {
        return run();
    }
    PATTERNS.set(Some(Arc::clone(patterns)));
    let result = run();
    PATTERNS.set(None);
    result
}

/// Whether the text has a place that the pattern with this number matches.
pub(crate) fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, number] = &args[..] else {
        return Err(ExecutionError::invalid_argument_count(2, args.len()));
    };
    let Some(text) = text.downcast_ref::<CelString<'_>>() else {
        return Err(ExecutionError::function_error(MATCHES, "it takes a text"));
    };
    let number = number.downcast_ref::<CelInt>();
    let number = number.and_then(|number| usize::try_from(*number.inner()).ok());
    let found = PATTERNS.with_borrow(|patterns| {
        let pattern = patterns.as_ref()?.get(number?)?;
        Some(pattern.is_match(text.inner()))
    });
    // Invariant: numbers are given by `take`, and `with` is around every evaluation.
    Ok(CowVal::owned(CelBool::from(found.unwrap_or(false))))
}
