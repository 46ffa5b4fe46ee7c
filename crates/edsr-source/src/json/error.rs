//! Why bytes are no JSON value that is taken, and where.

use crate::error::Kind;
use crate::quoted::quoted;

/// Why bytes are no JSON value that is taken, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} (line {line}, column {column}, at `{path}`)")]
pub struct JsonError {
    /// What is wrong.
    pub fault: JsonFault,
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1; 0 where the line has not begun.
    pub column: usize,
    /// Where in the value, like `$.data.items[3]`.
    pub path: String,
}

/// What is wrong with the bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// Nothing was sent.
    #[error("the body is empty; send a JSON value")]
    Empty,
    /// The bytes are no text.
    #[error("the body is not UTF-8 from byte {0} on")]
    NotUtf8(usize),
    /// The text is no JSON.
    #[error("the body is not JSON: {0}")]
    Syntax(String),
    /// Too many levels.
    #[error("arrays and objects are nested more than {0} levels deep")]
    Depth(usize),
    /// Too many values.
    #[error("there are more than {0} values")]
    Nodes(usize),
    /// A string is too long.
    #[error("a string is longer than {0} bytes")]
    StringBytes(usize),
    /// A key stands twice in one object.
    #[error("the key `{0}` stands twice in one object")]
    DuplicateKey(String),
}

impl JsonError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self.fault {
            JsonFault::Empty => "json.empty",
            JsonFault::NotUtf8(_) => "json.utf8",
            JsonFault::Syntax(_) => "json.syntax",
            JsonFault::Depth(_) => "json.depth",
            JsonFault::Nodes(_) => "json.nodes",
            JsonFault::StringBytes(_) => "json.string",
            JsonFault::DuplicateKey(_) => "json.duplicate-key",
        }
    }

    /// Which answer it deserves.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.fault {
            JsonFault::Depth(_) | JsonFault::Nodes(_) | JsonFault::StringBytes(_) => Kind::TooLarge,
            _ => Kind::BadRequest,
        }
    }

    pub(crate) fn at_start(fault: JsonFault) -> Self {
        Self {
            fault,
            line: 1,
            column: 0,
            path: "$".to_owned(),
        }
    }

    pub(crate) fn syntax(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let plain = text
            .rsplit_once(" at line ")
            .map_or(&*text, |(text, _)| text);
        Self {
            fault: JsonFault::Syntax(quoted(plain)),
            line: error.line(),
            column: error.column(),
            path: "$".to_owned(),
        }
    }
}
