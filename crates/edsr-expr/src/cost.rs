//! What an evaluation may cost: its loops, and whatever else walks through a whole list, visit a bounded number of elements.

use std::cell::Cell;
use std::sync::Arc;

use cel::ExecutionError;
use cel::common::ast::{CallExpr, Expr as Ast, IdedExpr};
use cel::common::types::{CelInt, CelMap, CelMapKey};
use cel::common::value::{CowVal, Val};
use cel::objects::Key;

/// The most elements that the loops of one evaluation visit together.
pub const LOOP_STEPS_MAX: u64 = 100_000;

/// Put around everything a loop runs over. No text can call it.
pub(crate) const OVER: &str = "@over";

/// Put around lists that are searched, and around numbers that lists are made of. No text can call it.
pub(crate) const SPEND: &str = "@spend";

thread_local! {
    /// Elements that may still be visited. CEL takes plain functions only, so they meet here; an evaluation never
    /// leaves its thread.
    static STEPS_LEFT: Cell<u64> = const { Cell::new(0) };
}

/// Gives the next evaluations on this thread `steps` together.
pub(crate) fn refuel(steps: u64) {
    STEPS_LEFT.set(steps);
}

fn charge(elements: u64) -> Result<(), ExecutionError> {
    match STEPS_LEFT.get().checked_sub(elements.saturating_add(1)) {
        Some(left) => {
            STEPS_LEFT.set(left);
            Ok(())
        }
        None => {
            let why = "the loops of this expression visit too many elements";
            Err(ExecutionError::function_error("loop", why))
        }
    }
}

fn size(value: &CowVal<'_, '_>) -> u64 {
    let size = value.as_sizer().map_or(0, |sized| *sized.size().inner());
    u64::try_from(size).unwrap_or(0)
}

/// What a loop runs over: charged for by its size, and a map by its keys in order, as a hash map has none.
pub(crate) fn over<'b, 'v>(
    mut args: Vec<CowVal<'b, 'v>>,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args.remove(0);
    charge(size(&value))?;
    let Some(map) = value.downcast_ref::<CelMap<'_>>() else {
        return Ok(value);
    };
    let mut keys: Vec<Key> = map
        .inner()
        .keys()
        .cloned()
        .map(|key: CelMapKey<'_>| Key::from(key))
        .collect();
    keys.sort();
    let keys: Vec<cel::Value> = keys
        .into_iter()
        .map(|key| match key {
            Key::Int(number) => cel::Value::Int(number),
            Key::Uint(number) => cel::Value::UInt(number),
            Key::Bool(flag) => cel::Value::Bool(flag),
            Key::String(text) => cel::Value::String(text),
        })
        .collect();
    let keys: Box<dyn Val> = cel::Value::List(Arc::new(keys)).try_into()?;
    Ok(CowVal::Owned(keys))
}

/// A list by its size, a number by itself. What is looked up in a map costs one.
pub(crate) fn spend<'b, 'v>(
    mut args: Vec<CowVal<'b, 'v>>,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args.remove(0);
    let elements = if let Some(number) = value.downcast_ref::<CelInt>() {
        u64::try_from(*number.inner()).unwrap_or(0)
    } else if value.downcast_ref::<CelMap<'_>>().is_some() {
        0
    } else {
        size(&value)
    };
    charge(elements)?;
    Ok(value)
}

/// Puts a call of `function` around `node`.
pub(crate) fn put_around(function: &str, node: &mut IdedExpr) {
    let inner = std::mem::take(node);
    *node = IdedExpr {
        id: inner.id,
        expr: Ast::Call(CallExpr {
            func_name: function.to_owned(),
            target: None,
            args: vec![inner],
        }),
    };
}
