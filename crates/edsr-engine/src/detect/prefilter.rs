//! Which detectors an event certainly does not concern, found without evaluating a condition of theirs.
//!
//! Conditions begin, as a rule, with comparisons like `type == "x"` or `data.service == "y"`. Those of all detectors are
//! looked at together: the fields they name are picked out of the event in one pass over its text, the rest is skipped.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;

use edsr_expr::Required;
use edsr_model::{Data, Event};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::bundle::Detector;

/// What conditions cannot do without, by detector.
#[derive(Debug, Default)]
pub struct Prefilter {
    checks: Vec<Vec<Check>>,
    /// The fields of the data that some check reads.
    wanted: Wanted,
    slots: usize,
}

#[derive(Debug)]
struct Check {
    place: Place,
    text: String,
}

/// Where the text to compare stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    Kind,
    Source,
    Subject,
    Id,
    /// In the data, and picked out into this slot.
    Data(usize),
}

/// Fields, and the fields below them.
#[derive(Debug, Default)]
struct Wanted {
    slot: Option<usize>,
    below: BTreeMap<String, Wanted>,
}

/// Texts found in the data of an event, by slot; `None` where there is none, or something else.
type Texts<'e> = Vec<Option<Cow<'e, str>>>;

impl Prefilter {
    /// Those of `detectors`.
    #[must_use]
    pub fn of(detectors: &[Detector]) -> Self {
        let mut prefilter = Self::default();
        for detector in detectors {
            let found = detector.on.iter().flat_map(|on| on.required());
            let checks = found
                .filter_map(|required| prefilter.check(required))
                .collect();
            prefilter.checks.push(checks);
        }
        prefilter
    }

    fn check(&mut self, required: Required) -> Option<Check> {
        let (variable, fields) = required.path.split_first()?;
        let place = match (&**variable, fields) {
            ("type", []) => Place::Kind,
            ("source", []) => Place::Source,
            ("subject", []) => Place::Subject,
            ("id", []) => Place::Id,
            ("data", [_, ..]) => Place::Data(self.slot(fields)),
            _ => return None,
        };
        Some(Check {
            place,
            text: required.text,
        })
    }

    fn slot(&mut self, fields: &[String]) -> usize {
        let mut at = &mut self.wanted;
        for field in fields {
            at = at.below.entry(field.clone()).or_default();
        }
        *at.slot.get_or_insert_with(|| {
            self.slots += 1;
            self.slots - 1
        })
    }

    /// It, in front of one event.
    pub(super) const fn before<'e>(&'e self, event: &'e Event) -> Before<'e> {
        Before {
            prefilter: self,
            event,
            texts: OnceCell::new(),
        }
    }
}

/// A prefilter in front of one event. What it needs of its data is picked out once.
pub(super) struct Before<'e> {
    prefilter: &'e Prefilter,
    event: &'e Event,
    texts: OnceCell<Texts<'e>>,
}

impl<'e> Before<'e> {
    /// Whether the condition of the detector at `place` is certainly false.
    pub(super) fn stop(&self, place: usize) -> bool {
        let checks = self
            .prefilter
            .checks
            .get(place)
            .map_or(&[][..], Vec::as_slice);
        checks.iter().any(|check| {
            self.text(check.place)
                .is_some_and(|text| text != check.text)
        })
    }

    fn text(&self, place: Place) -> Option<&str> {
        match place {
            Place::Kind => Some(&self.event.kind),
            Place::Source => Some(&self.event.source),
            Place::Subject => Some(self.event.subject.as_deref().unwrap_or_default()),
            Place::Id => Some(&self.event.id),
            Place::Data(slot) => {
                let texts = self.texts.get_or_init(|| self.pick());
                texts.get(slot).and_then(Option::as_deref)
            }
        }
    }

    fn pick(&self) -> Texts<'e> {
        let mut texts = vec![None; self.prefilter.slots];
        let Data::Json(json) = &self.event.data else {
            return texts;
        };
        match json.text() {
            Some(text) => {
                let mut reader = serde_json::Deserializer::from_str(text);
                let pick = Pick {
                    wanted: &self.prefilter.wanted,
                    texts: &mut texts,
                };
                // Invariant: it is JSON, so it can be read.
                if pick.deserialize(&mut reader).is_err() {
                    texts.fill(None);
                }
            }
            None => pick_from(&self.prefilter.wanted, json.value(), &mut texts),
        }
        texts
    }
}

fn pick_from<'e>(wanted: &Wanted, value: &'e Value, texts: &mut Texts<'e>) {
    if let (Some(slot), Value::String(text)) = (wanted.slot, value) {
        texts[slot] = Some(Cow::Borrowed(text));
    }
    let Value::Object(map) = value else {
        return;
    };
    for (name, below) in &wanted.below {
        if let Some(value) = map.get(name) {
            pick_from(below, value, texts);
        }
    }
}

/// Reads one value, and picks out what is wanted of it. No object has a key twice: those are refused at the door.
struct Pick<'w, 't, 'e> {
    wanted: &'w Wanted,
    texts: &'t mut Texts<'e>,
}

impl<'e> Pick<'_, '_, 'e> {
    fn found(self, text: Cow<'e, str>) {
        if let Some(slot) = self.wanted.slot {
            self.texts[slot] = Some(text);
        }
    }
}

impl<'e> DeserializeSeed<'e> for Pick<'_, '_, 'e> {
    type Value = ();

    fn deserialize<D: Deserializer<'e>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'e> Visitor<'e> for Pick<'_, '_, 'e> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'e str) -> Result<(), E> {
        self.found(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.found(Cow::Owned(text.to_owned()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'e>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'e>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { wanted, texts } = self;
        while let Some(below) = entries.next_key_seed(Below(wanted))? {
            match below {
                Some(wanted) => entries.next_value_seed(Pick { wanted, texts })?,
                None => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Reads a key, and gives what is wanted of the value behind it.
struct Below<'w>(&'w Wanted);

impl<'e, 'w> DeserializeSeed<'e> for Below<'w> {
    type Value = Option<&'w Wanted>;

    fn deserialize<D: Deserializer<'e>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'w> Visitor<'_> for Below<'w> {
    type Value = Option<&'w Wanted>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.below.get(name))
    }
}

#[cfg(test)]
mod tests {
    use edsr_expr::{EVENT_VARS, EventVars, Expr};
    use serde_json::json;

    use super::*;

    const CONDITIONS: &[&str] = &[
        "type == 'order'",
        "type == 'order' && data.state == 'open'",
        "data.missing > 1 && type == 'order'",
        "data.state == 'open' && data.n > 1",
        "data.deep.er.state == 'x'",
        "data.deep == 'x' && data.deep.er == 'y'",
        "'open' == data.state && source == '/s' && subject == '' && id == '1'",
        "data.n == '1'",
        "data.list == 'a' || data.state == 'nothing'",
        "data == 'text'",
        "ext.region == 'eu' && data.state == 'gone'",
    ];

    const DATA: &[&str] = &[
        "null",
        "\"text\"",
        "{\"state\": \"open\", \"n\": 2}",
        "{\"state\": \"op\\u0065n\", \"n\": \"1\", \"list\": [\"a\", {\"state\": \"x\"}]}",
        "{\"state\": null, \"deep\": {\"er\": {\"state\": \"x\"}}}",
        "{\"st\\u0061te\": \"shut\", \"deep\": \"x\"}",
        "{\"deep\": {\"er\": \"y\", \"state\": \"open\"}, \"state\": {\"state\": \"open\"}}",
        "[{\"state\": \"open\"}]",
    ];

    fn events() -> Vec<Event> {
        let mut events = Vec::new();
        for data in DATA {
            for kind in ["order", "other"] {
                let text = format!(
                    "{{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"{kind}\",\"data\":{data}}}"
                );
                let event: Event = serde_json::from_str(&text).unwrap();
                // The same event, once as it was sent and once as a tree.
                events.push(Event::from_value(event.to_value()).unwrap());
                events.push(event);
            }
        }
        events
    }

    #[test]
    fn what_is_stopped_is_false_and_most_that_is_false_is_stopped() {
        let exprs = CONDITIONS
            .iter()
            .map(|text| Expr::compile(text, EVENT_VARS).unwrap());
        let mut prefilter = Prefilter::default();
        let mut conditions = Vec::new();
        for on in exprs {
            let checks = on
                .required()
                .into_iter()
                .filter_map(|required| prefilter.check(required))
                .collect();
            prefilter.checks.push(checks);
            conditions.push(on);
        }
        let (mut stopped, mut refused) = (0, 0);
        for event in events() {
            let before = prefilter.before(&event);
            let vars = EventVars::new(&event);
            for (place, on) in conditions.iter().enumerate() {
                let truth = on.truth(&vars);
                if before.stop(place) {
                    stopped += 1;
                    assert_eq!(truth, Ok(false), "{} over {event:?}", on.text());
                }
                refused += usize::from(truth == Ok(false));
            }
        }
        assert!(stopped * 3 > refused, "{stopped} of {refused}");
        assert!(stopped < refused, "some are only found by evaluating");
    }

    #[test]
    fn the_text_that_was_sent_is_read_once_and_for_all() {
        let mut prefilter = Prefilter::default();
        let slot = prefilter.slot(&["a".to_owned(), "b".to_owned()]);
        assert_eq!(prefilter.slot(&["a".to_owned(), "b".to_owned()]), slot);
        let event = Event::from_value(json!({
            "specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"a": {"b": "x"}}
        }));
        let event = event.unwrap();
        assert_eq!(prefilter.before(&event).text(Place::Data(slot)), Some("x"));
        assert_eq!(prefilter.before(&event).text(Place::Data(slot + 1)), None);
    }
}
