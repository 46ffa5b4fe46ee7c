//! Events out of somebody else's payload: `POST /v1/hooks/{source}`.

mod alertmanager;
mod expr;
mod mapping;
mod value;

use http::HeaderMap;

use crate::cloudevents::Parsed;
use crate::error::ParseError;
use crate::limits::Limits;

pub use mapping::{Mapping, MappingError, MappingSpec};

/// How the requests of a source become events.
#[derive(Debug)]
pub enum Adapter {
    /// They are events: [`crate::cloudevents::parse`].
    CloudEvents,
    /// Notifications of a Prometheus Alertmanager (webhook version 4): one event an alert.
    ///
    /// | attribute | value |
    /// |---|---|
    /// | `type` | `prometheus.alert` |
    /// | `source` | `/alertmanager/<name of the source>` |
    /// | `subject` | the label `alertname`, else `instance`, else none |
    /// | `id` | fingerprint, status, `startsAt`, and `endsAt` when resolved: a repeated notification is the same event. Senders before 0.19 give no fingerprint; a digest of the labels stands in |
    /// | `time` | `startsAt` when firing, `endsAt` when resolved |
    /// | `correlationid` | the label `correlationid` or `correlation_id`, if there is one |
    /// | `data` | the alert's `status`, `fingerprint`, `labels`, `annotations`, `startsAt`, `endsAt`, `generatorURL` and the notification's `receiver`, `groupKey`, `groupLabels`, `commonLabels`, `externalURL`, `truncatedAlerts`, as far as they were sent |
    Alertmanager,
    /// JSON of any shape, mapped by expressions. Boxed, as it is much larger than the others.
    Webhook(Box<Mapping>),
}

impl Adapter {
    /// The events of one request at the source named `source`.
    ///
    /// # Errors
    /// [`ParseError`] where nothing of the request can be taken.
    pub fn events(
        &self,
        source: &str,
        headers: &HeaderMap,
        body: &[u8],
        limits: &Limits,
    ) -> Result<Parsed, ParseError> {
        match self {
            Self::CloudEvents => crate::cloudevents::parse(headers, body, limits),
            Self::Alertmanager => alertmanager::events(source, body, limits),
            Self::Webhook(mapping) => mapping.events(source, headers, body, limits),
        }
    }

    /// The most bytes a request may have: what a server should read before it gives up.
    #[must_use]
    pub fn body_bytes(&self, limits: &Limits) -> usize {
        match self {
            Self::CloudEvents | Self::Alertmanager => limits.batch_bytes,
            Self::Webhook(mapping) if mapping.fans_out() => limits.batch_bytes,
            Self::Webhook(_) => limits.event_bytes,
        }
    }
}
