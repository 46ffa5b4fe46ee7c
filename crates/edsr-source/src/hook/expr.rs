//! Expressions of a mapping: what they say of their failures is bounded and printable, as senders get to read it.

use cel::Context;
use edsr_model::printable;

use crate::quoted::REASON_CHARS_MAX;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Expr(edsr_expr::Expr);

/// Why a text is no expression, and where: in characters of the whole text, from 1.
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) column: Option<usize>,
}

impl Expr {
    /// Compiles `text`, which may read `variables`.
    pub(crate) fn compile(text: &str, variables: &[&str]) -> Result<Self, Fault> {
        let compiled = edsr_expr::Expr::compile(text, variables);
        compiled.map(Self).map_err(|error| Fault {
            message: printable(&error.message, REASON_CHARS_MAX),
            column: error.column.map(|column| column + 1),
        })
    }

    /// The value, or the expression and why it has none.
    pub(crate) fn value(&self, context: &Context<'_, '_>) -> Result<cel::Value, String> {
        let value = self.0.value_in(context);
        value.map_err(|error| self.failed(&error.message))
    }

    /// `reason`, with the expression in front.
    pub(crate) fn failed(&self, reason: &str) -> String {
        let text = printable(self.0.text(), REASON_CHARS_MAX / 3);
        format!("`{text}`: {}", printable(reason, REASON_CHARS_MAX / 2))
    }
}
