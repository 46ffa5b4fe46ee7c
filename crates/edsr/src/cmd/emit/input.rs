//! Reading events one by one out of a file or a pipe of any length, holding one of them at a time.
//!
//! Two forms are told apart by the beginning. *Lines*: the first line is a whole JSON value that is no list; every line is one event, and
//! a bad line spoils only itself. *Values*: a list, or objects written over several lines; there is no way to go on
//! behind a mistake, so reading ends there.

use std::io::{self, BufRead};

use serde_json::Value;

use super::scan::Scan;

/// The longest event, in bytes: what a node takes by default.
pub(super) const EVENT_BYTES_MAX: usize = 1 << 20;

/// One event, or what stands in its place.
#[derive(Debug, PartialEq)]
pub(super) struct Item {
    /// The line it begins at, from 1.
    pub(super) line: u64,
    /// The event, or why it is none.
    pub(super) value: Result<Value, String>,
    /// How many bytes were read up to its end.
    pub(super) read: u64,
}

/// Reads events.
pub(super) struct Input<R> {
    reader: R,
    form: Option<Form>,
    line: u64,
    read: u64,
    ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Lines,
    /// Inside a list, or one object after the other.
    Values {
        list: bool,
    },
}

impl<R: BufRead> Input<R> {
    /// Reads nothing yet.
    pub(super) const fn new(reader: R) -> Self {
        Self {
            reader,
            form: None,
            line: 1,
            read: 0,
            ended: false,
        }
    }

    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// When reading fails.
    pub(super) fn next(&mut self) -> io::Result<Option<Item>> {
        if self.ended {
            return Ok(None);
        }
        match self.form {
            None => self.first(),
            Some(Form::Lines) => self.next_line(),
            Some(Form::Values { list }) => self.next_value(list, Vec::new()),
        }
    }

    /// Finds out the form along with the first event.
    fn first(&mut self) -> io::Result<Option<Item>> {
        if self.skip_blanks()? == Some(b'[') {
            self.take(1);
            self.form = Some(Form::Values { list: true });
            return self.next_value(true, Vec::new());
        }
        let line = self.line;
        let Some(text) = self.read_line()? else {
            self.ended = true;
            return Ok(None);
        };
        match text.map(|text| (serde_json::from_slice::<Value>(&text), text)) {
            Ok((Err(error), text)) if error.is_eof() && text.ends_with(b"\n") => {
                self.form = Some(Form::Values { list: false });
                self.line = line;
                self.read -= text.len() as u64;
                self.next_value(false, text)
            }
            Ok((value, _)) => {
                self.form = Some(Form::Lines);
                Ok(Some(
                    self.item(line, value.map_err(|error| describe(&error))),
                ))
            }
            Err(why) => {
                self.form = Some(Form::Lines);
                Ok(Some(self.item(line, Err(why))))
            }
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Item>> {
        self.skip_blanks()?;
        let line = self.line;
        let Some(text) = self.read_line()? else {
            self.ended = true;
            return Ok(None);
        };
        let value =
            text.and_then(|text| serde_json::from_slice(&text).map_err(|error| describe(&error)));
        Ok(Some(self.item(line, value)))
    }

    /// A line with its end; `Err` inside says that it is too long and was passed over.
    fn read_line(&mut self) -> io::Result<Option<Result<Vec<u8>, String>>> {
        let mut text = Vec::new();
        let mut too_long = false;
        loop {
            let piece = fill(&mut self.reader)?;
            if piece.is_empty() {
                break;
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(piece.len(), |end| end + 1);
            too_long |= text.len() + length > EVENT_BYTES_MAX;
            if too_long {
                text.clear();
            } else {
                text.extend_from_slice(&piece[..length]);
            }
            self.take(length);
            if end.is_some() {
                break;
            }
        }
        if too_long {
            return Ok(Some(Err(too_long_text())));
        }
        Ok(if text.is_empty() {
            None
        } else {
            Some(Ok(text))
        })
    }

    /// The next value of a list or of a sequence; `ahead` was read already and comes first.
    fn next_value(&mut self, list: bool, ahead: Vec<u8>) -> io::Result<Option<Item>> {
        let mut scan = Scan::default();
        let line = self.line;
        if !ahead.is_empty() {
            self.read += ahead.len() as u64;
            self.line += newlines(&ahead);
            // `ahead` is one line of an unfinished value, so all of it belongs to that value.
            scan.feed(&ahead);
        }
        let begun = !ahead.is_empty();
        let line = if begun {
            line
        } else {
            match self.skip_to_value(list)? {
                Some(Ok(())) => self.line,
                Some(Err(why)) => return Ok(Some(self.stop(self.line, why))),
                None => return Ok(None),
            }
        };
        loop {
            let piece = fill(&mut self.reader)?;
            if piece.is_empty() {
                return Ok(Some(
                    self.stop(line, "the input ends in the middle of it".to_owned()),
                ));
            }
            let (used, done) = scan.feed(piece);
            self.take(used);
            if scan.text.len() > EVENT_BYTES_MAX {
                return Ok(Some(self.stop(line, too_long_text())));
            }
            if done {
                let value = serde_json::from_slice(&scan.text);
                return Ok(Some(match value {
                    Ok(value) => self.item(line, Ok(value)),
                    Err(error) => self.stop(line, describe(&error)),
                }));
            }
        }
    }

    /// To where the next value begins; `None` where there is none.
    fn skip_to_value(&mut self, list: bool) -> io::Result<Option<Result<(), String>>> {
        loop {
            let next = self.skip_blanks()?;
            match next {
                Some(b',') if list => self.take(1),
                Some(b']') if list => {
                    self.take(1);
                    self.ended = true;
                    let rest = self.skip_blanks()?;
                    let more = rest.map(|_| Err("something follows the list".to_owned()));
                    return Ok(more);
                }
                None if list => {
                    return Ok(Some(Err("the input ends before the list does".to_owned())));
                }
                None => {
                    self.ended = true;
                    return Ok(None);
                }
                Some(b'{') => return Ok(Some(Ok(()))),
                Some(other) => {
                    let what = char::from(other).escape_default();
                    return Ok(Some(Err(format!(
                        "an event begins with `{{`, this with `{what}`"
                    ))));
                }
            }
        }
    }

    /// Past white space; the byte that follows it.
    fn skip_blanks(&mut self) -> io::Result<Option<u8>> {
        loop {
            let piece = fill(&mut self.reader)?;
            if piece.is_empty() {
                return Ok(None);
            }
            let blanks = piece.iter().take_while(|b| b.is_ascii_whitespace()).count();
            let next = piece.get(blanks).copied();
            self.take(blanks);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    fn take(&mut self, length: usize) {
        // What is buffered is still there: a second look costs nothing.
        let lines = self
            .reader
            .fill_buf()
            .map_or(0, |piece| newlines(&piece[..length.min(piece.len())]));
        self.line += lines;
        self.read += length as u64;
        self.reader.consume(length);
    }

    fn stop(&mut self, line: u64, why: String) -> Item {
        self.ended = true;
        self.item(line, Err(format!("{why}; nothing behind it was read")))
    }

    const fn item(&self, line: u64, value: Result<Value, String>) -> Item {
        Item {
            line,
            value,
            read: self.read,
        }
    }
}

fn fill<R: BufRead>(reader: &mut R) -> io::Result<&[u8]> {
    // An interrupted read is repeated before the borrow that is handed out begins.
    while let Err(error) = reader.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    reader.fill_buf()
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn too_long_text() -> String {
    format!("it is longer than {EVENT_BYTES_MAX} bytes")
}

fn describe(error: &serde_json::Error) -> String {
    format!("it is not JSON: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Everything in `text`, read in pieces of `piece` bytes: (line, value or the beginning of the complaint).
    fn all(text: &str, piece: usize) -> Vec<(u64, Result<Value, String>)> {
        let reader = io::BufReader::with_capacity(piece, text.as_bytes());
        let mut input = Input::new(reader);
        let mut items = Vec::new();
        while let Some(item) = input.next().unwrap() {
            items.push((item.line, item.value));
        }
        items
    }

    #[track_caller]
    fn check(text: &str, expected: &[(u64, Result<Value, &str>)]) {
        for piece in [1, 2, 7, 4096] {
            let items = all(text, piece);
            assert_eq!(
                items.len(),
                expected.len(),
                "{text:?} in {piece}: {items:?}"
            );
            for (got, want) in items.iter().zip(expected) {
                assert_eq!(got.0, want.0, "{text:?} in {piece}: {items:?}");
                match (&got.1, &want.1) {
                    (Ok(got), Ok(want)) => assert_eq!(got, want),
                    (Err(got), Err(want)) => assert!(got.contains(want), "{got}"),
                    _ => panic!("{got:?} instead of {want:?}"),
                }
            }
        }
    }

    #[test]
    fn lines_stand_for_themselves() {
        check("", &[]);
        check(" \n\n", &[]);
        check("{\"a\":1}", &[(1, Ok(json!({"a": 1})))]);
        check(
            "{\"a\":1}\n\n{\"a\":\nnonsense\n{\"a\":2}\n",
            &[
                (1, Ok(json!({"a": 1}))),
                (3, Err("not JSON")),
                (4, Err("not JSON")),
                (5, Ok(json!({"a": 2}))),
            ],
        );
        check(
            "nonsense\n{\"a\":2}\r\n",
            &[(1, Err("not JSON")), (2, Ok(json!({"a": 2})))],
        );
    }

    #[test]
    fn a_list_is_read_item_by_item() {
        check("[]", &[]);
        check(
            " [\n {\"a\": \"}]\\\"\"},\n\n {\"b\": [{}]} ]\n",
            &[(2, Ok(json!({"a": "}]\""}))), (4, Ok(json!({"b": [{}]})))],
        );
        check(
            "[{\"a\":1},\n7]",
            &[(1, Ok(json!({"a": 1}))), (2, Err("begins with"))],
        );
        check(
            "[{\"a\":1}\n",
            &[(1, Ok(json!({"a": 1}))), (2, Err("before the list does"))],
        );
        check(
            "[{\"a\":1}] x",
            &[(1, Ok(json!({"a": 1}))), (1, Err("follows the list"))],
        );
    }

    #[test]
    fn objects_may_take_several_lines() {
        check(
            "{\n \"a\": 1\n}\n{\n \"b\": 2\n}\n",
            &[(1, Ok(json!({"a": 1}))), (4, Ok(json!({"b": 2})))],
        );
        check("{\n \"a\": 1\n", &[(1, Err("in the middle"))]);
        check("{\n \"a\" 1\n}\n{}", &[(1, Err("nothing behind it"))]);
    }

    #[test]
    fn an_event_has_a_largest_size() {
        let long = "x".repeat(EVENT_BYTES_MAX);
        let lines = format!("{{\"a\":1}}\n{{\"a\":\"{long}\"}}\n{{\"a\":2}}\n");
        let items = all(&lines, 4096);
        assert_eq!(items.len(), 3);
        assert!(items[1].1.as_ref().is_err_and(|why| why.contains("longer")));
        assert_eq!(items[2], (3, Ok(json!({"a": 2}))));

        let list = format!("[{{\"a\":\"{long}\"}}]");
        let items = all(&list, 4096);
        assert!(matches!(&items[..], [(1, Err(why))] if why.contains("longer")));
    }
}
