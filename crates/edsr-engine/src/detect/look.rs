//! Look: what each detector sees in one event. The first of the two steps of detection.
//!
//! It depends on the bundle and the event alone, so any number of threads may look at once and ahead; the second step
//! takes what they saw in log order and evaluates nothing any more.

use edsr_model::{BundleHash, Event, Key, Scalar};

use super::{absent, count, matching, ratio};
use crate::bundle::{Bundle, Detector, Kind};
use edsr_expr::EventVars;

/// The longest text that can be a part of a key, in bytes; an event with a longer one counts as an error.
pub const KEY_BYTES_MAX: usize = 1024;

/// What the detectors of one bundle see in one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    pub(crate) bundle: BundleHash,
    /// Only of the detectors that the event concerns, in their order.
    pub(crate) found: Vec<Found>,
}

/// What one detector sees.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// Its place in the bundle.
    pub(crate) detector: usize,
    /// For which key; `None` where an expression that tells had no value.
    pub(crate) key: Option<Key>,
    pub(crate) seen: Seen,
}

/// What there is to see, by kind of detector.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    /// Nothing that counts.
    Nothing,
    /// An expression had no value.
    Unknown,
    /// `match`: something is wrong.
    Bad,
    /// `match`: nothing is wrong.
    Good,
    /// `match`: it is over.
    Over,
    /// `count`: one more.
    One,
    /// `count`: this value.
    Value(Scalar),
    /// `ratio`: in the numerator, or only in the denominator.
    Share(bool),
    /// `absent`: what was expected is here; something is expected from here on.
    Wait { arrived: bool, begun: bool },
}

/// Looks at an event with every detector of a bundle.
#[must_use]
pub fn look(bundle: &Bundle, event: &Event) -> Looked {
    let vars = EventVars::new(event);
    let before = bundle.prefilter.before(event);
    let detectors = bundle.detectors.iter().enumerate();
    Looked {
        bundle: bundle.hash,
        found: detectors
            .filter(|(place, _)| !before.stop(*place))
            .filter_map(|(place, detector)| found(place, detector, &vars))
            .collect(),
    }
}

fn found(place: usize, detector: &Detector, vars: &EventVars<'_>) -> Option<Found> {
    let (key, seen) = match concerns(detector, vars) {
        Ok(None) => return None,
        Ok(Some(key)) => (Some(key), see(detector, vars)),
        Err(()) => (None, Seen::Unknown),
    };
    Some(Found {
        detector: place,
        key,
        seen,
    })
}

fn see(detector: &Detector, vars: &EventVars<'_>) -> Seen {
    let seen = match &detector.kind {
        Kind::Match(spec) => matching::see(spec, vars),
        Kind::Count(spec) => count::see(spec, vars),
        Kind::Ratio(spec) => ratio::see(spec, vars),
        Kind::Absent(spec) => absent::see(spec, vars),
    };
    seen.unwrap_or(Seen::Unknown)
}

/// The key an event has for a detector; `None` where the detector does not concern it.
fn concerns(detector: &Detector, vars: &EventVars<'_>) -> Result<Option<Key>, ()> {
    if let Some(on) = &detector.on
        && !on.truth(vars).map_err(|_| ())?
    {
        return Ok(None);
    }
    let mut parts = Vec::with_capacity(detector.by.len());
    for (name, expr) in &detector.by {
        let value = expr.value(vars).map_err(|_| ())?;
        let value = Scalar::from_value(&value).ok_or(())?;
        if matches!(&value, Scalar::Str(text) if text.len() > KEY_BYTES_MAX) {
            return Err(());
        }
        parts.push((name.clone(), value));
    }
    Ok(Some(Key::new(parts)))
}
