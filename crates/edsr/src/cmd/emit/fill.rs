//! Making an event out of what was given: what is missing is filled in, what is there stays.

use clap::Args;
use edsr_model::{Digest, Event, Timestamp};
use serde_json::{Map, Value};

use crate::exit::Failure;
use crate::text::now;

/// What is filled in where an event does not say it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Fill {
    /// Type of events that have none, for example `order.placed`
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Source of events that have none, a URI reference [default with --type: edsr/emit]
    #[arg(long, value_name = "URI")]
    source: Option<String>,
    /// Subject of events that have none
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Id of the one event that --data makes [default: one of its own]
    #[arg(long, value_name = "ID", requires = "data")]
    id: Option<String>,
    /// Send one event with this data, a JSON value, instead of reading any
    #[arg(long, value_name = "JSON", requires = "kind", conflicts_with = "file")]
    pub(super) data: Option<String>,
}

/// The source of events that somebody makes by hand.
const SOURCE_DEFAULT: &str = "edsr/emit";

/// Fills in events, each with an id of its own.
pub(super) struct Filler {
    fill: Fill,
    /// Tells this run from every other, so that repeating a command sends new events.
    run: Digest,
    made: u64,
}

impl Filler {
    /// For one run of the command.
    pub(super) fn new(fill: Fill) -> Self {
        let pid = std::process::id().to_be_bytes();
        let at = now().as_micros().to_be_bytes();
        Self::of_run(fill, Digest::of_parts([at.as_slice(), pid.as_slice()]))
    }

    const fn of_run(fill: Fill, run: Digest) -> Self {
        Self { fill, run, made: 0 }
    }

    /// The one event that the flags describe.
    pub(super) fn single(&mut self, data: &str) -> Result<Value, Failure> {
        let data: Value = serde_json::from_str(data).map_err(|error| {
            Failure::usage(format!("--data is not JSON: {error}"))
                .help("text is written with quotes: --data '\"text\"'")
        })?;
        let mut event = Map::new();
        if let Some(id) = self.fill.id.clone() {
            event.insert("id".to_owned(), Value::String(id));
        }
        event.insert("data".to_owned(), data);
        let event = self.complete(Value::Object(event), now());
        event.map_err(Failure::usage)
    }

    /// The event with what was missing.
    ///
    /// # Errors
    /// Why it still is no event, in one sentence.
    pub(super) fn complete(&mut self, value: Value, at: Timestamp) -> Result<Value, String> {
        let mut value = value;
        if let (Value::Object(event), true) = (&mut value, self.fills()) {
            self.add(event, at);
        }
        Event::from_value(value.clone()).map_err(|error| error.to_string())?;
        Ok(value)
    }

    const fn fills(&self) -> bool {
        self.fill.kind.is_some() || self.fill.source.is_some()
    }

    fn add(&mut self, event: &mut Map<String, Value>, at: Timestamp) {
        self.made += 1;
        let id = Digest::of_parts([self.run.0.as_slice(), &self.made.to_be_bytes()]);
        let source = self.fill.source.clone();
        let source = source.unwrap_or_else(|| SOURCE_DEFAULT.to_owned());
        for (name, value) in [
            ("specversion", Some("1.0".to_owned())),
            ("id", Some(id.to_string()[..32].to_owned())),
            ("source", Some(source)),
            ("type", self.fill.kind.clone()),
            ("subject", self.fill.subject.clone()),
            ("time", Some(at.to_string())),
        ] {
            if let (false, Some(value)) = (event.contains_key(name), value) {
                event.insert(name.to_owned(), Value::String(value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filler(kind: Option<&str>, source: Option<&str>) -> Filler {
        let fill = Fill {
            kind: kind.map(str::to_owned),
            source: source.map(str::to_owned),
            ..Fill::default()
        };
        Filler::of_run(fill, Digest::default())
    }

    #[test]
    fn what_is_missing_is_filled_in_and_what_is_there_stays() {
        let mut filler = filler(Some("t"), Some("/s"));
        let at: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let one = filler.complete(json!({"data": 1}), at).unwrap();
        assert_eq!(one["type"], "t");
        assert_eq!(one["source"], "/s");
        assert_eq!(one["time"], "2026-01-02T03:04:05.000000Z");
        let two = filler
            .complete(json!({"data": 1, "type": "own"}), at)
            .unwrap();
        assert_eq!(two["type"], "own");
        assert_ne!(one["id"], two["id"]);
    }

    #[test]
    fn without_flags_nothing_is_added() {
        let mut plain = filler(None, None);
        let at = Timestamp::EPOCH;
        let whole = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"});
        assert_eq!(plain.complete(whole.clone(), at), Ok(whole));
        assert!(plain.complete(json!({"data": 1}), at).is_err());
        assert!(plain.complete(json!([]), at).is_err());
        // A source alone cannot make a type up.
        let error = filler(None, Some("/s")).complete(json!({}), at);
        assert!(error.unwrap_err().contains("`type`"));
    }

    #[test]
    fn one_event_is_made_of_flags() {
        let mut filler = filler(Some("t"), None);
        let event = filler.single("{\"a\":1}").unwrap();
        assert_eq!(event["data"], json!({"a": 1}));
        assert_eq!(event["source"], SOURCE_DEFAULT);
        assert!(filler.single("text").is_err());
    }
}
