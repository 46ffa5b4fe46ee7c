//! What a program gets and what is taken from it.

use std::collections::BTreeMap;
use std::path::Path;

use edsr_actuate::exec::{HEAD_KEPT, PATH, TAIL_KEPT};
use edsr_actuate::{Actuator as _, Exec, ExecSettings};
use edsr_model::Outcome;
use serde_json::{Value, json};

use crate::{failed, ok, request};

async fn run_in(dir: &Path, with: Value) -> Outcome {
    let exec = Exec::new(ExecSettings {
        work_dir: dir.to_owned(),
        ..ExecSettings::default()
    });
    exec.perform(request("exec/run", with)).await
}

async fn run(with: Value) -> Outcome {
    run_in(Path::new("/"), with).await
}

#[tokio::test]
async fn an_argument_stays_one_argument() {
    let odd = [
        "$(id)",
        "`id`",
        "; rm -rf x",
        "a\nb",
        "-rf",
        "*",
        "a b",
        "'\"",
        "",
        "${HOME}",
        "ünï",
        "&& x | y > z",
    ];
    let mut argv = vec!["printf".to_owned(), "<%s>".to_owned()];
    argv.extend(odd.map(str::to_owned));
    let output = ok(run(json!({ "argv": argv })).await);
    let expected: String = odd.iter().map(|arg| format!("<{arg}>")).collect();
    assert_eq!(output["stdout"], expected);
}

#[tokio::test]
async fn the_environment_holds_only_what_is_listed() {
    let with = json!({"argv": ["env", "-0"], "env": {"A": "1 2", "N": 5}});
    let output = ok(run(with).await);
    let found: BTreeMap<&str, &str> = output["stdout"]
        .as_str()
        .unwrap()
        .split_terminator('\0')
        .map(|pair| pair.split_once('=').unwrap())
        .collect();
    let asked = request("exec/run", json!({}));
    let expected = BTreeMap::from([
        ("A", "1 2"),
        ("N", "5"),
        ("PATH", PATH),
        ("EDSR_EXECUTION", asked.attempt.execution.as_str()),
        ("EDSR_STEP", "mend"),
        ("EDSR_ATTEMPT", "2"),
        ("EDSR_IDEMPOTENCY_KEY", "key-1"),
        ("EDSR_CORRELATION", asked.incident.as_str()),
        ("EDSR_DEPTH", "3"),
        ("EDSR_TARGET", "service/checkout"),
    ]);
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_program_runs_where_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("sub")).unwrap();
    std::os::unix::fs::symlink("/bin/pwd", root.join("sub/where")).unwrap();
    for (with, at) in [
        (json!({"argv": ["pwd"]}), root.clone()),
        (json!({"argv": ["pwd"], "cwd": "sub"}), root.join("sub")),
        (json!({"argv": ["pwd"], "cwd": "/"}), "/".into()),
        (json!({"argv": ["./where"], "cwd": "sub"}), root.join("sub")),
        (json!({"argv": ["sub/where"]}), root.clone()),
    ] {
        let output = ok(run_in(&root, with.clone()).await);
        assert_eq!(output["stdout"], format!("{}\n", at.display()), "{with}");
    }
}

#[tokio::test]
async fn standard_input_is_what_is_given_or_nothing() {
    for (with, seen) in [
        (json!({"argv": ["cat"], "stdin": "a\n$(id)"}), "a\n$(id)"),
        (json!({"argv": ["cat"]}), ""),
        (
            json!({"argv": ["true"], "stdin": "x".repeat(1024 * 1024)}),
            "",
        ),
    ] {
        assert_eq!(ok(run(with).await)["stdout"], seen);
    }
}

#[tokio::test]
async fn what_did_not_start_says_why() {
    for (with, why) in [
        (
            json!({"argv": ["no-such-program"]}),
            "the program `no-such-program` is not in `/usr/local/sbin:",
        ),
        (
            json!({"argv": ["./no-such"]}),
            "the program `/./no-such` does not exist",
        ),
        (
            json!({"argv": ["/etc/passwd"]}),
            "`/etc/passwd` is not a file that may be executed",
        ),
        (
            json!({"argv": ["true"], "cwd": "/no/such"}),
            "`cwd` is `/no/such`, which is no directory",
        ),
        (json!({"argv": ["a\u{0}b"]}), "`argv[0]` holds a NUL"),
        (
            json!({"argv": "true"}),
            "`argv` must be written out as a list",
        ),
        (
            json!({"argv": ["true"], "env": {"T": {"secret": {"env": "EDSR_NOT_SET"}}}}),
            "variable `EDSR_NOT_SET` is not set",
        ),
    ] {
        let (reason, output) = failed(run(with.clone()).await);
        assert!(reason.starts_with("not started: "), "{reason}");
        assert!(reason.contains(why), "{with}: {reason}");
        assert_eq!(output, Value::Null);
    }
}

#[tokio::test]
async fn a_script_without_its_interpreter_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    let (reason, _) = failed(run(json!({ "argv": [script] })).await);
    assert!(reason.contains("interpreter"), "{reason}");
}

#[tokio::test]
async fn exit_codes_decide() {
    let shell = |script: &str| json!({"argv": ["sh", "-c", script]});
    let output = ok(run(shell("echo out; echo err >&2")).await);
    assert_eq!(
        output,
        json!({"exitCode": 0, "stdout": "out\n", "stderr": "err\n", "truncated": false})
    );
    let (reason, output) =
        failed(run(shell("echo first >&2; echo last >&2; echo >&2; exit 3")).await);
    assert_eq!(
        (reason.as_str(), &output["exitCode"]),
        ("exit code 3: last", &json!(3))
    );
    let (reason, output) = failed(run(shell("kill -9 $$")).await);
    assert_eq!(
        (reason.as_str(), &output["signal"]),
        ("killed by signal 9", &json!(9))
    );

    let mut accepted = shell("exit 3");
    accepted["okCodes"] = json!([0, 3]);
    assert_eq!(ok(run(accepted).await)["exitCode"], 3);
    let mut zero_is_wrong = shell("true");
    zero_is_wrong["okCodes"] = json!([3]);
    assert_eq!(failed(run(zero_is_wrong).await).0, "exit code 0");
}

#[tokio::test]
async fn one_json_object_is_read() {
    for (printed, read) in [
        (r#"{"a": [1]}"#, json!({"a": [1]})),
        ("[1]", Value::Null),
        ("{} {}", Value::Null),
        ("text", Value::Null),
    ] {
        let output = ok(run(json!({"argv": ["printf", "%s", printed]})).await);
        assert_eq!(output["json"], read, "{printed}");
    }
}

#[tokio::test]
async fn output_is_bounded_and_never_blocks_the_program() {
    let script = "echo begin; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end; head -c 3000000 /dev/zero | tr '\\0' y >&2";
    let output = ok(run(json!({"argv": ["sh", "-c", script]})).await);
    for name in ["stdout", "stderr"] {
        let text = output[name].as_str().unwrap();
        assert!(text.len() < HEAD_KEPT + TAIL_KEPT + 100, "{name}");
        assert!(text.contains("bytes left out]"), "{name}");
    }
    let stdout = output["stdout"].as_str().unwrap();
    assert!(stdout.starts_with("begin\n") && stdout.ends_with("\nend\n"));
    assert_eq!(output["truncated"], true);
}

#[tokio::test]
async fn a_secret_reaches_the_program_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("token");
    std::fs::write(&place, "s3cr3t/pass+word\n").unwrap();
    let script = r#"test "$T" = "Bearer s3cr3t/pass+word" || exit 9
printf '%s\n' "$T"
printf '%s' "$T" | base64; printf 'u:%s' "${T#Bearer }" | base64
printf '%s' "${T#Bearer }" | od -An -tx1 | tr -d ' \n'; echo
printf '%s' "${T#Bearer }" | sed 's,/,%2F,g; s,+,%2B,g'; echo
head -c 32624 /dev/zero | tr '\0' .; printf '%s' "${T#Bearer }"; head -c 99999 /dev/zero | tr '\0' .
echo "no: ${T#Bearer }" >&2; exit 4"#;
    let secret = json!({"secret": {"file": place}, "prefix": "Bearer "});
    let with = json!({"argv": ["sh", "-c", script], "env": {"T": secret}});
    let (reason, output) = failed(run(with).await);
    assert_eq!(reason, "exit code 4: no: ***");
    let text = output.to_string();
    assert_eq!(text.matches("***").count(), 7, "{:.600}", text);
    for part in ["s3cr", "pass", "word", "733363", "czNj", "M2NyM3"] {
        assert!(!text.contains(part), "{part}: {text:.600}");
    }
}

#[tokio::test]
async fn a_secret_from_the_environment_of_the_node() {
    let value = std::env::var("PATH").unwrap();
    let with = json!({
        "argv": ["sh", "-c", "printf '%s|%s' \"${#T}\" \"$T\""],
        "env": {"T": {"secret": {"env": "PATH"}}}
    });
    let output = ok(run(with).await);
    assert_eq!(output["stdout"], format!("{}|***", value.len()));
}
