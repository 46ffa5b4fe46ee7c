//! The directory the shop lives in: who runs, where the engine listens, what was done.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::proc::{Process, write_whole};

/// The directory.
#[derive(Debug, Clone)]
pub(crate) struct Place(PathBuf);

/// What every process of the shop must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shop {
    /// Where events are sent.
    pub(crate) events: String,
    /// The shop closes once this process is gone.
    pub(crate) owner: Process,
}

/// A running service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Service {
    /// The process.
    pub(crate) process: Process,
    /// Where it listens on loopback.
    pub(crate) port: u16,
    /// What it runs.
    pub(crate) version: String,
    /// What it ran before the last deploy; what a rollback goes back to.
    pub(crate) previous: Option<String>,
}

impl Service {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Place {
    pub(crate) fn new(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }

    /// Makes the directory ready for a shop.
    pub(crate) fn create(dir: &Path, shop: &Shop) -> Result<Self, String> {
        let place = Self::new(dir);
        for part in ["services", "ports", "logs"] {
            let path = dir.join(part);
            std::fs::create_dir_all(&path)
                .map_err(|error| format!("`{}` cannot be made: {error}", path.display()))?;
        }
        write_whole(&dir.join("shop.json"), &json(shop)?)?;
        Ok(place)
    }

    /// What every process must know; `None` once the shop is closed.
    pub(crate) fn shop(&self) -> Option<Shop> {
        read(&self.0.join("shop.json"))
    }

    /// Tells every process of the shop to end.
    pub(crate) fn close(&self) {
        // Where it is gone already, so is the shop.
        let _ = std::fs::remove_file(self.0.join("shop.json"));
    }

    pub(crate) fn service(&self, name: &str) -> Option<Service> {
        read(&self.0.join("services").join(format!("{name}.json")))
    }

    pub(crate) fn set_service(&self, name: &str, service: &Service) -> Result<(), String> {
        let path = self.0.join("services").join(format!("{name}.json"));
        write_whole(&path, &json(service)?)
    }

    /// Every service that was ever started, by name, in order.
    pub(crate) fn services(&self) -> Vec<(String, Service)> {
        let Ok(files) = std::fs::read_dir(self.0.join("services")) else {
            return Vec::new();
        };
        let names = files.filter_map(|file| {
            let name = file.ok()?.file_name().into_string().ok()?;
            Some(name.strip_suffix(".json")?.to_owned())
        });
        let mut all: Vec<_> = names
            .filter_map(|name| Some((name.clone(), self.service(&name)?)))
            .collect();
        all.sort_by(|one, two| one.0.cmp(&two.0));
        all
    }

    /// Where a process says on which port it listens.
    pub(crate) fn port_file(&self, pid: u32) -> PathBuf {
        self.0.join("ports").join(pid.to_string())
    }

    /// Where a service writes what it would say.
    pub(crate) fn log(&self, service: &str) -> Result<File, String> {
        append(&self.0.join("logs").join(format!("{service}.log")))
    }

    /// The orders, one line for each time something happened to one.
    pub(crate) fn orders(&self) -> PathBuf {
        self.0.join("orders.log")
    }

    /// Waits until no other control command works on the shop; held until it is dropped.
    pub(crate) fn lock(&self) -> Result<File, String> {
        let path = self.0.join("ctl.lock");
        let file = append(&path)?;
        file.lock()
            .map_err(|error| format!("`{}` cannot be locked: {error}", path.display()))?;
        Ok(file)
    }

    /// What control commands did, oldest first.
    pub(crate) fn actions(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.0.join("actions.log")).unwrap_or_default();
        let lines = text.lines();
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Notes what a control command did.
    pub(crate) fn note_action(&self, action: &Value) -> Result<(), String> {
        let path = self.0.join("actions.log");
        append_line(&mut append(&path)?, &action.to_string())
            .map_err(|error| format!("`{}` cannot be written: {error}", path.display()))
    }
}

/// Opens `path` so that every write goes to its end.
pub(crate) fn append(path: &Path) -> Result<File, String> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|error| format!("`{}` cannot be opened: {error}", path.display()))
}

/// One write, so that lines of several processes never mix.
pub(crate) fn append_line(file: &mut File, line: &str) -> std::io::Result<()> {
    file.write_all(format!("{line}\n").as_bytes())
}

fn json(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_noted_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let owner = Process::own().unwrap();
        let shop = Shop {
            events: "http://127.0.0.1:1/v1/events".into(),
            owner,
        };
        let place = Place::create(dir.path(), &shop).unwrap();
        assert_eq!(place.shop(), Some(shop));
        let service = Service {
            process: owner,
            port: 80,
            version: "v2".into(),
            previous: Some("v1".into()),
        };
        place.set_service("checkout", &service).unwrap();
        assert_eq!(place.services(), [("checkout".to_owned(), service.clone())]);
        assert_eq!(service.url("/health"), "http://127.0.0.1:80/health");
        assert_eq!(place.service("worker"), None);

        for action in ["restart", "rollback"] {
            place.note_action(&json!({ "action": action })).unwrap();
        }
        let actions: Vec<_> = place.actions();
        assert_eq!(actions[1]["action"], "rollback");
        assert_eq!(actions.len(), 2);

        place.close();
        place.close();
        assert_eq!(place.shop(), None);
    }

    #[test]
    fn one_control_command_works_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(dir.path());
        let held = place.lock().unwrap();
        let other = append(&dir.path().join("ctl.lock")).unwrap();
        assert!(other.try_lock().is_err());
        drop(held);
        assert!(other.try_lock().is_ok());
    }
}
