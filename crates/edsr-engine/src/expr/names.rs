//! Names in expressions, and the loops in them.
//!
//! CEL looks names up only when it runs; here they are looked up at load, so that a slip of the finger is found before
//! the night it would have mattered.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use cel::ExecutionError;
use cel::common::ast::{CallExpr, EntryExpr, Expr as Ast, IdedExpr};
use cel::common::types::{CelMap, CelMapKey};
use cel::common::value::{CowVal, Val};
use cel::objects::Key;

use super::{DEPTH_MAX, ExprError};

/// The most elements that the loops of one evaluation visit together.
pub const LOOP_STEPS_MAX: u64 = 100_000;

/// A function that no text can call, put around everything a loop runs over.
pub(super) const OVER: &str = "@over";

/// Functions that exist, beyond operators; anything else is a mistake that is reported at load.
const FUNCTIONS: &[&str] = &[
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
const NAMESPACES: &[&str] = &["math", "strings", "lists", "optional"];

/// The fields of our own variables, so that a misspelt one is found at load. What is in `key`, `figures`, `inputs` and
/// `steps` depends on the bundle and the run.
const FIELDS: &[(&str, &[&str])] = &[
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
const TYPES: &[&str] = &[
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

thread_local! {
    /// Elements that loops may still visit. CEL takes plain functions only, so they meet here; an evaluation never
    /// leaves its thread, and each begins with the same budget.
    static STEPS_LEFT: Cell<u64> = const { Cell::new(0) };
}

/// Gives the next evaluation on this thread its budget.
pub(super) fn refuel() {
    STEPS_LEFT.set(LOOP_STEPS_MAX);
}

/// What a loop runs over: charged for by its size, and a map by its keys in order, as a hash map has none.
pub(super) fn over<'b, 'v>(
    mut args: Vec<CowVal<'b, 'v>>,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args.remove(0);
    let size = value.as_sizer().map_or(0, |sized| *sized.size().inner());
    let cost = u64::try_from(size).unwrap_or(0) + 1;
    match STEPS_LEFT.get().checked_sub(cost) {
        Some(left) => STEPS_LEFT.set(left),
        None => {
            let why = "the loops of this expression visit too many elements";
            return Err(ExecutionError::function_error("loop", why));
        }
    }
    let Some(map) = value.downcast_ref::<CelMap<'_>>() else {
        return Ok(value);
    };
    let mut keys: Vec<Key> = map
        .inner()
        .keys()
        .cloned()
        .map(|key: CelMapKey<'_>| Key::from(key))
        .collect();
    keys.sort();
    let keys: Vec<cel::Value> = keys
        .into_iter()
        .map(|key| match key {
            Key::Int(number) => cel::Value::Int(number),
            Key::Uint(number) => cel::Value::UInt(number),
            Key::Bool(flag) => cel::Value::Bool(flag),
            Key::String(text) => cel::Value::String(text),
        })
        .collect();
    let keys: Box<dyn Val> = cel::Value::List(Arc::new(keys)).try_into()?;
    Ok(CowVal::Owned(keys))
}

/// Checks every name in the tree, and puts [`OVER`] around what loops run over.
pub(super) fn prepare(
    root: &mut IdedExpr,
    variables: &[&str],
    place: impl Fn(u64) -> Option<usize>,
) -> Result<(), ExprError> {
    let mut walk = Walk {
        variables,
        bound: Vec::new(),
        depth: 0,
        wrong: None,
    };
    walk.node(root);
    let Some((id, message)) = walk.wrong else {
        return Ok(());
    };
    Err(ExprError {
        message,
        column: place(id),
    })
}

struct Walk<'n> {
    variables: &'n [&'n str],
    bound: Vec<String>,
    depth: usize,
    wrong: Option<(u64, String)>,
}

impl Walk<'_> {
    fn node(&mut self, node: &mut IdedExpr) {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let message = format!(
                "more than {DEPTH_MAX} parts of the expression lie one within another; use a list and `in` or `exists`"
            );
            self.wrong.get_or_insert((node.id, message));
        } else {
            self.parts(node);
        }
        self.depth -= 1;
    }

    fn parts(&mut self, node: &mut IdedExpr) {
        match &mut node.expr {
            Ast::Ident(name) => {
                let plain = name.trim_start_matches('.').to_owned();
                if !self.is_variable(&plain) {
                    let known: BTreeSet<_> = self.variables.iter().copied().collect();
                    self.complain(node.id, "variable", &plain, &known);
                }
            }
            Ast::Call(call) => {
                // Operators and what macros expand to do not start with a letter.
                let last = call
                    .func_name
                    .rsplit('.')
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                if last.starts_with(|c: char| c.is_ascii_alphabetic())
                    && !FUNCTIONS.contains(&&*last)
                {
                    let known: BTreeSet<_> = FUNCTIONS.iter().copied().collect();
                    self.complain(node.id, "function", &last, &known);
                }
                let target = call.target.iter_mut().map(AsMut::as_mut);
                target
                    .chain(&mut call.args)
                    .for_each(|part| self.node(part));
            }
            Ast::Select(select) => {
                if let Ast::Ident(name) = &select.operand.expr
                    && let Some((_, fields)) = FIELDS.iter().find(|(known, _)| known == name)
                    && !self.bound.contains(name)
                    && !fields.contains(&&*select.field)
                {
                    let known: BTreeSet<_> = fields.iter().copied().collect();
                    let field = format!("{name}.{}", select.field);
                    let near = closest(&select.field, &known);
                    let hint = near.map_or_else(
                        || format!("; it has {}", list(&known)),
                        |near| format!("; did you mean `{name}.{near}`?"),
                    );
                    let message = format!("there is no `{field}`{hint}");
                    self.wrong.get_or_insert((node.id, message));
                }
                self.node(&mut select.operand);
            }
            Ast::List(list) => list.elements.iter_mut().for_each(|item| self.node(item)),
            Ast::Map(map) => map
                .entries
                .iter_mut()
                .for_each(|entry| self.entry(&mut entry.expr)),
            Ast::Struct(made) => made
                .entries
                .iter_mut()
                .for_each(|entry| self.entry(&mut entry.expr)),
            Ast::Comprehension(loops) => {
                self.node(&mut loops.iter_range);
                self.node(&mut loops.accu_init);
                let outside = self.bound.len();
                self.bound.push(loops.iter_var.clone());
                self.bound.push(loops.accu_var.clone());
                self.bound.extend(loops.iter_var2.clone());
                for part in [
                    &mut loops.loop_cond,
                    &mut loops.loop_step,
                    &mut loops.result,
                ] {
                    self.node(part);
                }
                self.bound.truncate(outside);
                put_over(&mut loops.iter_range);
            }
            Ast::Unspecified | Ast::Literal(_) => {}
        }
    }

    fn entry(&mut self, entry: &mut EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.node(&mut field.value),
            EntryExpr::MapEntry(pair) => {
                self.node(&mut pair.key);
                self.node(&mut pair.value);
            }
        }
    }

    fn is_variable(&self, name: &str) -> bool {
        name.starts_with('@')
            || self.variables.contains(&name)
            || TYPES.contains(&name)
            || NAMESPACES.contains(&name)
            || self.bound.iter().any(|bound| bound == name)
    }

    fn complain(&mut self, id: u64, what: &str, name: &str, known: &BTreeSet<&str>) {
        let hint = match closest(name, known) {
            Some(near) => format!("; did you mean `{near}`?"),
            None if what == "variable" => format!("; it may read {}", list(known)),
            None => String::new(),
        };
        let message = format!("there is no {what} `{name}` here{hint}");
        self.wrong.get_or_insert((id, message));
    }
}

fn put_over(node: &mut IdedExpr) {
    let inner = std::mem::take(node);
    *node = IdedExpr {
        id: inner.id,
        expr: Ast::Call(CallExpr {
            func_name: OVER.to_owned(),
            target: None,
            args: vec![inner],
        }),
    };
}

fn list(names: &BTreeSet<&str>) -> String {
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
