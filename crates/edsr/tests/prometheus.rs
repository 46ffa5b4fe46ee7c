//! The whole loop with real parts: Prometheus sees a process die, Alertmanager tells, a playbook starts it anew,
//! and the repair counts only once Prometheus sees it live.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should end"
)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{OPEN_NODE, Place, Process, Request, free_port, text, wait_for, wait_within};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

const PROMETHEUS: &str = "/usr/bin/prometheus";
const ALERTMANAGER: &str = "/usr/bin/prometheus-alertmanager";
const TOKEN: &str = "a-token-only-alertmanager-has";

/// From a process's death to a resolved incident: scrapes, rules and groups each take their second or two.
const REPAIR_WAIT: Duration = Duration::from_secs(60);

#[test]
fn a_dead_process_is_found_restarted_and_proven_alive() {
    if let Some(absent) = [PROMETHEUS, ALERTMANAGER]
        .iter()
        .find(|path| !Path::new(path).exists())
    {
        println!("skipped: {absent} is not installed");
        return;
    }
    let place = Place::new(OPEN_NODE);
    let patient = Patient::start(&place);
    write_bundle(&place, &patient);
    let node = place.start_with(&[("ALERTMANAGER_TOKEN", TOKEN)]);
    let stack = Stack::start(&place, node.address.port(), patient.port);
    wait_within(REPAIR_WAIT, "a first good scrape", || {
        stack.sees("up == 1").then_some(())
    });
    assert_eq!(node.list("detections").len(), 0);

    let before = patient.pid();
    kill_process(before, Signal::KILL).unwrap();
    let detection = wait_within(REPAIR_WAIT, "a detection", || node.list("detections").pop());
    assert_eq!(text(&detection, "/detector"), "target-down");
    let instance = format!("instance=127.0.0.1:{}", patient.port);
    assert_eq!(text(&detection, "/key_text"), instance);

    let incident = wait_within(REPAIR_WAIT, "the end of the incident", || {
        let incidents = node.list("incidents");
        incidents
            .into_iter()
            .find(|incident| text(incident, "/state") == "resolved")
    });
    let executions = node.list("executions");
    assert_eq!(executions.len(), 1, "{executions:?}");
    let execution = &executions[0];
    assert_eq!(text(execution, "/status"), "succeeded", "{execution}");
    assert_eq!(execution["verification"]["passed"], true, "{execution}");
    assert_eq!(execution["steps"][0]["attempts"], 1, "{execution}");
    assert_eq!(incident["executions"][0], execution["id"]);
    let detection = node.list("detections").pop().unwrap();
    assert_eq!(text(&detection, "/state"), "resolved");
    let after = patient.pid();
    assert!(after != before && test_kill_process(after).is_ok());
    assert!(stack.sees("up == 1"));

    // Who does not have the token cannot say that something is wrong.
    let path = "/v1/hooks/alertmanager";
    node.send(&Request::post(path, "{}").json()).is(401);
    node.send(&Request::post(path, "{}").json().bearer("another"))
        .is(401);
    let told = node.cli_ok(&["explain", text(execution, "/id")]);
    assert!(
        told.contains("target-down") && told.contains("succeeded"),
        "{told}"
    );
    drop(stack);
    node.stop();
    place.verify_audit();
}

/// A process that answers `/metrics`: a second node of ours, started the way the playbook starts it.
struct Patient {
    port: u16,
    script: PathBuf,
    pid_file: PathBuf,
    /// Stands in its command line and nowhere else.
    mark: String,
}

impl Patient {
    fn start(place: &Place) -> Self {
        let (port, dir) = (free_port(), place.path("patient"));
        std::fs::create_dir_all(dir.join("ops")).unwrap();
        std::fs::write(dir.join("ops/edsr.yaml"), OPEN_NODE).unwrap();
        let script = dir.join("start.sh");
        let (dir, program) = (dir.display().to_string(), env!("CARGO_BIN_EXE_edsr"));
        let text = format!(
            "#!/bin/sh\n\
             set -eu\n\
             setsid '{program}' run '{dir}/ops' --listen 127.0.0.1:{port} </dev/null >>'{dir}/log' 2>&1 &\n\
             echo $! >'{dir}/pid.new'\n\
             mv '{dir}/pid.new' '{dir}/pid'\n"
        );
        std::fs::write(&script, text).unwrap();
        let patient = Self {
            port,
            pid_file: Path::new(&dir).join("pid"),
            script,
            mark: dir,
        };
        let started = Command::new("/bin/sh")
            .arg(&patient.script)
            .status()
            .unwrap();
        assert!(started.success());
        let address = ([127, 0, 0, 1], port).into();
        wait_for("the patient", || Request::get("/metrics").send(address));
        patient
    }

    fn pid(&self) -> Pid {
        let text = std::fs::read_to_string(&self.pid_file).unwrap();
        Pid::from_raw(text.trim().parse().unwrap()).unwrap()
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        let Ok(text) = std::fs::read_to_string(&self.pid_file) else {
            return;
        };
        let line = std::fs::read(format!("/proc/{}/cmdline", text.trim())).unwrap_or_default();
        // Only what was started here: the number may belong to somebody else by now.
        if String::from_utf8_lossy(&line).contains(&self.mark)
            && let Some(pid) = text.trim().parse().ok().and_then(Pid::from_raw)
        {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn write_bundle(place: &Place, patient: &Patient) {
    place.write(
        "sources/alertmanager.yaml",
        "apiVersion: edsr.dev/v1
kind: Source
metadata: { name: alertmanager, owner: team }
spec:
  type: alertmanager
  auth: { bearer: { secret: { env: ALERTMANAGER_TOKEN } } }
",
    );
    place.write(
        "detectors/target-down.yaml",
        "apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: target-down, owner: team }
spec:
  on: type == \"prometheus.alert\" && data.labels.alertname == \"TargetDown\"
  by: [data.labels.instance]
  match: { when: data.status == \"firing\", clear: data.status == \"resolved\" }
  severity: critical
  respond: [restart]
",
    );
    let playbook = format!(
        "apiVersion: edsr.dev/v1
kind: Playbook
metadata: {{ name: restart, owner: team }}
spec:
  target: service/patient
  risk: low
  autonomy: auto
  steps:
    - id: restart
      uses: exec/run
      with: {{ argv: [/bin/sh, \"{}\"] }}
      timeout: 10s
  verify: {{ until: detection.resolved, within: 1m }}
---
apiVersion: edsr.dev/v1
kind: Target
metadata: {{ name: service/patient, owner: team }}
spec: {{ environment: test }}
",
        patient.script.display()
    );
    place.write("playbooks/restart.yaml", &playbook);
}

/// Prometheus and Alertmanager.
struct Stack {
    _alertmanager: Process,
    _prometheus: Process,
    prometheus_port: u16,
}

impl Stack {
    fn start(place: &Place, edsr: u16, patient: u16) -> Self {
        let (alerts, metrics) = (free_port(), free_port());
        let dir = place.path("stack");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("alertmanager.yml"), alertmanager_yml(edsr)).unwrap();
        std::fs::write(dir.join("prometheus.yml"), prometheus_yml(patient, alerts)).unwrap();
        std::fs::write(dir.join("rules.yml"), RULES).unwrap();
        let mut alertmanager = Command::new(ALERTMANAGER);
        alertmanager.current_dir(&dir).args([
            "--config.file=alertmanager.yml",
            "--storage.path=alertmanager",
            "--cluster.listen-address=",
            &format!("--web.listen-address=127.0.0.1:{alerts}"),
        ]);
        let mut prometheus = Command::new(PROMETHEUS);
        prometheus.current_dir(&dir).args([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=prometheus",
            &format!("--web.listen-address=127.0.0.1:{metrics}"),
        ]);
        let stack = Self {
            _alertmanager: Process::start(&mut alertmanager, &dir.join("alertmanager.log")),
            _prometheus: Process::start(&mut prometheus, &dir.join("prometheus.log")),
            prometheus_port: metrics,
        };
        for port in [alerts, metrics] {
            let address = ([127, 0, 0, 1], port).into();
            wait_for("Prometheus and Alertmanager", || {
                let answer = Request::get("/-/ready").send(address)?;
                (answer.status == 200).then_some(())
            });
        }
        stack
    }

    /// Whether Prometheus finds anything for a query.
    fn sees(&self, query: &str) -> bool {
        let query = query.replace(' ', "%20").replace('=', "%3D");
        let request = Request::get(&format!("/api/v1/query?query={query}"));
        let answer = request.send(([127, 0, 0, 1], self.prometheus_port).into());
        let found: Value = answer.unwrap().is(200).json();
        found["data"]["result"]
            .as_array()
            .is_some_and(|found| !found.is_empty())
    }
}

const RULES: &str = "\
groups:
  - name: targets
    interval: 1s
    rules:
      - alert: TargetDown
        expr: up == 0
        for: 1s
        labels: { severity: critical }
";

fn prometheus_yml(patient: u16, alerts: u16) -> String {
    format!(
        "\
global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}
rule_files: [rules.yml]
alerting:
  alertmanagers:
    - static_configs: [{{ targets: [\"127.0.0.1:{alerts}\"] }}]
scrape_configs:
  - job_name: patient
    static_configs: [{{ targets: [\"127.0.0.1:{patient}\"] }}]
"
    )
}

fn alertmanager_yml(edsr: u16) -> String {
    format!(
        "\
route: {{ receiver: edsr, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h }}
receivers:
  - name: edsr
    webhook_configs:
      - url: http://127.0.0.1:{edsr}/v1/hooks/alertmanager
        send_resolved: true
        http_config: {{ authorization: {{ type: Bearer, credentials: {TOKEN} }} }}
"
    )
}
