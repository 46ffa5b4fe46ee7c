//! Two nodes that want the same: a directory, or an address.

use serde_json::json;

use crate::common::{Place, told};
use crate::open_place;

fn second(place: &Place, listen: &str) -> (Option<i32>, String) {
    let mut command = place.edsr();
    command
        .arg("run")
        .arg(place.ops())
        .arg("--data-dir")
        .arg(place.data_dir());
    let output = command.args(["--listen", listen]).output().unwrap();
    (output.status.code(), told(&output))
}

#[test]
fn one_directory_has_one_node() {
    let place = open_place();
    let node = place.start();
    let (code, said) = second(&place, "127.0.0.1:0");
    assert_eq!(code, Some(4), "{said}");
    let dir = place.data_dir().display().to_string();
    assert!(
        said.contains(&dir) && said.contains("another process"),
        "{said}"
    );
    // The first one is not harmed.
    node.events("other", &[("e1", json!({}))]);
    node.kill();
    // What a killed node held is free.
    let node = place.start();
    assert_eq!(node.all("events").len(), 1);
    node.stop();
    place.verify_audit();
}

#[test]
fn one_address_has_one_node() {
    let (place, other) = (open_place(), open_place());
    let node = place.start();
    let (code, said) = second(&other, &node.address.to_string());
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("cannot listen on") && said.contains("--listen"),
        "{said}"
    );
    node.stop();
}
