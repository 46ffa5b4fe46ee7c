//! Media types, as far as choosing a parser needs them.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::quoted::quoted;

/// A media type with the one parameter that matters.
pub(crate) struct MediaType {
    /// `type/subtype`, in lower case.
    pub(crate) essence: String,
    /// The charset, in lower case.
    pub(crate) charset: Option<String>,
    /// As it was written, without surrounding blanks.
    pub(crate) raw: String,
}

impl MediaType {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let raw = text.trim().to_owned();
        let mut parts = raw.split(';');
        let essence = parts.next()?.trim().to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let charset = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            let value = value.trim().trim_matches('"').to_ascii_lowercase();
            name.trim().eq_ignore_ascii_case("charset").then_some(value)
        });
        Some(Self {
            essence,
            charset,
            raw,
        })
    }

    pub(crate) fn is_json(&self) -> bool {
        matches!(&*self.essence, "application/json" | "text/json")
            || self.essence.ends_with("+json")
    }

    pub(crate) fn is_text(&self) -> bool {
        self.essence.starts_with("text/")
    }
}

pub(crate) fn is_utf8(charset: &str) -> bool {
    // ASCII is UTF-8.
    matches!(charset, "utf-8" | "utf8" | "us-ascii" | "ascii")
}

/// The content type of a request, for an error text.
pub(crate) fn shown(headers: &HeaderMap) -> String {
    match headers.get(CONTENT_TYPE) {
        Some(value) => quoted(&String::from_utf8_lossy(value.as_bytes())),
        None => "(none)".to_owned(),
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_read_leniently_and_compared_strictly() {
        for (text, essence, charset) in [
            ("application/json", "application/json", None),
            (
                " Application/JSON ; Charset=\"UTF-8\"",
                "application/json",
                Some("utf-8"),
            ),
            (
                "text/plain;format=flowed;charset=latin1",
                "text/plain",
                Some("latin1"),
            ),
            ("a/b;charset", "a/b", None),
        ] {
            let media = MediaType::parse(text).unwrap();
            assert_eq!(
                (&*media.essence, media.charset.as_deref()),
                (essence, charset)
            );
        }
        for bad in [
            "",
            "json",
            "/",
            "a/",
            "a b/c",
            "a/b/c",
            "application/json, text/plain",
        ] {
            assert!(MediaType::parse(bad).is_none(), "{bad}");
        }
    }
}
