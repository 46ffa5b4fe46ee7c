//! Policies in Cedar, with its mistakes among the others.

use std::collections::BTreeSet;

use edsr_engine::policy::Policies;

use crate::envelope::Kind;
use crate::files::SourceFile;
use crate::links::Names;
use crate::problem::{Code, Problem};

/// Every policy of the bundle, checked once as one set.
pub(crate) fn compile(files: &[SourceFile], problems: &mut Vec<Problem>) -> Option<Policies> {
    let cedar = files.iter().filter(|file| file.is_cedar());
    let texts: Vec<(String, String)> = cedar
        .map(|file| (file.path.clone(), file.text.clone()))
        .collect();
    let mut errors = match Policies::compile(&texts) {
        Ok(policies) => return Some(policies),
        Err(errors) => errors,
    };
    // Cedar finds them in no particular order.
    errors.sort_by(|a, b| (&a.file, &a.message).cmp(&(&b.file, &b.message)));
    let unknown = SourceFile::default();
    let mut said = BTreeSet::new();
    for error in errors {
        let file = files.iter().find(|file| file.path == error.file);
        let problem = Problem::new(
            file.unwrap_or(&unknown),
            error.span.unwrap_or(0..0),
            Code::Policy,
            error.message,
        );
        let problem = match error.help {
            Some(help) => problem.help(help),
            None => problem,
        };
        // Cedar says the same once for each action that a policy speaks about.
        let place = (
            problem.file.clone(),
            problem.span.start,
            problem.help.clone(),
        );
        if said.insert(place) {
            problems.push(problem);
        }
    }
    None
}

/// Without a policy nothing is permitted, which surprises whoever wrote a playbook that may act.
pub(crate) fn warn_without(
    policies: &Policies,
    names: &Names,
    files: &[SourceFile],
    problems: &mut Vec<Problem>,
) {
    let first = names.first(Kind::Playbook);
    if let (true, Some((place, span))) = (policies.ids().is_empty(), first) {
        let message = "there is no policy, so no playbook is permitted to do anything".to_owned();
        let problem = Problem::new(&files[place], span, Code::NoPolicy, message);
        problems
            .push(problem.help("add a file like `policies/repair.cedar` with a `permit` in it"));
    }
}
