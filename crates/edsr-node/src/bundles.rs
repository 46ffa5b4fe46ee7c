//! The bundles that were ever in force, by content, so that a run can go on with the one it began with.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use edsr_engine::bundle::Bundle;
use edsr_model::BundleHash;

use crate::durable_file;

/// The files of a bundle: path and text, sorted by path.
pub type BundleFiles = Vec<(String, String)>;

/// Turns the files of a bundle into one that can run.
pub type Compile = Arc<dyn Fn(&BundleFiles) -> Result<Bundle, String> + Send + Sync>;

/// Keeps bundles in a folder.
#[derive(Clone)]
pub struct BundleStore {
    folder: PathBuf,
    compile: Compile,
}

/// Why a bundle cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BundleStoreError {
    /// It is not there, or cannot be read or written.
    #[error("the bundle {} cannot be read or written in {}: {source}", hash.short(), folder.display())]
    Io {
        /// Which one.
        hash: BundleHash,
        /// Where.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be compiled any more, or is not what its name says.
    #[error("the stored bundle {} cannot be used: {reason}", hash.short())]
    Unusable {
        /// Which one.
        hash: BundleHash,
        /// Why.
        reason: String,
    },
}

impl BundleStore {
    /// A store in `folder`.
    #[must_use]
    pub fn new(folder: PathBuf, compile: Compile) -> Self {
        Self { folder, compile }
    }

    /// Keeps the files of a bundle; durable when this returns.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn keep(&self, hash: BundleHash, files: &BundleFiles) -> Result<(), BundleStoreError> {
        let path = self.path(hash);
        if path.exists() {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(files).map_err(io::Error::other);
        text.and_then(|text| durable_file::write(&path, &text))
            .map_err(|source| self.io(hash, source))
    }

    /// The bundle with this content.
    ///
    /// # Errors
    /// When it is not there or cannot be used.
    pub fn load(&self, hash: BundleHash) -> Result<Arc<Bundle>, BundleStoreError> {
        let bytes = fs::read(self.path(hash)).map_err(|source| self.io(hash, source))?;
        let unusable = |reason: String| BundleStoreError::Unusable { hash, reason };
        let files = serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
        let bundle = (self.compile)(&files).map_err(unusable)?;
        if bundle.hash != hash {
            let reason = format!("its content has the digest {}", bundle.hash.short());
            return Err(BundleStoreError::Unusable { hash, reason });
        }
        Ok(Arc::new(bundle))
    }

    fn path(&self, hash: BundleHash) -> PathBuf {
        self.folder.join(format!("{hash}.json"))
    }

    fn io(&self, hash: BundleHash, source: io::Error) -> BundleStoreError {
        BundleStoreError::Io {
            hash,
            folder: self.folder.clone(),
            source,
        }
    }
}
