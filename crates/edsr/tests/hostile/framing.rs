//! Requests whose frame lies: lengths, encodings, chunks, and headers that take for ever.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::common::{Node, OPEN_NODE, Place, Request, Stopwatch, nap, node::event};

const MIB: u64 = 1024 * 1024;

/// The longest that headers may take, and what the node may be late with it.
const HEADERS_TIME_MAX: Duration = Duration::from_secs(15 + 5);

/// How many hold their headers back at once, and what that may cost.
const SLOW: usize = 200;
const SLOW_BYTES_MAX: u64 = 16 * MIB;

const EVENT: &str = r#"{"specversion":"1.0","id":"lied","source":"/s","type":"t"}"#;
const KIND: &str = "content-type: application/cloudevents+json\r\n";

/// Sends bytes and reads what comes back until the end.
fn raw(to: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(HEADERS_TIME_MAX)).unwrap();
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answers: &str) -> Vec<u16> {
    let lines = answers.split("HTTP/1.1 ").skip(1);
    lines
        .filter_map(|line| line.get(..3)?.parse().ok())
        .collect()
}

/// Checks what a request is answered with; an event that came with it was taken only where it is said so.
fn check_frame(node: &Node, headers: &str, body: &[u8], allowed: &[u16]) {
    let before = node.all("events").len();
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{KIND}{headers}\r\n",
        node.address
    );
    let answers = raw(node.address, &[head.as_bytes(), body].concat());
    let got = statuses(&answers);
    let what = format!("{headers:?} {:.80}", String::from_utf8_lossy(body));
    assert!(
        got.len() == 1 && allowed.contains(&got[0]),
        "{what}: {answers}"
    );
    let taken = node.all("events").len() - before;
    assert_eq!(taken, usize::from(got[0] == 202), "{what}");
}

fn chunk(size: &str, body: &str) -> Vec<u8> {
    format!("{size}\r\n{body}\r\n0\r\n\r\n").into_bytes()
}

#[test]
fn a_frame_that_lies_is_refused() {
    let place = Place::new(OPEN_NODE);
    let node = place.start();
    let length = EVENT.len();
    let right = format!("content-length: {length}\r\n");
    check_frame(&node, &right, EVENT.as_bytes(), &[202]);
    for lie in [
        format!("{right}content-length: {}\r\n", length + 1),
        format!("content-length: {length}, {}\r\n", length + 1),
        "content-length: -1\r\n".to_owned(),
        format!("content-length: +{length}\r\n"),
        "content-length: 0x10\r\n".to_owned(),
        "content-length: 18446744073709551616\r\n".to_owned(),
        "content-length: \r\n".to_owned(),
        "content-length: 1e2\r\n".to_owned(),
        "transfer-encoding: xchunked\r\n".to_owned(),
        "transfer-encoding: identity\r\n".to_owned(),
        "transfer-encoding: chunked, gzip\r\n".to_owned(),
        format!(" {right}"),
        format!("content-length : {length}\r\n"),
        "x: \u{0}\r\n".to_owned(),
        format!("x: {}\r\n{right}", "y".repeat(70_000)),
        format!("{}{right}", "x: y\r\n".repeat(150)),
    ] {
        check_frame(&node, &lie, EVENT.as_bytes(), &[400, 413, 431]);
    }
    // A chunk that is announced and does not come is waited for as long as any body.
    for (size, body) in [
        ("ffffffffffffffff", EVENT),
        ("fffffffffffffffff", EVENT),
        ("-1", EVENT),
        ("0x3a", EVENT),
        ("", EVENT),
        ("zz", EVENT),
        ("5", EVENT),
        (&format!("{length:x};{}", "x".repeat(1 << 20)), EVENT),
    ] {
        check_frame(
            &node,
            "transfer-encoding: chunked\r\n",
            &chunk(size, body),
            &[400, 408, 413],
        );
    }
    let whole = chunk(&format!("{length:x}"), EVENT);
    let trailers = [
        &whole[..whole.len() - 2],
        "x: y\r\n".repeat(100_000).as_bytes(),
        b"\r\n",
    ]
    .concat();
    check_frame(
        &node,
        "transfer-encoding: chunked\r\n",
        &trailers,
        &[400, 431],
    );
    // A body that stops before it is complete.
    let more = format!("content-length: {}\r\n", length + 10);
    check_frame(&node, &more, EVENT.as_bytes(), &[408]);
    check_frame(
        &node,
        "transfer-encoding: chunked\r\n",
        &whole[..length],
        &[408],
    );
    node.stop();
}

/// What stands behind a body is never a request of somebody else: the connection ends, or it is read as what it is.
#[test]
fn nothing_is_smuggled_behind_a_body() {
    let place = Place::new(OPEN_NODE);
    let node = place.start();
    let hidden = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\n{KIND}content-length: {}\r\n\r\n{EVENT}",
        EVENT.len()
    );
    for headers in [
        "content-length: 3\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
        "content-length: 3\r\ntransfer-encoding : chunked\r\n",
        "content-length: 3\r\ntransfer-encoding:\u{b}chunked\r\n",
        "content-length: 3\r\ncontent-length: 300\r\n",
        "content-length: 30000000\r\n",
    ] {
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nhost: {}\r\n{KIND}{headers}\r\n",
            node.address
        );
        let got = statuses(&raw(
            node.address,
            format!("{head}3\r\n{{}}x{hidden}").as_bytes(),
        ));
        assert!(
            got.len() == 1 && [400, 413].contains(&got[0]),
            "{headers:?}: {got:?}"
        );
        assert_eq!(node.all("events").len(), 0, "{headers:?}");
    }
    for start in [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /v1/status\r\n",
        "GET /v1/status HTTP/0.9\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}",
    ] {
        let answer = raw(node.address, start.as_bytes());
        assert!(
            !answer.contains(" 200 ") && answer.len() < 2_000,
            "{start:?}: {answer}"
        );
    }
    node.stop();
}

/// A small body that says it becomes a large one is not unpacked.
#[test]
fn packed_bodies_are_refused_unread() {
    let place = Place::new(OPEN_NODE);
    let node = place.start();
    let bomb = [
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03".as_slice(),
        &[0; 500_000],
    ]
    .concat();
    for packing in [
        "gzip",
        "GZip",
        "x-gzip",
        "deflate",
        "br",
        "zstd",
        "compress",
        "identity, gzip",
        "gzip, gzip",
        "gzip;q=0",
        "\"gzip\"",
        "",
    ] {
        for path in ["/v1/events", "/v1/notes"] {
            let kind = if path == "/v1/notes" {
                "application/json"
            } else {
                "application/cloudevents+json"
            };
            let request = Request::post(path, bomb.as_slice())
                .header("content-type", kind)
                .header("content-encoding", packing);
            node.send(&request.withheld()).is(415);
        }
    }
    let bare =
        Request::post("/v1/events", bomb).header("content-type", "application/cloudevents+json");
    node.send(&bare).is(400);
    node.send(&event("e1", "t", &serde_json::json!({})).header("content-encoding", "identity"))
        .is(202);
    node.stop();
}

#[test]
fn headers_that_take_for_ever_are_cut_off_and_cost_little() {
    let place = Place::new(OPEN_NODE);
    let node = place.start();
    node.send(&Request::get("/healthz")).is(200);
    let before = node.memory();
    let watch = Stopwatch::start();
    let mut slow: Vec<_> = (0..SLOW)
        .map(|_| TcpStream::connect(node.address).unwrap())
        .collect();
    for stream in &mut slow {
        stream.set_read_timeout(Some(HEADERS_TIME_MAX)).unwrap();
        stream
            .write_all(b"POST /v1/events HTTP/1.1\r\nhost: x\r\nx-long: ")
            .unwrap();
    }
    // A piece of a header now and then is no progress; others are answered meanwhile.
    let mut memory_max = before;
    let mut open = true;
    while open && watch.elapsed() < HEADERS_TIME_MAX {
        open = slow
            .iter_mut()
            .filter_map(|stream| stream.write_all(&[b'x'; 50]).ok())
            .count()
            > 0;
        memory_max = memory_max.max(node.memory());
        node.send(&Request::get("/healthz")).is(200);
        nap(Duration::from_millis(300));
    }
    assert!(watch.elapsed() < HEADERS_TIME_MAX, "all are cut off");
    println!(
        "memory {} -> {} KiB, cut off within {:?}",
        before / 1024,
        memory_max / 1024,
        watch.elapsed()
    );
    assert!(
        memory_max - before <= SLOW_BYTES_MAX,
        "{} MiB",
        (memory_max - before) / MIB
    );
    node.stop();
}
