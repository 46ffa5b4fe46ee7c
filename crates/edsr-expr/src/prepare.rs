//! What is done to a parsed expression before it may run.
//!
//! CEL looks names up only when it runs; here they are looked up at load, so that a slip of the finger is found before
//! the night it would have mattered.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, EntryExpr, Expr as Ast, IdedExpr, SelectExpr, operators};
use regex::Regex;

use crate::cost::{OVER, SPEND, put_around};
use crate::names::{FIELDS, FUNCTIONS, NAMESPACES, TYPES, closest, list};
use crate::pattern::{self, MATCHES, Patterns};
use crate::{DEPTH_MAX, ExprError};

/// Checks every name in the tree, charges for what walks through lists, and compiles patterns.
pub(crate) fn prepare(
    root: &mut IdedExpr,
    variables: &[&str],
    place: impl Fn(u64) -> Option<usize>,
) -> Result<Patterns, ExprError> {
    let mut walk = Walk {
        variables,
        bound: Vec::new(),
        depth: 0,
        patterns: Vec::new(),
        wrong: None,
    };
    walk.node(root);
    let Some((id, message)) = walk.wrong else {
        return Ok(walk.patterns.into());
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
    patterns: Vec<Regex>,
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
            Ast::Call(call) => self.call(node.id, call),
            Ast::Select(select) => self.select(node.id, select),
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
                put_around(OVER, &mut loops.iter_range);
            }
            Ast::Unspecified | Ast::Literal(_) => {}
        }
    }

    fn call(&mut self, id: u64, call: &mut CallExpr) {
        // Operators and what macros expand to do not start with a letter.
        let last = call.func_name.rsplit('.').next().unwrap_or_default();
        let last = last.to_owned();
        if last.starts_with(|c: char| c.is_ascii_alphabetic()) && !FUNCTIONS.contains(&&*last) {
            let known: BTreeSet<_> = FUNCTIONS.iter().copied().collect();
            self.complain(id, "function", &last, &known);
        }
        let target = call.target.iter_mut().map(AsMut::as_mut);
        target
            .chain(&mut call.args)
            .for_each(|part| self.node(part));
        match &*last {
            MATCHES => match pattern::take(call, self.patterns.len()) {
                Ok(pattern) => self.patterns.push(pattern),
                Err(message) => {
                    self.wrong.get_or_insert((id, message));
                }
            },
            "range" => call.args.iter_mut().for_each(|n| put_around(SPEND, n)),
            operators::IN => call
                .args
                .iter_mut()
                .skip(1)
                .for_each(|among| put_around(SPEND, among)),
            _ => {}
        }
    }

    fn select(&mut self, id: u64, select: &mut SelectExpr) {
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
            self.wrong.get_or_insert((id, message));
        }
        self.node(&mut select.operand);
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
