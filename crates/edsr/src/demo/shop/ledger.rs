//! The book of orders: a file that is only added to, shared by whatever versions of checkout run.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::place::{append, append_line};

/// The book, read up to some place.
#[derive(Debug)]
pub(super) struct Ledger {
    write: File,
    read: File,
    /// Where the next unread line begins.
    read_to: u64,
    /// Placed and not finished, in the order of their ids.
    pending: BTreeSet<String>,
}

impl Ledger {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let write = append(path)?;
        let read = File::open(path).map_err(|error| broken(&error))?;
        Ok(Self {
            write,
            read,
            read_to: 0,
            pending: BTreeSet::new(),
        })
    }

    /// Notes that an order was placed.
    pub(super) fn place(&mut self, order: &str) -> Result<(), String> {
        append_line(&mut self.write, &format!("placed {order}")).map_err(|error| broken(&error))
    }

    /// Notes that orders were finished.
    pub(super) fn finish(&mut self, orders: &[String]) -> Result<(), String> {
        let lines: Vec<String> = orders.iter().map(|order| format!("done {order}")).collect();
        if lines.is_empty() {
            return Ok(());
        }
        append_line(&mut self.write, &lines.join("\n")).map_err(|error| broken(&error))
    }

    /// Orders that are placed and not finished, whoever noted them, at most `max`.
    pub(super) fn pending(&mut self, max: usize) -> Result<Vec<String>, String> {
        self.catch_up().map_err(|error| broken(&error))?;
        Ok(self.pending.iter().take(max).cloned().collect())
    }

    fn catch_up(&mut self) -> std::io::Result<()> {
        let mut text = String::new();
        self.read.seek(SeekFrom::Start(self.read_to))?;
        self.read.read_to_string(&mut text)?;
        // A line that another process is writing is read next time.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text[..whole].lines() {
            match line.split_once(' ') {
                Some(("placed", order)) => {
                    self.pending.insert(order.to_owned());
                }
                Some(("done", order)) => {
                    self.pending.remove(order);
                }
                _ => {}
            }
        }
        self.read_to += whole as u64;
        Ok(())
    }
}

fn broken(error: &std::io::Error) -> String {
    format!("the book of orders cannot be used: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_book_for_all_versions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("orders.log");
        let (mut old, mut new) = (Ledger::open(&path).unwrap(), Ledger::open(&path).unwrap());
        old.place("order-1").unwrap();
        new.place("order-2").unwrap();
        assert_eq!(new.pending(9).unwrap(), ["order-1", "order-2"]);
        assert_eq!(new.pending(1).unwrap(), ["order-1"]);
        new.finish(&["order-1".to_owned()]).unwrap();
        old.finish(&[]).unwrap();
        assert_eq!(old.pending(9).unwrap(), ["order-2"]);
        assert_eq!(
            Ledger::open(&path).unwrap().pending(9).unwrap(),
            ["order-2"]
        );
    }
}
