//! Those outside: senders, with a ledger of what they were told.

use std::collections::BTreeSet;

use edsr_engine::admit::Fingerprint;
use edsr_engine::desk::Incoming;
use edsr_model::{Data, Event, Scalar};

use crate::story::Told;

/// A request, and what its sender knows of it.
#[derive(Debug)]
struct Request {
    events: Vec<Event>,
    told: Known,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// On its way, or never sent yet.
    Waits,
    /// The node died, or said that it does not know. It is sent again.
    Unknown,
    /// Everything in it is durable.
    Kept,
}

#[derive(Debug, Default)]
pub(super) struct Outside {
    requests: Vec<Request>,
    kept: BTreeSet<String>,
    /// What the log dropped since, because it was asked to.
    dropped: BTreeSet<String>,
    events: u64,
}

impl Outside {
    /// Makes a request with these events; each is a new one.
    pub(super) fn request(&mut self, told: &[Told]) -> usize {
        let events = told
            .iter()
            .map(|told| {
                self.events += 1;
                event(self.events, told)
            })
            .collect();
        self.requests.push(Request {
            events,
            told: Known::Waits,
        });
        self.requests.len() - 1
    }

    pub(super) fn earlier(&self, back: usize) -> Option<usize> {
        self.requests.len().checked_sub(back + 1)
    }

    /// The events of a request as they go over the wire.
    pub(super) fn incoming(&self, request: usize) -> Vec<Incoming> {
        let events = &self.requests[request].events;
        events.iter().cloned().map(incoming).collect()
    }

    pub(super) fn told_kept(&mut self, request: usize) {
        let request = &mut self.requests[request];
        request.told = Known::Kept;
        let ids = request.events.iter().map(|event| event.id.clone());
        self.kept.extend(ids);
    }

    pub(super) fn told_unknown(&mut self, request: usize) {
        let told = &mut self.requests[request].told;
        if *told != Known::Kept {
            *told = Known::Unknown;
        }
    }

    /// The node died: nobody who waited will hear of it.
    pub(super) fn node_died(&mut self) {
        for request in &mut self.requests {
            if request.told == Known::Waits {
                request.told = Known::Unknown;
            }
        }
    }

    /// Requests that have to be sent again.
    pub(super) fn unknown(&mut self) -> Vec<usize> {
        let mut unknown = Vec::new();
        for (place, request) in self.requests.iter_mut().enumerate() {
            if request.told == Known::Unknown {
                request.told = Known::Waits;
                unknown.push(place);
            }
        }
        unknown
    }

    /// The log was asked to drop old events, and is about to drop this one.
    pub(super) fn may_go(&mut self, id: String) {
        self.dropped.insert(id);
    }

    /// Ids of events that must be in the log.
    pub(super) fn must_be_there(&self) -> impl Iterator<Item = &String> {
        self.kept.difference(&self.dropped)
    }

    /// Ids of events whose senders were told that they are durable.
    pub(super) fn kept(&self) -> impl Iterator<Item = &String> {
        self.kept.iter()
    }

    /// Requests whose senders still wait.
    pub(super) fn waiting(&self) -> usize {
        let waits = self.requests.iter();
        waits.filter(|request| request.told != Known::Kept).count()
    }
}

/// An event as it goes over the wire.
pub(super) fn incoming(event: Event) -> Incoming {
    let stored = serde_json::to_vec(&event).unwrap_or_default().into();
    Incoming {
        fingerprint: Fingerprint::of(&event),
        event,
        stored,
        looked: None,
    }
}

fn event(number: u64, told: &Told) -> Event {
    let extensions = told.extensions.iter();
    Event {
        id: number.to_string(),
        source: "/story".to_owned(),
        kind: told.kind.clone(),
        subject: None,
        time: None,
        datacontenttype: None,
        dataschema: None,
        extensions: extensions
            .filter_map(|(name, value)| Some((name.clone(), Scalar::from_value(value)?)))
            .collect(),
        data: Data::Json(told.data.clone().into()),
    }
}
