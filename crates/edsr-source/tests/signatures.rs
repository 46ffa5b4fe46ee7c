//! Signatures that are nearly right.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should end"
)]

mod common;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use common::headers;
use edsr_model::Timestamp;
use edsr_source::{Adapter, Auth, AuthError, Limits, Refused, ReplayWindow, Secret, Source};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const KEY: &[u8] = b"the key of this door, long enough";
const OLD: &[u8] = b"the key that is on its way out...";
const OTHER: &[u8] = b"the key of the door beside it....";
const NOW: i64 = 1_800_000_000;
const BODY: &str = r#"{"state": "finished"}"#;

/// One delivery, in the form of its door.
#[derive(Clone)]
struct Delivery {
    names: [&'static str; 3],
    values: [String; 3],
    body: Vec<u8>,
}

fn mac(key: &[u8], parts: &[&str]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().to_vec()
}

fn standard(key: &[u8], id: &str, at: i64) -> Delivery {
    let at = at.to_string();
    let signature = BASE64_STANDARD.encode(mac(key, &[id, ".", &at, ".", BODY]));
    Delivery {
        names: ["webhook-id", "webhook-timestamp", "webhook-signature"],
        values: [id.to_owned(), at, format!("v1,{signature}")],
        body: BODY.into(),
    }
}

fn github(key: &[u8], id: &str) -> Delivery {
    Delivery {
        names: ["x-github-delivery", "x-none", "x-hub-signature-256"],
        values: [
            id.to_owned(),
            "-".to_owned(),
            format!("sha256={}", hex::encode(mac(key, &[BODY]))),
        ],
        body: BODY.into(),
    }
}

fn whsec(key: &[u8]) -> Secret {
    Secret::new(format!("whsec_{}", BASE64_STANDARD.encode(key)))
}

fn standard_auth(keys: &[&[u8]]) -> Auth {
    let keys: Vec<_> = keys.iter().map(|key| whsec(key)).collect();
    Auth::standard_webhooks(&keys, edsr_source::auth::TOLERANCE).unwrap()
}

fn github_auth(keys: &[&[u8]]) -> Auth {
    Auth::github(keys.iter().map(|key| Secret::new(key.to_vec())).collect()).unwrap()
}

impl Delivery {
    fn at(&self, auth: &Auth, window: &mut ReplayWindow) -> Result<(), AuthError> {
        let pairs: Vec<_> = self
            .names
            .iter()
            .zip(&self.values)
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        auth.verify(
            &headers(&pairs),
            &self.body,
            Timestamp::from_secs(NOW),
            window,
        )
    }
}

/// Checks that a delivery is let in, and that none of these others is, nor is remembered.
fn check_only(auth: &Auth, good: &Delivery, others: &[Delivery]) {
    let mut window = ReplayWindow::default();
    for other in others {
        assert!(
            other.at(auth, &mut window).is_err(),
            "{:?} {:?}",
            other.values,
            other.body
        );
    }
    assert!(window.is_empty(), "what is refused is not remembered");
    assert_eq!(good.at(auth, &mut window), Ok(()));
    assert_eq!(good.at(auth, &mut window), Err(AuthError::Replayed));
}

/// The delivery with one character of one header, or one byte of the body, changed, left out or doubled.
fn nearly(good: &Delivery, headers: &[usize]) -> Vec<Delivery> {
    let mut others = Vec::new();
    for &header in headers {
        let value = &good.values[header];
        for place in 0..value.len() {
            let (head, tail) = (&value[..place], &value[place + 1..]);
            let own = &value[place..=place];
            let mut changed = vec![
                format!("{head}{tail}"),
                format!("{head}{own}{own}{tail}"),
                head.to_owned(),
            ];
            // Hex has two letters for one value.
            let same = |letter: &char| match header {
                2 if value.starts_with("sha256=") => own.eq_ignore_ascii_case(&letter.to_string()),
                _ => own.contains(*letter),
            };
            let letters = "ABCghi0189+/=,._- v".chars().filter(|letter| !same(letter));
            changed.extend(letters.map(|letter| format!("{head}{letter}{tail}")));
            for value in changed {
                let mut other = good.clone();
                other.values[header] = value;
                others.push(other);
            }
        }
    }
    for place in 0..good.body.len() {
        for bit in 0..8 {
            let mut other = good.clone();
            other.body[place] ^= 1 << bit;
            others.push(other);
        }
        let mut other = good.clone();
        other.body.remove(place);
        others.push(other);
    }
    others
}

#[test]
fn every_changed_byte_is_found() {
    let good = standard(KEY, "msg_1", NOW);
    check_only(&standard_auth(&[KEY]), &good, &nearly(&good, &[0, 1, 2]));
    // The id of a GitHub delivery is not signed.
    let good = github(KEY, "d-1");
    check_only(&github_auth(&[KEY]), &good, &nearly(&good, &[2]));
}

#[test]
fn every_flipped_bit_of_a_signature_is_found() {
    let good = standard(KEY, "msg_1", NOW);
    let signature = BASE64_STANDARD.decode(&good.values[2][3..]).unwrap();
    let flipped = (0..signature.len() * 8).map(|bit| {
        let mut other = (good.clone(), signature.clone());
        other.1[bit / 8] ^= 1 << (bit % 8);
        other.0.values[2] = format!("v1,{}", BASE64_STANDARD.encode(other.1));
        other.0
    });
    check_only(&standard_auth(&[KEY]), &good, &flipped.collect::<Vec<_>>());
}

#[test]
fn what_is_missing_stale_or_of_tomorrow_is_refused() {
    let good = standard(KEY, "msg_1", NOW);
    let mut others: Vec<_> = [-1_000_000, -3_600, -301, 301, 3_600, 1_000_000]
        .map(|off| standard(KEY, "msg_1", NOW + off))
        .into();
    for header in 0..3 {
        for value in ["", " ", "0", "v1,"] {
            let mut other = good.clone();
            other.values[header] = value.to_owned();
            others.push(other);
        }
        let mut other = good.clone();
        other.names[header] = "x-none";
        others.push(other);
    }
    check_only(&standard_auth(&[KEY]), &good, &others);
}

#[test]
fn a_rotation_has_two_keys_and_then_one() {
    let mut window = ReplayWindow::default();
    let both = standard_auth(&[OLD, KEY]);
    for (n, key) in [OLD, KEY].into_iter().enumerate() {
        let delivery = standard(key, &format!("msg_{n}"), NOW);
        assert_eq!(delivery.at(&both, &mut window), Ok(()));
    }
    let third = standard(OTHER, "msg_9", NOW);
    assert_eq!(third.at(&both, &mut window), Err(AuthError::Signature));
    // A delivery signed again with the other key is the same delivery.
    assert_eq!(
        standard(KEY, "msg_0", NOW).at(&both, &mut window),
        Err(AuthError::Replayed)
    );
    let after = standard_auth(&[KEY]);
    assert_eq!(
        standard(OLD, "msg_3", NOW).at(&after, &mut window),
        Err(AuthError::Signature)
    );
    assert_eq!(standard(KEY, "msg_3", NOW).at(&after, &mut window), Ok(()));
    assert_eq!(
        standard(KEY, "msg_1", NOW).at(&after, &mut window),
        Err(AuthError::Replayed)
    );

    let both = github_auth(&[OLD, KEY]);
    let mut window = ReplayWindow::default();
    assert_eq!(github(OLD, "d-1").at(&both, &mut window), Ok(()));
    assert_eq!(github(KEY, "d-2").at(&both, &mut window), Ok(()));
    assert_eq!(
        github(OTHER, "d-3").at(&both, &mut window),
        Err(AuthError::Signature)
    );
    assert_eq!(
        github(OLD, "d-4").at(&github_auth(&[KEY]), &mut window),
        Err(AuthError::Signature)
    );
}

#[test]
fn the_key_of_another_door_opens_none() {
    let door = |name: &str, auth| {
        Source::new(name, Adapter::Alertmanager, auth, Limits::default()).unwrap()
    };
    let doors = [
        door("standard", standard_auth(&[KEY])),
        door("github", github_auth(&[KEY])),
        door("bearer", Auth::bearer(&whsec(KEY)).unwrap()),
    ];
    let bearer = Delivery {
        names: ["authorization", "x-none", "x-none-either"],
        values: [
            format!("Bearer whsec_{}", BASE64_STANDARD.encode(OTHER)),
            "-".to_owned(),
            "-".to_owned(),
        ],
        body: BODY.into(),
    };
    for door in &doors {
        for delivery in [
            standard(OTHER, "m", NOW),
            github(OTHER, "m"),
            bearer.clone(),
        ] {
            let pairs: Vec<_> = delivery
                .names
                .iter()
                .zip(&delivery.values)
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let mut window = ReplayWindow::default();
            let taken = door.receive(
                &headers(&pairs),
                &delivery.body,
                Timestamp::from_secs(NOW),
                &mut window,
            );
            assert!(
                matches!(taken, Err(Refused::Auth(_))),
                "{}: {:?}",
                door.name(),
                delivery.values
            );
        }
    }
}

/// By construction: what is secret is compared by what takes the same time for every value, and by nothing else.
#[test]
fn secrets_are_compared_in_constant_time() {
    let source = |path: &str| {
        std::fs::read_to_string(format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    for (path, function, by) in [
        (
            "edsr-source/src/auth.rs",
            "fn check(",
            "same_digest(known, &digest)",
        ),
        (
            "edsr-source/src/auth.rs",
            "pub fn same_digest(",
            "a.ct_eq(b)",
        ),
        (
            "edsr-source/src/auth.rs",
            "fn signed(",
            "verify_slice(signature)",
        ),
        (
            "edsr-node/src/node.rs",
            "fn person(",
            "same_digest(&known.digest.0, &digest.0)",
        ),
    ] {
        let text = source(path);
        let (_, body) = text
            .split_once(function)
            .unwrap_or_else(|| panic!("{path}: no {function}"));
        let body = body.split("\n    }\n").next().unwrap_or_default();
        let body = body.split("\n}\n").next().unwrap_or_default();
        assert!(body.contains(by), "{path}, {function}: {body}");
        assert!(
            !body.contains("==") || function == "fn check(",
            "{path}, {function}: {body}"
        );
    }
}
