//! The bundles that measurements run on.

use std::path::Path;

/// The type of the events that nothing looks for.
pub(super) const PLAIN: &str = "bench.event";
/// The type of the events that each open a detection.
pub(super) const WRONG: &str = "bench.wrong";

/// What stands in a bundle.
#[derive(Debug, Clone, Default)]
pub(super) struct Bundle {
    documents: Vec<String>,
    hosts: Vec<String>,
}

impl Bundle {
    /// So many detectors, each with two clauses, none of which holds for [`PLAIN`] events.
    pub(super) fn watching(detectors: u64) -> Self {
        let documents = (0..detectors).map(|number| {
            detector(&format!(
                "metadata: {{ name: quiet-{number}, owner: bench }}\nspec:\n  on: data.service == \"no-such-{number}\" && data.severity == \"critical\"\n  match: {{ when: data.status >= 500 }}\n"
            ))
        });
        Self {
            documents: documents.collect(),
            hosts: Vec::new(),
        }
    }

    /// And one window that every [`PLAIN`] event counts in.
    pub(super) fn and_a_window(mut self) -> Self {
        self.documents.push(detector(&format!(
            "metadata: {{ name: busy, owner: bench }}\nspec:\n  on: type == \"{PLAIN}\"\n  count: {{ over: 1m, atLeast: 1 }}\n"
        )));
        self
    }

    /// And one that answers every [`WRONG`] event, each with a key of its own, by a playbook of these steps.
    pub(super) fn and_answers(mut self, steps: u32, step: &str) -> Self {
        self.documents.push(detector(&format!(
            "metadata: {{ name: wrong, owner: bench }}\nspec:\n  on: type == \"{WRONG}\"\n  by: [data.k]\n  match: {{ when: data.bad }}\n  respond: [answer]\n"
        )));
        let steps: String = (1..=steps)
            .map(|number| format!("    - {{ id: s{number}, {step} }}\n"))
            .collect();
        self.documents.push(format!(
            "apiVersion: edsr.dev/v1\nkind: Playbook\nmetadata: {{ name: answer, owner: bench }}\nspec:\n  target: \"bench/${{detection.key.k}}\"\n  risk: low\n  autonomy: auto\n  steps:\n{steps}  verify: {{ until: \"true\", within: 1m }}\n"
        ));
        self
    }

    /// Playbooks may reach this port of this machine.
    pub(super) fn reaching(mut self, port: u16) -> Self {
        self.hosts.push(format!("\"127.0.0.1:{port}\""));
        self
    }

    /// Writes it down.
    pub(super) fn write(&self, dir: &Path) -> Result<(), String> {
        let put = |name: &str, text: String| {
            let path = dir.join(name);
            std::fs::write(&path, text)
                .map_err(|error| format!("cannot write `{}`: {error}", path.display()))
        };
        std::fs::create_dir_all(dir).map_err(|error| format!("`{}`: {error}", dir.display()))?;
        let hosts = self.hosts.join(", ");
        put(
            "edsr.yaml",
            format!(
                "apiVersion: edsr.dev/v1\nkind: Node\nspec:\n  ingest: {{ auth: {{ none: true }} }}\n  http: {{ allowHosts: [{hosts}] }}\n"
            ),
        )?;
        put(
            "all.cedar",
            "@id(\"all\")\npermit (principal, action, resource);\n".to_owned(),
        )?;
        put("documents.yaml", self.documents.join("---\n"))
    }
}

fn detector(rest: &str) -> String {
    format!("apiVersion: edsr.dev/v1\nkind: Detector\n{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn the_bundles_hold() {
        let step = "uses: debug/echo, with: { value: 1 }";
        for bundle in [
            Bundle::default(),
            Bundle::watching(3),
            Bundle::watching(1).and_a_window(),
            Bundle::default().and_answers(10, step).reaching(7_000),
        ] {
            let dir = tempfile::tempdir().unwrap();
            bundle.write(dir.path()).unwrap();
            let compiled = edsr_bundle::load(dir.path(), &Catalog);
            assert!(compiled.is_ok(), "{:?}", compiled.err());
        }
    }
}
