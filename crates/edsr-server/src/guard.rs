//! Who may pass. This stands before the router and does not know its table, so a new route is closed until it is
//! listed here: everything but [`access`]'s exceptions needs a person.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::problem::{Answer, Fault};
use crate::router::Shared;

/// The person a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person(pub(crate) String);

/// The name of whoever comes without a token where that is allowed.
const LOCAL: &str = "local";
/// The longest path that is looked at.
const PATH_BYTES_MAX: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody.
    Open,
    /// Whoever the node's own check of the door lets in.
    Door,
    /// A person.
    Person,
}

/// What a request needs. The only list of exceptions there is.
pub(crate) fn access(method: &Method, path: &str) -> Access {
    match path {
        "/healthz" | "/readyz" if matches!(*method, Method::GET | Method::HEAD) => Access::Open,
        "/v1/events" if *method == Method::POST => Access::Door,
        _ if *method == Method::POST
            && (path.strip_prefix("/v1/hooks/"))
                .is_some_and(|source| !source.is_empty() && !source.contains('/')) =>
        {
            Access::Door
        }
        _ => Access::Person,
    }
}

pub(crate) async fn guard(
    State(shared): State<Shared>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut response = match admit(&shared, &mut request) {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    };
    protect(response.headers_mut());
    response
}

fn admit(shared: &Shared, request: &mut Request) -> Answer<()> {
    check_origin(request.headers())?;
    if shared.node.open() {
        check_host(request.headers())?;
    }
    if !is_plain(request.uri().path()) {
        return Err(no_such_path());
    }
    if access(request.method(), request.uri().path()) == Access::Person {
        let person = person(shared, request.headers())?;
        request.extensions_mut().insert(person);
    }
    Ok(())
}

pub(crate) fn no_such_path() -> Fault {
    Fault::not_found("there is nothing at this path; `/openapi.json` lists what there is")
}

/// Paths are taken as they are written: nothing is decoded, folded or collapsed, so two spellings never mean one route.
fn is_plain(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    path.len() <= PATH_BYTES_MAX
        && path.strip_prefix('/').is_some_and(|rest| {
            (rest.split('/'))
                .all(|part| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain))
        })
}

fn person(shared: &Shared, headers: &HeaderMap) -> Answer<Person> {
    const HOW: &str = "send `Authorization: Bearer <token>` with a token from the node's settings";
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let name = match (sent.next(), sent.next()) {
        (None, _) if shared.node.open() => Some(LOCAL.to_owned()),
        (None, _) => return Err(Fault::unauthorized(format!("this needs a person; {HOW}"))),
        (Some(value), None) => bearer(value).and_then(|token| shared.node.person(token)),
        (Some(_), Some(_)) => None,
    };
    name.map(Person)
        .ok_or_else(|| Fault::unauthorized(format!("the token is nobody's; {HOW}")))
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// A browser tells where a request comes from; only our own pages may send one.
fn check_origin(headers: &HeaderMap) -> Answer<()> {
    let refuse = || {
        Fault::new(
            StatusCode::FORBIDDEN,
            "foreign-origin",
            "requests of pages from elsewhere are refused",
        )
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    for origin in headers.get_all(header::ORIGIN) {
        let origin = origin.to_str().map_err(|_| refuse())?;
        let authority = (origin.strip_prefix("http://"))
            .or_else(|| origin.strip_prefix("https://"))
            .ok_or_else(refuse)?;
        if host.is_none_or(|host| !host.eq_ignore_ascii_case(authority)) {
            return Err(refuse());
        }
    }
    Ok(())
}

/// Where nobody needs a token, a foreign name that was made to resolve to this machine must not pass as our own.
fn check_host(headers: &HeaderMap) -> Answer<()> {
    let local = |host: &HeaderValue| host.to_str().is_ok_and(is_local);
    if headers.get_all(header::HOST).iter().all(local) {
        return Ok(());
    }
    Err(Fault::new(
        StatusCode::FORBIDDEN,
        "foreign-host",
        "without tokens the node answers only to `localhost` and loopback addresses; configure a token to reach it by another name",
    ))
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || (address.parse::<IpAddr>()).is_ok_and(|address| address.is_loopback())
}

fn protect(headers: &mut HeaderMap) {
    const ALWAYS: [(HeaderName, &str); 5] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
