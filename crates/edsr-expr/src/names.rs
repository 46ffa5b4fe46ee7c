//! The names that expressions may use, and the nearest one to a name that they may not.

use std::collections::BTreeSet;

/// Functions that exist, beyond operators; anything else is a mistake that is reported at load.
pub(crate) const FUNCTIONS: &[&str] = &[
    "abs",
    "all",
    "bool",
    "bytes",
    "charAt",
    "contains",
    "distinct",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "exists",
    "exists_one",
    "filter",
    "flatten",
    "format",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "greatest",
    "has",
    "hasValue",
    "indexOf",
    "int",
    "join",
    "lastIndexOf",
    "least",
    "lowerAscii",
    "map",
    "matches",
    "max",
    "min",
    "none",
    "of",
    "ofNonZeroValue",
    "or",
    "orValue",
    "quote",
    "range",
    "replace",
    "reverse",
    "size",
    "slice",
    "sort",
    "sortBy",
    "split",
    "startsWith",
    "string",
    "substring",
    "timestamp",
    "trim",
    "type",
    "uint",
    "upperAscii",
    "value",
    "optMap",
    "optFlatMap",
    "bitAnd",
    "bitOr",
    "bitNot",
    "bitXor",
    "bitShiftLeft",
    "bitShiftRight",
    "ceil",
    "floor",
    "isFinite",
    "isInf",
    "isNaN",
    "round",
    "sign",
    "sqrt",
    "trunc",
];

/// Namespaces of functions, which look like variables in the syntax tree.
pub(crate) const NAMESPACES: &[&str] = &["math", "strings", "lists", "optional"];

/// The fields of our own variables, so that a misspelt one is found at load. What is in `key`, `figures`, `inputs` and
/// `steps` depends on the bundle and the run.
pub(crate) const FIELDS: &[(&str, &[&str])] = &[
    (
        "detection",
        &[
            "id",
            "incident",
            "detector",
            "owner",
            "key",
            "severity",
            "state",
            "resolved",
            "since",
            "openedAt",
            "figures",
            "summary",
            "correlation",
            "depth",
        ],
    ),
    ("target", &["kind", "name", "id"]),
    ("execution", &["id", "playbook", "incident", "failure"]),
];

/// Names of types, which may stand where a variable may.
pub(crate) const TYPES: &[&str] = &[
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
];

pub(crate) fn list(names: &BTreeSet<&str>) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// The known name closest to `name`, if one is close enough to be a slip of the finger.
#[must_use]
pub fn closest<'a>(name: &str, among: &BTreeSet<&'a str>) -> Option<&'a str> {
    among
        .iter()
        .map(|known| (distance(name, known), *known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min()
        .map(|(_, known)| known)
}

/// Levenshtein distance, by bytes.
fn distance(a: &str, b: &str) -> usize {
    let b = b.as_bytes();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
