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
        let bundles = text
            .split(SECOND_BUNDLE)
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

fn compile(text: &str) -> Result<Bundle, String> {
    let (documents, policies) = text
        .split_once("--- policies")
        .unwrap_or((text, "permit (principal, action, resource);"));
    let files = vec![
        SourceFile::new("bundle.yaml", documents),
        SourceFile::new("policies/story.cedar", policies),
    ];
    load_files(files, &testing::Catalog)
        .map(|compiled| compiled.bundle)
        .map_err(|report| report.to_string())
}
