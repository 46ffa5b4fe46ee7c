//! Readers for values without keys of their own.

use std::collections::BTreeSet;
use std::time::Duration;

use edsr_expr::closest;
use edsr_model::parse_duration;
use serde_json::{Number, Value};

use crate::problem::Code;
use crate::read::{Ctx, list};
use crate::tree::{Kind, Node, Scalar};

impl Ctx<'_> {
    /// Text that must not be empty.
    pub(crate) fn text<'n>(&self, node: &'n Node, what: &str) -> Option<&'n str> {
        let (problem, help) = match node.as_scalar() {
            Some(Scalar::Text(text)) if !text.trim().is_empty() => return Some(text),
            Some(Scalar::Text(_)) => (format!("{what} must not be empty"), None),
            Some(Scalar::Null) => (format!("{what} has no value"), None),
            Some(_) => {
                let help = node.raw().map(|raw| format!("write `\"{raw}\"`"));
                (
                    format!("{what} must be text, this is {}", node.what()),
                    help,
                )
            }
            None => (
                format!("{what} must be text, this is {}", node.what()),
                None,
            ),
        };
        let code = if node.is_null() {
            Code::Missing
        } else {
            Code::Type
        };
        let problem = self.problem(&node.span, code, problem);
        self.push(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
        None
    }

    /// A scalar as it stands, whatever it means.
    pub(crate) fn raw<'n>(&self, node: &'n Node, what: &str) -> Option<&'n str> {
        match node.raw() {
            Some(raw) if !node.is_null() => Some(raw),
            Some(_) => {
                self.complain(&node.span, Code::Missing, format!("{what} has no value"));
                None
            }
            None => {
                let message = format!("{what} must be one value, this is {}", node.what());
                self.complain(&node.span, Code::Type, message);
                None
            }
        }
    }

    pub(crate) fn bool(&self, node: &Node, what: &str) -> Option<bool> {
        if let Some(Scalar::Bool(flag)) = node.as_scalar() {
            return Some(flag);
        }
        let message = format!("{what} must be `true` or `false`, this is {}", node.what());
        self.complain(&node.span, Code::Type, message);
        None
    }

    pub(crate) fn duration(&self, node: &Node, what: &str, min: Duration) -> Option<Duration> {
        match parse_duration(self.raw(node, what)?) {
            Ok(span) if span >= min => Some(span),
            Ok(_) => {
                let least = edsr_model::format_duration(min);
                let message = format!("{what} must be at least {least}");
                self.complain(&node.span, Code::Value, message);
                None
            }
            Err(error) => {
                self.complain(&node.span, Code::Value, error.to_string());
                None
            }
        }
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn int(&self, node: &Node, what: &str, (min, max): (u64, u64)) -> Option<u64> {
        let number = match node.as_scalar() {
            Some(Scalar::Int(number)) => u64::try_from(number).ok(),
            Some(Scalar::TooLarge) => None,
            Some(Scalar::Float(number)) => {
                let message = format!("{what} must be a whole number, not {number}");
                self.complain(&node.span, Code::Type, message);
                return None;
            }
            _ => {
                let message = format!("{what} must be a whole number, this is {}", node.what());
                self.complain(&node.span, Code::Type, message);
                return None;
            }
        };
        let fits = number.filter(|number| (min..=max).contains(number));
        if fits.is_none() {
            let message = format!("{what} must be {}", between(min, max));
            self.complain(&node.span, Code::Value, message);
        }
        fits
    }

    /// A number of bytes like `10GiB`.
    pub(crate) fn bytes(&self, node: &Node, what: &str, (min, max): (u64, u64)) -> Option<u64> {
        let text = self.raw(node, what)?;
        let Some(bytes) = parse_bytes(text) else {
            let message = format!("`{text}` is not a size");
            let help = "write it like `512MiB` or `10GiB`; units are B, KiB, MiB, GiB, TiB";
            self.complain_help(&node.span, Code::Value, message, help);
            return None;
        };
        if !(min..=max).contains(&bytes) {
            let message = format!("{what} must be {} bytes", between(min, max));
            self.complain(&node.span, Code::Value, message);
            return None;
        }
        Some(bytes)
    }

    /// One of the words a value may be.
    pub(crate) fn word<T>(&self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T>
    where
        T: Copy,
    {
        let raw = self.raw(node, what)?;
        let found = words.iter().find(|(word, _)| *word == raw);
        if found.is_none() {
            let known: BTreeSet<&str> = words.iter().map(|(word, _)| *word).collect();
            let help = match closest(raw, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it may be {}", list(words.iter().map(|(word, _)| *word))),
            };
            let message = format!("{what} cannot be `{raw}`");
            self.complain_help(&node.span, Code::Value, message, help);
        }
        found.map(|(_, value)| *value)
    }

    /// The items of a list.
    pub(crate) fn list<'n>(&self, node: &'n Node, what: &str) -> &'n [std::rc::Rc<Node>] {
        match &node.kind {
            Kind::List(items) => items,
            _ => {
                let message = format!("{what} must be a list, this is {}", node.what());
                self.complain_help(
                    &node.span,
                    Code::Type,
                    message,
                    "write it like `[one, two]`",
                );
                &[]
            }
        }
    }

    /// The entries of a mapping with keys of the user's choice.
    pub(crate) fn map<'n>(&self, node: &'n Node, what: &str) -> &'n [crate::tree::Entry] {
        match &node.kind {
            Kind::Map(entries) => entries,
            _ if node.is_null() => &[],
            _ => {
                let message = format!("{what} must be a mapping, this is {}", node.what());
                self.complain(&node.span, Code::Type, message);
                &[]
            }
        }
    }

    /// The value as JSON.
    pub(crate) fn json(&self, node: &Node) -> Value {
        match &node.kind {
            Kind::List(items) => items.iter().map(|item| self.json(item)).collect(),
            Kind::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.to_string(), self.json(&entry.value)))
                    .collect(),
            ),
            Kind::Scalar(..) => self.json_scalar(node),
        }
    }

    fn json_scalar(&self, node: &Node) -> Value {
        let number = match node.as_scalar() {
            None | Some(Scalar::Null) => return Value::Null,
            Some(Scalar::Bool(flag)) => return flag.into(),
            Some(Scalar::Text(text)) => return text.into(),
            Some(Scalar::Int(number)) => i64::try_from(number)
                .map(Number::from)
                .or_else(|_| u64::try_from(number).map(Number::from))
                .ok(),
            Some(Scalar::Float(number)) => Number::from_f64(number),
            Some(Scalar::TooLarge) => None,
        };
        number.map_or_else(
            || {
                let message = "the number does not fit into 64 bits";
                self.complain_help(&node.span, Code::Value, message, "put it in quotes");
                Value::Null
            },
            Value::Number,
        )
    }
}

fn between(min: u64, max: u64) -> String {
    match max {
        u64::MAX => format!("at least {min}"),
        _ => format!("from {min} to {max}"),
    }
}

fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}
