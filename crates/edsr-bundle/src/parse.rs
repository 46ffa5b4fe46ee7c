//! From the text of a file to its documents.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Span, StrInput};

use crate::files::SourceFile;
use crate::lines::Lines;
use crate::problem::{Code, Problem};
use crate::tree::{DEPTH_MAX, EXPANDED_MAX, Entry, Kind, NODE_WEIGHT, Node, Style};

/// What could be read of a file.
#[derive(Default)]
pub(crate) struct Documents {
    /// The documents that are not empty.
    pub(crate) nodes: Vec<Rc<Node>>,
    /// Where values begin that were reported already, so that nobody misses them once more.
    pub(crate) holes: BTreeSet<usize>,
}

/// The documents of `file`. A document that is not YAML is left out and reported; those after it are read all the
/// same.
pub(crate) fn documents(
    file: &SourceFile,
    lines: &Lines,
    problems: &mut Vec<Problem>,
) -> Documents {
    let mut documents = Documents::default();
    let mut base = 0;
    let mut expanded = 0;
    while let Some(text) = file.text.get(base..) {
        let mut builder = Builder::new((file, lines), base, expanded, problems);
        let stopped = builder.run(text).err();
        expanded = builder.expanded;
        documents.nodes.append(&mut builder.documents);
        documents.holes.append(&mut builder.holes);
        let Some(stop) = stopped else { break };
        problems.push(stop.problem);
        if stop.is_final {
            break;
        }
        match next_document(&file.text, stop.at.max(base)) {
            Some(next) => base = next,
            None => break,
        }
    }
    documents
}

/// The start of the next line that begins a document. Such a line cannot be part of any scalar.
fn next_document(text: &str, from: usize) -> Option<usize> {
    let from = (from..=text.len()).find(|at| text.is_char_boundary(*at))?;
    let mut at = from + text[from..].find('\n')? + 1;
    loop {
        let rest = &text[at..];
        let marker = rest.strip_prefix("---");
        if marker.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            return Some(at);
        }
        at += rest.find('\n')? + 1;
    }
}

/// Why a document could not be read to its end.
struct Stop {
    problem: Problem,
    at: usize,
    /// Whether nothing after it is worth reading.
    is_final: bool,
}

enum Frame {
    List {
        items: Vec<Rc<Node>>,
        start: Range<usize>,
        anchor: usize,
    },
    Map {
        entries: Vec<Entry>,
        known: BTreeSet<Rc<str>>,
        key: Option<(Rc<str>, Range<usize>)>,
        start: Range<usize>,
        anchor: usize,
    },
}

struct Builder<'f> {
    file: &'f SourceFile,
    lines: &'f Lines,
    base: usize,
    stack: Vec<Frame>,
    anchors: BTreeMap<usize, Rc<Node>>,
    documents: Vec<Rc<Node>>,
    holes: BTreeSet<usize>,
    expanded: usize,
    problems: &'f mut Vec<Problem>,
}

impl<'f> Builder<'f> {
    fn new(
        (file, lines): (&'f SourceFile, &'f Lines),
        base: usize,
        expanded: usize,
        problems: &'f mut Vec<Problem>,
    ) -> Self {
        Self {
            file,
            lines,
            base,
            stack: Vec::new(),
            anchors: BTreeMap::new(),
            documents: Vec::new(),
            holes: BTreeSet::new(),
            expanded,
            problems,
        }
    }

    fn run(&mut self, text: &str) -> Result<(), Box<Stop>> {
        let mut options = granit_parser::Options::default();
        options.set_emit_comments(false);
        options.emit_unresolved_aliases = true;
        options.flow_nesting_limit = DEPTH_MAX + 1;
        options.block_nesting_limit = DEPTH_MAX + 1;
        let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str_with_options(text, options);
        while let Some(next) = parser.next_event() {
            match next {
                Ok((event, span)) => self.take(event, &span)?,
                Err(error) => {
                    let at = self.base + error.marker().byte_offset().unwrap_or(0);
                    return Err(self.syntax(at, error.kind(), &error.info()));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Box<Stop>> {
        let range = span.byte_range().unwrap_or(0..0);
        let range = self.base + range.start..self.base + range.end;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span, &range);
                let node = Node::scalar(&text, style_of(style), range);
                self.put(Rc::new(node), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span, &range);
                self.open(Frame::List {
                    items: Vec::new(),
                    start: range,
                    anchor,
                })
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span, &range);
                self.open(Frame::Map {
                    entries: Vec::new(),
                    known: BTreeSet::new(),
                    key: None,
                    start: range,
                    anchor,
                })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(range.end),
            Event::Alias(id) => self.alias(id, range),
            Event::UnresolvedAlias(name) => {
                let message = format!("there is no anchor `&{name}` before this alias");
                self.complain(range.clone(), Code::Reference, message);
                self.hole(range)
            }
            Event::DocumentStart(..) => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, frame: Frame) -> Result<(), Box<Stop>> {
        if self.stack.len() >= DEPTH_MAX {
            let (Frame::List { start, .. } | Frame::Map { start, .. }) = frame;
            return Err(self.too_deep(start));
        }
        self.stack.push(frame);
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<(), Box<Stop>> {
        let (kind, start, anchor) = match self.stack.pop() {
            Some(Frame::List {
                items,
                start,
                anchor,
            }) => (Kind::List(items), start, anchor),
            Some(Frame::Map {
                entries,
                start,
                anchor,
                ..
            }) => (Kind::Map(entries), start, anchor),
            None => return Ok(()),
        };
        let children: Vec<&Node> = match &kind {
            Kind::List(items) => items.iter().map(AsRef::as_ref).collect(),
            Kind::Map(entries) => entries.iter().map(|entry| entry.value.as_ref()).collect(),
            Kind::Scalar(..) => Vec::new(),
        };
        let weight = children
            .iter()
            .fold(NODE_WEIGHT, |sum, child| sum.saturating_add(child.weight));
        let height = 1 + children.iter().map(|child| child.height).max().unwrap_or(0);
        let node = Node {
            kind,
            span: start.start..end.max(start.end),
            weight,
            height,
        };
        self.put(Rc::new(node), anchor)
    }

    fn alias(&mut self, id: usize, range: Range<usize>) -> Result<(), Box<Stop>> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            let message = "an alias cannot stand inside of what its own anchor names".to_owned();
            self.complain(range.clone(), Code::Reference, message);
            return self.hole(range);
        };
        if self.stack.len() + node.height > DEPTH_MAX {
            return Err(self.too_deep(range));
        }
        self.expanded = self.expanded.saturating_add(node.weight);
        if self.expanded > EXPANDED_MAX {
            let message =
                format!("with its aliases expanded the file is larger than {EXPANDED_MAX} bytes");
            return Err(self.bound(range, message, "write it without so many aliases"));
        }
        self.put(node, 0)
    }

    /// Puts a finished value where it belongs.
    fn put(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), Box<Stop>> {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.stack.last_mut() {
            None if node.is_null() => {}
            None => self.documents.push(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map {
                entries,
                known,
                key,
                ..
            }) => match key.take() {
                None => {
                    let text = match &node.kind {
                        Kind::Scalar(text, _) if !text.is_empty() && !node.is_null() => {
                            Rc::clone(text)
                        }
                        _ => {
                            let message = match node.raw() {
                                Some(_) => "a key must not be empty".to_owned(),
                                None => format!("a key must be text, this is {}", node.what()),
                            };
                            self.complain(node.span.clone(), Code::Type, message);
                            return self.set_key("".into(), node.span.clone());
                        }
                    };
                    *key = Some((text, node.span.clone()));
                }
                // Complained about when it was read.
                Some((text, _)) if text.is_empty() => {}
                Some((text, span)) if known.insert(Rc::clone(&text)) => entries.push(Entry {
                    key: text,
                    span,
                    value: node,
                }),
                Some((text, span)) => {
                    let first = entries.iter().find(|entry| entry.key == text);
                    let first = first.map_or(0, |entry| entry.span.start);
                    let (line, _) = self.lines.at(first);
                    let problem = Problem::new(
                        self.file,
                        span,
                        Code::DuplicateKey,
                        format!("the key `{text}` stands twice here"),
                    );
                    self.problems
                        .push(problem.help(format!("it is on line {line} already; keep one")));
                }
            },
        }
        Ok(())
    }

    fn set_key(&mut self, text: Rc<str>, span: Range<usize>) -> Result<(), Box<Stop>> {
        if let Some(Frame::Map { key, .. }) = self.stack.last_mut() {
            *key = Some((text, span));
        }
        Ok(())
    }

    fn refuse_tag(&mut self, is_tagged: bool, span: &Span, range: &Range<usize>) {
        if !is_tagged {
            return;
        }
        let tag = span.tag_span().and_then(|tag| tag.byte_range());
        let tag = tag.map_or(range.clone(), |tag| {
            self.base + tag.start..self.base + tag.end
        });
        let text = self.file.text.get(tag.clone()).unwrap_or("!");
        let message = format!("`{text}` is a YAML tag; tags are not supported");
        let problem = Problem::new(self.file, tag, Code::Syntax, message);
        self.problems
            .push(problem.help("an expression that begins with `!` must stand in quotes"));
        self.holes.insert(range.start);
    }

    /// Stands for a value that was reported.
    fn hole(&mut self, range: Range<usize>) -> Result<(), Box<Stop>> {
        self.holes.insert(range.start);
        self.put(Rc::new(Node::scalar("", Style::Plain, range)), 0)
    }

    fn complain(&mut self, span: Range<usize>, code: Code, message: String) {
        self.problems
            .push(Problem::new(self.file, span, code, message));
    }

    fn too_deep(&self, span: Range<usize>) -> Box<Stop> {
        let message = format!("nested too deep: at most {DEPTH_MAX} levels are read");
        self.bound(span, message, "write it flatter")
    }

    fn bound(&self, span: Range<usize>, message: String, help: &str) -> Box<Stop> {
        Box::new(Stop {
            at: span.start,
            problem: Problem::new(self.file, span, Code::Bound, message).help(help),
            is_final: true,
        })
    }

    fn syntax(&self, at: usize, kind: &ErrorKind, info: &str) -> Box<Stop> {
        let rest = self.file.text.get(at..).unwrap_or_default();
        let here = rest.chars().next();
        if matches!(kind, ErrorKind::RecursionLimitExceeded) {
            return self.too_deep(at..at + 1);
        }
        let problem = Problem::new(
            self.file,
            at..at + here.map_or(0, char::len_utf8),
            Code::Syntax,
            format!("this is not YAML: {info}"),
        );
        let problem = match here {
            _ if info.contains("tabs") => problem.help("indent with spaces"),
            Some('@' | '`' | '%') => problem.help("put the text in quotes"),
            _ if info.contains("mapping values are not allowed") => {
                problem.help("text that holds `: ` or ` #` must stand in quotes")
            }
            _ => problem,
        };
        Box::new(Stop {
            problem,
            at,
            is_final: false,
        })
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        _ => Style::Plain,
    }
}
