//! Attributes: the CloudEvents type system at our edge, and the stamp that says which source let an event in.

use edsr_model::event::{EXT_DEPTH, EXT_VIA};
use edsr_model::{Event, Scalar};
use serde_json::{Map, Value};

use crate::quoted::quoted;

/// Names that the specification gives a meaning; an extension cannot have one of them.
pub const CORE: &[&str] = &[
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "data",
    "data_base64",
];

/// Extension attributes of this prefix are ours to set; [`EXT_DEPTH`] alone may come from a sender.
pub const OWN_PREFIX: &str = "edsr";

/// Marks `event` as let in by the source `via`: sets [`EXT_VIA`], whatever the sender claimed, and drops every other
/// attribute of [`OWN_PREFIX`] except [`EXT_DEPTH`], which our own effects hand on through the outside.
pub fn stamp(event: &mut Event, via: &str) {
    event
        .extensions
        .retain(|name, _| !name.starts_with(OWN_PREFIX) || name == EXT_DEPTH);
    event
        .extensions
        .insert(EXT_VIA.to_owned(), Scalar::Str(via.to_owned()));
}

/// Why an attribute value is outside the CloudEvents type system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// It would break lines or steer terminals wherever it is shown.
    #[error(
        "the attribute `{name}` holds the character U+{code:04X}, which attributes must not hold"
    )]
    Character {
        /// The attribute.
        name: String,
        /// The character.
        code: u32,
    },
    /// Integers are 32 bits wide.
    #[error(
        "the attribute `{name}` is {value}, which is outside -2147483648..2147483647; send it as a string"
    )]
    Integer {
        /// The attribute.
        name: String,
        /// Its value.
        value: i64,
    },
}

/// Checks the values of all attributes: no control characters or noncharacters, integers of 32 bits.
///
/// # Errors
/// The first attribute that breaks the rule.
pub fn check(event: &Event) -> Result<(), AttributeError> {
    text("id", &event.id)?;
    text("source", &event.source)?;
    text("type", &event.kind)?;
    for (name, value) in [
        ("subject", &event.subject),
        ("datacontenttype", &event.datacontenttype),
        ("dataschema", &event.dataschema),
    ] {
        text(name, value.as_deref().unwrap_or_default())?;
    }
    for (name, value) in &event.extensions {
        match value {
            Scalar::Str(value) => text(name, value)?,
            Scalar::Int(value) if i32::try_from(*value).is_err() => {
                return Err(AttributeError::Integer {
                    name: quoted(name),
                    value: *value,
                });
            }
            Scalar::Int(_) | Scalar::Bool(_) => {}
        }
    }
    Ok(())
}

fn text(name: &str, value: &str) -> Result<(), AttributeError> {
    // What nearly every value is, without taking it apart into characters.
    if value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Ok(());
    }
    match value.chars().find(|c| forbidden(*c)) {
        None => Ok(()),
        Some(c) => Err(AttributeError::Character {
            name: quoted(name),
            code: c.into(),
        }),
    }
}

fn forbidden(c: char) -> bool {
    let code = u32::from(c);
    c.is_control() || code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}

/// Lower-cases extension names, which some senders write in camel case. A name that would then be one of [`CORE`] or
/// stand twice is left as it is, for the event to be refused over it.
pub(crate) fn fold_names(map: &mut Map<String, Value>) {
    let mixed: Vec<String> = map
        .keys()
        .filter(|name| name.bytes().any(|b| b.is_ascii_uppercase()))
        .cloned()
        .collect();
    for name in mixed {
        let lower = name.to_ascii_lowercase();
        if CORE.contains(&&*lower) || map.contains_key(&lower) {
            continue;
        }
        if let Some(value) = map.remove(&name) {
            map.insert(lower, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(extra: &Value) -> Event {
        let mut value = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"});
        for (name, extra) in extra.as_object().unwrap() {
            value[name] = extra.clone();
        }
        Event::from_value(value).unwrap()
    }

    #[test]
    fn the_stamp_is_ours_alone() {
        let mut event = event(&json!({
            "edsrvia": "forged", "edsrdepth": 3, "edsrapproved": true, "edsr": "x", "region": "eu"
        }));
        stamp(&mut event, "shop");
        let left: Vec<_> = event
            .extensions
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        assert_eq!(left, ["edsrdepth=3", "edsrvia=shop", "region=eu"]);
        assert_eq!(event.depth(), 3);
    }

    #[test]
    fn values_stay_inside_the_type_system() {
        for good in [
            json!({"subject": "ünïcode 漢字 \u{1f600}", "n": 2147483647}),
            json!({"n": -2147483648_i64, "flag": true}),
        ] {
            assert_eq!(check(&event(&good)), Ok(()));
        }
        for (bad, needle) in [
            (
                json!({"subject": "a\nb"}),
                "`subject` holds the character U+000A",
            ),
            (
                json!({"id": "\u{1b}[2J"}),
                "`id` holds the character U+001B",
            ),
            (json!({"ext": "\u{85}"}), "`ext` holds the character U+0085"),
            (
                json!({"type": "\u{ffff}"}),
                "`type` holds the character U+FFFF",
            ),
            (json!({"n": 2147483648_i64}), "`n` is 2147483648"),
        ] {
            let error = check(&event(&bad)).unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
    }

    #[test]
    fn names_are_folded_unless_that_hides_something() {
        let mut value = json!({"aString": 1, "specVersion": 2, "b": 3, "B": 4});
        fold_names(value.as_object_mut().unwrap());
        assert_eq!(
            value,
            json!({"astring": 1, "specVersion": 2, "b": 3, "B": 4})
        );
    }
}
