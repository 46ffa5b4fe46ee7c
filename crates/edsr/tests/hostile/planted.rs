//! A node with a secret in every place that takes one, and a server that repeats whatever it is told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::{Value, json};

use crate::canary::{Canary, renderings};
use crate::common::{Place, free_port};

/// How a run with a secret ends.
pub(crate) struct Run {
    pub(crate) name: &'static str,
    pub(crate) steps: Value,
    pub(crate) ends: &'static str,
}

/// All that was planted.
pub(crate) struct Planted {
    pub(crate) place: Place,
    pub(crate) canaries: Vec<Canary>,
    pub(crate) env: Vec<(&'static str, String)>,
    pub(crate) runs: Vec<Run>,
}

/// What a program does that tells everything it knows.
const TELLS_ALL: &str = r#"
printf '%s\n' "$SECRET"
printf '%s' "$SECRET" | base64 -w0
printf '%s' "user:$SECRET" | base64 -w0
printf '%s' "$SECRET" | od -An -v -tx1 | tr -d ' \n'
printf '%s\n' "$SECRET" >&2
cat "$0" /dev/null >&2
env >&2
exit "$1"
"#;

impl Planted {
    pub(crate) fn new() -> Self {
        let place = Place::new(SETTINGS);
        for dir in ["secrets", "tmp"] {
            std::fs::create_dir(place.path(dir)).unwrap();
        }
        std::fs::write(place.ops().join("tell.sh"), TELLS_ALL).unwrap();
        let mut planted = Self {
            place,
            canaries: Vec::new(),
            env: Vec::new(),
            runs: Vec::new(),
        };
        planted.doors();
        planted.programs();
        planted.calls(serve());
        planted.write();
        planted
    }

    /// Plants one and returns its value.
    fn plant(&mut self, name: &'static str, dress: fn(&Canary) -> String) -> String {
        let canary = Canary::new(name);
        let value = dress(&canary);
        self.canaries.push(canary);
        value
    }

    /// Plants one in a file of this name.
    fn file(&mut self, name: &'static str, dress: fn(&Canary) -> String) -> Value {
        let value = self.plant(name, dress);
        self.file_of(name, &value)
    }

    fn file_of(&self, name: &str, text: &str) -> Value {
        let path = self.place.path("secrets").join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        json!({"file": path})
    }

    /// Plants one in an environment variable of the node.
    fn variable(&mut self, name: &'static str, dress: fn(&Canary) -> String) -> Value {
        let value = self.plant(name, dress);
        self.env.push((name, value));
        json!({"env": name})
    }

    fn doors(&mut self) {
        self.variable("PERSON_ANA", Canary::for_header);
        for name in ["person-bo", "bearer-door", "events-door"] {
            self.file(name, Canary::for_header);
        }
        for name in ["signed-old", "signed-new"] {
            self.file(name, Canary::whsec);
        }
        for name in ["github-old", "github-new"] {
            self.file(name, Canary::anything);
        }
    }

    fn programs(&mut self) {
        let good = self.variable("EXEC_GOOD", Canary::anything);
        let bad = self.file("exec-bad", Canary::anything);
        let lines = self.file("exec-lines", |canary| {
            format!(
                "-----BEGIN-----\n{}\n{}\n-----END-----",
                canary.anything(),
                canary.core
            )
        });
        let json = self.variable("EXEC_JSON", |canary| canary.core.clone());
        let late = self.variable("EXEC_LATE", Canary::anything);
        let undone = self.file("exec-undo", Canary::anything);
        let tell = |secret: &Value, code: &str| json!({"uses": "exec/run", "with": {"argv": ["/bin/sh", "tell.sh", code], "env": {"SECRET": {"secret": secret, "prefix": "Bearer "}}}});
        let told = json!({"id": "tell", "uses": "event/emit", "with": {"type": "told", "data": {"all": "${steps.work.output}"}}});
        let mut undo = work(json!({"uses": "debug/echo", "with": {"value": 1}}));
        undo["undo"] = tell(&undone, "0");
        let mut fails = work(tell(&bad, "3"));
        fails["id"] = json!("fails");
        let printed = json!({"uses": "exec/run", "with": {
            "argv": ["/bin/sh", "-c", r#"printf '{"a": {"%s": ["%s"]}}' "$SECRET" "$SECRET""#], "env": {"SECRET": {"secret": json}}}});
        let mut stays = tell(&late, "0");
        stays["with"]["argv"] = json!([
            "/bin/sh",
            "-c",
            r#"echo "$SECRET"; echo "$SECRET" >&2; sleep 60"#
        ]);
        stays["timeout"] = json!("1s");
        self.run(
            "exec-good",
            json!([work(tell(&good, "0")), told.clone()]),
            "unverified",
        );
        self.run("exec-bad", json!([work(tell(&bad, "3"))]), "failed");
        self.run(
            "exec-lines",
            json!([work(tell(&lines, "0")), told.clone()]),
            "unverified",
        );
        self.run("exec-json", json!([work(printed), told]), "unverified");
        self.run("exec-late", json!([work(stays)]), "failed");
        self.run("exec-undo", json!([undo, fails]), "compensated");
    }

    fn calls(&mut self, to: SocketAddr) {
        let told = json!({"id": "tell", "uses": "event/emit", "with": {"type": "told", "data": {"all": "${steps.work.output}"}}});
        let http = |url: Value, secret: Option<&Value>| {
            let headers =
                secret.map(|secret| json!({"x-canary": {"secret": secret, "prefix": "Bearer "}}));
            work(
                json!({"uses": "http/request", "with": {"url": url, "headers": headers.unwrap_or(json!({}))}}),
            )
        };
        let good = self.variable("HTTP_GOOD", Canary::for_header);
        let bad = self.file("http-bad", Canary::for_header);
        self.run(
            "http-good",
            json!([
                http(json!(format!("http://{to}/ok")), Some(&good)),
                told.clone()
            ]),
            "unverified",
        );
        self.run(
            "http-bad",
            json!([http(json!(format!("http://{to}/fail")), Some(&bad))]),
            "failed",
        );
        let nobody = SocketAddr::from(([127, 0, 0, 1], free_port()));
        for (name, host, path, ends) in [
            ("URL_GOOD", to.to_string(), "ok", "unverified"),
            ("URL_BAD", to.to_string(), "fail", "failed"),
            ("URL_NOBODY", nobody.to_string(), "ok", "failed"),
            ("URL_CUT", to.to_string(), "cut", "in-doubt"),
            ("URL_FORBIDDEN", "10.1.2.3".to_owned(), "ok", "failed"),
            ("URL_WRONG", "127.0.0.1:99999999".to_owned(), "ok", "failed"),
        ] {
            let value = self.plant(name, Canary::for_url);
            self.env
                .push((name, format!("http://{host}/{path}/{value}?sig={value}")));
            let mut step = http(json!({"secret": {"env": name}}), None);
            step["with"]["method"] = json!("POST");
            self.run(name, json!([step]), ends);
        }
        let hook = self.plant("notify-url", Canary::for_url);
        let hook = self.file_of("notify-url", &format!("http://{to}/fail/{hook}"));
        let header = self.file("notify-header", Canary::for_header);
        let notify = json!({"uses": "notify/webhook", "with": {
            "url": {"secret": hook}, "text": "help", "headers": {"x-canary": {"secret": header}}}});
        self.run("notify", json!([work(notify)]), "failed");
        let probed = self.plant("probe-header", Canary::for_header);
        let probed = self.file_of("probe-header", &probed);
        let mut cut = http(json!(format!("http://{to}/cut")), Some(&probed));
        cut["with"]["method"] = json!("POST");
        cut["probe"] = http(json!(format!("http://{to}/ok")), Some(&probed));
        cut["probe"].as_object_mut().unwrap().remove("id");
        self.run("probe", json!([cut]), "unverified");
    }

    fn run(&mut self, name: &'static str, steps: Value, ends: &'static str) {
        self.runs.push(Run { name, steps, ends });
    }

    /// Writes the bundle: each `trouble` starts all runs.
    fn write(&self) {
        let named = |run: &Run| run.name.to_lowercase().replace('_', "-");
        let names: Vec<_> = self.runs.iter().map(named).collect();
        let mut documents = vec![json!({
            "apiVersion": "edsr.dev/v1", "kind": "Detector", "metadata": {"name": "trouble", "owner": "team"},
            "spec": {"on": "type == \"trouble\"", "by": ["data.n"], "match": {"when": "true"}, "respond": names}
        })];
        documents.extend(self.runs.iter().map(|run| {
            let name = named(run);
            json!({
                "apiVersion": "edsr.dev/v1", "kind": "Playbook", "metadata": {"name": name, "owner": "team"},
                "spec": {"target": format!("thing/{name}"), "risk": "low", "autonomy": "auto", "steps": run.steps}
            })
        }));
        let texts: Vec<_> = documents.iter().map(Value::to_string).collect();
        self.place.write("runs.yaml", &texts.join("\n---\n"));
        self.place.write("doors.yaml", DOORS);
    }
}

/// A step with its name.
fn work(mut step: Value) -> Value {
    step["id"] = json!("work");
    step
}

const SETTINGS: &str = "\
apiVersion: edsr.dev/v1
kind: Node
spec:
  tokens:
    - { name: ana, secret: { env: PERSON_ANA } }
    - { name: bo, secret: { file: ../secrets/person-bo } }
  ingest: { auth: { bearer: { secret: { file: ../secrets/events-door } } } }
  http: { allowHosts: [\"127.0.0.1\"] }
";

/// Doors of every kind; their mapping keeps all headers it is shown.
const DOORS: &str = r#"
apiVersion: edsr.dev/v1
kind: Source
metadata: { name: bearer, owner: team }
spec:
  type: webhook
  auth: { bearer: { secret: { file: ../secrets/bearer-door } } }
  map: { type: '"hook"', data: '{"body": body, "headers": headers}' }
---
apiVersion: edsr.dev/v1
kind: Source
metadata: { name: signed, owner: team }
spec:
  type: webhook
  auth: { standardWebhooks: { secrets: [{ file: ../secrets/signed-old }, { file: ../secrets/signed-new }] } }
  map: { type: '"hook"', data: '{"body": body, "headers": headers}' }
---
apiVersion: edsr.dev/v1
kind: Source
metadata: { name: github, owner: team }
spec:
  type: webhook
  auth: { github: { secrets: [{ file: ../secrets/github-old }, { file: ../secrets/github-new }] } }
  map: { type: '"hook"', data: '{"body": body, "headers": headers}' }
"#;

/// Starts the server; it ends with the test.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || repeat(stream));
        }
    });
    address
}

/// Answers with all it was told: 200, 500, or not to the end.
fn repeat(mut stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push(line.trim().to_owned());
    }
    reader.take(length).read_to_end(&mut Vec::new()).ok()?;
    let path = head.first()?.split(' ').nth(1)?.to_owned();
    if path.starts_with("/cut") {
        return None;
    }
    let status = if path.starts_with("/ok") {
        "200 OK"
    } else {
        "500 No"
    };
    let body = told(&head, &path).join("\n");
    let answer = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\nx-you: {path}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).ok()
}

/// The path and every part of it, also decoded, and the secret of the headers, in every dress.
fn told(head: &[String], path: &str) -> Vec<String> {
    let decoded = path
        .replace("%2B", "+")
        .replace("%2F", "/")
        .replace("%3D", "=");
    let values = head
        .iter()
        .filter_map(|line| line.strip_prefix("x-canary: "));
    let values = values.map(|value| value.strip_prefix("Bearer ").unwrap_or(value).to_owned());
    let parts = [path.to_owned(), decoded].into_iter().flat_map(|path| {
        let part = path.rsplit("sig=").next().unwrap_or_default().to_owned();
        [path, part]
    });
    values
        .chain(parts)
        .flat_map(|value| renderings(&value))
        .collect()
}
