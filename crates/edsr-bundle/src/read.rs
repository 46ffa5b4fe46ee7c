//! Reading values out of the tree: every reader reports what it cannot take and lets the next one look too.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use edsr_expr::closest;

use crate::files::SourceFile;
use crate::problem::{Code, Problem};
use crate::shape::Shape;
use crate::tree::{Kind, Node, place_in};

/// One file while it is read.
pub(crate) struct Ctx<'f> {
    pub(crate) file: &'f SourceFile,
    pub(crate) problems: RefCell<Vec<Problem>>,
}

/// A mapping whose keys are known.
pub(crate) struct Fields<'n> {
    pub(crate) ctx: &'n Ctx<'n>,
    node: &'n Node,
    /// What to point at when a key is missing: the key of the mapping itself.
    pub(crate) at: Range<usize>,
    shape: &'static Shape,
}

impl<'f> Ctx<'f> {
    pub(crate) fn new(file: &'f SourceFile) -> Self {
        Self {
            file,
            problems: RefCell::default(),
        }
    }

    pub(crate) fn complain(&self, span: &Range<usize>, code: Code, message: impl Into<String>) {
        self.push(self.problem(span, code, message));
    }

    pub(crate) fn complain_help(
        &self,
        span: &Range<usize>,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(self.problem(span, code, message).help(help));
    }

    pub(crate) fn problem(
        &self,
        span: &Range<usize>,
        code: Code,
        message: impl Into<String>,
    ) -> Problem {
        Problem::new(self.file, span.clone(), code, message.into())
    }

    pub(crate) fn push(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// The byte range of `length` characters that begin `offset` characters into the value of a scalar.
    pub(crate) fn span_in(&self, node: &Node, offset: usize, length: usize) -> Range<usize> {
        let start = place_in(node, &self.file.text, offset);
        let end = place_in(node, &self.file.text, offset + length.max(1) - 1);
        let last = self
            .file
            .text
            .get(end..)
            .and_then(|rest| rest.chars().next());
        let end = end + last.filter(|c| *c != '\n').map_or(0, char::len_utf8);
        start..end.max(start)
    }

    /// The mapping at `node`; nothing at all counts as an empty one.
    pub(crate) fn fields<'n>(
        &'n self,
        node: &'n Node,
        at: &Range<usize>,
        shape: &'static Shape,
    ) -> Option<Fields<'n>> {
        match &node.kind {
            Kind::Map(entries) => {
                let known: BTreeSet<&str> = shape.fields.iter().map(|field| field.name).collect();
                for entry in entries.iter().filter(|entry| !known.contains(&*entry.key)) {
                    self.unknown_key(&entry.key, &entry.span, &known, shape.name);
                }
            }
            _ if node.is_null() => {}
            _ => {
                let message = format!(
                    "`{}` must be a mapping, this is {}",
                    shape.name,
                    node.what()
                );
                let keys = list(shape.fields.iter().map(|field| field.name));
                self.complain_help(
                    &node.span,
                    Code::Type,
                    message,
                    format!("its keys are {keys}"),
                );
                return None;
            }
        }
        let fields = Fields {
            ctx: self,
            node,
            at: at.clone(),
            shape,
        };
        fields.check_required();
        Some(fields)
    }

    fn unknown_key(&self, key: &str, span: &Range<usize>, known: &BTreeSet<&str>, name: &str) {
        let message = format!("`{name}` has no key `{key}`");
        let help = match closest(key, known) {
            _ if key == "<<" => "merge keys are not supported; repeat what is shared".to_owned(),
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its keys are {}", list(known.iter().copied())),
        };
        self.complain_help(span, Code::UnknownKey, message, help);
    }
}

impl<'n> Fields<'n> {
    fn check_required(&self) {
        let missing = self.shape.fields.iter().filter(|field| {
            field.required
                && self
                    .node
                    .get(field.name)
                    .is_none_or(|value| value.is_null())
        });
        for field in missing {
            let at = self
                .node
                .get(field.name)
                .map_or(&self.at, |value| &value.span);
            let message = format!("`{}` needs `{}`", self.shape.name, field.name);
            self.ctx
                .complain_help(at, Code::Missing, message, field.doc);
        }
        for group in self.shape.one_of {
            self.check_one_of(group);
        }
    }

    fn check_one_of(&self, group: &[&str]) {
        let present: Vec<&str> = group
            .iter()
            .copied()
            .filter(|name| self.node.get(name).is_some())
            .collect();
        let name = self.shape.name;
        match present[..] {
            [_] => {}
            [] => {
                let message = format!("`{name}` needs one of {}", list(group.iter().copied()));
                self.ctx.complain(&self.at, Code::Choice, message);
            }
            [first, ..] => {
                for second in &present[1..] {
                    let message = format!("`{second}` cannot stand beside `{first}`");
                    let help = format!(
                        "`{name}` takes exactly one of {}",
                        list(group.iter().copied())
                    );
                    let span = self.key_span(second);
                    self.ctx.complain_help(&span, Code::Choice, message, help);
                }
            }
        }
    }

    /// The value of a key of the shape; nothing where it is not there.
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        #[cfg(test)]
        asked::note(self.shape, name);
        debug_assert!(
            self.shape.fields.iter().any(|field| field.name == name),
            "`{}` does not list `{name}`",
            self.shape.name
        );
        self.node.get(name).map(AsRef::as_ref)
    }

    /// The same, where nothing and `null` are alike; what must be there was reported already.
    pub(crate) fn given(&self, name: &str) -> Option<&'n Node> {
        self.get(name).filter(|node| {
            let required = self
                .shape
                .fields
                .iter()
                .any(|f| f.name == name && f.required);
            !(required && node.is_null())
        })
    }

    /// Where a key stands; the mapping's own key where it does not.
    pub(crate) fn key_span(&self, name: &str) -> Range<usize> {
        let Kind::Map(entries) = &self.node.kind else {
            return self.at.clone();
        };
        let found = entries.iter().find(|entry| &*entry.key == name);
        found.map_or_else(|| self.at.clone(), |entry| entry.span.clone())
    }

    pub(crate) fn object(&self, name: &str, shape: &'static Shape) -> Option<Fields<'n>> {
        self.ctx
            .fields(self.given(name)?, &self.key_span(name), shape)
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let text = self.ctx.text(self.given(name)?, &format!("`{name}`"))?;
        Some(text.to_owned())
    }

    pub(crate) fn duration(&self, name: &str, min: Duration) -> Option<Duration> {
        self.ctx
            .duration(self.given(name)?, &format!("`{name}`"), min)
    }

    pub(crate) fn int(&self, name: &str, range: (u64, u64)) -> Option<u64> {
        self.ctx.int(self.given(name)?, &format!("`{name}`"), range)
    }

    pub(crate) fn bytes(&self, name: &str, range: (u64, u64)) -> Option<u64> {
        self.ctx
            .bytes(self.given(name)?, &format!("`{name}`"), range)
    }

    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Option<T> {
        self.ctx
            .word(self.given(name)?, &format!("`{name}`"), words)
    }
}

/// Names in backticks, with commas.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Which keys were asked for, so that a test can tell whether a shape lists a key that nobody reads.
#[cfg(test)]
pub(crate) mod asked {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use crate::shape::Shape;

    thread_local! {
        static ASKED: RefCell<BTreeSet<(usize, String)>> = const { RefCell::new(BTreeSet::new()) };
    }

    pub(crate) fn note(shape: &'static Shape, name: &str) {
        let place = std::ptr::from_ref(shape) as usize;
        ASKED.with_borrow_mut(|asked| asked.insert((place, name.to_owned())));
    }

    pub(crate) fn was(shape: &'static Shape, name: &str) -> bool {
        let place = std::ptr::from_ref(shape) as usize;
        ASKED.with_borrow(|asked| asked.contains(&(place, name.to_owned())))
    }
}
