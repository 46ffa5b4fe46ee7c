//! The bundles that are shipped load, and editors accept them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::path::{Path, PathBuf};

use edsr_bundle::{Compiled, Kind, load, load_files, testing::Catalog};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
}

fn loaded(name: &str) -> Compiled {
    load(&example(name), &Catalog).unwrap_or_else(|report| panic!("{}", report.render(false)))
}

#[test]
fn the_quickstart_has_no_mistake_and_no_warning() {
    let compiled = loaded("quickstart");
    assert_eq!(compiled.warnings.to_string(), "");
    assert_eq!(compiled.bundle.detectors.len(), 4);
    assert_eq!(compiled.bundle.playbooks.len(), 2);
    assert_eq!(compiled.sources.len(), 2);
    assert!(compiled.settings.data_dir.is_absolute());
    for kind in [Kind::Detector, Kind::Playbook, Kind::Source, Kind::Target] {
        assert!(
            compiled.documents.iter().any(|d| d.kind == kind),
            "{kind:?}"
        );
    }
}

#[test]
fn a_bundle_that_was_kept_compiles_to_the_same_hash() {
    let first = loaded("quickstart");
    let again = load_files(first.files.clone(), &Catalog).unwrap();
    assert_eq!(first.bundle.hash, again.bundle.hash);
    let hashes = |compiled: &Compiled| -> Vec<_> {
        compiled.bundle.detectors.iter().map(|d| d.hash).collect()
    };
    assert_eq!(hashes(&first), hashes(&again));
}

#[test]
fn every_example_loads() {
    let mut loaded = 0;
    for entry in std::fs::read_dir(example("")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            load(&path, &Catalog).unwrap_or_else(|report| panic!("{}", report.render(false)));
            loaded += 1;
        }
    }
    assert!(loaded > 0);
}
