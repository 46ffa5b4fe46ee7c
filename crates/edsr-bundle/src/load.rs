//! From files to a bundle: read every document, then check what they say about each other.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use edsr_engine::Prefilter;
use edsr_engine::bundle::{Bundle, Detector, Playbook};
use edsr_engine::policy::{Policies, Target};
use edsr_model::{Digest, TargetRef};
use serde_json::Value;

use crate::catalog::ActuatorCatalog;
use crate::detector::Link;
use crate::envelope::{self, Envelope, Kind};
use crate::files::{self, BUNDLE_BYTES_MAX, FILE_BYTES_MAX, FILES_MAX, NODE_FILE, SourceFile};
use crate::lines::Lines;
use crate::links::{self, Names};
use crate::parse::documents;
use crate::problem::{Code, Problem, Report};
use crate::read::Ctx;
use crate::settings::Settings;
use crate::source::SourceSpec;
use crate::tree::Node;
use crate::{detector, node, playbook, policies, source, target};

/// The most documents in a bundle.
pub const DOCUMENTS_MAX: usize = 10_000;

/// No further file is read once there are so many problems: nobody will work through them.
const PROBLEMS_ENOUGH: usize = 10_000;

/// A bundle that can run, and what else its directory says.
#[derive(Debug)]
pub struct Compiled {
    /// What the engine runs.
    pub bundle: Bundle,
    /// How the node runs; the defaults where there is no `edsr.yaml`.
    pub settings: Settings,
    /// Where events come from, by name.
    pub sources: Vec<SourceSpec>,
    /// What the bundle was made of, sorted by path: everything but `edsr.yaml`, so that it can be kept and compiled
    /// again to the same hash.
    pub files: Vec<SourceFile>,
    /// Every document but the node's, as the user wrote it.
    pub documents: Vec<Document>,
    /// What is worth a look, and no reason to refuse.
    pub warnings: Report,
}

/// A document as data, for people who want to see what is in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it describes.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The path of its file.
    pub file: String,
    /// The line it begins on, from 1.
    pub line: usize,
    /// All of it.
    pub value: Value,
}

/// Compiles the bundle in `dir`. Paths in the settings become absolute.
///
/// # Errors
/// Every mistake in it.
pub fn load(dir: &Path, catalog: &dyn ActuatorCatalog) -> Result<Compiled, Report> {
    let mut problems = Vec::new();
    let read = files::read(dir, &mut problems);
    let mut compiled = compile(read.files, read.broken, problems, catalog)?;
    let root = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    compiled.settings.resolve(&root);
    for source in &mut compiled.sources {
        source.auth.resolve(&root);
    }
    Ok(compiled)
}

/// Compiles files that were read before. Reads nothing itself; paths in the settings stay as they are.
///
/// # Errors
/// Every mistake in them.
pub fn load_files(
    files: Vec<SourceFile>,
    catalog: &dyn ActuatorCatalog,
) -> Result<Compiled, Report> {
    let mut problems = Vec::new();
    let mut taken: Vec<SourceFile> = Vec::new();
    let mut paths = BTreeSet::new();
    let mut bytes = 0;
    for file in files
        .into_iter()
        .map(|file| SourceFile::new(file.path, file.text))
    {
        bytes += file.text.len();
        let refused = if file.text.len() as u64 > FILE_BYTES_MAX {
            files::too_large()
        } else if taken.len() >= FILES_MAX {
            format!("the bundle holds more than {FILES_MAX} files")
        } else if bytes > BUNDLE_BYTES_MAX {
            files::too_large_together()
        } else if !paths.insert(file.path.clone()) {
            "the file is there twice".to_owned()
        } else {
            taken.push(file);
            continue;
        };
        problems.push(Problem::new(&file, 0..0, Code::File, refused));
    }
    taken.sort_by(|a, b| a.path.cmp(&b.path));
    compile(taken, Vec::new(), problems, catalog)
}

/// What was found so far.
#[derive(Default)]
struct Found {
    detectors: Vec<Detector>,
    playbooks: BTreeMap<String, Playbook>,
    targets: BTreeMap<TargetRef, Target>,
    sources: Vec<SourceSpec>,
    settings: Option<Settings>,
    documents: Vec<Document>,
    names: Names,
    problems: Vec<Problem>,
    count: usize,
}

/// `broken` files are only shown, in problems that were found already.
fn compile(
    files: Vec<SourceFile>,
    broken: Vec<SourceFile>,
    problems: Vec<Problem>,
    catalog: &dyn ActuatorCatalog,
) -> Result<Compiled, Report> {
    let files: Arc<[SourceFile]> = files.into();
    let mut found = Found {
        problems,
        ..Found::default()
    };
    for (place, file) in files
        .iter()
        .enumerate()
        .filter(|(_, file)| !file.is_cedar())
    {
        if found.problems.len() > PROBLEMS_ENOUGH {
            break;
        }
        found.file(place, file, catalog);
    }
    links::check(&found.names, &files, &mut found.problems);
    let policies = policies::compile(&files, &mut found.problems);
    if let Some(policies) = &policies {
        policies::warn_without(policies, &found.names, &files, &mut found.problems);
    }
    let is_wrong = found
        .problems
        .iter()
        .any(|problem| !problem.code.is_warning());
    let shown = match broken.is_empty() {
        true => Arc::clone(&files),
        false => files.iter().cloned().chain(broken).collect(),
    };
    let report = Report::new(std::mem::take(&mut found.problems), shown);
    match policies {
        Some(policies) if !is_wrong => Ok(finish(found, policies, &files, report)),
        _ => Err(report),
    }
}

fn finish(
    mut found: Found,
    policies: Policies,
    files: &[SourceFile],
    warnings: Report,
) -> Compiled {
    let files: Vec<SourceFile> = files
        .iter()
        .filter(|file| file.path != NODE_FILE)
        .cloned()
        .collect();
    let parts = files
        .iter()
        .flat_map(|file| [file.path.as_bytes(), file.text.as_bytes()]);
    found.sources.sort_by(|a, b| a.name.cmp(&b.name));
    Compiled {
        bundle: Bundle {
            hash: Digest::of_parts(parts),
            prefilter: Prefilter::of(&found.detectors),
            detectors: found.detectors,
            playbooks: found.playbooks,
            targets: found.targets,
            policies,
        },
        settings: found.settings.unwrap_or_default(),
        sources: found.sources,
        files,
        documents: found.documents,
        warnings,
    }
}

impl Found {
    fn file(&mut self, place: usize, file: &SourceFile, catalog: &dyn ActuatorCatalog) {
        let lines = Lines::new(&file.text);
        let documents = documents(file, &lines, &mut self.problems);
        for document in &documents.nodes {
            self.count += 1;
            if self.count == DOCUMENTS_MAX + 1 {
                let message = format!("the bundle holds more than {DOCUMENTS_MAX} documents");
                self.problems.push(Problem::new(
                    file,
                    document.span.clone(),
                    Code::Bound,
                    message,
                ));
            }
            if self.count > DOCUMENTS_MAX {
                return;
            }
            let ctx = Ctx::new(file);
            self.document((place, &lines), &ctx, document, catalog);
            let said = ctx.problems.into_inner().into_iter();
            self.problems.extend(said.filter(|problem| {
                problem.code != Code::Missing || !documents.holes.contains(&problem.span.start)
            }));
        }
    }

    fn document(
        &mut self,
        (place, lines): (usize, &Lines),
        ctx: &Ctx<'_>,
        node: &Rc<Node>,
        catalog: &dyn ActuatorCatalog,
    ) {
        let Some(envelope) = envelope::read(ctx, node) else {
            return;
        };
        if !self.belongs(ctx, &envelope) {
            return;
        }
        let is_new = envelope.kind == Kind::Node || self.claim((place, lines), ctx, &envelope);
        let mut respond = Vec::new();
        let mut links = playbook::Links::default();
        match envelope.kind {
            Kind::Detector => {
                let detector = detector::read(ctx, &envelope, &mut respond);
                self.detectors.extend(detector.filter(|_| is_new));
            }
            Kind::Playbook => {
                let playbook = playbook::read(ctx, &envelope, catalog, &mut links);
                let playbook = playbook.filter(|_| is_new);
                self.playbooks
                    .extend(playbook.map(|playbook| (playbook.name.clone(), playbook)));
            }
            Kind::Target => {
                let name = envelope.name.parse().ok();
                let facts = target::read(ctx, &envelope);
                self.targets.extend(name.zip(facts).filter(|_| is_new));
            }
            Kind::Source => {
                let source = source::read(ctx, &envelope);
                self.sources.extend(source.filter(|_| is_new));
            }
            Kind::Node => self.settings = Some(node::read(ctx, &envelope)),
        }
        self.keep_links(place, &envelope, respond, links);
        if envelope.kind != Kind::Node {
            self.keep_document(ctx, lines, &envelope, node);
        }
    }

    fn keep_links(
        &mut self,
        place: usize,
        envelope: &Envelope<'_>,
        respond: Vec<Link>,
        links: playbook::Links,
    ) {
        let from = envelope.name.clone();
        for link in respond {
            self.names.respond.push((place, link));
        }
        for link in links.otherwise {
            self.names.otherwise.push((place, from.clone(), link));
        }
        self.names
            .targets
            .extend(links.target.map(|link| (place, link)));
    }

    fn keep_document(
        &mut self,
        ctx: &Ctx<'_>,
        lines: &Lines,
        envelope: &Envelope<'_>,
        node: &Node,
    ) {
        self.documents.push(Document {
            kind: envelope.kind,
            name: envelope.name.clone(),
            file: ctx.file.path.clone(),
            line: lines.at(node.span.start).0,
            value: ctx.json(node),
        });
    }

    /// Settings of the node and what the bundle means stand in different files.
    fn belongs(&self, ctx: &Ctx<'_>, envelope: &Envelope<'_>) -> bool {
        let is_node_file = ctx.file.path == NODE_FILE;
        let span = &envelope.name_span;
        if is_node_file && envelope.kind != Kind::Node {
            let message = format!("`{NODE_FILE}` holds the settings of the node and nothing else");
            let help = format!("move this {} to a file of its own", envelope.kind.as_str());
            ctx.complain_help(span, Code::Kind, message, help);
            return false;
        }
        if !is_node_file && envelope.kind == Kind::Node {
            let message = format!("a Node stands in `{NODE_FILE}` at the top of the bundle");
            ctx.complain_help(span, Code::Kind, message, "move it there");
            return false;
        }
        if envelope.kind == Kind::Node && self.settings.is_some() {
            let message = "there are two Node documents";
            ctx.complain_help(
                span,
                Code::DuplicateName,
                message,
                "put the settings into one",
            );
            return false;
        }
        true
    }

    /// Whether the name is free. A document that is wrong inside has its name all the same.
    fn claim(
        &mut self,
        (place, lines): (usize, &Lines),
        ctx: &Ctx<'_>,
        envelope: &Envelope<'_>,
    ) -> bool {
        if envelope.name.is_empty() {
            return false;
        }
        let span: Range<usize> = envelope.name_span.clone();
        let said = format!("{}:{}", ctx.file.path, lines.at(span.start).0);
        let first = self
            .names
            .claim(envelope.kind, &envelope.name, place, &span, said);
        if let Some(first) = first {
            let message = format!(
                "there are two documents of kind {} with the name `{}`",
                envelope.kind.as_str(),
                envelope.name
            );
            let help = format!("the other one is at {first}");
            ctx.complain_help(&span, Code::DuplicateName, message, help);
            return false;
        }
        true
    }
}
