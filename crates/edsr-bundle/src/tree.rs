//! YAML as a tree that knows where everything stands, so that a mistake found late still has a place.
//!
//! YAML 1.2 with the parts left out that make configuration surprising: no tags, no merge keys, no keys that are
//! not text. Anchors and aliases work; what they expand to is bounded.

use std::ops::Range;
use std::rc::Rc;

/// How deep a document may nest.
pub const DEPTH_MAX: usize = 64;

/// What the documents of one file may come to once aliases are expanded: bytes of text, and
/// `NODE_WEIGHT` for every value.
pub const EXPANDED_MAX: usize = 16 * 1024 * 1024;

/// What a value counts beside its text.
pub(crate) const NODE_WEIGHT: usize = 16;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// What it is.
    pub kind: Kind,
    /// Byte range in the file.
    pub span: Range<usize>,
    /// What it counts, with everything in it and aliases expanded.
    pub(crate) weight: usize,
    /// How many levels of lists and mappings are in it.
    pub(crate) height: usize,
}

/// What a [`Node`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, or what stands for a number, a truth value or null where it is [`Style::Plain`].
    Scalar(Rc<str>, Style),
    /// A list.
    List(Vec<Rc<Node>>),
    /// A mapping, in the order it was written.
    Map(Vec<Entry>),
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes.
    Plain,
    /// In `'`.
    Single,
    /// In `"`.
    Double,
    /// After `|` or `>`.
    Block,
}

/// A key, its place, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The key.
    pub key: Rc<str>,
    /// Byte range of the key.
    pub span: Range<usize>,
    /// The value.
    pub value: Rc<Node>,
}

/// What a scalar means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'n> {
    /// Nothing, or `null`.
    Null,
    /// `true` or `false`. `yes` and `no` are text.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(&'n str),
    /// Digits that no number here can hold.
    TooLarge,
}

impl Node {
    /// A node without children.
    pub(crate) fn scalar(text: &str, style: Style, span: Range<usize>) -> Self {
        Self {
            weight: NODE_WEIGHT + text.len(),
            kind: Kind::Scalar(text.into(), style),
            span,
            height: 0,
        }
    }

    /// What it means, where it is a scalar.
    #[must_use]
    pub(crate) fn as_scalar(&self) -> Option<Scalar<'_>> {
        match &self.kind {
            Kind::Scalar(text, Style::Plain) => Some(resolve(text)),
            Kind::Scalar(text, _) => Some(Scalar::Text(text)),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// Whether nothing, or `null`, stands there.
    #[must_use]
    pub(crate) fn is_null(&self) -> bool {
        self.as_scalar() == Some(Scalar::Null)
    }

    /// The text of a scalar as it stands, whatever it means.
    #[must_use]
    pub(crate) fn raw(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text, _) => Some(text),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The value of `key`, where it is a mapping that has it.
    #[must_use]
    pub(crate) fn get(&self, key: &str) -> Option<&Rc<Node>> {
        match &self.kind {
            Kind::Map(entries) => entries
                .iter()
                .find(|entry| &*entry.key == key)
                .map(|entry| &entry.value),
            Kind::Scalar(..) | Kind::List(_) => None,
        }
    }

    /// What it is, in words.
    #[must_use]
    pub(crate) fn what(&self) -> &'static str {
        match (&self.kind, self.as_scalar()) {
            (Kind::List(_), _) => "a list",
            (Kind::Map(_), _) => "a mapping",
            (_, Some(Scalar::Null) | None) => "nothing",
            (_, Some(Scalar::Bool(_))) => "a truth value",
            (_, Some(Scalar::Int(_) | Scalar::Float(_) | Scalar::TooLarge)) => "a number",
            (_, Some(Scalar::Text(_))) => "text",
        }
    }
}

/// The YAML 1.2 core schema, without octal.
fn resolve(text: &str) -> Scalar<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(hex) = text.strip_prefix("0x")
        && !hex.is_empty()
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return i128::from_str_radix(hex, 16).map_or(Scalar::TooLarge, Scalar::Int);
    }
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().map_or(Scalar::TooLarge, Scalar::Int);
    }
    // Only what looks like a number: `1e`, `inf` and `nan` are words.
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    match text.parse::<f64>() {
        Ok(number) if numeric && number.is_finite() => Scalar::Float(number),
        Ok(_) if numeric => Scalar::TooLarge,
        _ => Scalar::Text(text),
    }
}

/// Where in the file the character stands that is `offset` characters into the value of a scalar.
///
/// Exact for plain and quoted text on one line; in folded and escaped text it follows the characters that are not
/// blanks, which the notation never changes.
#[must_use]
pub(crate) fn place_in(node: &Node, file: &str, offset: usize) -> usize {
    let Kind::Scalar(value, style) = &node.kind else {
        return node.span.start;
    };
    let source = file.get(node.span.clone()).unwrap_or_default();
    let mut at = match style {
        Style::Plain => 0,
        Style::Single | Style::Double => 1,
        Style::Block if source.starts_with(['|', '>']) => {
            source.find('\n').map_or(0, |line| line + 1)
        }
        Style::Block => 0,
    };
    for c in value.chars().take(offset) {
        at = step(source, at, c, *style);
    }
    if value
        .chars()
        .nth(offset)
        .is_some_and(|c| !c.is_whitespace())
    {
        at = skip_blanks(source, at);
    }
    node.span.start + at.min(source.len())
}

/// The place after the character `c` of the value, from the place `at` in its notation.
fn step(source: &str, at: usize, c: char, style: Style) -> usize {
    let rest = source.get(at..).unwrap_or_default();
    if c.is_whitespace() && rest.starts_with(char::is_whitespace) {
        let blanks = skip_blanks(source, at);
        // Several blanks on one line are several blanks; a line break and what surrounds it is one.
        return if source[at..blanks].contains('\n') {
            blanks
        } else {
            at + 1
        };
    }
    let at = if c.is_whitespace() {
        at
    } else {
        skip_blanks(source, at)
    };
    let rest = source.get(at..).unwrap_or_default();
    match (style, rest.chars().next()) {
        (Style::Double, Some('\\')) => {
            let digits = match rest.chars().nth(1) {
                Some('x') => 2,
                Some('u') => 4,
                Some('U') => 8,
                _ => 0,
            };
            let length: usize = rest.chars().take(2 + digits).map(char::len_utf8).sum();
            at + length
        }
        (Style::Single, Some('\'')) => at + 2,
        (_, Some(_)) if c.is_whitespace() => at,
        (_, Some(found)) => at + found.len_utf8(),
        (_, None) => at,
    }
}

fn skip_blanks(source: &str, at: usize) -> usize {
    let rest = source.get(at..).unwrap_or_default();
    at + (rest.len() - rest.trim_start().len())
}
