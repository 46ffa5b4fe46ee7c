//! Bodies: read only after the headers were judged, never longer and never slower than allowed.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::problem::{Answer, Fault, unsupported};
use crate::room::{Room, Share};
use crate::settings::{CALL_BYTES_MAX, ServerSettings};

/// Refuses by the headers alone what a body may not be.
pub(crate) fn check_headers(headers: &HeaderMap, bytes_max: usize) -> Answer<()> {
    for encoding in headers.get_all(header::CONTENT_ENCODING) {
        if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") {
            return Err(unsupported(
                "compressed bodies are not read; send it with `Content-Encoding: identity`",
            ));
        }
    }
    let Some(length) = headers.get(header::CONTENT_LENGTH) else {
        return Ok(());
    };
    let length = (length.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
    match length {
        Some(length) if length <= bytes_max as u64 => Ok(()),
        Some(_) => Err(too_large(bytes_max)),
        None => Err(Fault::bad("`Content-Length` is not a number")),
    }
}

/// Reads a body of at most `bytes_max` bytes, while there is room for what arrived of it.
pub(crate) async fn read(
    body: Body,
    bytes_max: usize,
    settings: &ServerSettings,
    room: &Arc<Room>,
) -> Answer<Bytes> {
    let stream = body.into_data_stream();
    let reading = read_all(stream, bytes_max, settings.body_idle_max, room.share());
    timeout(settings.body_time_max, reading)
        .await
        .unwrap_or_else(|_| Err(too_slow("the body took too long as a whole")))
}

async fn read_all(
    mut stream: BodyDataStream,
    bytes_max: usize,
    idle: Duration,
    mut share: Share,
) -> Answer<Bytes> {
    let mut whole = Vec::new();
    loop {
        let next = timeout(idle, stream.next())
            .await
            .map_err(|_| too_slow("the body made no progress"))?;
        let Some(piece) = next else {
            return Ok(Bytes::from(whole));
        };
        let piece = piece.map_err(|_| Fault::bad("the body ended before it was complete"))?;
        if piece.len() > bytes_max.saturating_sub(whole.len()) {
            return Err(too_large(bytes_max));
        }
        if !share.grow(piece.len()) {
            return Err(Fault::busy(
                "too many large bodies are arriving at once; try again",
            ));
        }
        // Growing by a quarter instead of by the double: what is held is hardly more than what arrived.
        if whole.capacity() - whole.len() < piece.len() {
            whole.reserve_exact(piece.len().max(whole.len() / 4));
        }
        whole.extend_from_slice(&piece);
    }
}

/// Reads the JSON body of an API call. Unknown and repeated fields are refused by the types.
pub(crate) async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    settings: &ServerSettings,
) -> Answer<T> {
    let media = (headers.get(header::CONTENT_TYPE)).and_then(|value| value.to_str().ok());
    let essence = media.and_then(|media| media.split(';').next());
    if !essence.is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json")) {
        return Err(unsupported("send `Content-Type: application/json`"));
    }
    check_headers(headers, CALL_BYTES_MAX)?;
    // Room of its own: a pause is never turned away because events flood in.
    let room = Room::new(CALL_BYTES_MAX);
    let bytes = read(body, CALL_BYTES_MAX, settings, &room).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Fault::bad(format!("the body is not right: {error}")))
}

fn too_large(bytes_max: usize) -> Fault {
    Fault::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        format!("the body has more than {bytes_max} bytes; send it in parts"),
    )
}

fn too_slow(detail: &str) -> Fault {
    Fault::new(StatusCode::REQUEST_TIMEOUT, "too-slow", detail)
}
