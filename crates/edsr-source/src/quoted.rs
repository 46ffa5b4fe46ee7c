//! Input that may be quoted in an error text.

use edsr_model::printable;

/// How much of an input an error text quotes, in characters.
pub(crate) const QUOTE_CHARS_MAX: usize = 80;
/// How long a reason that quotes input may become, in characters.
pub(crate) const REASON_CHARS_MAX: usize = 400;

/// A short quotation for an error text.
pub(crate) fn quoted(text: &str) -> String {
    printable(text, QUOTE_CHARS_MAX)
}
