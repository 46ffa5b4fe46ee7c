//! The arguments of `exec/run`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::args::{Mode, Reader};
use crate::secret::{Text, is_env_name, text_schema};

/// The most items of `argv`.
pub const ARGV_MAX: usize = 1024;
/// The most entries of `env`.
pub const ENV_MAX: usize = 128;
/// The longest `stdin`, in bytes.
pub const STDIN_MAX: usize = 1024 * 1024;
/// The most entries of `okCodes`: there are no more exit codes.
const OK_CODES_MAX: usize = 256;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExecArgs {
    /// Never empty when read without a mistake in [`Mode::Final`].
    pub(super) argv: Vec<String>,
    pub(super) cwd: Option<String>,
    pub(super) env: BTreeMap<String, Text>,
    pub(super) stdin: Option<String>,
    pub(super) ok_codes: Vec<i32>,
}

impl ExecArgs {
    pub(super) fn read(reader: &mut Reader, with: &Value) -> Self {
        let empty = serde_json::Map::new();
        let map = reader
            .object("", with, &["argv", "cwd", "env", "stdin", "okCodes"])
            .unwrap_or(&empty);
        let args = Self {
            argv: argv(reader, map.get("argv")),
            cwd: reader.optional(map, "cwd"),
            env: reader.entries(map, "env", ENV_MAX, env_entry),
            stdin: reader.optional(map, "stdin"),
            ok_codes: ok_codes(reader, map.get("okCodes")),
        };
        if args.cwd.as_deref().is_some_and(|cwd| cwd.contains('\0')) {
            reader.complain("cwd", "holds a NUL character");
        }
        let length = args.stdin.as_ref().map_or(0, String::len);
        reader.at_most("stdin", length, STDIN_MAX);
        args
    }
}

fn argv(reader: &mut Reader, value: Option<&Value>) -> Vec<String> {
    let Some(value) = value else {
        reader.complain(
            "argv",
            "is missing; write the program and its arguments as a list",
        );
        return Vec::new();
    };
    if value.is_string() {
        reader.complain(
            "argv",
            "must be written out as a list: what an event or an answer says never chooses the program",
        );
        return Vec::new();
    }
    let items = reader.list("argv", value, ARGV_MAX);
    if items.is_empty() && value.is_array() {
        reader.complain(
            "argv",
            "must hold the program at least, and at most 1024 items",
        );
    }
    let mut argv = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let path = format!("argv[{place}]");
        let text = reader.scalar(&path, item);
        if text.contains('\0') {
            reader.complain(&path, "holds a NUL character");
        }
        if place == 0 && item.as_str() == Some("") {
            reader.complain(&path, "must name a program");
        }
        argv.push(text);
    }
    argv
}

fn env_entry(reader: &mut Reader, path: &str, name: &str, value: &Value) -> Text {
    if !is_env_name(name) {
        reader.complain(path, "is no name for an environment variable");
    }
    if name.starts_with("EDSR_") {
        reader.complain(path, "is set by edsr itself; choose a name without `EDSR_`");
    }
    let text = Text::read(reader, path, value);
    if let Text::Plain(plain) = &text
        && plain.contains('\0')
    {
        reader.complain(path, "holds a NUL character");
    }
    text
}

fn ok_codes(reader: &mut Reader, value: Option<&Value>) -> Vec<i32> {
    let Some(value) = value else {
        return vec![0];
    };
    let items = reader.list("okCodes", value, OK_CODES_MAX);
    if items.is_empty() && value.is_array() {
        reader.complain(
            "okCodes",
            "must hold at least one exit code, for example `[0]`",
        );
    }
    let mut codes = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        match item.as_u64().and_then(|code| u8::try_from(code).ok()) {
            Some(code) => codes.push(i32::from(code)),
            None if reader.mode == Mode::Draft && reader.is_open(item) => {}
            None => reader.complain(
                &format!("okCodes[{place}]"),
                "must be an exit code from 0 to 255",
            ),
        }
    }
    codes
}

pub(super) fn schema() -> Value {
    let text = || json!({"type": ["string", "number", "boolean"]});
    let open = || json!({"type": "string", "pattern": "\\$\\{"});
    json!({
        "type": "object",
        "title": "exec/run",
        "description": "Runs a program in a process group of its own, never through a shell.",
        "additionalProperties": false,
        "required": ["argv"],
        "properties": {
            "argv": {
                "description": "The program and its arguments. A name without `/` is looked up in the fixed PATH; a path with `/` starts from `cwd`.",
                "anyOf": [{"type": "array", "minItems": 1, "maxItems": ARGV_MAX, "items": text()}, open()]
            },
            "cwd": {"type": "string", "description": "Where it runs, starting from the node's work directory (the default)."},
            "env": {
                "description": "The whole environment, besides PATH and EDSR_*.",
                "type": "object", "maxProperties": ENV_MAX, "additionalProperties": text_schema()
            },
            "stdin": {"type": ["string", "number", "boolean"], "description": "What it reads; nothing when left out."},
            "okCodes": {
                "description": "The exit codes that mean success; [0] when left out.",
                "anyOf": [
                    {
                        "type": "array", "minItems": 1,
                        "items": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 255}, open()]}
                    },
                    open()
                ]
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::read;

    fn check(mode: Mode, with: &Value) -> Result<(), Vec<String>> {
        read(with, mode, ExecArgs::read)
            .map(|_| ())
            .map_err(|errors| errors.into_iter().map(|error| error.path).collect())
    }

    #[test]
    fn mistakes_are_found_at_their_place() {
        for (with, paths) in [
            (json!({"argv": ["true"]}), vec![]),
            (
                json!({"argv": ["a", "${x}", 5, true], "cwd": "sub", "stdin": "x", "okCodes": [0, 3]}),
                vec![],
            ),
            (json!({"argv": ["a"], "okCodes": "${inputs.codes}"}), vec![]),
            (
                json!({"argv": ["a"], "okCodes": ["${inputs.code}"]}),
                vec![],
            ),
            (
                json!({"argv": ["a"], "env": {"A": "1", "B": {"secret": {"env": "B"}}}}),
                vec![],
            ),
            (json!({}), vec!["argv"]),
            (json!({"argv": []}), vec!["argv"]),
            (json!({"argv": "ls -l"}), vec!["argv"]),
            (
                json!({"argv": ["", {}, "a\u{0}b", null]}),
                vec!["argv[0]", "argv[1]", "argv[2]", "argv[3]"],
            ),
            (json!({"argv": ["a"], "shell": true}), vec!["shell"]),
            (
                json!({"argv": ["a"], "env": {"A=B": "1", "EDSR_STEP": "x", "C": [], "D": "\u{0}"}}),
                vec!["env.A=B", "env.C", "env.D", "env.EDSR_STEP"],
            ),
            (json!({"argv": ["a"], "env": "${x}"}), vec!["env"]),
            (
                json!({"argv": ["a"], "okCodes": [256, -1, "x"]}),
                vec!["okCodes[0]", "okCodes[1]", "okCodes[2]"],
            ),
            (json!({"argv": ["a"], "okCodes": []}), vec!["okCodes"]),
            (json!({"argv": ["a"], "cwd": "a\u{0}"}), vec!["cwd"]),
            (
                json!({"argv": ["a"], "stdin": "x".repeat(STDIN_MAX + 1)}),
                vec!["stdin"],
            ),
            (
                json!({"argv": ["a"], "stdin": "x".repeat(STDIN_MAX)}),
                vec![],
            ),
        ] {
            // In the order the keys stand in, which may be the author's.
            let mut found = check(Mode::Draft, &with).err().unwrap_or_default();
            found.sort();
            assert_eq!(found, paths, "{:.200}", with.to_string());
        }
    }

    #[test]
    fn bounds_are_reached() {
        let argv = |n| json!({ "argv": vec!["a"; n] });
        assert!(check(Mode::Final, &argv(ARGV_MAX)).is_ok());
        assert!(check(Mode::Final, &argv(ARGV_MAX + 1)).is_err());
        let env = |n: usize| {
            let env: BTreeMap<String, &str> = (0..n).map(|n| (format!("V{n}"), "x")).collect();
            json!({ "argv": ["a"], "env": env })
        };
        assert!(check(Mode::Final, &env(ENV_MAX)).is_ok());
        assert!(check(Mode::Final, &env(ENV_MAX + 1)).is_err());
    }

    #[test]
    fn an_open_list_is_refused_at_the_call() {
        assert!(check(Mode::Final, &json!({"argv": "${x}"})).is_err());
    }
}
