//! Every key that a shape lists is read by somebody.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::envelope::{METADATA, NODE_METADATA};
use crate::files::SourceFile;
use crate::read::asked;
use crate::shape::{Shape, Ty};
use crate::{Kind, load_files, testing::Catalog};

/// Calls `seen` with every shape that can be reached from `shape`.
fn walk(shape: &'static Shape, seen: &mut BTreeMap<usize, &'static Shape>) {
    if seen
        .insert(std::ptr::from_ref(shape) as usize, shape)
        .is_none()
    {
        for field in shape.fields {
            walk_ty(&field.ty, seen);
        }
    }
}

fn walk_ty(ty: &'static Ty, seen: &mut BTreeMap<usize, &'static Shape>) {
    match ty {
        Ty::Object(shape) => walk(shape, seen),
        Ty::List(inner) | Ty::Map(inner) => walk_ty(inner, seen),
        Ty::Either(forms) => forms.iter().for_each(|form| walk_ty(form, seen)),
        _ => {}
    }
}

#[test]
fn every_key_that_is_listed_is_read() {
    // The cases of the mistakes reach every shape; each is a bundle of its own.
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes.txt");
    for case in fs::read_to_string(cases).unwrap().split("\n## ").skip(1) {
        let lines: Vec<&str> = case
            .lines()
            .skip(1)
            .filter(|line| !line.starts_with("=> "))
            .collect();
        let (path, lines) = match lines.first().and_then(|line| line.strip_prefix("@ ")) {
            Some(path) => (path, &lines[1..]),
            None => ("a.yaml", &lines[..]),
        };
        let _ = load_files(vec![SourceFile::new(path, lines.join("\n"))], &Catalog);
    }
    let mut shapes = BTreeMap::new();
    for kind in Kind::ALL {
        walk(kind.spec(), &mut shapes);
    }
    walk(&METADATA, &mut shapes);
    walk(&NODE_METADATA, &mut shapes);
    assert!(shapes.len() > 20, "{}", shapes.len());
    for shape in shapes.into_values() {
        for field in shape.fields {
            assert!(
                asked::was(shape, field.name),
                "`{}` lists `{}`, which nobody reads",
                shape.name,
                field.name
            );
        }
    }
}
