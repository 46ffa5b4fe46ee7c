//! What the node's threads and the API share.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use edsr_engine::bundle::Bundle;
use edsr_model::{Lsn, Seq, Timestamp};
use serde_json::Value;
use tokio::sync::{broadcast, watch};

use crate::api::Happening;
use crate::doors::Doors;
use crate::metrics::{Metrics, level};
use crate::view::Views;

/// The most things that happened which a slow watcher may be behind before it is told that it missed some.
pub const HAPPENINGS_MAX: usize = 4096;

/// State that is read from many places and written from one.
pub(crate) struct Shared {
    pub(crate) views: RwLock<Arc<Views>>,
    pub(crate) doors: RwLock<Doors>,
    pub(crate) documents: RwLock<Vec<(String, String, Value)>>,
    pub(crate) happenings: broadcast::Sender<Arc<Happening>>,
    pub(crate) durable_seq: watch::Sender<Seq>,
    pub(crate) durable_lsn: AtomicU64,
    /// Bytes of events that were taken in and are not durable yet.
    pub(crate) pending_bytes: AtomicUsize,
    pub(crate) paused: AtomicBool,
    pub(crate) ready: AtomicBool,
    pub(crate) bundle: RwLock<Option<Arc<Bundle>>>,
    pub(crate) bundle_problems: Mutex<Option<String>>,
    pub(crate) problems: Mutex<Vec<String>>,
    pub(crate) started_at: Timestamp,
    pub(crate) metrics: Metrics,
}

impl Shared {
    pub(crate) fn new(started_at: Timestamp, views: Views, lsn: Lsn, seq: Seq) -> Self {
        let metrics = Metrics::new();
        metrics
            .detections_open
            .set(level(views.counts().open_detections));
        metrics.lsn.set(level(lsn.0));
        metrics.seq.set(level(seq.0));
        Self {
            views: RwLock::new(Arc::new(views)),
            doors: RwLock::default(),
            documents: RwLock::default(),
            happenings: broadcast::channel(HAPPENINGS_MAX).0,
            durable_seq: watch::channel(seq).0,
            durable_lsn: AtomicU64::new(lsn.0),
            pending_bytes: AtomicUsize::new(0),
            paused: AtomicBool::new(false),
            ready: AtomicBool::new(false),
            bundle: RwLock::default(),
            bundle_problems: Mutex::default(),
            problems: Mutex::default(),
            started_at,
            metrics,
        }
    }

    /// Notes which bundle is in force.
    pub(crate) fn in_force(&self, bundle: &Arc<Bundle>) {
        let mut known = self.bundle.write().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Arc::clone(bundle));
    }

    /// The bundle in force; none before the start is through.
    pub(crate) fn rules(&self) -> Option<Arc<Bundle>> {
        let known = self.bundle.read().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// Notes something that keeps the node from its work, for good.
    pub(crate) fn trouble(&self, problem: String) {
        tracing::error!(problem, "the node cannot go on as it should");
        self.ready.store(false, Ordering::Release);
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if problems.len() < 16 && !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    pub(crate) fn tell(&self, happening: Happening) {
        // Nobody watching is fine.
        let _ = self.happenings.send(Arc::new(happening));
    }
}
