//! Other spellings of a path: what proxies, file systems and other servers take for the same.

/// What may stand behind a path.
const BEHIND: &[&str] = &[
    "/",
    "//",
    "///",
    "/.",
    "/./",
    "/..",
    "/../",
    "/...",
    "/..;/",
    "..;/",
    ";",
    ";/",
    "/;/",
    "/;",
    ";a=b",
    "/;a=b",
    ";jsessionid=1",
    ";.css",
    "/;.css",
    ".",
    "..",
    "...",
    "%00",
    "/%00",
    "%00.json",
    "%2f",
    "%2F",
    "%2f%2f",
    "%252f",
    "%5c",
    "%5C",
    "\\",
    "/\\",
    "\\..",
    "/..\\",
    "%20",
    "/%20",
    "%09",
    "%0a",
    "%0d%0a",
    "%0d%0aHost:%20a",
    "%3f",
    "%3fa=b",
    "%23",
    "%23a",
    "%3b",
    "%3ba=b",
    "%2e",
    "/%2e",
    "/%2e/",
    "/%2e%2e",
    "/%2e%2e/",
    "/%2e%2e%2f",
    "%2e%2e",
    "%252e%252e",
    "/%c0%ae%c0%ae",
    "%c0%af",
    "%u002f",
    "%ef%bc%8f",
    ".json",
    ".html",
    ".css",
    ".js",
    ".png",
    ".bak",
    "~",
    "*",
    "@",
    "!",
    "$",
    "&",
    "'",
    "(",
    ")",
    "+",
    ",",
    "=",
    "|",
    "/configs",
    "/healthz",
    "/readyz",
    "/..%2fhealthz",
    "/../healthz",
    "/openapi.json",
    "/v1/events",
    "%",
    "%2",
    "%zz",
    "\u{ff0f}",
    "\u{2215}",
    "\u{200b}",
    "\u{ad}",
    "/%09",
    "/%0d",
    "%0d",
    "%1b",
    "%7f",
    "/%7f",
    "%ff",
    "%c3%28",
    "%e2%80%ae",
    "%26",
    "%2a",
    "%40",
    "%7e",
    "/~root",
    "/*",
    "/**",
    "/%2a",
    ".xml",
    ".txt",
    ".svg",
    ".ico",
    ".map",
    ".well-known",
    "/.well-known",
    "/index.html",
    "/static/a.css",
    "/favicon.ico",
    "-",
    "_",
    "%5f",
    "%2d",
    "x",
    ":443",
    ":80/",
    "%3a80",
];

/// What may stand before it.
const BEFORE: &[&str] = &[
    "/",
    "//",
    "/.",
    "/./.",
    "/..",
    "/...",
    "/%2e",
    "/%2e%2e",
    "/%2f",
    "/%252f",
    "/;",
    "/;a=b",
    "/..;",
    "/\\",
    "/%5c",
    "/%00",
    "/%20",
    "/api",
    "/v1",
    "/v2",
    "/x/..",
    "/x/%2e%2e",
    "/static/..",
    "/healthz",
    "/healthz/",
    "/healthz/..",
    "/healthz/..;",
    "/healthz/%2e%2e",
    "/healthz%2f..",
    "/healthz;",
    "/healthz;/..",
    "/healthz\\..",
    "/healthz%00",
    "/readyz/..",
    "/v1/hooks/..",
    "/v1/hooks/pager/..",
    "/v1/events/..",
    "/openapi.json/..",
    "/*",
    "/~",
];

/// What may stand in the place of a slash.
const BETWEEN: &[&str] = &[
    "//", "///", "/./", "/../", "/x/../", "/;/", ";/", "/;a=b/", "/..;/", "/%2e/", "/%2e%2e/",
    "%2f", "%2F", "%252f", "%5c", "\\", "/\\", "\\/", "/%2f", "%2f/", "/%00/", "/%20/", "%c0%af",
    "\u{ff0f}", ":", ".", ";", "",
];

/// Every other spelling of `path` that is a request target at all.
pub(super) fn misspelled(path: &str) -> Vec<String> {
    let mut found = letters(path);
    found.extend(BEHIND.iter().map(|end| format!("{path}{end}")));
    found.extend(BEFORE.iter().map(|start| format!("{start}{path}")));
    for (place, _) in path.match_indices('/') {
        let (head, tail) = (&path[..place], &path[place + 1..]);
        found.extend(
            BETWEEN
                .iter()
                .map(|between| format!("{head}{between}{tail}")),
        );
    }
    found.extend(wholly(path));
    found.sort();
    found.dedup();
    found.retain(|other| {
        other != path && other.starts_with('/') && other.parse::<http::Uri>().is_ok()
    });
    found
}

/// One character that is written otherwise, or has something before it.
fn letters(path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (place, letter) in path.char_indices().skip(1) {
        let (head, tail) = (&path[..place], &path[place + letter.len_utf8()..]);
        let code = u32::from(letter);
        let wide = char::from_u32(code + 0xfee0).unwrap_or(letter);
        let other = if letter.is_lowercase() {
            letter.to_ascii_uppercase()
        } else {
            letter.to_ascii_lowercase()
        };
        for written in [
            format!("%{code:02x}"),
            format!("%25{code:02x}"),
            format!("%u00{code:02x}"),
            format!("%00{letter}"),
            other.to_string(),
            wide.to_string(),
        ] {
            found.push(format!("{head}{written}{tail}"));
        }
    }
    found
}

/// The whole path in another dress.
fn wholly(path: &str) -> [String; 7] {
    let encoded = |byte: u8| format!("%{byte:02X}");
    [
        path.to_uppercase(),
        path.replace('s', "\u{17f}"),
        path.replace('k', "\u{212a}"),
        path.replace('/', "//"),
        path.replace('/', "%2f").replacen("%2f", "/", 1),
        path.replace('/', "\\").replacen('\\', "/", 1),
        format!("/{}", path.bytes().skip(1).map(encoded).collect::<String>()),
    ]
}

#[test]
fn a_path_has_many_other_spellings() {
    for path in ["/healthz", "/v1/events"] {
        let found = misspelled(path);
        assert!(found.len() >= 200, "{path}: {}", found.len());
        for wanted in [
            format!("{path}/configs"),
            format!("/{path}"),
            format!("{path}..;/"),
            path.to_uppercase(),
        ] {
            assert!(found.contains(&wanted), "{wanted}");
        }
    }
}
