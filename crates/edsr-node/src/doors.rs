//! Where events come in: the sources in force, and what they remember.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use edsr_model::{Event, Timestamp};
use edsr_source::{Kind, Refused, ReplayWindow, Source};
use http::HeaderMap;

use crate::api::{Door, DoorLimits, IngestError, Rejected};

/// One source with its memory of deliveries.
struct Gate {
    source: Source,
    replay: Arc<Mutex<ReplayWindow>>,
}

/// All doors that are open.
#[derive(Clone, Default)]
pub(crate) struct Doors {
    events: Option<Arc<Gate>>,
    hooks: BTreeMap<String, Arc<Gate>>,
}

/// The events of a request, and those that were turned down.
pub(crate) struct Taken {
    pub(crate) events: Vec<Event>,
    pub(crate) rejected: Vec<Rejected>,
}

impl Doors {
    /// The door for CloudEvents, and one per source. A door that was there before remembers its deliveries.
    pub(crate) fn new(events: Source, hooks: Vec<Source>, before: &Self) -> Self {
        let gate = |source, old: Option<&Arc<Gate>>| {
            Arc::new(Gate {
                source,
                replay: old.map_or_else(Arc::default, |old| Arc::clone(&old.replay)),
            })
        };
        let hooks = hooks.into_iter().map(|source| {
            let name = source.name().to_owned();
            let old = before.hooks.get(&name);
            (name, gate(source, old))
        });
        Self {
            events: Some(gate(events, before.events.as_ref())),
            hooks: hooks.collect(),
        }
    }

    pub(crate) fn precheck(
        &self,
        door: &Door,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<DoorLimits, IngestError> {
        let gate = self.gate(door)?;
        gate.source
            .auth()
            .precheck(headers, now)
            .map_err(|error| refused(&Refused::Auth(error)))?;
        Ok(DoorLimits {
            body_bytes_max: gate.source.body_bytes(),
        })
    }

    pub(crate) fn take(
        &self,
        door: &Door,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Taken, IngestError> {
        let gate = self.gate(door)?;
        let items = {
            let mut replay = gate.replay.lock().unwrap_or_else(PoisonError::into_inner);
            gate.source.receive(headers, body, now, &mut replay)
        }
        .map_err(|error| refused(&error))?;
        let mut taken = Taken {
            events: Vec::with_capacity(items.len()),
            rejected: Vec::new(),
        };
        for item in items {
            match item {
                Ok(event) => taken.events.push(event),
                Err(refusal) => taken.rejected.push(Rejected {
                    index: refusal.index,
                    id: refusal.id,
                    code: refusal.code.to_owned(),
                    reason: refusal.reason,
                }),
            }
        }
        Ok(taken)
    }

    /// Lets a delivery be sent again, because its events could not be kept.
    pub(crate) fn forget(&self, door: &Door, headers: &HeaderMap) {
        if let Ok(gate) = self.gate(door)
            && let Some(key) = gate.source.auth().replay_key(headers)
        {
            let mut replay = gate.replay.lock().unwrap_or_else(PoisonError::into_inner);
            replay.forget(&key);
        }
    }

    fn gate(&self, door: &Door) -> Result<&Gate, IngestError> {
        let gate = match door {
            Door::Events => self.events.as_deref(),
            Door::Hook(name) => self.hooks.get(name).map(Arc::as_ref),
        };
        gate.ok_or_else(|| match door {
            Door::Events => IngestError::NoSuchSource("events".to_owned()),
            Door::Hook(name) => IngestError::NoSuchSource(edsr_model::printable(name, 64)),
        })
    }
}

fn refused(error: &Refused) -> IngestError {
    let reason = error.to_string();
    match error.kind() {
        Kind::Unauthorized => IngestError::Unauthorized(reason),
        Kind::TooLarge => IngestError::TooLarge(reason),
        Kind::Unsupported => IngestError::Unsupported(reason),
        Kind::TooMany => IngestError::Behind {
            retry_after: std::time::Duration::from_secs(60),
        },
        Kind::BadRequest | Kind::Replayed => IngestError::Bad {
            code: error.code().to_owned(),
            reason,
        },
    }
}
