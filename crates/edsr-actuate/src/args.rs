//! Reading `with`: one pass that serves both the check at load and the call itself.

use std::collections::BTreeMap;

use edsr_model::event::json_type;
use serde_json::{Map, Value};

use crate::actuator::ArgError;

/// Whether expressions are evaluated yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// At load: a string that holds `${...}` stands for any value.
    Draft,
    /// At the call: what stands there is meant as it stands.
    Final,
}

/// The most mistakes that are reported for one `with`.
pub(crate) const ERRORS_MAX: usize = 50;

/// Collects the mistakes while arguments are read. Readers return something harmless where they complain, so that
/// the next argument is looked at too; the value as a whole is only used when there was no mistake.
pub(crate) struct Reader {
    pub(crate) mode: Mode,
    errors: Vec<ArgError>,
}

/// Reads `with` by `read`.
pub(crate) fn read<T>(
    with: &Value,
    mode: Mode,
    read: impl FnOnce(&mut Reader, &Value) -> T,
) -> Result<T, Vec<ArgError>> {
    let mut reader = Reader {
        mode,
        errors: Vec::new(),
    };
    let value = read(&mut reader, with);
    if reader.errors.is_empty() {
        Ok(value)
    } else {
        Err(reader.errors)
    }
}

impl Reader {
    pub(crate) fn complain(&mut self, path: &str, message: impl Into<String>) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(ArgError {
                path: path.to_owned(),
                message: message.into(),
            });
        }
    }

    /// Whether the value cannot be known yet.
    pub(crate) fn is_open(&self, value: &Value) -> bool {
        self.mode == Mode::Draft && value.as_str().is_some_and(has_expression)
    }

    /// The arguments as an object with no keys but `known`.
    pub(crate) fn object<'a>(
        &mut self,
        path: &str,
        value: &'a Value,
        known: &[&str],
    ) -> Option<&'a Map<String, Value>> {
        let Value::Object(map) = value else {
            self.complain(
                path,
                format!("must be an object, this is {}", json_type(value)),
            );
            return None;
        };
        for name in map.keys().filter(|name| !known.contains(&name.as_str())) {
            self.complain(
                &join(path, name),
                format!("is not known here; known are {}", listed(known)),
            );
        }
        Some(map)
    }

    /// Text that must be there.
    pub(crate) fn required(&mut self, map: &Map<String, Value>, name: &str) -> String {
        match map.get(name) {
            None | Some(Value::Null) => {
                self.complain(name, "is missing");
                String::new()
            }
            Some(value) => {
                let text = self.scalar(name, value);
                if value.as_str() == Some("") {
                    self.complain(name, "must not be empty");
                }
                text
            }
        }
    }

    /// Text that may be left out.
    pub(crate) fn optional(&mut self, map: &Map<String, Value>, name: &str) -> Option<String> {
        match map.get(name) {
            None | Some(Value::Null) => None,
            Some(value) => Some(self.scalar(name, value)),
        }
    }

    /// Text; numbers and booleans are taken as they are written, since an expression may well yield one.
    pub(crate) fn scalar(&mut self, path: &str, value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                self.complain(path, format!("must be text, this is {}", json_type(value)));
                String::new()
            }
        }
    }

    /// The items of a list, at most `max` of them; a single open expression stands for all of it.
    pub(crate) fn list<'a>(&mut self, path: &str, value: &'a Value, max: usize) -> &'a [Value] {
        match value {
            Value::Array(items) if items.len() > max => {
                self.complain(
                    path,
                    format!("holds {} items; at most {max} are taken", items.len()),
                );
                &[]
            }
            Value::Array(items) => items,
            _ if self.is_open(value) => &[],
            _ => {
                self.complain(
                    path,
                    format!("must be a list, this is {}", json_type(value)),
                );
                &[]
            }
        }
    }

    /// A map with at most `max` entries, each read by `entry`. It must be written out: an expression in its place could
    /// make a secret reference out of what an event says.
    pub(crate) fn entries<T>(
        &mut self,
        map: &Map<String, Value>,
        name: &str,
        max: usize,
        mut entry: impl FnMut(&mut Self, &str, &str, &Value) -> T,
    ) -> BTreeMap<String, T> {
        let entries = match map.get(name) {
            None | Some(Value::Null) => return BTreeMap::new(),
            Some(Value::Object(entries)) => entries,
            Some(other) => {
                let message = format!(
                    "must be a map from names to values, written out; this is {}",
                    json_type(other)
                );
                self.complain(name, message);
                return BTreeMap::new();
            }
        };
        if entries.len() > max {
            self.complain(
                name,
                format!("holds {} entries; at most {max} are taken", entries.len()),
            );
            return BTreeMap::new();
        }
        entries
            .iter()
            .map(|(key, value)| {
                let path = join(name, key);
                (key.clone(), entry(self, &path, key, value))
            })
            .collect()
    }

    /// Complains when `text` is longer than `max` bytes.
    pub(crate) fn at_most(&mut self, path: &str, length: usize, max: usize) {
        if length > max {
            self.complain(
                path,
                format!("is {length} bytes long; at most {max} are taken"),
            );
        }
    }
}

/// Whether a string holds an expression.
pub(crate) fn has_expression(text: &str) -> bool {
    text.contains("${")
}

/// Names in backticks, with commas.
pub(crate) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn mistakes_are_bounded() {
        let with = Value::Object((0..200).map(|n| (format!("k{n}"), json!(1))).collect());
        let errors = read(&with, Mode::Final, |r, with| {
            r.object("", with, &["known"]);
        })
        .unwrap_err();
        assert_eq!(errors.len(), ERRORS_MAX);
        assert_eq!(
            errors[0].to_string(),
            "`k0` is not known here; known are `known`"
        );
    }

    #[test]
    fn an_expression_stands_for_a_value_only_at_load() {
        let list = json!("${inputs.hosts}");
        let look = |mode| read(&list, mode, |r, v| r.list("l", v, 3).len());
        assert_eq!(look(Mode::Draft), Ok(0));
        assert!(look(Mode::Final).is_err());
        assert!(
            read(&json!([1, 2, 3, 4]), Mode::Final, |r, v| r
                .list("l", v, 3)
                .len())
            .is_err()
        );
    }

    #[test]
    fn a_map_must_be_written_out() {
        let with = json!({"env": "${data.env}"});
        let errors = read(&with, Mode::Draft, |r, with| {
            r.entries(with.as_object().unwrap(), "env", 5, |_, _, _, _| ());
        })
        .unwrap_err();
        assert!(errors[0].message.contains("written out"), "{errors:?}");
    }
}
