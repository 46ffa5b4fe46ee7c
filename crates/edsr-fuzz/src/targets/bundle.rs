//! What users write.

use edsr_bundle::{SourceFile, load_files, testing};
use edsr_sim::Story;

/// Divides the YAML from a policy file.
const POLICIES: &str = "--- policies";

/// What compiles, compiles to the same once more.
pub(super) fn bundle(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (documents, policies) = text.split_once(POLICIES).unwrap_or((&text, ""));
    let files = || {
        vec![
            SourceFile::new("a.yaml", documents),
            SourceFile::new("policies/a.cedar", policies),
        ]
    };
    match load_files(files(), &testing::Catalog) {
        Ok(compiled) => {
            let again = load_files(files(), &testing::Catalog).map(|again| again.bundle.hash);
            assert_eq!(again.ok(), Some(compiled.bundle.hash));
        }
        Err(report) => {
            assert!(!report.problems.is_empty(), "refused without a word");
            let _ = report.render(false);
        }
    }
}

pub(super) fn story(data: &[u8]) {
    let _ = Story::parse(&String::from_utf8_lossy(data));
}
