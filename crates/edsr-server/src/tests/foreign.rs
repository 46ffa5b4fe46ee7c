//! What a page from elsewhere can do with a person's browser: nothing, at every route.

use super::spelled::{check_turned_away, check_untouched, routes, untouched};
use super::*;

const ORIGINS: &[&str] = &[
    "null",
    "http://evil.example",
    "https://edsr.example.evil.example",
    "https://evil.example/edsr.example",
    "http://edsr.example@evil.example",
    "http://edsr.example:81",
    "file://",
    "chrome-extension://abc",
    "edsr.example",
    "*",
    "",
];

#[tokio::test]
async fn a_foreign_page_reads_nothing_and_changes_nothing() {
    let (node, server) = untouched();
    for route in routes() {
        for origin in ORIGINS {
            let asked = |method: Method| {
                let asked = ask(method, &route.path).known().with("x-signature", "good");
                (asked.with("host", "edsr.example"))
                    .with("origin", origin)
                    .with("content-type", JSON.1)
                    .body("{\"scope\":\"all\",\"reason\":\"r\"}")
            };
            let refused = asked(route.method.clone());
            check_turned_away(&server, refused, &[403], origin).await;
            let preflight = asked(Method::OPTIONS)
                .with("access-control-request-method", route.method.as_str())
                .with(
                    "access-control-request-headers",
                    "authorization,content-type",
                )
                .with("access-control-request-private-network", "true");
            check_grants_nothing(preflight.send(&server).await, origin);
            check_grants_nothing(asked(route.method.clone()).send(&server).await, origin);
        }
    }
    check_untouched(&node);
}

/// A form or an image of a foreign page may come without an origin; a cookie is all it could bring, and none is read.
#[tokio::test]
async fn a_cookie_is_nobody() {
    let (node, server) = untouched();
    for route in routes() {
        if crate::guard::access(&route.method, &route.path) == crate::guard::Access::Open {
            continue;
        }
        for kind in [JSON.1, "text/plain", "application/x-www-form-urlencoded"] {
            let asked = ask(route.method.clone(), &route.path)
                .with(
                    "cookie",
                    "token=correct-horse; session=correct-horse; edsr=ann",
                )
                .with("content-type", kind)
                .with("sec-fetch-site", "cross-site")
                .body("{\"scope\":\"all\",\"reason\":\"r\"}");
            check_turned_away(&server, asked, &[401], "a cookie").await;
        }
    }
    check_untouched(&node);
}

/// Checks that a browser is told of no right.
fn check_grants_nothing(answer: Response, origin: &str) {
    assert!(
        !answer.status().is_success(),
        "{origin}: {}",
        answer.status()
    );
    let granted =
        (answer.headers().keys()).find(|name| name.as_str().starts_with("access-control-"));
    assert_eq!(granted, None, "{origin}");
    assert!(
        !answer.headers().contains_key(header::SET_COOKIE),
        "{origin}"
    );
}
