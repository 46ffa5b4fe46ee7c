//! CEL expressions of a mapping: compiled once, with known names only, and with a bound on what their loops visit.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, EntryExpr, Expr as Ast, IdedExpr, operators};
use cel::common::types::DYN_TYPE;
use cel::common::value::CowVal;
use cel::{Context, Env, ExecutionError};

use edsr_model::printable;

use crate::quoted::REASON_CHARS_MAX;
use edsr_model::nesting::nesting;

/// The longest expression that is compiled, in bytes.
pub(crate) const EXPR_BYTES_MAX: usize = 8 * 1024;

/// How deep an expression nests at most: brackets one in another, and conditions one behind another.
pub(crate) const NESTING_MAX: usize = 32;

/// How many parts of an expression lie one within another at most once it is parsed.
const DEPTH_MAX: usize = 40;

/// The parser recurses with large frames; within the bounds above it needs no more than this.
const PARSE_STACK_BYTES: usize = 64 * 1024 * 1024;

/// A function that no text can call, put around everything a loop runs over.
const SPEND: &str = "@spend";

/// Names that are read as variables and are namespaces or types.
const NAMES: &[&str] = &[
    "math",
    "strings",
    "optional",
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
];

/// Functions beside operators. `lists.range` is not among them: it makes much out of one number of the body.
const FUNCTIONS: &str = "abs all bitAnd bitNot bitOr bitShiftLeft bitShiftRight bitXor bool bytes ceil charAt contains \
    distinct double duration dyn endsWith exists exists_one filter flatten floor format getDate getDayOfMonth \
    getDayOfWeek getDayOfYear getFullYear getHours getMilliseconds getMinutes getMonth getSeconds greatest has hasValue \
    indexOf int isFinite isInf isNaN join lastIndexOf least lowerAscii map matches max min none of ofNonZeroValue optMap \
    optFlatMap or orValue quote replace reverse round sign size slice sort sortBy split sqrt startsWith string substring \
    timestamp trim trunc type uint upperAscii value";

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Invariant: none of these names is in the standard library, so declaring them cannot clash.
    let _ = env.add_extension(cel::extensions::strings);
    let _ = env.add_extension(cel::extensions::math);
    let _ = env.add_extension(cel::extensions::lists);
    let _ = env.add_overload(SPEND, "edsr_spend", vec![DYN_TYPE], spend);
    Arc::new(env)
});

static FUNCTION_NAMES: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| FUNCTIONS.split_ascii_whitespace().collect());

thread_local! {
    /// Elements that loops may still visit. CEL takes plain functions only, so they meet here; an evaluation never leaves
    /// its thread.
    static STEPS_LEFT: Cell<u64> = const { Cell::new(0) };
}

/// A compiled expression together with its text.
pub(crate) struct Expr {
    text: String,
    root: IdedExpr,
}

/// Why a text is no expression, and where: in characters of the whole text, from 1.
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) column: Option<usize>,
}

impl Expr {
    /// Compiles `text`, which may read `variables`.
    pub(crate) fn compile(text: &str, variables: &[&str]) -> Result<Self, Fault> {
        // What is refused is taken apart on this stack as well.
        stacker::grow(PARSE_STACK_BYTES, || Self::parse(text, variables))
    }

    fn parse(text: &str, variables: &[&str]) -> Result<Self, Fault> {
        let whole = |message: String| Fault {
            message,
            column: None,
        };
        if text.len() > EXPR_BYTES_MAX {
            return Err(whole(format!(
                "the expression has {} bytes; at most {EXPR_BYTES_MAX} are compiled",
                text.len()
            )));
        }
        let deep = nesting(text);
        if deep > NESTING_MAX {
            return Err(whole(format!(
                "the expression nests {deep} deep; at most {NESTING_MAX} are compiled"
            )));
        }
        let program =
            guarded(|| ENV.compile(text))
                .map_err(whole)?
                .map_err(|errors| match errors.errors.first() {
                    Some(error) => Fault {
                        message: printable(
                            error.msg.lines().next().unwrap_or_default(),
                            REASON_CHARS_MAX,
                        ),
                        column: place(text, error.pos),
                    },
                    None => whole("this is not a CEL expression".to_owned()),
                })?;
        let mut walk = Walk {
            variables,
            bound: Vec::new(),
            depth: 0,
            fault: None,
        };
        let mut root = program.expression().clone();
        walk.node(&mut root);
        match walk.fault {
            None => Ok(Self {
                text: text.to_owned(),
                root,
            }),
            Some((id, message)) => Err(Fault {
                message,
                column: program
                    .source_info()
                    .offset_for(id)
                    .map(|(start, _)| start as usize + 1),
            }),
        }
    }

    /// The value, or the expression and why it has none.
    pub(crate) fn value(&self, context: &Context<'_, '_>) -> Result<cel::Value, String> {
        guarded(|| cel::Value::resolve(&self.root, context))
            .and_then(|result| result.map_err(|error| error.to_string()))
            .map_err(|reason| self.failed(&reason))
    }

    /// `reason`, with the expression in front.
    pub(crate) fn failed(&self, reason: &str) -> String {
        let text = printable(&self.text, REASON_CHARS_MAX / 3);
        format!("`{text}`: {}", printable(reason, REASON_CHARS_MAX / 2))
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.text)
    }
}

/// A context for one request, whose loops may visit `steps` elements in all.
pub(crate) fn context<'v>(steps: u64) -> Context<'static, 'v> {
    STEPS_LEFT.set(steps);
    Context::with_env(Arc::clone(&ENV))
}

/// A line and a column, both from 1, as a place in the whole text.
fn place(text: &str, (line, column): (isize, isize)) -> Option<usize> {
    let lines = usize::try_from(line).ok()?.checked_sub(1)?;
    let before = text.split_inclusive('\n').take(lines);
    let before: usize = before.map(|line| line.chars().count()).sum();
    Some(before + usize::try_from(column).ok()?)
}

/// An interpreter that panics over an input costs that input, not the process.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| "the interpreter gave up".to_owned())
}

fn spend<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args.remove(0);
    let size = value.as_sizer().map_or(0, |sized| *sized.size().inner());
    let cost = u64::try_from(size).unwrap_or(0) + 1;
    match STEPS_LEFT.get().checked_sub(cost) {
        Some(left) => STEPS_LEFT.set(left),
        None => {
            let why = "the loops of this request visit too many elements";
            return Err(ExecutionError::function_error("loop", why));
        }
    }
    Ok(value)
}

struct Walk<'n> {
    variables: &'n [&'n str],
    bound: Vec<String>,
    depth: usize,
    fault: Option<(u64, String)>,
}

impl Walk<'_> {
    fn node(&mut self, node: &mut IdedExpr) {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} parts lie one within another");
            self.complain(node.id, message);
        } else {
            self.parts(node);
        }
        self.depth -= 1;
    }

    fn parts(&mut self, node: &mut IdedExpr) {
        match &mut node.expr {
            Ast::Ident(name) => {
                let plain = name.trim_start_matches('.');
                if !self.knows(plain) {
                    let known = self.variables.join("`, `");
                    let message = format!(
                        "there is no variable `{}` here; it may read `{known}`",
                        printable(plain, 40)
                    );
                    self.complain(node.id, message);
                }
            }
            Ast::Call(call) => {
                let name = call.func_name.clone();
                // Operators begin with a sign; what macros expand to holds an `@`, which no text can.
                if name.starts_with(|c: char| c.is_ascii_alphabetic())
                    && !name.contains('@')
                    && !FUNCTION_NAMES.contains(&*name)
                {
                    let message = format!("there is no function `{}` here", printable(&name, 40));
                    self.complain(node.id, message);
                    return;
                }
                for part in call
                    .target
                    .iter_mut()
                    .map(AsMut::as_mut)
                    .chain(&mut call.args)
                {
                    self.node(part);
                }
                if name == operators::IN
                    && let Some(among) = call.args.get_mut(1)
                {
                    meter(among);
                }
            }
            Ast::Select(select) => self.node(&mut select.operand),
            Ast::List(list) => list.elements.iter_mut().for_each(|item| self.node(item)),
            Ast::Map(map) => map
                .entries
                .iter_mut()
                .for_each(|entry| self.entry(&mut entry.expr)),
            Ast::Struct(made) => made
                .entries
                .iter_mut()
                .for_each(|entry| self.entry(&mut entry.expr)),
            Ast::Comprehension(loops) => {
                self.node(&mut loops.iter_range);
                self.node(&mut loops.accu_init);
                let outside = self.bound.len();
                self.bound.push(loops.iter_var.clone());
                self.bound.extend(loops.iter_var2.clone());
                self.bound.push(loops.accu_var.clone());
                for part in [
                    &mut loops.loop_cond,
                    &mut loops.loop_step,
                    &mut loops.result,
                ] {
                    self.node(part);
                }
                self.bound.truncate(outside);
                meter(&mut loops.iter_range);
            }
            Ast::Literal(_) | Ast::Unspecified => {}
        }
    }

    fn entry(&mut self, entry: &mut EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.node(&mut field.value),
            EntryExpr::MapEntry(entry) => {
                self.node(&mut entry.key);
                self.node(&mut entry.value);
            }
        }
    }

    fn knows(&self, name: &str) -> bool {
        name.starts_with('@')
            || self.variables.contains(&name)
            || NAMES.contains(&name)
            || self.bound.iter().any(|bound| bound == name)
    }

    fn complain(&mut self, id: u64, message: String) {
        self.fault.get_or_insert((id, message));
    }
}

/// Makes the evaluation of `node` cost as many steps as its value has elements.
fn meter(node: &mut IdedExpr) {
    let inner = std::mem::take(node);
    *node = IdedExpr {
        id: inner.id,
        expr: Ast::Call(CallExpr {
            func_name: SPEND.to_owned(),
            target: None,
            args: vec![inner],
        }),
    };
}
