//! One HTTP/1.1 connection and nothing around it: a client library would cost more than what is measured.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One connection to a node on this machine.
pub(super) struct Wire {
    stream: TcpStream,
    sent: Vec<u8>,
    read: Vec<u8>,
}

/// What came back.
pub(super) struct Answer<'w> {
    pub(super) status: u16,
    pub(super) body: &'w [u8],
}

impl Wire {
    /// Connects.
    pub(super) fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        Ok(Self {
            stream,
            sent: Vec::new(),
            read: Vec::new(),
        })
    }

    /// Posts events and waits for the answer, which must be that they are durable.
    pub(super) fn events(&mut self, media: &str, body: &[u8]) -> Result<(), String> {
        let answer = self
            .post("/v1/events", media, body)
            .map_err(|error| format!("the node did not answer: {error}"))?;
        if answer.status == 202 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(answer.body);
        Err(format!("the node answered {}: {text}", answer.status))
    }

    /// Posts a body.
    pub(super) fn post(&mut self, path: &str, media: &str, body: &[u8]) -> io::Result<Answer<'_>> {
        self.sent.clear();
        write!(
            self.sent,
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {media}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )?;
        self.sent.extend_from_slice(body);
        self.stream.write_all(&self.sent)?;
        self.answer()
    }

    /// Asks for a path.
    pub(super) fn get(&mut self, path: &str) -> io::Result<Answer<'_>> {
        self.stream
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").as_bytes())?;
        self.answer()
    }

    /// Asks for a stream; what comes is read with [`Wire::until`].
    pub(super) fn watch(&mut self, path: &str) -> io::Result<()> {
        self.stream
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").as_bytes())?;
        self.until(b"watching")
    }

    /// Reads on until these bytes have come.
    pub(super) fn until(&mut self, wanted: &[u8]) -> io::Result<()> {
        loop {
            let found = self.read.windows(wanted.len()).position(|at| at == wanted);
            if let Some(at) = found {
                self.read.drain(..at + wanted.len());
                return Ok(());
            }
            self.more()?;
        }
    }

    fn answer(&mut self) -> io::Result<Answer<'_>> {
        self.read.clear();
        let head = loop {
            if let Some(end) = self.read.windows(4).position(|at| at == b"\r\n\r\n") {
                break end + 4;
            }
            self.more()?;
        };
        let (status, length) = parse(&self.read[..head]).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "an answer that is not understood",
            )
        })?;
        while self.read.len() < head + length {
            self.more()?;
        }
        Ok(Answer {
            status,
            body: &self.read[head..head + length],
        })
    }

    fn more(&mut self) -> io::Result<()> {
        let mut piece = [0; 16 * 1024];
        let got = self.stream.read(&mut piece)?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.read.len() + got > ANSWER_BYTES_MAX {
            return Err(io::Error::other("an answer that is too long"));
        }
        self.read.extend_from_slice(&piece[..got]);
        Ok(())
    }
}

/// Status and length of the body; an answer without a length has no body.
fn parse(head: &[u8]) -> Option<(u16, usize)> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    Some((status, length.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_they_come() {
        let head = b"HTTP/1.1 202 Accepted\r\nContent-Length: 17\r\ndate: x\r\n\r\n";
        assert_eq!(parse(head), Some((202, 17)));
        assert_eq!(parse(b"HTTP/1.1 204 No Content\r\n\r\n"), Some((204, 0)));
        assert_eq!(parse(b"nonsense\r\n\r\n"), None);
    }
}
