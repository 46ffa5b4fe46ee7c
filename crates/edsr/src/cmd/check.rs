//! `edsr check`: every mistake in a bundle, with its place and a way out.

use std::path::PathBuf;

use clap::Args;
use edsr_bundle::{Compiled, Problem, Report};
use serde_json::{Value, json};

use super::Context;
use crate::catalog::Catalog;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Out, Tone};
use crate::show::hash;
use crate::text::{count, printable, shown};

/// Check a bundle and point at every mistake.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Directory with the bundle
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// Checks it.
pub(crate) fn run(args: &CheckArgs, context: &Context) -> Outcome {
    if !args.dir.is_dir() {
        let text = format!("there is no directory `{}`", shown(&args.dir));
        return Err(Failure::usage(text)
            .help("name the directory that holds the documents of the bundle")
            .into());
    }
    let out = &context.out;
    let checked = edsr_bundle::load(&args.dir, &Catalog);
    if !out.is_table() {
        out.document(&document(&checked))?;
    } else {
        match &checked {
            Ok(compiled) => {
                report(out, &compiled.warnings)?;
                out.line(summary(out, compiled))?;
            }
            Err(problems) => {
                report(out, problems)?;
                out.line(verdict(out, problems))?;
            }
        }
    }
    Ok(if checked.is_ok() {
        Exit::Ok
    } else {
        Exit::Usage
    })
}

/// With source lines and carets on a terminal, one line each for everybody else.
fn report(out: &Out, report: &Report) -> Result<(), crate::exit::Stop> {
    if out.terminal {
        return out.text(&report.render(out.color));
    }
    for problem in &report.problems {
        out.line(printable(&problem.to_string()))?;
    }
    match report.left_out {
        0 => Ok(()),
        more => out.line(format!("and {more} more")),
    }
}

fn summary(out: &Out, compiled: &Compiled) -> String {
    let bundle = &compiled.bundle;
    let policies = bundle.policies.ids().len() as u64;
    let policies = match policies {
        1 => "1 policy".to_owned(),
        many => format!("{many} policies"),
    };
    format!(
        "{} {}, {}, {policies}, hash {}",
        out.paint(Tone::Good, "ok:"),
        count(bundle.detectors.len() as u64, "detector"),
        count(bundle.playbooks.len() as u64, "playbook"),
        hash(&bundle.hash.to_string()),
    )
}

fn verdict(out: &Out, report: &Report) -> String {
    let is_warning = |problem: &&Problem| problem.code.is_warning();
    let warnings = report.problems.iter().filter(is_warning).count();
    let mistakes = report.problems.len() - warnings + report.left_out;
    let text = match mistakes {
        1 => "1 mistake".to_owned(),
        many => format!("{many} mistakes"),
    };
    let warnings = match warnings {
        0 => String::new(),
        many => format!(", {}", count(many as u64, "warning")),
    };
    format!("{}{warnings}", out.paint(Tone::Bad, &text))
}

fn document(checked: &Result<Compiled, Report>) -> Value {
    let problems =
        |report: &Report| -> Vec<Value> { report.problems.iter().map(problem).collect() };
    match checked {
        Ok(compiled) => json!({
            "ok": true,
            "hash": compiled.bundle.hash,
            "detectors": compiled.bundle.detectors.len(),
            "playbooks": compiled.bundle.playbooks.len(),
            "policies": compiled.bundle.policies.ids().len(),
            "sources": compiled.sources.len(),
            "problems": problems(&compiled.warnings),
            "leftOut": compiled.warnings.left_out,
        }),
        Err(report) => json!({
            "ok": false,
            "problems": problems(report),
            "leftOut": report.left_out,
        }),
    }
}

fn problem(problem: &Problem) -> Value {
    json!({
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "code": problem.code.as_str(),
        "severity": if problem.code.is_warning() { "warning" } else { "error" },
        "message": problem.message,
        "help": problem.help,
    })
}
