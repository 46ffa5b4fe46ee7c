//! Values with `${...}` in them: each expression is evaluated once, and its result is never parsed again.

use serde_json::{Map, Value};

use edsr_expr::{EvalError, Expr, ExprError, Vars};

/// A JSON value whose strings may hold `${expression}`.
///
/// A string that is one expression and nothing else takes the type of its value; anywhere else the value is
/// written into the text. `$${` stands for a literal `${`.
#[derive(Debug, PartialEq)]
pub enum Template {
    /// No expression in it.
    Literal(Value),
    /// One expression and nothing else.
    Expr(Expr),
    /// Text with expressions in it.
    Text(Vec<Segment>),
    /// A list.
    List(Vec<Template>),
    /// An object.
    Map(Vec<(String, Template)>),
}

/// A part of a text.
#[derive(Debug, PartialEq)]
pub enum Segment {
    /// As it stands.
    Literal(String),
    /// To be evaluated.
    Expr(Expr),
}

/// A mistake in a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {error}")]
pub struct TemplateError {
    /// Where in the value, like `argv[1]`; empty for the value itself.
    pub path: String,
    /// The text of the expression.
    pub text: String,
    /// The mistake.
    pub error: ExprError,
}

impl Template {
    /// Compiles `value`; its expressions may read `variables`.
    ///
    /// # Errors
    /// Every mistake in it, each with its path.
    pub fn compile(value: &Value, variables: &[&str]) -> Result<Self, Vec<TemplateError>> {
        let mut errors = Vec::new();
        let template = compile(value, variables, "", &mut errors);
        if errors.is_empty() {
            Ok(template)
        } else {
            Err(errors)
        }
    }

    /// The value with every expression replaced by what it evaluates to.
    ///
    /// # Errors
    /// When an expression has no value, or one inside a text is a list, an object or null.
    pub fn render(&self, vars: &dyn Vars) -> Result<Value, EvalError> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Expr(expr) => {
                let value = expr.value(vars)?;
                if names_secret(&value) {
                    return Err(EvalError {
                        text: expr.text().to_owned(),
                        message: "the value names a secret; references to secrets are written out, never computed"
                            .to_owned(),
                    });
                }
                Ok(value)
            }
            Self::Text(segments) => render_text(segments, vars).map(Value::String),
            Self::List(items) => items.iter().map(|item| item.render(vars)).collect(),
            Self::Map(entries) => entries
                .iter()
                .map(|(name, value)| Ok((name.clone(), value.render(vars)?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
        }
    }
}

/// How deep a computed value may nest.
pub const VALUE_DEPTH_MAX: usize = 32;

/// How long a computed value may be, as JSON in bytes.
pub const VALUE_BYTES_MAX: usize = 256 * 1024;

/// Whether a value is small enough to be written down and passed on.
#[must_use]
pub fn is_bounded(value: &Value) -> bool {
    fn flat(value: &Value, depth: usize) -> bool {
        depth > 0
            && match value {
                Value::Array(items) => items.iter().all(|item| flat(item, depth - 1)),
                Value::Object(map) => map.values().all(|item| flat(item, depth - 1)),
                _ => true,
            }
    }
    flat(value, VALUE_DEPTH_MAX)
        && serde_json::to_string(value).is_ok_and(|text| text.len() <= VALUE_BYTES_MAX)
}

/// Whether a computed value could pass for a reference to a secret. What an event says must never become one.
fn names_secret(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.contains_key("secret") || map.values().any(names_secret),
        Value::Array(items) => items.iter().any(names_secret),
        _ => false,
    }
}

impl Template {
    /// Where a rendered list of arguments begins an argument with `-` that comes from an expression: what an event
    /// says must not become an option of a program.
    #[must_use]
    pub fn computed_option(&self, rendered: &Value) -> Option<usize> {
        let (Self::List(items), Value::Array(values)) = (self, rendered) else {
            return None;
        };
        items.iter().zip(values).position(|(item, value)| {
            let computed = match item {
                Self::Expr(_) => true,
                Self::Text(segments) => matches!(segments.first(), Some(Segment::Expr(_))),
                _ => false,
            };
            computed && value.as_str().is_some_and(|text| text.starts_with('-'))
        })
    }

    /// The value under a name, where this is an object.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }
}

fn compile(
    value: &Value,
    variables: &[&str],
    path: &str,
    errors: &mut Vec<TemplateError>,
) -> Template {
    match value {
        Value::String(text) => match compile_text(text, variables) {
            Ok(template) => template,
            Err((text, error)) => {
                errors.push(TemplateError {
                    path: path.to_owned(),
                    text,
                    error,
                });
                Template::Literal(Value::Null)
            }
        },
        Value::Array(items) => {
            let items = items.iter().enumerate();
            Template::List(
                items
                    .map(|(place, item)| {
                        compile(item, variables, &format!("{path}[{place}]"), errors)
                    })
                    .collect(),
            )
        }
        Value::Object(map) => Template::Map(
            map.iter()
                .map(|(name, value)| {
                    let dot = if path.is_empty() { "" } else { "." };
                    let path = format!("{path}{dot}{name}");
                    (name.clone(), compile(value, variables, &path, errors))
                })
                .collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => Template::Literal(value.clone()),
    }
}

type TextError = (String, ExprError);

fn compile_text(text: &str, variables: &[&str]) -> Result<Template, TextError> {
    let mut segments = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(place) = rest.find("${") {
        if rest[..place].ends_with('$') {
            literal.push_str(&rest[..place]);
            literal.push('{');
            rest = &rest[place + 2..];
            continue;
        }
        literal.push_str(&rest[..place]);
        let inner = &rest[place + 2..];
        let end = closing_brace(inner).ok_or_else(|| {
            let error = ExprError {
                message: "`${` has no closing `}`; write `$${` for the characters themselves"
                    .to_owned(),
                column: Some(text.len() - inner.len() - 2),
            };
            (text.to_owned(), error)
        })?;
        let expr = Expr::compile(&inner[..end], variables)
            .map_err(|error| (inner[..end].to_owned(), error))?;
        if !literal.is_empty() {
            segments.push(Segment::Literal(std::mem::take(&mut literal)));
        }
        segments.push(Segment::Expr(expr));
        rest = &inner[end + 1..];
    }
    literal.push_str(rest);
    if segments.is_empty() {
        return Ok(Template::Literal(Value::String(literal)));
    }
    if !literal.is_empty() {
        segments.push(Segment::Literal(literal));
    }
    match <[Segment; 1]>::try_from(segments) {
        Ok([Segment::Expr(expr)]) => Ok(Template::Expr(expr)),
        Ok([segment]) => Ok(Template::Text(vec![segment])),
        Err(segments) => Ok(Template::Text(segments)),
    }
}

/// Where the brace that closes the expression stands: braces nest, and those in strings do not count.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (place, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(place),
            (None, '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

fn render_text(segments: &[Segment], vars: &dyn Vars) -> Result<String, EvalError> {
    let mut text = String::new();
    for segment in segments {
        match segment {
            Segment::Literal(literal) => text.push_str(literal),
            Segment::Expr(expr) => match expr.value(vars)? {
                Value::String(value) => text.push_str(&value),
                Value::Number(value) => text.push_str(&value.to_string()),
                Value::Bool(value) => text.push_str(&value.to_string()),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    return Err(EvalError {
                        text: expr.text().to_owned(),
                        message: "inside a text the value must be a string, a number or a boolean"
                            .to_owned(),
                    });
                }
            },
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use edsr_expr::Scope;
    use serde_json::json;

    fn check(template: Value, expected: Result<Value, &str>) {
        let scope = Scope::new().with(
            "data",
            &json!({"key": {"region": "eu"}, "count": 3, "list": [1], "text": "${data.count}",
                    "trap": [{"secret": {"env": "HOME"}}], "option": "--force"}),
        );
        let rendered = Template::compile(&template, &["data"])
            .map_err(|errors| errors[0].to_string())
            .and_then(|template| template.render(&scope).map_err(|error| error.to_string()));
        match (rendered, expected) {
            (Ok(value), Ok(expected)) => assert_eq!(value, expected),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (rendered, _) => panic!("{template}: {rendered:?}"),
        }
    }

    #[test]
    fn expressions_are_evaluated_once() {
        check(json!("plain"), Ok(json!("plain")));
        check(json!("${data.count}"), Ok(json!(3)));
        check(json!("n=${data.count}!"), Ok(json!("n=3!")));
        check(json!("${data.list}"), Ok(json!([1])));
        check(json!(["${data.key.region}", 1]), Ok(json!(["eu", 1])));
        check(
            json!({"a": {"b": "${'}' + \"{\"}x"}}),
            Ok(json!({"a": {"b": "}{x"}})),
        );
        check(json!("${ {'a': 1}.a }"), Ok(json!(1)));
        check(json!("$${data.count}"), Ok(json!("${data.count}")));
        // What an event says is data: it is not looked at again.
        check(json!("${data.text}"), Ok(json!("${data.count}")));
        check(json!("say ${data.text}"), Ok(json!("say ${data.count}")));
    }

    #[test]
    fn what_an_event_says_is_neither_a_secret_nor_an_option() {
        check(
            json!({"headers": {"x": "${data.trap}"}}),
            Err("names a secret"),
        );
        let scope = Scope::new().with("data", &json!({"option": "--force", "plain": "eu"}));
        for (argv, place) in [
            (json!(["run", "--plain", "${data.plain}"]), None),
            (json!(["run", "${data.option}"]), Some(1)),
            (json!(["run", "${data.option}x"]), Some(1)),
            (json!(["run", "--to=${data.option}"]), None),
        ] {
            let template = Template::compile(&argv, &["data"]).unwrap();
            let rendered = template.render(&scope).unwrap();
            assert_eq!(template.computed_option(&rendered), place, "{argv}");
        }
    }

    #[test]
    fn mistakes_say_where() {
        check(json!({"argv": ["a", "${nope}"]}), Err("argv[1]"));
        check(json!("${data.count"), Err("no closing"));
        check(json!("x ${data.list}"), Err("inside a text"));
        check(json!("${data.missing}"), Err("missing"));
    }
}
