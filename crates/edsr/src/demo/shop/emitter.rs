//! How the shop tells the engine what happens: CloudEvents over HTTP, in batches, again until they are taken.
//!
//! Every event has an id that says what it is about, so one that is sent twice counts once.

use std::time::Duration;

use edsr_model::Timestamp;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::client;

/// The most events that wait; more are dropped, since a shop must not stop because nobody listens.
const WAITING_MAX: usize = 10_000;
/// The most events in a batch.
const BATCH_MAX: usize = 500;
/// How often a batch is sent.
const SEND_EVERY: Duration = Duration::from_millis(100);
/// How long the engine may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// The media type of a batch.
const BATCH_TYPE: &str = "application/cloudevents-batch+json";

/// Sends events in the background.
#[derive(Debug, Clone)]
pub(super) struct Emitter {
    source: String,
    queue: mpsc::Sender<Message>,
}

#[derive(Debug)]
enum Message {
    Event(Value),
    Flush(oneshot::Sender<()>),
}

impl Emitter {
    /// Starts to send what `service` has to tell to `url`.
    pub(super) fn start(service: &str, url: &str) -> Result<Self, String> {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(send_all(client(ANSWER_WAIT)?, url.to_owned(), waiting));
        Ok(Self {
            source: format!("/shop/{service}"),
            queue,
        })
    }

    /// Tells that something happened. `id` is unique for the service and the same whenever this is told.
    pub(super) fn tell(&self, kind: &str, id: &str, data: Value) {
        self.tell_with(kind, id, data, &[]);
    }

    /// The same with extension attributes.
    pub(super) fn tell_with(
        &self,
        kind: &str,
        id: &str,
        data: Value,
        extensions: &[(&str, String)],
    ) {
        let mut event = json!({
            "specversion": "1.0",
            "type": kind,
            "id": id,
            "source": self.source,
            "time": now().to_string(),
            "datacontenttype": "application/json",
            "data": data,
        });
        for (name, value) in extensions {
            event[*name] = value.clone().into();
        }
        let _ = self.queue.try_send(Message::Event(event));
    }

    /// Waits until everything told so far was taken, at most for `wait`.
    pub(super) async fn flush(&self, wait: Duration) -> bool {
        let (done, flushed) = oneshot::channel();
        timeout(wait, async {
            self.queue.send(Message::Flush(done)).await.is_ok() && flushed.await.is_ok()
        })
        .await
        .unwrap_or(false)
    }
}

/// What the clock of this machine says.
#[allow(
    clippy::disallowed_methods,
    reason = "the shop and the demo are outside of the engine: they are where time comes from"
)]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::EPOCH.after(since.unwrap_or_default())
}

async fn send_all(client: Client, url: String, mut waiting: mpsc::Receiver<Message>) {
    let mut tick = interval(SEND_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Vec::new();
    let mut flushes = Vec::new();
    loop {
        // A flush does not wait for the next tick.
        if flushes.is_empty() {
            tick.tick().await;
        }
        while batch.len() < BATCH_MAX {
            match waiting.try_recv() {
                Ok(Message::Event(event)) => batch.push(event),
                Ok(Message::Flush(done)) => flushes.push(done),
                Err(mpsc::error::TryRecvError::Disconnected) if batch.is_empty() => return,
                Err(_) => break,
            }
        }
        if !batch.is_empty() {
            if !taken(&client, &url, &batch).await {
                tokio::time::sleep(SEND_EVERY).await;
                continue;
            }
            batch.clear();
        }
        for done in flushes.drain(..) {
            let _ = done.send(());
        }
    }
}

/// Whether the batch needs no further sending: it was taken, or it never will be.
async fn taken(client: &Client, url: &str, batch: &[Value]) -> bool {
    let Ok(body) = serde_json::to_vec(batch) else {
        return true;
    };
    let sent = client
        .post(url)
        .header("content-type", BATCH_TYPE)
        .body(body);
    let Ok(answer) = sent.send().await else {
        return false;
    };
    let status = answer.status();
    if status.is_client_error() && status.as_u16() != 429 && status.as_u16() != 408 {
        let text = answer.text().await.unwrap_or_default();
        eprintln!(
            "{} events were turned down with {status}: {text}",
            batch.len()
        );
        return true;
    }
    status.is_success()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::State;
    use axum::http::StatusCode;
    use axum::routing::post;
    use axum::{Json, Router};
    use std::sync::{Arc, Mutex};

    type Seen = Arc<Mutex<Vec<Vec<Value>>>>;

    async fn sink(State(seen): State<Seen>, Json(batch): Json<Vec<Value>>) -> StatusCode {
        let mut seen = seen.lock().unwrap();
        seen.push(batch);
        if seen.len() == 1 {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::ACCEPTED
        }
    }

    #[tokio::test]
    async fn a_batch_is_sent_again_until_it_is_taken() {
        let seen = Seen::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/events", listener.local_addr().unwrap());
        // Axum takes JSON by the suffix of its type, batches included.
        let router = Router::new()
            .route("/v1/events", post(sink))
            .with_state(seen.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });

        let emitter = Emitter::start("worker", &url).unwrap();
        for n in 0..2 {
            emitter.tell(
                "order.completed",
                &format!("completed/{n}"),
                json!({"n": n}),
            );
        }
        assert!(emitter.flush(Duration::from_secs(5)).await);
        let seen = seen.lock().unwrap().clone();
        assert_eq!(seen.len(), 2, "refused once, then taken");
        assert_eq!(seen[0], seen[1], "the same events with the same ids");
        assert_eq!(seen[1].len(), 2);
        assert_eq!(seen[1][0]["source"], "/shop/worker");
        assert!(edsr_model::Event::from_value(seen[1][1].clone()).is_ok());
    }

    #[tokio::test]
    async fn nobody_listening_stops_nothing() {
        let emitter = Emitter::start("worker", "http://127.0.0.1:9/v1/events").unwrap();
        for n in 0..=WAITING_MAX {
            emitter.tell("x", &n.to_string(), Value::Null);
        }
        assert!(!emitter.flush(Duration::from_millis(50)).await);
    }
}
