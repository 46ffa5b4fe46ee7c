//! A server of a few lines, and the program run against it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// What a client asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Method and path with query, for example `GET /v1/status`.
    pub(crate) line: String,
    /// All header lines, names in lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

/// What it is answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(status: u16, body: serde_json::Value) -> Self {
        Self {
            status,
            headers: vec!["content-type: application/json".into()],
            body: body.to_string(),
        }
    }

    pub(crate) fn problem(status: u16, detail: &str) -> Self {
        Self::json(
            status,
            serde_json::json!({"type": "https://edsr.dev/problems/x", "title": "x", "status": status,
                "detail": detail, "code": "x"}),
        )
    }

    pub(crate) fn header(mut self, line: &str) -> Self {
        self.headers.push(line.into());
        self
    }
}

/// A server on a free port of this machine. Its thread ends with the test's process.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    /// Answers every request by `answer`, which is told how many came before.
    pub(crate) fn serve(answer: impl Fn(&Request, usize) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else {
                    continue;
                };
                let before = {
                    let mut log = log.lock().unwrap();
                    log.push(request.clone());
                    log.len() - 1
                };
                let reply = answer(&request, before);
                let mut text = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", reply.status);
                for header in &reply.headers {
                    text.push_str(&format!("{header}\r\n"));
                }
                text.push_str(&format!("content-length: {}\r\n\r\n", reply.body.len()));
                text.push_str(&reply.body);
                let _ = stream.write_all(text.as_bytes());
            }
        });
        Self { address, seen }
    }

    /// Answers every request the same.
    pub(crate) fn always(reply: Reply) -> Self {
        Self::serve(move |_, _| reply.clone())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut headers = Vec::new();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':')?;
        let header = format!("{}:{value}", name.to_lowercase());
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        headers.push(header);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        line,
        headers,
        body: String::from_utf8(body).ok()?,
    })
}

/// The program, away from the settings of whoever runs the tests.
pub(crate) fn edsr(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edsr"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("EDSR_") {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .env_remove("NO_COLOR")
        .env_remove("XDG_CONFIG_HOME")
        .env("HOME", "/nonexistent");
    command
}

/// What became of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs it to its end.
pub(crate) fn run(args: &[&str]) -> Ran {
    edsr(args).output().unwrap().into()
}

/// Runs it against a server.
pub(crate) fn ask(stub: &Stub, args: &[&str]) -> Ran {
    edsr(args)
        .env("EDSR_SERVER", stub.url())
        .output()
        .unwrap()
        .into()
}

/// Runs it against a server, with `input` on its standard input.
pub(crate) fn feed(stub: &Stub, args: &[&str], input: &str) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("input");
    std::fs::write(&path, input).unwrap();
    edsr(args)
        .env("EDSR_SERVER", stub.url())
        .stdin(std::fs::File::open(path).unwrap())
        .output()
        .unwrap()
        .into()
}

/// Nothing in it that a terminal would obey.
#[track_caller]
pub(crate) fn plain(ran: &Ran) {
    for text in [&ran.out, &ran.err] {
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
