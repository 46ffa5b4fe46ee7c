//! What is said about bundles with mistakes: all of it, and where.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use edsr_bundle::{Report, SourceFile, load_files, testing::Catalog};

const CASES: &str = include_str!("mistakes.txt");

const BESIDE: &str = "apiVersion: edsr.dev/v1
kind: Playbook
metadata: { name: fix, owner: o }
spec:
  target: service/shop
  risk: low
  steps: [{ id: do, uses: exec/run, with: { argv: [fix] } }]
  verify: { until: detection.resolved, within: 1m }
---
apiVersion: edsr.dev/v1
kind: Target
metadata: { name: service/shop, owner: o }
spec: { environment: prod }
";

struct Case<'t> {
    title: &'t str,
    path: &'t str,
    text: String,
    expected: Vec<&'t str>,
}

fn cases() -> Vec<Case<'static>> {
    let cases = CASES.split("\n## ").skip(1);
    cases
        .map(|case| {
            let (title, rest) = case.split_once('\n').unwrap();
            let (path, rest) = match rest.strip_prefix("@ ") {
                Some(rest) => rest.split_once('\n').unwrap(),
                None => ("a.yaml", rest),
            };
            let (expected, text): (Vec<&str>, Vec<&str>) = rest
                .trim_end()
                .lines()
                .partition(|line| line.starts_with("=> "));
            Case {
                title,
                path,
                text: text.join("\n") + "\n",
                expected: expected.iter().map(|line| &line[3..]).collect(),
            }
        })
        .collect()
}

fn report(path: &str, text: &str) -> Report {
    let files = vec![
        SourceFile::new("beside.yaml", BESIDE),
        SourceFile::new("beside.cedar", "permit (principal, action, resource);"),
        SourceFile::new(path, text),
    ];
    match load_files(files, &Catalog) {
        Ok(compiled) => compiled.warnings,
        Err(report) => report,
    }
}

#[test]
fn every_mistake_is_reported_at_its_place() {
    let mut wrong = String::new();
    let cases = cases();
    assert!(cases.len() >= 40, "{}", cases.len());
    for case in cases {
        let report = report(case.path, &case.text);
        let prefix = format!("{}:", case.path);
        let said: Vec<String> = report
            .problems
            .iter()
            .map(|problem| problem.to_string())
            .map(|line| line.strip_prefix(&prefix).unwrap_or(&line).to_owned())
            .collect();
        if said != case.expected {
            wrong += &format!("\n## {}\n", case.title);
            for line in &said {
                wrong += &format!("=> {line}\n");
            }
        }
        // Nothing that is printed may depend on what stands in the case.
        assert!(!report.render(true).is_empty() || said.is_empty());
    }
    assert!(wrong.is_empty(), "{wrong}");
}
