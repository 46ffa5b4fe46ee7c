//! Server-sent events out of a stream of bytes (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

/// The longest line and the longest message that are read, in bytes: a record in JSON, and then some.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Message {
    /// Its name; `message` where it has none.
    pub(super) name: String,
    /// Its data.
    pub(super) data: String,
}

/// A message that is longer than [`MESSAGE_BYTES_MAX`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Puts messages together.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    name: String,
    data: String,
    has_data: bool,
    after_cr: bool,
}

impl Parser {
    /// Takes a piece of the stream; the messages it completes.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<Vec<Message>, TooLong> {
        let mut messages = Vec::new();
        for byte in piece {
            let after_cr = std::mem::replace(&mut self.after_cr, *byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    messages.extend(self.end_of_line(&String::from_utf8_lossy(&line)));
                }
                byte => self.line.push(*byte),
            }
            if self.line.len() + self.data.len() > MESSAGE_BYTES_MAX {
                return Err(TooLong);
            }
        }
        Ok(messages)
    }

    fn end_of_line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = std::mem::take(&mut self.data);
            let whole = std::mem::take(&mut self.has_data);
            let name = if name.is_empty() {
                "message".to_owned()
            } else {
                name
            };
            return whole.then_some(Message { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.to_owned(),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            // Comments (no field name), `id` and `retry` say nothing to us.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stream: &str, expected: &[(&str, &str)]) {
        for size in [1, 3, 4096] {
            let mut parser = Parser::default();
            let messages: Vec<Message> = stream
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| parser.feed(piece).unwrap())
                .collect();
            let got: Vec<(&str, &str)> = messages
                .iter()
                .map(|message| (message.name.as_str(), message.data.as_str()))
                .collect();
            assert_eq!(got, expected, "{stream:?} in {size}");
        }
    }

    #[test]
    fn messages_are_put_together() {
        check("data: a\n\n", &[("message", "a")]);
        check(
            ": hello\n\nevent: entry\ndata: a\ndata:b\nid: 7\n\n:\n\ndata: {\"x\":\"é\"}\n\n",
            &[("entry", "a\nb"), ("message", "{\"x\":\"é\"}")],
        );
        check(
            "event: missed\r\ndata: 1\r\n\r\ndata: 2\r\rdata: unfinished\n",
            &[("missed", "1"), ("message", "2")],
        );
        check("event: nothing\n\ndata\n\n", &[("message", "")]);
    }

    #[test]
    fn a_message_has_a_largest_size() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(&vec![b'x'; MESSAGE_BYTES_MAX]), Ok(Vec::new()));
        assert_eq!(parser.feed(b"x"), Err(TooLong));
    }
}
