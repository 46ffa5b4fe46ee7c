use super::*;
use serde_json::json;

fn spec(kind: &str) -> MappingSpec {
    MappingSpec {
        kind: kind.to_owned(),
        ..MappingSpec::default()
    }
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-github-event", "push"),
        ("X-Thing", "one"),
        ("x-thing", "two"),
        ("authorization", "Bearer canary"),
        ("x-hub-signature-256", "canary"),
        ("x-gitlab-token", "canary"),
        ("cookie", "canary"),
        ("webhook-signature", "canary"),
        ("x-api-key", "canary"),
    ] {
        headers.append(
            http::header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            value.parse().unwrap(),
        );
    }
    headers
}

fn run(spec: &MappingSpec, body: &Value) -> Result<Parsed, ParseError> {
    run_within(spec, body, &Limits::default())
}

fn run_within(spec: &MappingSpec, body: &Value, limits: &Limits) -> Result<Parsed, ParseError> {
    let mapping = Mapping::compile(spec).unwrap();
    mapping.events("git", &headers(), body.to_string().as_bytes(), limits)
}

fn one(spec: &MappingSpec, body: &Value) -> Item {
    let mut items = run(spec, body).unwrap();
    assert_eq!(items.len(), 1);
    items.remove(0)
}

#[test]
fn a_body_becomes_an_event() {
    let spec = MappingSpec {
        subject: Some("body.pull.number".into()),
        time: Some("body.at".into()),
        extensions: BTreeMap::from([
            ("sender".into(), "body.?user.?name.orValue(null)".into()),
            ("thing".into(), "headers['x-thing']".into()),
            ("big".into(), "body.pull.number > 3".into()),
        ]),
        ..spec("source + '.' + headers['x-github-event']")
    };
    let body = json!({"pull": {"number": 7}, "at": "2026-01-02T03:04:05Z", "f": 1.0});
    let event = one(&spec, &body).unwrap();
    let digest = Digest::of(body.to_string().as_bytes()).to_string();
    assert_eq!(
        event.to_value(),
        json!({
            "specversion": "1.0", "id": digest, "source": "/hooks/git", "type": "git.push", "subject": "7",
            "time": "2026-01-02T03:04:05.000000Z", "datacontenttype": "application/json", "thing": "one, two",
            "big": true, "data": body
        })
    );
}

#[test]
fn a_list_fans_out_and_a_bad_item_costs_only_itself() {
    let spec = MappingSpec {
        each: Some("body.alerts".into()),
        id: Some("item.?id.orValue(null)".into()),
        data: Some("{'item': item, 'from': body.sender}".into()),
        ..spec("item.kind")
    };
    let body = json!({"sender": "x", "alerts": [
        {"kind": "a"}, {"kind": 5}, {}, {"kind": "b", "id": "i-1"}, {"kind": "c\nd"}, {"kind": null}
    ]});
    let items = run(&spec, &body).unwrap();
    let digest = Digest::of(body.to_string().as_bytes());
    let event = items[0].as_ref().unwrap();
    assert_eq!(event.id, format!("{digest}-0"));
    assert_eq!(
        event.data,
        Data::Json(json!({"item": {"kind": "a"}, "from": "x"}).into())
    );
    assert_eq!(items[1].as_ref().unwrap().kind, "5");
    let missing = items[2].as_ref().unwrap_err();
    assert_eq!((missing.index, missing.code), (2, "mapping.failed"));
    assert_eq!(
        missing.reason,
        "the mapping `type` failed: `item.kind`: No such key: kind"
    );
    assert_eq!(items[3].as_ref().unwrap().id, "i-1");
    assert_eq!(items[4].as_ref().unwrap_err().code, "event.attribute");
    assert!(
        items[5]
            .as_ref()
            .unwrap_err()
            .reason
            .contains("null or empty")
    );
}

#[test]
fn each_must_be_a_list() {
    for (body, needle) in [
        (json!({"alerts": {}}), "it must give a list, not map"),
        (json!({"other": []}), "No such key: alerts"),
    ] {
        let spec = MappingSpec {
            each: Some("body.alerts".into()),
            ..spec("'t'")
        };
        let error = run(&spec, &body).unwrap_err();
        assert_eq!(error.code(), "mapping.failed");
        assert!(error.to_string().contains(needle), "{error}");
    }
}

#[test]
fn times_come_as_text_and_as_numbers() {
    let spec = MappingSpec {
        time: Some("body.at".into()),
        ..spec("'t'")
    };
    for (at, read) in [
        (
            json!("2026-01-02T04:04:05.5+01:00"),
            "2026-01-02T03:04:05.500000Z",
        ),
        (json!(1767323045), "2026-01-02T03:04:05.000000Z"),
        (json!(1767323045.25), "2026-01-02T03:04:05.250000Z"),
        (json!(1767323045123_u64), "2026-01-02T03:04:05.123000Z"),
        (json!(99999999999_i64), "5138-11-16T09:46:39.000000Z"),
        (json!(100000000000_i64), "1973-03-03T09:46:40.000000Z"),
        (json!(-1), "1969-12-31T23:59:59.000000Z"),
        (json!(0), "1970-01-01T00:00:00.000000Z"),
    ] {
        let event = one(&spec, &json!({"at": at})).unwrap();
        assert_eq!(event.time.unwrap().to_string(), read, "{at}");
    }
    assert_eq!(one(&spec, &json!({"at": null})).unwrap().time, None);
    let typed = MappingSpec {
        time: Some("timestamp(body.at)".into()),
        ..spec.clone()
    };
    let event = one(&typed, &json!({"at": "2026-01-02T03:04:05Z"})).unwrap();
    assert_eq!(event.time.unwrap(), Timestamp::from_secs(1_767_323_045));
    for bad in [
        json!("noon\u{1b}[2J"),
        json!(1e300),
        json!(1544712660300000000_i64),
        json!(true),
        json!(""),
    ] {
        let refusal = one(&spec, &json!({"at": bad})).unwrap_err();
        assert!(
            refusal
                .reason
                .starts_with("the mapping `time` failed: `body.at`: "),
            "{refusal}"
        );
        assert!(!refusal.reason.contains('\u{1b}'));
    }
}

#[test]
fn headers_that_authenticate_are_not_shown() {
    let spec = MappingSpec {
        data: Some("headers".into()),
        ..spec("'t'")
    };
    let event = one(&spec, &json!({})).unwrap();
    assert_eq!(
        event.data,
        Data::Json(json!({"x-github-event": "push", "x-thing": "one, two"}).into())
    );
}

#[test]
fn mistakes_are_found_when_it_is_compiled_all_of_them() {
    let broken = MappingSpec {
        each: Some("item.x".into()),
        subject: Some("body\n  .".into()),
        time: Some("now()".into()),
        id: Some("bdy.id".into()),
        source: Some("body.n.matches(body.p)".into()),
        extensions: ["Upper", "type", "edsrvia", "a-b"]
            .map(|name| (name.into(), "1".into()))
            .into(),
        data: Some("body.filter(x, x > y)".into()),
        ..spec("")
    };
    let errors = Mapping::compile(&broken).unwrap_err();
    let found: Vec<_> = errors.iter().map(|e| (&*e.field, e.column)).collect();
    for place in [
        ("each", Some(1)),
        ("type", Some(1)),
        ("subject", Some(9)),
        ("time", Some(4)),
        ("id", Some(1)),
        ("source", Some(15)),
        ("data", Some(20)),
    ] {
        assert!(found.contains(&place), "{place:?} {errors:?}");
    }
    for name in ["Upper", "type", "edsrvia", "a-b"] {
        let field = format!("extensions.{name}");
        assert!(
            errors.iter().any(|error| error.field == field),
            "{name}: {errors:?}"
        );
    }
    let long = spec_of_length(edsr_expr::EXPR_BYTES_MAX + 1);
    assert!(
        Mapping::compile(&long).unwrap_err()[0]
            .message
            .contains("8193 bytes")
    );
    let item = MappingSpec {
        each: None,
        ..spec("item.kind")
    };
    let error = &Mapping::compile(&item).unwrap_err()[0];
    assert_eq!(
        error.message,
        "there is no variable `item` here; it may read `body`, `headers`, `source`"
    );
}

fn spec_of_length(bytes: usize) -> MappingSpec {
    spec(&format!("'{}'", "x".repeat(bytes - 2)))
}

#[test]
fn loops_and_copies_are_bounded() {
    let body = json!({"a": (0..2000).collect::<Vec<_>>()});
    for expr in [
        "body.a.filter(x, body.a.exists(y, y == x)).size()",
        "body.a.filter(x, x in body.a).size()",
        "body.a.map(x, body.a.map(y, y)).size()",
    ] {
        let spec = MappingSpec {
            data: Some(expr.into()),
            ..spec("'t'")
        };
        let refusal = one(&spec, &body).unwrap_err();
        assert!(refusal.reason.contains("too many elements"), "{refusal}");
    }
    let linear = MappingSpec {
        data: Some("body.a.filter(x, x > 1990).map(x, x * 2)".into()),
        ..spec("'t'")
    };
    assert_eq!(
        one(&linear, &body).unwrap().data,
        Data::Json(json!([3982, 3984, 3986, 3988, 3990, 3992, 3994, 3996, 3998]).into())
    );
    let limits = Limits {
        event_bytes: 20_000,
        fanout_bytes: 50_000,
        ..Limits::default()
    };
    let large = MappingSpec {
        data: Some("[body, body]".into()),
        ..spec("'t'")
    };
    let refusal = run_within(&large, &body, &limits).unwrap()[0]
        .clone()
        .unwrap_err();
    assert!(
        refusal.reason.contains("larger than an event may be"),
        "{refusal}"
    );
    let many = MappingSpec {
        each: Some("body.a".into()),
        data: Some("body.b".into()),
        ..spec("'t'")
    };
    let body = json!({"a": (0..2000).collect::<Vec<_>>(), "b": "x".repeat(1000)});
    let items = run_within(&many, &body, &limits).unwrap();
    let taken = items.iter().filter(|item| item.is_ok()).count();
    assert!((40..50).contains(&taken), "{taken}");
    let few = Limits {
        batch_events: 1999,
        ..Limits::default()
    };
    assert_eq!(
        run_within(&many, &body, &few),
        Err(ParseError::BatchEvents(1999))
    );
}

#[test]
fn input_is_data_and_never_an_expression() {
    let spec = MappingSpec {
        subject: Some("body.title".into()),
        ..spec("'t'")
    };
    for text in [
        "${body.x}",
        "' + body.secret + '",
        "{{7*7}}",
        "headers['authorization']",
    ] {
        assert_eq!(
            one(&spec, &json!({"title": text}))
                .unwrap()
                .subject
                .as_deref(),
            Some(text)
        );
    }
}

#[test]
fn the_language_is_whole() {
    let body = json!({"l": [{"n": 3}, {"n": 1}, {"n": 2}], "m": {"b": 1}, "s": "Äbc-d", "big": 1_u64 << 63});
    for (expr, value) in [
        ("body.l.sortBy(x, x.n).map(x, x.n)", json!([1, 2, 3])),
        (
            "body.l.exists_one(x, x.n == 2) && body.l.all(x, x.n > 0)",
            json!(true),
        ),
        (
            "body.l.map(x, x.n > 1, [x.n].map(y, y + x.n))",
            json!([[6], [4]]),
        ),
        ("body.m.exists(k, k == 'b') && 'b' in body.m", json!(true)),
        ("body.?m.?b.optMap(x, x + 1).orValue(0)", json!(2)),
        ("body.s.split('-')[0].upperAscii()", json!("ÄBC")),
        ("math.greatest(body.l.map(x, x.n))", json!(3)),
        (
            "type(body.m.b) == int && type(body.big) == uint",
            json!(true),
        ),
        (
            "has(body.x) ? body.x : {'k': [1.5, null]}",
            json!({"k": [1.5, null]}),
        ),
        ("timestamp('2026-01-02T03:04:05Z').getHours()", json!(3)),
        ("b'\\x00\\xff'", json!("AP8=")),
    ] {
        let spec = MappingSpec {
            data: Some(expr.into()),
            ..spec("'t'")
        };
        assert_eq!(
            one(&spec, &body).unwrap().data,
            Data::Json(value.into()),
            "{expr}"
        );
    }
}
