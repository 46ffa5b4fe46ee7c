//! CEL expressions (<https://cel.dev>): compiled once at load, evaluated against borrowed variables.
//!
//! Evaluation reads no clock and does no I/O, so an expression gives the same answer in a replay.

mod names;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, OnceLock};

use cel::common::ast::IdedExpr;
use cel::common::types::{CelString, DYN_TYPE};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, Env, ExecutionError};
use edsr_model::nesting::nesting;
use edsr_model::{Data, Event};
use serde_json::Value;

pub use names::{LOOP_STEPS_MAX, closest};

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

/// The variables a condition over an event may read.
pub const EVENT_VARS: &[&str] = &["type", "source", "subject", "id", "time", "data", "ext"];

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Invariant: these names are not in the standard library, so declaring them cannot clash.
    let _ = env.add_extension(cel::extensions::strings);
    let _ = env.add_extension(cel::extensions::math);
    let _ = env.add_extension(cel::extensions::lists);
    let _ = env.add_overload(names::OVER, "edsr_over", vec![DYN_TYPE], names::over);
    Arc::new(env)
});

/// A compiled expression together with its text.
pub struct Expr {
    text: String,
    root: IdedExpr,
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
                    column: usize::try_from(error.pos.1 - 1).ok(),
                },
            )
        })?;
        let info = program.source_info();
        let mut root = program.expression().clone();
        names::prepare(&mut root, variables, |id| {
            info.offset_for(id).map(|(start, _)| start as usize)
        })?;
        Ok(Self {
            text: text.to_owned(),
            root,
        })
    }

    /// The text as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
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
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.set_variable_resolver(&resolver);
        names::refuel();
        // An interpreter that panics over an event costs that evaluation, not the engine.
        catch_unwind(AssertUnwindSafe(|| {
            cel::Value::resolve(&self.root, &context)
        }))
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

/// Variables by name, converted when an expression first reads them.
pub trait Vars: Send + Sync {
    /// The value of `name`, or `None` where there is no such variable.
    fn get<'a>(&'a self, name: &str) -> Option<CowVal<'a, 'a>>;
}

struct Resolver<'v>(&'v dyn Vars);

impl VariableResolver for Resolver<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        self.0.get(variable)
    }
}

/// The variables of one event; its data is converted at most once, however many expressions read it.
pub struct EventVars<'e> {
    event: &'e Event,
    data: OnceLock<Box<dyn Val>>,
    ext: OnceLock<Box<dyn Val>>,
}

impl<'e> EventVars<'e> {
    /// The variables of `event`.
    #[must_use]
    pub fn new(event: &'e Event) -> Self {
        Self {
            event,
            data: OnceLock::new(),
            ext: OnceLock::new(),
        }
    }
}

impl Vars for EventVars<'_> {
    fn get<'a>(&'a self, name: &str) -> Option<CowVal<'a, 'a>> {
        let text = |text: &'a str| Some(CowVal::owned(CelString::from(text)));
        match name {
            "type" => text(&self.event.kind),
            "source" => text(&self.event.source),
            "subject" => text(self.event.subject.as_deref().unwrap_or("")),
            "id" => text(&self.event.id),
            "time" => {
                let time = self.event.time.map(|time| time.to_string());
                Some(CowVal::owned(CelString::from(time.unwrap_or_default())))
            }
            "data" => {
                let data = self.data.get_or_init(|| match &self.event.data {
                    Data::Json(value) => boxed(value),
                    Data::None | Data::Binary(_) => boxed(&Value::Null),
                });
                Some(CowVal::Borrowed(data.as_ref()))
            }
            "ext" => {
                let ext = self.ext.get_or_init(|| {
                    let map = self.event.extensions.iter();
                    boxed(&Value::Object(
                        map.map(|(name, value)| (name.clone(), value.to_value()))
                            .collect(),
                    ))
                });
                Some(CowVal::Borrowed(ext.as_ref()))
            }
            _ => None,
        }
    }
}

/// Named JSON values as variables.
#[derive(Default)]
pub struct Scope(Vec<(String, Box<dyn Val>)>);

impl Scope {
    /// No variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &Value) -> Self {
        self.0.push((name.to_owned(), boxed(value)));
        self
    }
}

impl Vars for Scope {
    fn get<'a>(&'a self, name: &str) -> Option<CowVal<'a, 'a>> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| CowVal::Borrowed(value.as_ref()))
    }
}

fn boxed(value: &Value) -> Box<dyn Val> {
    // Invariant: `to_cel` makes only values that have a boxed form.
    let boxed: Result<Box<dyn Val>, _> = to_cel(value).try_into();
    boxed.unwrap_or_else(|_| Box::new(cel::common::types::CelNull))
}

/// JSON as CEL: whole numbers that fit are `int`, larger ones `uint`, the rest `double`.
fn to_cel(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(flag) => cel::Value::Bool(*flag),
        Value::Number(number) => number
            .as_i64()
            .map(cel::Value::Int)
            .or_else(|| number.as_u64().map(cel::Value::UInt))
            .unwrap_or_else(|| cel::Value::Float(number.as_f64().unwrap_or(f64::NAN))),
        Value::String(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Array(items) => cel::Value::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(map) => {
            #[allow(clippy::disallowed_types, reason = "the type CEL takes a map as")]
            let map: std::collections::HashMap<_, _> = map
                .iter()
                .map(|(name, value)| {
                    let name = cel::objects::Key::String(Arc::new(name.clone()));
                    (name, to_cel(value))
                })
                .collect();
            cel::Value::Map(cel::objects::Map { map: Arc::new(map) })
        }
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

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event() -> Event {
        Event::from_value(json!({
            "specversion": "1.0", "id": "1", "source": "/shop", "type": "http.server.request",
            "partitionkey": "eu",
            "data": {"service": "checkout", "status": 503, "took": 1.5, "tags": ["a", "b"]}
        }))
        .unwrap()
    }

    #[test]
    fn conditions_read_the_event() {
        let event = event();
        let vars = EventVars::new(&event);
        for (text, truth) in [
            (
                "type == 'http.server.request' && data.service == 'checkout'",
                true,
            ),
            ("data.status >= 500", true),
            ("data.took * 2.0 == 3.0", true),
            ("data.status + 1 == 504", true),
            ("data.tags.exists(t, t == 'b')", true),
            ("has(data.missing)", false),
            ("subject == ''", true),
            ("ext.partitionkey == 'eu'", true),
            ("data.service.upperAscii() == 'CHECKOUT'", true),
            ("math.greatest(data.status, 1) == 503", true),
            ("data.service.matches('^check')", true),
        ] {
            let expr = Expr::compile(text, EVENT_VARS).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(expr.truth(&vars), Ok(truth), "{text}");
        }
    }

    #[test]
    fn misspelt_fields_of_our_own_variables_are_found_at_load() {
        let error = |text: &str| {
            Expr::compile(text, &["detection", "target"])
                .unwrap_err()
                .message
        };
        assert_eq!(
            error("detection.resolvd"),
            "there is no `detection.resolvd`; did you mean `detection.resolved`?"
        );
        assert!(error("target.colour == 1").contains("it has `id`, `kind`, `name`"));
        assert!(
            Expr::compile(
                "detection.key.anything == 1 && has(detection.summary)",
                &["detection"]
            )
            .is_ok()
        );
    }

    #[test]
    fn maps_are_walked_in_order_and_loops_are_bounded() {
        let names: Vec<_> = (0..50).map(|n| format!("n{n:02}")).collect();
        let map: serde_json::Map<_, _> = names
            .iter()
            .rev()
            .map(|name| (name.clone(), json!(1)))
            .collect();
        let scope = Scope::new().with("data", &Value::Object(map));
        let value = |text: &str| Expr::compile(text, &["data"]).unwrap().value(&scope);
        assert_eq!(value("data.map(k, k)").unwrap(), json!(names));
        let keys: Vec<_> = value("data")
            .unwrap()
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert_eq!(keys, names, "objects come out sorted");
        assert_eq!(value("data.exists(k, data[k] == 1)").unwrap(), json!(true));
        let deep = "data.all(a, data.all(b, data.all(c, data.all(d, true))))";
        assert!(
            value(deep)
                .unwrap_err()
                .message
                .contains("too many elements")
        );
        assert_eq!(
            value("data.all(a, data.all(b, true))").unwrap(),
            json!(true),
            "each begins anew"
        );
    }

    #[test]
    fn what_has_no_value_is_an_error_and_not_false() {
        let event = event();
        let vars = EventVars::new(&event);
        for text in [
            "data.missing == 1",
            "data.status",
            "data.status / 0 > 1",
            "data.service > 1",
        ] {
            let expr = Expr::compile(text, EVENT_VARS).unwrap();
            assert!(expr.truth(&vars).is_err(), "{text}");
        }
    }

    #[test]
    fn mistakes_are_found_at_load_with_their_place() {
        for (text, column, part) in [
            ("data.status >=", None, ""),
            ("dta.status > 1", Some(0), "did you mean `data`"),
            ("true && foo == 1", Some(8), "it may read `data`"),
            ("data.a.startWith('x')", None, "did you mean `startsWith`"),
        ] {
            let error = Expr::compile(text, EVENT_VARS).unwrap_err();
            assert!(error.message.contains(part), "{text}: {error}");
            if column.is_some() {
                assert_eq!(error.column, column, "{text}: {error}");
            }
        }
        let long = format!("data.a == '{}'", "x".repeat(EXPR_BYTES_MAX));
        assert!(Expr::compile(&long, EVENT_VARS).is_err());
    }

    #[test]
    fn what_nests_too_deep_is_refused_before_it_is_parsed_and_what_may_nest_is_evaluated() {
        let error = |text: String| Expr::compile(&text, EVENT_VARS).unwrap_err().message;
        for (open, close) in [
            ("(", ")"),
            ("[", "]"),
            ("size([", "])"),
            ("math.greatest([", ""),
        ] {
            let text = open.repeat(300) + "1" + &close.repeat(300);
            assert!(error(text).contains("at most 32"), "{open}");
        }
        assert!(error("true ? 1 : ".repeat(400) + "2").contains("at most 32"));
        let wide = error(vec!["1"; 2000].join("+"));
        assert!(wide.contains("more than 40 parts"), "{wide}");
        assert!(error("-".repeat(8000)).len() < 1000);

        let event = event();
        let vars = EventVars::new(&event);
        let nested = "(".repeat(NESTING_MAX) + "1" + &")".repeat(NESTING_MAX) + " == 1";
        assert_eq!(
            Expr::compile(&nested, EVENT_VARS).unwrap().truth(&vars),
            Ok(true)
        );
        let sum = vec!["1"; DEPTH_MAX - 2].join("+");
        let value = Expr::compile(&sum, EVENT_VARS).unwrap().value(&vars);
        assert_eq!(value, Ok(serde_json::json!(DEPTH_MAX - 2)));
        // Alternatives are kept as a balanced tree, so there may be many of them.
        let many: Vec<_> = (0..300).map(|n| format!("type == 't{n}'")).collect();
        let many = Expr::compile(&many.join(" || "), EVENT_VARS).unwrap();
        assert_eq!(many.truth(&vars), Ok(false));
    }
}
