//! Names that lead from one document to another.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use edsr_expr::closest;

use crate::detector::Link;
use crate::envelope::Kind;
use crate::files::SourceFile;
use crate::problem::{Code, Problem};

/// Who has which name, and who speaks of whom. Files are given by their place in the list of files.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: BTreeMap<(Kind, String), Known>,
    /// Playbooks that detectors name.
    pub(crate) respond: Vec<(usize, Link)>,
    /// Playbooks that playbooks name.
    pub(crate) otherwise: Vec<(usize, String, Link)>,
    /// Targets that playbooks name.
    pub(crate) targets: Vec<(usize, Link)>,
}

#[derive(Debug)]
struct Known {
    file: usize,
    span: Range<usize>,
    place: String,
}

impl Names {
    /// Takes a name, at the place `said`; where it is taken already, says where.
    pub(crate) fn claim(
        &mut self,
        kind: Kind,
        name: &str,
        place: usize,
        span: &Range<usize>,
        said: String,
    ) -> Option<String> {
        let key = (kind, name.to_owned());
        if let Some(first) = self.known.get(&key) {
            return Some(first.place.clone());
        }
        let known = Known {
            file: place,
            span: span.clone(),
            place: said,
        };
        self.known.insert(key, known);
        None
    }

    /// Where the first document of a kind is named, in the order of names.
    pub(crate) fn first(&self, kind: Kind) -> Option<(usize, Range<usize>)> {
        let mut known = self.known.iter().filter(|((known, _), _)| *known == kind);
        known
            .next()
            .map(|(_, known)| (known.file, known.span.clone()))
    }

    fn of(&self, kind: Kind) -> BTreeSet<&str> {
        let known = self.known.keys().filter(|(known, _)| *known == kind);
        known.map(|(_, name)| name.as_str()).collect()
    }
}

/// Reports names that lead nowhere, and playbooks that follow each other in a circle.
pub(crate) fn check(names: &Names, files: &[SourceFile], problems: &mut Vec<Problem>) {
    let playbooks = names.of(Kind::Playbook);
    let respond = names.respond.iter().map(|(place, link)| (place, link));
    let otherwise = names.otherwise.iter().map(|(place, _, link)| (place, link));
    for (place, link) in respond.chain(otherwise) {
        if playbooks.contains(link.to.as_str()) {
            continue;
        }
        let message = format!("there is no playbook `{}`", link.to);
        let help = match closest(&link.to, &playbooks) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write a document of `kind: Playbook` with this name".to_owned(),
        };
        let problem = Problem::new(&files[*place], link.span.clone(), Code::Reference, message);
        problems.push(problem.help(help));
    }
    check_targets(names, files, problems);
    check_circles(names, files, problems);
}

/// Only where targets are described at all: a small bundle may well do without.
fn check_targets(names: &Names, files: &[SourceFile], problems: &mut Vec<Problem>) {
    let known = names.of(Kind::Target);
    let unknown = names
        .targets
        .iter()
        .filter(|(_, link)| !known.is_empty() && !known.contains(link.to.as_str()));
    for (place, link) in unknown {
        let message = format!(
            "no Target describes `{}`, so policies see it in the environment `unknown`",
            link.to
        );
        let help = match closest(&link.to, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write a document of `kind: Target` with this name".to_owned(),
        };
        let problem = Problem::new(
            &files[*place],
            link.span.clone(),
            Code::UnknownTarget,
            message,
        );
        problems.push(problem.help(help));
    }
}

/// Follows every way once; where it comes back to a playbook that is still on it, there is a circle.
fn check_circles(names: &Names, files: &[SourceFile], problems: &mut Vec<Problem>) {
    let mut next: BTreeMap<&str, Vec<(usize, &Link)>> = BTreeMap::new();
    for (place, from, link) in &names.otherwise {
        next.entry(from).or_default().push((*place, link));
    }
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in next.keys() {
        // The playbooks on the way, each with how many of its followers were looked at.
        let mut way: Vec<(&str, usize)> = vec![(start, 0)];
        let mut on_way: BTreeSet<&str> = BTreeSet::from([*start]);
        while let Some((at, looked)) = way.last_mut() {
            let at = *at;
            let follower = next.get(at).and_then(|links| links.get(*looked));
            *looked += 1;
            match follower {
                _ if done.contains(at) => {}
                Some((place, link)) if on_way.contains(link.to.as_str()) => {
                    problems.push(circle(&way, link, &files[*place]));
                    continue;
                }
                Some((_, link)) => {
                    on_way.insert(&link.to);
                    way.push((&link.to, 0));
                    continue;
                }
                None => {}
            }
            done.insert(at);
            on_way.remove(at);
            way.pop();
        }
    }
}

fn circle(way: &[(&str, usize)], link: &Link, file: &SourceFile) -> Problem {
    let from = way.iter().position(|(name, _)| *name == link.to);
    let circle = way[from.unwrap_or(0)..].iter().map(|(name, _)| *name);
    let circle: Vec<String> = circle
        .chain([link.to.as_str()])
        .map(|name| format!("`{name}`"))
        .collect();
    let message = format!("`otherwise` goes in a circle: {}", circle.join(" → "));
    let problem = Problem::new(file, link.span.clone(), Code::Circle, message);
    problem.help("leave one of them out, so that it comes to an end")
}
