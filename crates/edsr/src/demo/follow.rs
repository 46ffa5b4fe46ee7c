//! Follows the journal of the engine over its API: live by server-sent events, and over any gap by reading on from
//! where it left off, so that a restart of the engine costs no entry.

use std::time::Duration;

use edsr_server::types::{EntryRecord, Page};
use reqwest::Client;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::shop::client;

/// The most entries that wait to be told.
const WAITING_MAX: usize = 1_000;
/// The most entries that are asked for at once.
const PAGE: u32 = 500;
/// How long it waits before it tries again.
const RETRY_WAIT: Duration = Duration::from_millis(100);
/// How long reading the journal may take.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// How long the stream may stay open; then it is opened again.
const STREAM_WAIT: Duration = Duration::from_secs(3600);
/// The longest line of the stream, in bytes.
const LINE_MAX: usize = 4 << 20;

/// Every entry of the journal from the first on, in order, each once.
pub(super) fn entries(url: &str) -> Result<mpsc::Receiver<EntryRecord>, String> {
    let (tell, told) = mpsc::channel(WAITING_MAX);
    let follower = Follower {
        url: url.to_owned(),
        ask: client(ANSWER_WAIT)?,
        watch: client(STREAM_WAIT)?,
        next: 1,
        tell,
    };
    tokio::spawn(follower.run());
    Ok(told)
}

struct Follower {
    url: String,
    ask: Client,
    watch: Client,
    next: u64,
    tell: mpsc::Sender<EntryRecord>,
}

/// Why following stopped for now.
enum Stopped {
    /// Nobody listens any more.
    Unheard,
    /// The engine does not answer, or answered something else.
    Broken,
}

impl From<reqwest::Error> for Stopped {
    fn from(_: reqwest::Error) -> Self {
        Self::Broken
    }
}

impl Follower {
    async fn run(mut self) {
        let tell = self.tell.clone();
        loop {
            tokio::select! {
                // The stream is given back at once: an engine that is to end would wait for it.
                () = tell.closed() => return,
                stopped = self.follow() => if matches!(stopped, Err(Stopped::Unheard)) {
                    return;
                }
            }
            sleep(RETRY_WAIT).await;
        }
    }

    /// The stream is opened first and read last, so that nothing falls between it and the journal.
    async fn follow(&mut self) -> Result<(), Stopped> {
        let tail = format!("{}/v1/tail?only=entries", self.url);
        let opened = self.watch.get(tail).header("accept", "text/event-stream");
        let mut stream = opened.send().await?.error_for_status()?;
        self.catch_up().await?;
        let mut lines = Lines::default();
        while let Some(piece) = stream.chunk().await? {
            for data in lines.push(&piece).ok_or(Stopped::Broken)? {
                match serde_json::from_str::<EntryRecord>(&data) {
                    Ok(entry) if entry.seq <= self.next => self.give(entry).await?,
                    // Entries were missed, or the message says so.
                    _ => self.catch_up().await?,
                }
            }
        }
        Ok(())
    }

    async fn catch_up(&mut self) -> Result<(), Stopped> {
        loop {
            let url = format!("{}/v1/journal?from={}&limit={PAGE}", self.url, self.next);
            let answer = self.ask.get(url).send().await?.error_for_status()?;
            let page: Page<EntryRecord> = answer.json().await?;
            if page.items.is_empty() {
                return Ok(());
            }
            for entry in page.items {
                self.give(entry).await?;
            }
            if page.next.is_none() {
                return Ok(());
            }
        }
    }

    async fn give(&mut self, entry: EntryRecord) -> Result<(), Stopped> {
        if entry.seq < self.next {
            return Ok(());
        }
        self.next = entry.seq + 1;
        self.tell.send(entry).await.map_err(|_| Stopped::Unheard)
    }
}

/// Takes server-sent events apart (<https://html.spec.whatwg.org/multipage/server-sent-events.html>): only `data`
/// lines matter here.
#[derive(Debug, Default)]
struct Lines {
    rest: Vec<u8>,
    data: String,
}

impl Lines {
    /// The data of the messages that end in `piece`; `None` where a line is too long.
    fn push(&mut self, piece: &[u8]) -> Option<Vec<String>> {
        let mut messages = Vec::new();
        self.rest.extend_from_slice(piece);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if let Some(data) = line.strip_prefix("data:") {
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
                self.data.push('\n');
            } else if line.is_empty() && !self.data.is_empty() {
                messages.push(std::mem::take(&mut self.data));
            }
        }
        (self.rest.len().max(self.data.len()) <= LINE_MAX).then_some(messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_wherever_the_pieces_end() {
        let text =
            ": hello\n\nevent: entry\nid: 1\ndata: {\"a\":\r\ndata:1}\r\n\r\ndata: x\n\ndata: half";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let pieces = text.as_bytes().chunks(size);
            let found: Vec<String> = pieces
                .flat_map(|piece| lines.push(piece).unwrap())
                .collect();
            assert_eq!(found, ["{\"a\":\n1}\n", "x\n"], "pieces of {size}");
        }
        assert!(Lines::default().push(&vec![b'x'; LINE_MAX + 1]).is_none());
    }
}
