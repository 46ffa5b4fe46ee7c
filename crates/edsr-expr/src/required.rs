//! Comparisons without which a condition cannot hold, found in it at load. Most events fail one of most
//! conditions, and what fails one need not be evaluated.

use cel::common::ast::{CallExpr, Expr as Ast, LiteralValue, operators};

/// `path == "text"` as one of the parts that `&&` puts together. Where the path has another text, the whole condition is
/// `false`, whatever the other parts are: in CEL, `false && error` is `false`. Where it has no text, nothing is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Required {
    /// The variable and the fields below it: `type`, or `data`, `order`, `state`.
    pub path: Vec<String>,
    /// The text it must have.
    pub text: String,
}

/// The comparisons that a condition cannot do without.
pub(crate) fn required(root: &Ast) -> Vec<Required> {
    let mut found = Vec::new();
    collect(root, &mut found);
    found
}

fn collect(node: &Ast, found: &mut Vec<Required>) {
    let Ast::Call(call) = node else {
        return;
    };
    match &*call.func_name {
        operators::LOGICAL_AND => call.args.iter().for_each(|arg| collect(&arg.expr, found)),
        operators::EQUALS => found.extend(comparison(call)),
        _ => {}
    }
}

fn comparison(call: &CallExpr) -> Option<Required> {
    let [left, right] = &call.args[..] else {
        return None;
    };
    let (side, text) = match (&left.expr, &right.expr) {
        (side, Ast::Literal(LiteralValue::String(text)))
        | (Ast::Literal(LiteralValue::String(text)), side) => (side, text),
        _ => return None,
    };
    let mut path = Vec::new();
    let mut side = side;
    while let Ast::Select(select) = side {
        if select.test {
            return None;
        }
        path.push(select.field.clone());
        side = &select.operand.expr;
    }
    let Ast::Ident(variable) = side else {
        return None;
    };
    path.push(variable.trim_start_matches('.').to_owned());
    path.reverse();
    Some(Required {
        path,
        text: text.inner().to_owned(),
    })
}
