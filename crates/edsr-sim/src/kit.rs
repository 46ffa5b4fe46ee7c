//! The bundles of a world, compiled once.

use std::sync::Arc;

use edsr_bundle::{SourceFile, load_files, testing};
use edsr_engine::bundle::Bundle;
use edsr_model::BundleHash;

/// Divides the bundle of a story from the one that `activate` puts into force.
const SECOND_BUNDLE: &str = "=====";

/// Bundles that can come into force.
#[derive(Debug, Clone)]
pub struct Kit {
    /// What is in force before anything was activated.
    pub empty: Arc<Bundle>,
    /// Never empty; the first one is in force from the start.
    pub bundles: Vec<Arc<Bundle>>,
}

impl Kit {
    /// Compiles bundles that stand one after the other, divided by lines `=====`. Policies stand after a line
    /// `--- policies`; without one, everything is permitted.
    ///
    /// # Errors
    /// The mistakes in a bundle.
    pub fn compile(text: &str) -> Result<Self, String> {
        let bundles = split(text)
            .map(|text| compile(text).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let empty = Bundle::empty()
            .map(Arc::new)
            .map_err(|errors| format!("{errors:?}"))?;
        Ok(Self { empty, bundles })
    }

    /// The bundle with this hash.
    #[must_use]
    pub fn bundle(&self, hash: BundleHash) -> Option<Arc<Bundle>> {
        let found = self.bundles.iter().find(|bundle| bundle.hash == hash);
        found.map(Arc::clone)
    }
}

/// The texts of bundles that stand one after the other.
pub(crate) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(SECOND_BUNDLE)
}

/// The files of a bundle: path and text.
pub(crate) fn files(text: &str) -> Vec<(String, String)> {
    let (documents, policies) = text
        .split_once("--- policies")
        .unwrap_or((text, "permit (principal, action, resource);"));
    [
        ("bundle.yaml", documents),
        ("policies/story.cedar", policies),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .to_vec()
}

fn compile(text: &str) -> Result<Bundle, String> {
    let files = files(text).into_iter();
    let files = files.map(|(path, text)| SourceFile::new(path, text));
    load_files(files.collect(), &testing::Catalog)
        .map(|compiled| compiled.bundle)
        .map_err(|report| report.to_string())
}
