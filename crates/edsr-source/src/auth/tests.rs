use super::*;
use http::HeaderValue;
use http::header::HeaderName;

// The worked example of the Standard Webhooks libraries.
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const TIME: i64 = 1_614_265_330;
const BODY: &[u8] = b"{\"test\": 2432232314}";
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
        })
        .collect()
}

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

fn sign(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn hooks(secrets: &[&str]) -> Auth {
    let secrets: Vec<_> = secrets.iter().map(|text| secret(text)).collect();
    Auth::standard_webhooks(&secrets, TOLERANCE).unwrap()
}

#[test]
fn a_bearer_token_is_the_whole_token() {
    let auth = Auth::bearer(&secret("s3cret-token")).unwrap();
    let check = |value: &str| {
        let headers = headers(&[("authorization", value)]);
        auth.verify(&headers, b"", Timestamp::EPOCH, &mut ReplayWindow::new(0))
    };
    for good in [
        "Bearer s3cret-token",
        "bearer s3cret-token",
        "BEARER  s3cret-token ",
    ] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
    for bad in [
        "Bearer s3cret-toke",
        "Bearer s3cret-token1",
        "Bearer ",
        "Bearer S3cret-token",
        "Bearer *",
    ] {
        assert_eq!(check(bad), Err(AuthError::Token), "{bad}");
    }
    for bad in [
        "s3cret-token",
        "Basic s3cret-token",
        "Bearers3cret-token",
        " ",
    ] {
        assert!(matches!(check(bad), Err(AuthError::Malformed(..))), "{bad}");
    }
    let body_only = auth.verify_body(
        &HeaderMap::new(),
        b"",
        Timestamp::EPOCH,
        &mut ReplayWindow::new(0),
    );
    assert_eq!(body_only, Err(AuthError::Missing("authorization")));
    let none = auth.precheck(&HeaderMap::new(), Timestamp::EPOCH);
    assert_eq!(none, Err(AuthError::Missing("authorization")));
    let mut twice = headers(&[("authorization", "Bearer s3cret-token")]);
    twice.append("authorization", "Bearer other".parse().unwrap());
    let twice = auth.precheck(&twice, Timestamp::EPOCH);
    assert_eq!(twice, Err(AuthError::Repeated("authorization")));
}

#[test]
fn the_published_example_verifies_once() {
    let auth = hooks(&[WHSEC]);
    let mut window = ReplayWindow::default();
    let time = TIME.to_string();
    let headers = headers(&[
        (WEBHOOK_ID, ID),
        (WEBHOOK_TIMESTAMP, &time),
        (WEBHOOK_SIGNATURE, SIGNATURE),
    ]);
    let now = Timestamp::from_secs(TIME + 10);
    assert_eq!(auth.precheck(&headers, now), Ok(()));
    assert_eq!(auth.verify(&headers, BODY, now, &mut window), Ok(()));
    assert_eq!(
        auth.verify(&headers, BODY, now, &mut window),
        Err(AuthError::Replayed)
    );
    window.forget(&auth.replay_key(&headers).unwrap());
    assert_eq!(auth.verify(&headers, BODY, now, &mut window), Ok(()));
}

#[test]
fn what_is_not_signed_leaves_no_trace() {
    let auth = hooks(&[WHSEC]);
    let mut window = ReplayWindow::default();
    let now = Timestamp::from_secs(TIME);
    let time = TIME.to_string();
    let good = [
        (WEBHOOK_ID, ID),
        (WEBHOOK_TIMESTAMP, &*time),
        (WEBHOOK_SIGNATURE, SIGNATURE),
    ];
    let mut check = |name: &str, value: Option<&str>, body: &[u8]| {
        let pairs: Vec<_> = good
            .iter()
            .filter(|pair| pair.0 != name || value.is_some())
            .map(|pair| (pair.0, value.filter(|_| pair.0 == name).unwrap_or(pair.1)))
            .collect();
        auth.verify(&headers(&pairs), body, now, &mut window)
    };
    for name in [WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE] {
        assert_eq!(check(name, None, BODY), Err(AuthError::Missing(name)));
        assert_eq!(check(name, Some(""), BODY), Err(AuthError::Missing(name)));
    }
    assert_eq!(
        check("", None, b"{\"test\": 2432232315}"),
        Err(AuthError::Signature)
    );
    assert_eq!(check("", None, b""), Err(AuthError::Signature));
    assert_eq!(
        check(WEBHOOK_ID, Some("msg_other"), BODY),
        Err(AuthError::Signature)
    );
    let later = (TIME + 1).to_string();
    assert_eq!(
        check(WEBHOOK_TIMESTAMP, Some(&later), BODY),
        Err(AuthError::Signature)
    );
    for time in ["", "soon", "-5", "+5", "1e9", " 1", "9999999999999"] {
        assert!(
            check(WEBHOOK_TIMESTAMP, Some(time), BODY).is_err(),
            "{time}"
        );
    }
    for signature in [
        "v1,",
        "v1,AAAA",
        "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "v1,!",
        &SIGNATURE[3..],
    ] {
        assert!(
            check(WEBHOOK_SIGNATURE, Some(signature), BODY).is_err(),
            "{signature}"
        );
    }
    let many = "v1,AAAA ".repeat(SIGNATURES_MAX) + SIGNATURE;
    assert_eq!(
        check(WEBHOOK_SIGNATURE, Some(&many), BODY),
        Err(AuthError::Signature)
    );
    let two = "v1a,ignored v1,AAAA ".to_owned() + SIGNATURE;
    assert_eq!(check(WEBHOOK_SIGNATURE, Some(&two), BODY), Ok(()));
    assert_eq!(window.len(), 1);
}

#[test]
fn a_signature_has_its_time() {
    let auth = hooks(&[WHSEC]);
    let time = TIME.to_string();
    let headers = headers(&[
        (WEBHOOK_ID, ID),
        (WEBHOOK_TIMESTAMP, &time),
        (WEBHOOK_SIGNATURE, SIGNATURE),
    ]);
    for (offset, good) in [
        (-301, false),
        (-300, true),
        (0, true),
        (300, true),
        (301, false),
    ] {
        let now = Timestamp::from_secs(TIME + offset);
        let mut window = ReplayWindow::default();
        let answer = auth.verify(&headers, BODY, now, &mut window);
        assert_eq!(answer.is_ok(), good, "{offset}");
        assert_eq!(auth.precheck(&headers, now).is_ok(), good, "{offset}");
    }
    // The window forgets no earlier than the timestamp is refused by itself.
    let mut window = ReplayWindow::default();
    let at = |offset| Timestamp::from_secs(TIME + offset);
    assert_eq!(auth.verify(&headers, BODY, at(-300), &mut window), Ok(()));
    assert_eq!(
        auth.verify(&headers, BODY, at(300), &mut window),
        Err(AuthError::Replayed)
    );
    assert!(matches!(
        auth.verify(&headers, BODY, at(301), &mut window),
        Err(AuthError::Stale(_))
    ));
}

#[test]
fn two_secrets_are_valid_while_one_replaces_the_other() {
    let other = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
    let time = TIME.to_string();
    let headers = headers(&[
        (WEBHOOK_ID, ID),
        (WEBHOOK_TIMESTAMP, &time),
        (WEBHOOK_SIGNATURE, SIGNATURE),
    ]);
    let now = Timestamp::from_secs(TIME);
    for (secrets, good) in [
        (&[other, WHSEC][..], true),
        (&[WHSEC, other], true),
        (&[other], false),
    ] {
        let answer = hooks(secrets).verify(&headers, BODY, now, &mut ReplayWindow::default());
        assert_eq!(answer.is_ok(), good);
    }
}

#[test]
fn github_signs_the_body() {
    let auth = Auth::github(vec![secret("old"), secret("It's a Secret to Everybody")]).unwrap();
    // The example of GitHub's documentation.
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let good = headers(&[(GITHUB_SIGNATURE, signature), (GITHUB_DELIVERY, "d-1")]);
    let mut window = ReplayWindow::new(1);
    let at = Timestamp::from_secs;
    assert_eq!(
        auth.verify(&good, b"Hello, World!", at(0), &mut window),
        Ok(())
    );
    assert_eq!(
        auth.verify(&good, b"Hello, World!", at(3600), &mut window),
        Err(AuthError::Replayed)
    );
    let next = headers(&[(GITHUB_SIGNATURE, signature), (GITHUB_DELIVERY, "d-2")]);
    let full = auth.verify(&next, b"Hello, World!", at(3600), &mut window);
    assert_eq!(full, Err(AuthError::WindowFull(1)));
    assert_eq!(full.unwrap_err().kind().status(), 429);
    assert_eq!(
        auth.verify(&next, b"Hello, World!", at(3601), &mut window),
        Ok(())
    );

    let mut window = ReplayWindow::default();
    assert_eq!(
        auth.verify(&good, b"Hello, World?", at(0), &mut window),
        Err(AuthError::Signature)
    );
    for (name, value) in [
        (
            GITHUB_SIGNATURE,
            "sha1=757107ea0eb2509fc211221cce984b8a37570b6d",
        ),
        (GITHUB_SIGNATURE, "sha256=zz"),
        (GITHUB_SIGNATURE, ""),
        (GITHUB_DELIVERY, ""),
        (GITHUB_SIGNATURE, "sha256="),
        (GITHUB_SIGNATURE, "sha256=757107ea"),
    ] {
        let mut bad = good.clone();
        bad.insert(name, value.parse().unwrap());
        assert!(
            auth.verify(&bad, b"Hello, World!", at(0), &mut window)
                .is_err(),
            "{name}: {value}"
        );
    }
    assert!(window.is_empty());
}

#[test]
fn secrets_are_checked_when_a_source_is_set_up_and_never_printed() {
    let github = |secrets: &[&str]| Auth::github(secrets.iter().map(|text| secret(text)).collect());
    assert_eq!(github(&[]).unwrap_err(), AuthSetupError::Count(0));
    assert_eq!(
        github(&["a", "b", "c"]).unwrap_err(),
        AuthSetupError::Count(3)
    );
    assert_eq!(github(&["a", " "]).unwrap_err(), AuthSetupError::Empty(1));
    assert_eq!(
        Auth::bearer(&secret("")).unwrap_err(),
        AuthSetupError::Empty(0)
    );
    for bad in [
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_AAAA",
        "whsec_???",
    ] {
        let error = Auth::standard_webhooks(&[secret(bad)], TOLERANCE).unwrap_err();
        assert_eq!(error, AuthSetupError::Whsec(0), "{bad}");
    }
    let key = BASE64_STANDARD.decode(&WHSEC[6..]).unwrap();
    let canary = format!("{:?}", github(&["canary-7f3a"]).unwrap())
        + &format!("{:?}", Auth::bearer(&secret("canary-7f3a")).unwrap())
        + &format!("{:?}", hooks(&[WHSEC]))
        + &format!("{:?}", secret("canary-7f3a"));
    assert!(
        !canary.contains("canary") && !canary.contains("MfKQ"),
        "{canary}"
    );
    assert!(!canary.contains(&format!("{key:?}")), "{canary}");
}

#[test]
fn messages_repeat_nothing_of_a_request() {
    let auth = Auth::github(vec![secret("canary-7f3a")]).unwrap();
    let right = hex::encode(sign(b"canary-7f3a", &[b"body"]));
    for value in [
        format!("sha256={}", right.replace('0', "1")),
        "sha256=canary-7f3a".to_owned(),
    ] {
        let headers = headers(&[(GITHUB_SIGNATURE, &value), (GITHUB_DELIVERY, "d")]);
        let error = auth
            .verify(
                &headers,
                b"body2",
                Timestamp::EPOCH,
                &mut ReplayWindow::default(),
            )
            .unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains(&value[7..20.min(value.len())]),
            "{error:?}"
        );
    }
}
