//! CEL in conditions and in `${...}`, with the caret inside the text.

use std::collections::BTreeSet;

use edsr_engine::template::{Segment, Template};
use edsr_expr::{Expr, ExprError, closest};
use serde_json::Value;

use crate::problem::Code;
use crate::read::{Ctx, Fields, list};
use crate::tree::{Kind, Node, Scalar};

/// So many steps that are not there are reported for one text.
const MISTAKES_PER_VALUE: usize = 20;

impl Ctx<'_> {
    /// A condition or another expression that stands bare.
    pub(crate) fn cel(&self, node: &Node, what: &str, variables: &[&str]) -> Option<Expr> {
        let text = self.raw(node, what)?;
        if text.trim().is_empty() {
            self.complain(
                &node.span,
                Code::Missing,
                format!("{what} must not be empty"),
            );
            return None;
        }
        match Expr::compile(text, variables) {
            Ok(expr) => Some(expr),
            Err(error) => {
                self.complain_expr(node, text, None, &error, variables);
                None
            }
        }
    }

    /// Any value whose text may hold `${...}`. `steps` are the steps whose outputs it may read.
    pub(crate) fn template(&self, node: &Node, variables: &[&str], steps: &[&str]) -> Template {
        match &node.kind {
            Kind::List(items) => Template::List(
                items
                    .iter()
                    .map(|item| self.template(item, variables, steps))
                    .collect(),
            ),
            Kind::Map(entries) => {
                let mut map: Vec<(String, Template)> = entries
                    .iter()
                    .map(|entry| {
                        let value = self.template(&entry.value, variables, steps);
                        (entry.key.to_string(), value)
                    })
                    .collect();
                map.sort_by(|a, b| a.0.cmp(&b.0));
                Template::Map(map)
            }
            Kind::Scalar(..) => self.template_text(node, variables, steps),
        }
    }

    fn template_text(&self, node: &Node, variables: &[&str], steps: &[&str]) -> Template {
        let Some(Scalar::Text(text)) = node.as_scalar() else {
            return Template::Literal(self.json(node));
        };
        match Template::compile(&Value::String(text.to_owned()), variables) {
            Ok(template) => {
                self.check_steps(node, text, &template, steps);
                template
            }
            Err(errors) => {
                for error in &errors {
                    // The text is the inner expression, or the whole value where that has no end.
                    let offset = text
                        .find(&format!("${{{}", error.text))
                        .map_or(0, |at| text[..at].chars().count() + 2);
                    self.complain_expr(node, &error.text, Some(offset), &error.error, variables);
                }
                Template::Literal(Value::Null)
            }
        }
    }

    /// Reports a mistake in `text`: the whole value of `node`, or in a template what begins `offset` characters into it.
    fn complain_expr(
        &self,
        node: &Node,
        text: &str,
        offset: Option<usize>,
        error: &ExprError,
        variables: &[&str],
    ) {
        let column = column(text, error, variables);
        let length = column.map_or(text.chars().count(), |at| token(text, at));
        let span = self.span_in(node, offset.unwrap_or(0) + column.unwrap_or(0), length);
        let problem = self.problem(&span, Code::Expression, plain(&error.message));
        self.push(match hint(text, offset.is_none()) {
            Some(hint) => problem.help(hint),
            None => problem,
        });
    }

    /// An expression may read what steps before it returned, and nothing of the others.
    fn check_steps(&self, node: &Node, text: &str, template: &Template, steps: &[&str]) {
        let enough = self.problems.borrow().len() + MISTAKES_PER_VALUE;
        let (mut from, mut offset) = (0, 0);
        for expr in exprs(template) {
            let Some(at) = text.get(from..).and_then(|rest| rest.find(expr)) else {
                continue;
            };
            offset += text[from..from + at].chars().count();
            self.check_steps_in(node, expr, offset, steps);
            if self.problems.borrow().len() > enough {
                return;
            }
            offset += expr.chars().count();
            from += at + expr.len();
        }
    }

    /// The same for one expression that begins `offset` characters into the value of `node`.
    pub(crate) fn check_steps_in(&self, node: &Node, expr: &str, offset: usize, steps: &[&str]) {
        for (at, name) in step_names(expr) {
            if steps.contains(&name.as_str()) {
                continue;
            }
            let span = self.span_in(node, offset + at, name.chars().count());
            let message = format!("there is no step `{name}` before this one");
            let known: BTreeSet<&str> = steps.iter().copied().collect();
            let dashed = steps
                .iter()
                .find(|step| step.starts_with(&name) && step.contains('-'));
            let help = match (closest(&name, &known), dashed) {
                (_, Some(step)) => {
                    format!("a name with a dash stands in brackets: `steps[\"{step}\"]`")
                }
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, None) if steps.is_empty() => "no step comes before it".to_owned(),
                (None, None) => format!("it may read {}", list(steps.iter().copied())),
            };
            self.complain_help(&span, Code::Reference, message, help);
        }
    }
}

impl Fields<'_> {
    pub(crate) fn cel(&self, name: &str, variables: &[&str]) -> Option<Expr> {
        self.ctx
            .cel(self.given(name)?, &format!("`{name}`"), variables)
    }
}

/// Where in the whole text the mistake is, in characters.
///
/// A syntax error counts its column from the start of its line; written on one line the text has no other.
fn column(text: &str, error: &ExprError, variables: &[&str]) -> Option<usize> {
    if !text.contains('\n') {
        return error.column;
    }
    let special = ["//", "\"\"\"", "'''"];
    if special.iter().any(|part| text.contains(part)) {
        return None;
    }
    Expr::compile(&text.replace('\n', " "), variables)
        .err()?
        .column
}

/// How many characters the word at `column` has.
fn token(text: &str, column: usize) -> usize {
    text.chars()
        .skip(column)
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .count()
        .max(1)
}

/// The parser's words, without the list of everything that it would have taken.
fn plain(message: &str) -> String {
    let Some(message) = message.strip_prefix("Syntax error: ") else {
        return message.to_owned();
    };
    if message.contains("'<EOF>'") {
        return "the expression ends too early".to_owned();
    }
    let starts = [
        "mismatched input '",
        "extraneous input '",
        "token recognition error at: '",
    ];
    let unexpected = starts.iter().find_map(|start| {
        let rest = message.strip_prefix(start)?;
        let end = rest.find("' expecting").or_else(|| rest.rfind('\''))?;
        rest.get(..end)
    });
    match unexpected {
        Some(unexpected) => format!("`{unexpected}` cannot stand here"),
        None => format!("this is not CEL: {message}"),
    }
}

/// What may be meant by an expression that does not compile.
fn hint(text: &str, is_bare: bool) -> Option<String> {
    if is_bare && text.contains("${") {
        return Some("a condition is an expression already: leave out `${` and `}`".to_owned());
    }
    let spaced = format!(" {text} ");
    for (wrong, right) in [
        (" and ", "&&"),
        (" or ", "||"),
        (" not ", "!"),
        (" = ", "=="),
    ] {
        if spaced.contains(wrong) {
            return Some(format!("CEL writes `{}` as `{right}`", wrong.trim()));
        }
    }
    None
}

fn exprs(template: &Template) -> Vec<&str> {
    match template {
        Template::Expr(expr) => vec![expr.text()],
        Template::Text(segments) => segments
            .iter()
            .filter_map(|segment| match segment {
                Segment::Expr(expr) => Some(expr.text()),
                Segment::Literal(_) => None,
            })
            .collect(),
        Template::Literal(_) | Template::List(_) | Template::Map(_) => Vec::new(),
    }
}

/// The names in `steps.name` and `steps["name"]`, with their places in characters. What stands in strings is not
/// looked at, and neither is a field that happens to be called `steps`.
fn step_names(expr: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = expr.chars().collect();
    let mut names = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if matches!(chars[at], '"' | '\'') {
            at = string_end(&chars, at) + 1;
            continue;
        }
        let word = word_end(&chars, at);
        if word == at {
            at += 1;
            continue;
        }
        let is_steps = chars[at..word].iter().collect::<String>() == "steps";
        let is_field = chars[..at].iter().rev().find(|c| !c.is_whitespace()) == Some(&'.');
        at = word;
        if is_steps && !is_field {
            names.extend(step_name(&chars, word));
        }
    }
    names
}

/// The name that is selected at `at`, right after `steps`.
fn step_name(chars: &[char], at: usize) -> Option<(usize, String)> {
    let skip = |mut at: usize| {
        while chars.get(at).is_some_and(|c| c.is_whitespace()) {
            at += 1;
        }
        at
    };
    let at = skip(at);
    let start = skip(at + 1);
    let range = match (chars.get(at)?, chars.get(start)?) {
        ('.', _) => start..word_end(chars, start),
        ('[', '"' | '\'') => start + 1..string_end(chars, start),
        _ => return None,
    };
    Some((range.start, chars.get(range)?.iter().collect()))
}

fn word_end(chars: &[char], from: usize) -> usize {
    let word = |c: &char| c.is_alphanumeric() || *c == '_';
    from + chars[from..].iter().take_while(|c| word(c)).count()
}

/// The place of the quote that ends the string which begins at `from`.
fn string_end(chars: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < chars.len() && chars[at] != chars[from] {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at.min(chars.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_found_where_they_are_read() {
        for (text, expected) in [
            ("steps.a.output", vec!["a"]),
            ("steps['a-b'].x + steps [ \"c\" ].y", vec!["a-b", "c"]),
            ("detection.steps.a", vec![]),
            ("'steps.a' + \"\\\"steps.b\"", vec![]),
            ("my_steps.a + steps", vec![]),
            ("steps[detection.x]", vec![]),
            ("steps.", vec![]),
            ("'", vec![]),
            ("steps['", vec![""]),
        ] {
            let names: Vec<String> = step_names(text).into_iter().map(|(_, name)| name).collect();
            assert_eq!(names, expected, "{text}");
        }
        assert_eq!(step_names("é + steps.a"), [(10, "a".to_owned())]);
    }
}
