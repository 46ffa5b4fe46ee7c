//! The bundle that stories about decisions and runs vary.

/// A detector per alert that answers with `fix`, and the playbook `fix` with what a story needs changed.
pub(crate) fn bundle(playbook: &str) -> String {
    format!(
        "apiVersion: edsr.dev/v1
kind: Detector
metadata: {{ name: d, owner: team }}
spec:
  on: type == 'alert'
  by: [data.name]
  match: {{ when: data.firing == true }}
  respond: [fix]
---
apiVersion: edsr.dev/v1
kind: Playbook
metadata: {{ name: page, owner: team }}
spec:
  target: team/oncall
  risk: low
  autonomy: auto
  guards: {{ cooldown: 0s }}
  steps: [{{ id: call, uses: notify/webhook, with: {{ url: 'http://pager.example/', text: help }} }}]
  verify: {{ until: 'true', within: 1s }}
---
apiVersion: edsr.dev/v1
kind: Playbook
metadata: {{ name: fix, owner: team }}
spec:
{}
",
        playbook
            .lines()
            .map(|line| format!("  {}", line.trim_start_matches("        ")))
            .collect::<Vec<_>>()
            .join("\n")
    )
}

/// A playbook with one step.
pub(crate) const ONE_STEP: &str = "
        target: service/${detection.key.name}
        risk: low
        autonomy: auto
        guards: { cooldown: 1m, breaker: { after: 2, reset: 10m } }
        steps:
        - { id: one, uses: exec/run, with: { argv: [fix] }, timeout: 30s }
        verify: { until: detection.resolved, within: 1m }";
