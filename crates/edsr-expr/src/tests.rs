use edsr_model::Event;
use serde_json::{Value, json};

use super::*;

fn event() -> Event {
    Event::from_value(json!({
        "specversion": "1.0", "id": "1", "source": "/shop", "type": "http.server.request",
        "partitionkey": "eu",
        "data": {"service": "checkout", "status": 503, "took": 1.5, "tags": ["a", "b"]}
    }))
    .unwrap()
}

#[test]
fn conditions_read_the_event() {
    let event = event();
    let vars = EventVars::new(&event);
    for (text, truth) in [
        (
            "type == 'http.server.request' && data.service == 'checkout'",
            true,
        ),
        ("data.status >= 500", true),
        ("data.took * 2.0 == 3.0", true),
        ("data.status + 1 == 504", true),
        ("data.tags.exists(t, t == 'b')", true),
        ("has(data.missing)", false),
        ("subject == ''", true),
        ("ext.partitionkey == 'eu'", true),
        ("data.service.upperAscii() == 'CHECKOUT'", true),
        ("math.greatest(data.status, 1) == 503", true),
        ("data.service.matches('^check')", true),
    ] {
        let expr = Expr::compile(text, EVENT_VARS).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(expr.truth(&vars), Ok(truth), "{text}");
    }
}

#[test]
fn misspelt_fields_of_our_own_variables_are_found_at_load() {
    let error = |text: &str| {
        Expr::compile(text, &["detection", "target"])
            .unwrap_err()
            .message
    };
    assert_eq!(
        error("detection.resolvd"),
        "there is no `detection.resolvd`; did you mean `detection.resolved`?"
    );
    assert!(error("target.colour == 1").contains("it has `id`, `kind`, `name`"));
    assert!(
        Expr::compile(
            "detection.key.anything == 1 && has(detection.summary)",
            &["detection"]
        )
        .is_ok()
    );
}

#[test]
fn maps_are_walked_in_order_and_loops_are_bounded() {
    let names: Vec<_> = (0..50).map(|n| format!("n{n:02}")).collect();
    let map: serde_json::Map<_, _> = names
        .iter()
        .rev()
        .map(|name| (name.clone(), json!(1)))
        .collect();
    let scope = Scope::new().with("data", &Value::Object(map));
    let value = |text: &str| Expr::compile(text, &["data"]).unwrap().value(&scope);
    assert_eq!(value("data.map(k, k)").unwrap(), json!(names));
    let keys: Vec<_> = value("data")
        .unwrap()
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(keys, names, "objects come out sorted");
    assert_eq!(value("data.exists(k, data[k] == 1)").unwrap(), json!(true));
    let deep = "data.all(a, data.all(b, data.all(c, data.all(d, true))))";
    assert!(
        value(deep)
            .unwrap_err()
            .message
            .contains("too many elements")
    );
    assert_eq!(
        value("data.all(a, data.all(b, true))").unwrap(),
        json!(true),
        "each begins anew"
    );
}

#[test]
fn what_has_no_value_is_an_error_and_not_false() {
    let event = event();
    let vars = EventVars::new(&event);
    for text in [
        "data.missing == 1",
        "data.status",
        "data.status / 0 > 1",
        "data.service > 1",
    ] {
        let expr = Expr::compile(text, EVENT_VARS).unwrap();
        assert!(expr.truth(&vars).is_err(), "{text}");
    }
}

#[test]
fn mistakes_are_found_at_load_with_their_place() {
    for (text, column, part) in [
        ("data.status >=", None, ""),
        ("dta.status > 1", Some(0), "did you mean `data`"),
        ("true && foo == 1", Some(8), "it may read `data`"),
        ("data.a.startWith('x')", None, "did you mean `startsWith`"),
    ] {
        let error = Expr::compile(text, EVENT_VARS).unwrap_err();
        assert!(error.message.contains(part), "{text}: {error}");
        if column.is_some() {
            assert_eq!(error.column, column, "{text}: {error}");
        }
    }
    let long = format!("data.a == '{}'", "x".repeat(EXPR_BYTES_MAX));
    assert!(Expr::compile(&long, EVENT_VARS).is_err());
}

#[test]
fn what_nests_too_deep_is_refused_before_it_is_parsed_and_what_may_nest_is_evaluated() {
    let error = |text: String| Expr::compile(&text, EVENT_VARS).unwrap_err().message;
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("size([", "])"),
        ("math.greatest([", ""),
    ] {
        let text = open.repeat(300) + "1" + &close.repeat(300);
        assert!(error(text).contains("at most 32"), "{open}");
    }
    assert!(error("true ? 1 : ".repeat(400) + "2").contains("at most 32"));
    let wide = error(vec!["1"; 2000].join("+"));
    assert!(wide.contains("more than 40 parts"), "{wide}");
    assert!(error("-".repeat(8000)).len() < 1000);

    let event = event();
    let vars = EventVars::new(&event);
    let nested = "(".repeat(NESTING_MAX) + "1" + &")".repeat(NESTING_MAX) + " == 1";
    assert_eq!(
        Expr::compile(&nested, EVENT_VARS).unwrap().truth(&vars),
        Ok(true)
    );
    let sum = vec!["1"; DEPTH_MAX - 2].join("+");
    let value = Expr::compile(&sum, EVENT_VARS).unwrap().value(&vars);
    assert_eq!(value, Ok(serde_json::json!(DEPTH_MAX - 2)));
    // Alternatives are kept as a balanced tree, so there may be many of them.
    let many: Vec<_> = (0..300).map(|n| format!("type == 't{n}'")).collect();
    let many = Expr::compile(&many.join(" || "), EVENT_VARS).unwrap();
    assert_eq!(many.truth(&vars), Ok(false));
}

#[test]
fn patterns_are_literal_and_compiled_once_within_a_bound() {
    let event = event();
    let vars = EventVars::new(&event);
    for (text, truth) in [
        ("data.service.matches('^check')", true),
        ("matches(data.service, 'out$')", true),
        (
            "data.service.matches('^in') || type.matches('[.]request$')",
            true,
        ),
        ("data.tags.all(t, t.matches('^[ab]$'))", true),
        (
            "data.tags.exists(t, t.matches('c') || t.matches('d'))",
            false,
        ),
    ] {
        let expr = Expr::compile(text, EVENT_VARS).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(expr.truth(&vars), Ok(truth), "{text}");
    }
    let number = Expr::compile("data.status.matches('5')", EVENT_VARS).unwrap();
    assert!(number.truth(&vars).is_err(), "a number is no text");
    for (text, why) in [
        (
            "data.service.matches(data.pattern)",
            "must be a text in quotes",
        ),
        (
            "data.service.matches('a' + 'b')",
            "must be a text in quotes",
        ),
        ("matches('a', data.service)", "must be a text in quotes"),
        (
            "data.service.matches('(foo')",
            "not a pattern: unclosed group",
        ),
        (
            "data.service.matches('(((a{99}){99}){99}){99}')",
            "more than 1048576 bytes",
        ),
        (
            "data.service.matches('\\\\w{1,999}')",
            "more than 1048576 bytes",
        ),
        ("data.service.matches()", "a text and a pattern"),
        ("matches('a')", "a text and a pattern"),
        ("data.a.matches('a', 'b')", "a text and a pattern"),
        ("data.service.@matches(0)", ""),
    ] {
        let error = Expr::compile(text, EVENT_VARS).unwrap_err();
        assert!(error.message.contains(why), "{text}: {error}");
    }
}

#[test]
fn lists_that_are_searched_or_made_are_charged_for() {
    let scope = Scope::new().with(
        "data",
        &json!({"n": 90_000, "list": vec![1; 30_000], "map": {"a": 1}}),
    );
    let value = |text: &str| Expr::compile(text, &["data"]).unwrap().value(&scope);
    assert_eq!(
        value("'a' in data.map && !('b' in data.map)").unwrap(),
        json!(true)
    );
    assert_eq!(value("2 in data.list").unwrap(), json!(false));
    assert_eq!(value("size(lists.range(data.n))").unwrap(), json!(90_000));
    for text in [
        "[1, 2, 3, 4].exists(x, (x + 1) in data.list)",
        "size(lists.range(data.n)) + size(lists.range(data.n)) > 0",
    ] {
        let error = value(text).unwrap_err().message;
        assert!(error.contains("too many elements"), "{text}: {error}");
    }
}

#[test]
fn what_is_required_is_what_a_condition_cannot_do_without() {
    for (text, required) in [
        ("type == 'a'", &[("type", "a")][..]),
        (
            "data.x.y == 'a' && data.n > 1 && 'b' == source",
            &[("data.x.y", "a"), ("source", "b")],
        ),
        (
            "type == 'a' && (subject == 'b' || id == 'c')",
            &[("type", "a")],
        ),
        ("!(type == 'a')", &[]),
        ("type == 'a' || true", &[]),
        (
            "has(data.x) && data.n == 1 && data['k'] == 'v' && type != 'a'",
            &[],
        ),
        ("data.list.exists(x, x == 'a')", &[]),
        ("type == 'a' ? true : false", &[]),
    ] {
        let found = Expr::compile(text, EVENT_VARS).unwrap().required();
        let mut found: Vec<_> = found
            .iter()
            .map(|one| (one.path.join("."), &*one.text))
            .collect();
        let mut required: Vec<_> = required
            .iter()
            .map(|(p, t)| ((*p).to_owned(), *t))
            .collect();
        found.sort();
        required.sort();
        assert_eq!(found, required, "{text}");
    }
}
