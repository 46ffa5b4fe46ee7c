//! A disk that fails on request: `shim.c`, built for the test and loaded into the node before the C library.

use std::path::PathBuf;
use std::process::Command;

use crate::common::{Place, told};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/power/shim.c");

/// The device failed, out of room, over quota: the numbers that Linux gives them.
pub(crate) const EIO: i32 = 5;
pub(crate) const ENOSPC: i32 = 28;
pub(crate) const EDQUOT: i32 = 122;

/// A write that takes half of the bytes, which is no error.
pub(crate) const SHORT: i32 = 0;

/// Which calls fail, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// A part of the path of the file.
    pub(crate) part: &'static str,
    /// The kind of call.
    pub(crate) op: &'static str,
    /// An errno, [`SHORT`], or a delay as negative milliseconds.
    pub(crate) error: i32,
    /// That call only, or every later one too.
    pub(crate) once: bool,
    /// The number of the call, from 1.
    pub(crate) index: u64,
}

/// The disk of one place.
pub(crate) struct Shim {
    library: PathBuf,
    dir: PathBuf,
    plan: PathBuf,
    hits: PathBuf,
    serial: u64,
}

impl Shim {
    /// Builds it into the place.
    pub(crate) fn new(place: &Place) -> Self {
        let library = place.path("shim.so");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .args([SOURCE, "-ldl", "-lpthread"])
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", told(&built));
        Self {
            library,
            // As the system names it, without links: calls on open files are known by that.
            dir: place.root().canonicalize().unwrap().join("home"),
            plan: place.path("shim.plan"),
            hits: place.path("shim.hits"),
            serial: 0,
        }
    }

    /// What a node needs in its environment to use this disk.
    pub(crate) fn env(&self) -> Vec<(&'static str, String)> {
        let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
        vec![
            ("LD_PRELOAD", text(&self.library)),
            ("EDSR_SHIM_DIR", text(&self.dir)),
            ("EDSR_SHIM_PLAN", text(&self.plan)),
            ("EDSR_SHIM_HITS", text(&self.hits)),
        ]
    }

    /// From now on the disk fails like this.
    pub(crate) fn fail(&mut self, plan: Plan) {
        self.serial += 1;
        let how = if plan.once { "once" } else { "from" };
        let line = format!(
            "{} {} {} {} {how} {}\n",
            self.serial, plan.part, plan.op, plan.error, plan.index
        );
        let draft = self.plan.with_extension("draft");
        std::fs::write(&draft, line).unwrap();
        std::fs::rename(draft, &self.plan).unwrap();
    }

    /// From now on the disk works.
    pub(crate) fn heal(&self) {
        // There may be no plan yet.
        let _ = std::fs::remove_file(&self.plan);
    }

    /// Whether anything was done to a call so far.
    pub(crate) fn hit(&self) -> bool {
        self.hits.exists()
    }

    /// The calls to which something was done: what they do, and the path of the file.
    pub(crate) fn hits(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(&self.hits).unwrap_or_default();
        let words = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        words
            .map(|words| (words[0].to_owned(), words[1].to_owned()))
            .collect()
    }
}
