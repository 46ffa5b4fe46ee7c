//! Secrets that are easy to find again, in whatever dress.

use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, Engine as _};

/// How many characters of a canary are its own.
const CORE_BYTES: usize = 24;

/// A secret, with a core of plain letters that every usual escaping leaves as it is.
#[derive(Debug, Clone)]
pub(crate) struct Canary {
    /// Where it is planted.
    pub(crate) name: &'static str,
    /// The part that is looked for.
    pub(crate) core: String,
}

impl Canary {
    pub(crate) fn new(name: &'static str) -> Self {
        let mut state = name.bytes().fold(0x9e37_79b9_u64, |state, byte| {
            state.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)
        });
        let core = (0..CORE_BYTES).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(
                b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"
                    [(state >> 33) as usize % 54],
            )
        });
        Self {
            name,
            core: core.collect(),
        }
    }

    /// A value that fits a header: everything that is escaped somewhere, and no letter beyond ASCII.
    pub(crate) fn for_header(&self) -> String {
        format!("k\"<{}>\\&'+/=", self.core)
    }

    /// A value with all that and more.
    pub(crate) fn anything(&self) -> String {
        format!("k \"<é{}>\\&'+/ =\u{9}ß%", self.core)
    }

    /// A value that stands percent-encoded in a URL.
    pub(crate) fn for_url(&self) -> String {
        format!("a%2B{}%2F%3D", self.core)
    }

    /// The key of a sender of Standard Webhooks.
    pub(crate) fn whsec(&self) -> String {
        format!("whsec_{}", BASE64_STANDARD.encode(&self.core))
    }

    /// What must be found nowhere.
    pub(crate) fn forms(&self) -> Vec<(&'static str, Vec<u8>)> {
        let core = self.core.as_bytes();
        let hex = hex::encode(core);
        let utf16 = self
            .core
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let mut forms = vec![
            ("raw", core.to_vec()),
            ("reversed", core.iter().rev().copied().collect()),
            ("hex", hex.to_uppercase().into_bytes()),
            ("hex", hex.into_bytes()),
            ("UTF-16", utf16),
        ];
        forms.extend((0..3).map(|shift| ("Base64", base64_at(core, shift))));
        forms
    }
}

/// The Base64 of `core` where so many bytes stand before it, without what its neighbours have a part in.
fn base64_at(core: &[u8], shift: usize) -> Vec<u8> {
    let whole = [&b"\0\0"[..shift], core].concat();
    let text = BASE64_STANDARD_NO_PAD.encode(&whole);
    text.as_bytes()[(shift * 8).div_ceil(6)..whole.len() * 8 / 6].to_vec()
}

/// How servers repeat what they were sent: as it is, encoded, and as each of several JSON writers escapes it.
pub(crate) fn renderings(value: &str) -> Vec<String> {
    let json = serde_json::to_string(value).unwrap();
    let percent = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    let url: String = value.bytes().map(percent).collect();
    vec![
        value.to_owned(),
        json.clone(),
        json.replace('/', "\\/"),
        escaped(&json, |c| "<>&".contains(c) || !c.is_ascii(), false),
        escaped(&json, |c| "<>&'+".contains(c) || !c.is_ascii(), true).replace("\\\"", "\\u0022"),
        url.replace("%20", "+"),
        url.to_lowercase().replace(&value.to_lowercase(), value),
        url,
        hex::encode(value),
        hex::encode_upper(value),
        BASE64_STANDARD.encode(value),
        BASE64_STANDARD.encode(format!("user:{value}:")),
        BASE64_URL_SAFE.encode(format!("me:{value}")),
    ]
}

/// JSON with some more characters written as escapes.
fn escaped(json: &str, hard: impl Fn(char) -> bool, upper: bool) -> String {
    let escape = |c: char| {
        let code = u32::from(c);
        if upper {
            format!("\\u{code:04X}")
        } else {
            format!("\\u{code:04x}")
        }
    };
    json.chars()
        .map(|c| if hard(c) { escape(c) } else { c.to_string() })
        .collect()
}
