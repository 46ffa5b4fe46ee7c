//! The bundle of the demo, part of the program so that the demo needs nothing but the program.

use std::path::Path;

/// Every file of `examples/shop`.
const FILES: &[(&str, &str)] = &[
    (
        "edsr.yaml",
        include_str!("../../../../examples/shop/edsr.yaml"),
    ),
    (
        "detectors/checkout-errors.yaml",
        include_str!("../../../../examples/shop/detectors/checkout-errors.yaml"),
    ),
    (
        "detectors/orders-stuck.yaml",
        include_str!("../../../../examples/shop/detectors/orders-stuck.yaml"),
    ),
    (
        "playbooks/rollback-checkout.yaml",
        include_str!("../../../../examples/shop/playbooks/rollback-checkout.yaml"),
    ),
    (
        "playbooks/wipe-order-cache.yaml",
        include_str!("../../../../examples/shop/playbooks/wipe-order-cache.yaml"),
    ),
    (
        "playbooks/restart-worker.yaml",
        include_str!("../../../../examples/shop/playbooks/restart-worker.yaml"),
    ),
    (
        "policies/prod.cedar",
        include_str!("../../../../examples/shop/policies/prod.cedar"),
    ),
    (
        "targets/prod.yaml",
        include_str!("../../../../examples/shop/targets/prod.yaml"),
    ),
];

/// What stands in the files for this program and for the shop's directory.
const PROGRAM: &str = "/usr/local/bin/edsr";
const STATE: &str = "/tmp/edsr-shop";

/// Writes the bundle to `dir`, for a shop in `state` whose control command is `program`.
pub(super) fn write(dir: &Path, program: &Path, state: &Path) -> Result<(), String> {
    let (program, state) = (quoted(program)?, quoted(state)?);
    for (name, text) in FILES {
        let path = dir.join(name);
        let parent = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, filled(text, &program, &state)))
            .map_err(|error| format!("`{}` cannot be written: {error}", path.display()))?;
    }
    Ok(())
}

fn filled(text: &str, program: &str, state: &str) -> String {
    text.replace(&format!("[{PROGRAM},"), &format!("[{program},"))
        .replace(&format!("--state, {STATE},"), &format!("--state, {state},"))
}

/// A path as a YAML text that stands for itself: JSON strings are YAML, and `${` would begin an expression.
fn quoted(path: &Path) -> Result<String, String> {
    let text = path.to_str().ok_or_else(|| {
        format!(
            "`{}` is not UTF-8; the demo cannot run there",
            path.display()
        )
    })?;
    Ok(serde_json::Value::from(text.replace("${", "$${")).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_example_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop");
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end != "md") {
                    let name = path.strip_prefix(&root).unwrap();
                    found.push(name.to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        let mut known: Vec<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        known.sort();
        assert_eq!(found, known);
    }

    #[test]
    fn playbooks_call_this_program_in_this_shop() {
        let dir = tempfile::tempdir().unwrap();
        let state = Path::new("/tmp/a \"${b}\", c");
        write(dir.path(), Path::new("/opt/edsr"), state).unwrap();
        let path = dir.path().join("playbooks/rollback-checkout.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        let argv =
            r#"["/opt/edsr", shop, ctl, --state, "/tmp/a \"$${b}\", c", rollback, checkout]"#;
        assert!(text.contains(argv), "{text}");
        for (name, _) in FILES {
            let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
            assert!(!text.contains(PROGRAM), "{name}");
            assert!(!text.contains("--state, /tmp/edsr-shop"), "{name}");
        }
    }
}
