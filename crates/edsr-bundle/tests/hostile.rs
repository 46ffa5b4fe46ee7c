//! Files that somebody wrote to do harm, or that are just broken: a report, soon, and no panic.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::fs;
use std::path::Path;

use edsr_bundle::{
    BUNDLE_BYTES_MAX, Code, DEPTH_MAX, DOCUMENTS_MAX, EXPANDED_MAX, FILE_BYTES_MAX, FILES_MAX,
    PROBLEMS_MAX, Report, SourceFile, load, load_files, testing::Catalog,
};
use proptest::prelude::*;

const DETECTOR: &str = "apiVersion: edsr.dev/v1\nkind: Detector\nmetadata: { name: a, owner: o }\nspec: { match: {} }\n";

fn report(text: &str) -> Report {
    match load_files(vec![SourceFile::new("a.yaml", text)], &Catalog) {
        Ok(compiled) => compiled.warnings,
        Err(report) => report,
    }
}

fn check(text: &str, code: Code, part: &str) {
    let report = report(text);
    let found = report
        .problems
        .iter()
        .any(|problem| problem.code == code && problem.message.contains(part));
    assert!(found, "{part}: {report}");
}

#[test]
fn a_billion_laughs_are_not_laughed() {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let one = format!("*a{}, ", level - 1);
        text += &format!("a{level}: &a{level} [{}]\n", one.repeat(10));
    }
    check(&text, Code::Bound, "aliases");
    // A long text that is repeated counts by its length.
    let text = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(500_000),
        "*a, ".repeat(EXPANDED_MAX / 500_000 + 1)
    );
    check(&text, Code::Bound, "aliases");
}

#[test]
fn depth_is_bounded_whatever_makes_it() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
        let deep = |n: usize| format!("{}1{}\n", open.repeat(n), close.repeat(n));
        check(&deep(DEPTH_MAX + 1), Code::Bound, "too deep");
        check(&deep(100_000), Code::Bound, "too deep");
        assert!(
            report(&deep(DEPTH_MAX))
                .problems
                .iter()
                .all(|p| p.code != Code::Bound)
        );
    }
    let mut text = String::from("a0: &a0 [1]\n");
    for level in 1..=DEPTH_MAX {
        text += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    check(&text, Code::Bound, "too deep");
}

#[test]
fn sizes_and_counts_are_bounded() {
    let step = "{ id: s, uses: event/emit, with: { type: t } }, ";
    let playbook = |steps: &str, guards: &str| {
        format!(
            "apiVersion: edsr.dev/v1\nkind: Playbook\nmetadata: {{ name: p, owner: o }}\nspec: {{ target: a/b, \
             risk: low, steps: [{steps}], guards: {{ {guards} }} }}\n"
        )
    };
    check(
        &playbook(&step.repeat(101), ""),
        Code::Value,
        "at most 100 steps",
    );
    let limits = format!("limit: [{}]", "1 per 1h, ".repeat(17));
    check(&playbook(step, &limits), Code::Value, "at most 16 limits");
    let by = format!("by: [{}], match: {{}}", "data.x, ".repeat(17));
    check(
        &DETECTOR.replace("match: {}", &by),
        Code::Value,
        "at most 16 parts",
    );
    let respond = format!("match: {{}}, respond: [{}]", "a, ".repeat(33));
    check(
        &DETECTOR.replace("match: {}", &respond),
        Code::Value,
        "at most 32 playbooks",
    );
    let long = format!("on: data.{} == 1, match: {{}}", "x".repeat(9_000));
    check(
        &DETECTOR.replace("match: {}", &long),
        Code::Expression,
        "bytes long",
    );
    check(
        &"#".repeat(FILE_BYTES_MAX as usize + 1),
        Code::File,
        "larger than",
    );
    let target = |n| {
        format!(
            "--- {{apiVersion: edsr.dev/v1, kind: Target, metadata: {{name: a/{n}, owner: o}}, spec: {{environment: p}}}}\n"
        )
    };
    let documents = |n: usize| (0..n).map(target).collect::<String>();
    assert!(report(&documents(DOCUMENTS_MAX)).problems.is_empty());
    check(
        &documents(DOCUMENTS_MAX + 1),
        Code::Bound,
        "more than 10000 documents",
    );
    let many = report(&"--- a\n".repeat(PROBLEMS_MAX + 7));
    assert_eq!((many.problems.len(), many.left_out), (PROBLEMS_MAX, 7));
    assert!(many.to_string().ends_with("… and 7 more\n"));
    assert!(many.render(false).ends_with("… and 7 more\n"));
}

#[test]
fn the_number_of_files_is_bounded_and_none_comes_twice() {
    let files = |n: usize| {
        (0..n)
            .map(|n| SourceFile::new(format!("{n}.yaml"), ""))
            .collect()
    };
    assert!(load_files(files(FILES_MAX), &Catalog).is_ok());
    let report = load_files(files(FILES_MAX + 1), &Catalog).unwrap_err();
    assert!(
        report.to_string().contains("more than 2000 files"),
        "{report}"
    );
    let comment = format!("#{}\n", "x".repeat(FILE_BYTES_MAX as usize - 2));
    let large = |n: usize| -> Vec<SourceFile> {
        (0..n)
            .map(|n| SourceFile::new(format!("{n}.cedar.yaml"), comment.as_str()))
            .collect()
    };
    let report = load_files(
        large(BUNDLE_BYTES_MAX / FILE_BYTES_MAX as usize + 1),
        &Catalog,
    )
    .unwrap_err();
    assert!(report.to_string().contains("bytes together"), "{report}");
    let twice = vec![SourceFile::new("a.yaml", ""), SourceFile::new("a.yaml", "")];
    assert!(
        load_files(twice, &Catalog)
            .unwrap_err()
            .to_string()
            .contains("twice")
    );
}

#[test]
fn layout_does_not_matter() {
    let plain = load_files(vec![SourceFile::new("a.yaml", DETECTOR)], &Catalog).unwrap();
    for text in [
        format!("\u{feff}{DETECTOR}"),
        DETECTOR.replace('\n', "\r\n"),
        format!("# a comment\n---\n{DETECTOR}...\n---\n---\n# nothing\n"),
        DETECTOR.replace("spec: { match: {} }", "spec:\n  match: # nothing more"),
        "{apiVersion: edsr.dev/v1, spec: {\"match\": {}}, kind: 'Detector', metadata: {owner: o, name: a}}".to_owned(),
    ] {
        let other = load_files(vec![SourceFile::new("a.yaml", text.clone())], &Catalog)
            .unwrap_or_else(|report| panic!("{text}: {report}"));
        if !text.contains("match: #") {
            assert_eq!(plain.bundle.detectors[0].hash, other.bundle.detectors[0].hash, "{text}");
        }
    }
    let other = DETECTOR.replace("match: {}", "match: {}, for: 1s");
    let other = load_files(vec![SourceFile::new("a.yaml", other)], &Catalog).unwrap();
    assert_ne!(
        plain.bundle.detectors[0].hash,
        other.bundle.detectors[0].hash
    );
    assert_ne!(plain.bundle.hash, other.bundle.hash);
    let crlf = report(&DETECTOR.replace("match", "mtch").replace('\n', "\r\n"));
    assert!(crlf.to_string().starts_with("a.yaml:4:"), "{crlf}");
}

#[test]
fn many_mistakes_are_found_in_little_time() {
    // Each of these would take minutes if places were counted from the start of the file every time.
    let keys: String = (0..60_000).map(|n| format!("k{n}: 1\n")).collect();
    assert_eq!(report(&keys).left_out, 60_000 + 4 - PROBLEMS_MAX);
    let same = "a: 1\n".repeat(60_000);
    assert!(report(&same).left_out > 59_000);
    let playbooks: String = (0..3_000)
        .map(|n| {
            format!(
                "---\napiVersion: edsr.dev/v1\nkind: Playbook\nmetadata: {{ name: p{n}, owner: o }}\nspec: {{ target: a/b, \
                 risk: low, steps: [{{ id: s, uses: event/emit, with: {{ type: t }} }}], otherwise: [p{}, p{}] }}\n",
                n + 1,
                n + 2
            )
        })
        .collect();
    assert!(
        report(&playbooks)
            .to_string()
            .contains("no playbook `p3000`")
    );
    let steps = format!(
        "apiVersion: edsr.dev/v1\nkind: Playbook\nmetadata: {{ name: p, owner: o }}\nspec:\n  target: a/b\n  risk: low\n  \
         steps: [{{ id: s, uses: event/emit, with: {{ type: \"{}\" }} }}]\n",
        "${steps.x}".repeat(3_000)
    );
    assert!(report(&steps).problems.len() <= 25);
}

#[test]
fn nothing_at_all_is_a_bundle() {
    for text in ["", "\n", "# nothing\n", "---\n", "\u{feff}"] {
        let compiled = load_files(vec![SourceFile::new("a.yaml", text)], &Catalog).unwrap();
        assert!(compiled.bundle.detectors.is_empty());
    }
    assert!(load_files(Vec::new(), &Catalog).is_ok());
}

fn write(dir: &Path, path: &str, bytes: &[u8]) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn said(dir: &Path) -> String {
    match load(dir, &Catalog) {
        Ok(compiled) => compiled.warnings.to_string(),
        Err(report) => report.to_string(),
    }
}

#[test]
fn what_lies_in_the_directory_is_read_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "deep/er/a.yml", DETECTOR.as_bytes());
    write(root, ".hidden/b.yaml", b"a: b: c");
    write(root, "x/.c.yaml", b"a: b: c");
    write(root, "tests/d.yaml", b"a: b: c");
    write(root, "notes.txt", b"\xff");
    let compiled = load(root, &Catalog).unwrap();
    assert_eq!(compiled.files.len(), 1);
    assert_eq!(compiled.files[0].path, "deep/er/a.yml");
    assert_eq!(compiled.settings.work_dir, root.canonicalize().unwrap());
    assert!(compiled.settings.data_dir.ends_with(".edsr/data"));

    write(root, "latin.yaml", b"a: 1\nb: caf\xe9\n");
    assert!(
        said(root).starts_with("latin.yaml:2:7: this is not UTF-8"),
        "{}",
        said(root)
    );
    fs::remove_file(root.join("latin.yaml")).unwrap();

    write(root, "big.cedar", &vec![b' '; FILE_BYTES_MAX as usize + 1]);
    assert!(
        said(root).contains("big.cedar:1:1: the file is larger"),
        "{}",
        said(root)
    );
    fs::remove_file(root.join("big.cedar")).unwrap();

    write(root, &format!("{}a.yaml", "d/".repeat(17)), b"");
    assert!(said(root).contains("folders nest deeper"), "{}", said(root));
    assert!(
        said(&root.join("nowhere")).contains("cannot read"),
        "{}",
        said(root)
    );
    assert!(said(&root.join("notes.txt")).contains("is not a directory"));
}

#[test]
fn links_stay_inside() {
    let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(outside.path(), "secret.yaml", DETECTOR.as_bytes());
    write(inside.path(), "real.txt", DETECTOR.as_bytes());
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, inside.path().join(name));
    link(&inside.path().join("real.txt"), "good.yaml").unwrap();
    assert_eq!(said(inside.path()), "");
    link(&outside.path().join("secret.yaml"), "bad.yaml").unwrap();
    assert!(
        said(inside.path()).contains("bad.yaml:1:1: this link leads out"),
        "{}",
        said(inside.path())
    );
    fs::remove_file(inside.path().join("bad.yaml")).unwrap();
    link(outside.path(), "folder").unwrap();
    assert!(said(inside.path()).contains("folder:1:1: this link leads out"));
    fs::remove_file(inside.path().join("folder")).unwrap();
    link(inside.path(), "round").unwrap();
    assert!(said(inside.path()).contains("round:1:1: this link leads to a folder"));
    fs::remove_file(inside.path().join("round")).unwrap();
    link(Path::new("nowhere"), "broken.yaml").unwrap();
    assert!(said(inside.path()).contains("broken.yaml:1:1: cannot be read"));
}

#[test]
fn a_folder_with_very_many_files_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..=20_000 {
        fs::write(dir.path().join(format!("{n}.txt")), "").unwrap();
    }
    assert!(said(dir.path()).contains("more than 20000 files and folders"));
}

#[test]
fn the_report_shows_the_line_and_hides_secrets() {
    let text = DETECTOR.replace("match", "mtch");
    let shown = report(&text).render(false);
    assert!(shown.contains("a.yaml:4:9"), "{shown}");
    assert!(shown.contains("spec: { mtch: {} }"), "{shown}");
    assert!(shown.contains("did you mean `match`?"), "{shown}");
    assert!(shown.contains("EDSR-B005"), "{shown}");
    let source = "apiVersion: edsr.dev/v1\nkind: Source\nmetadata: { name: a, owner: o }\n\
                  spec: { type: cloudevents, auth: { bearer: { secret: hunter2 } }, nope: 1 }\n";
    let report = report(source);
    assert_eq!(report.problems.len(), 2);
    for shown in [
        report.render(true),
        report.render(false),
        report.to_string(),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert!(report.render(false).contains("*******"));
}

#[test]
fn what_a_bundle_says_steers_no_terminal() {
    let bad = "\\e[2J\\x9b31m\\nFORGED\\u202egpj";
    let raw = "\u{1b}[2J\u{9b}31m\rFORGED\u{202e}gpj\u{2066}";
    let hidden = "\u{202e}gpj\u{200b}";
    for (path, text) in [
        (
            "a.yaml",
            DETECTOR.replace("match", &format!("\"mtch{bad}\"")),
        ),
        (
            "a.yaml",
            DETECTOR.replace("kind: Detector", &format!("kind: \"{bad}\"")),
        ),
        (
            "a.yaml",
            DETECTOR.replace("match", &format!("mtch{hidden}")),
        ),
        (
            "a.yaml",
            format!("{DETECTOR}# {hidden}\n---\n{hidden}: 1\n"),
        ),
        ("a.yaml", format!("{DETECTOR}# {raw}\n")),
        (
            "a.yaml",
            DETECTOR.replace("match: {}", &format!("on: \"{bad} +\", match: {{}}")),
        ),
        (
            "policies/a.cedar",
            format!("// {raw}\npermit (principal, action, nothing);{raw}\n"),
        ),
        (
            "policies/a.cedar",
            format!("@id(\"{raw}\")\npermit (principal == X::\"{raw}\", action, resource);\n"),
        ),
        (
            "a\u{1b}[2J\nFORGED\u{202e}.yaml",
            DETECTOR.replace("match", "mtch"),
        ),
    ] {
        let files = vec![SourceFile::new(path, text.as_str())];
        let report = load_files(files, &Catalog).err();
        let report = report.unwrap_or_else(|| panic!("{text:?} is right"));
        for shown in [report.render(false), report.to_string()] {
            let steered = shown.chars().find(|c| *c != '\n' && edsr_model::steers(*c));
            assert_eq!(steered, None, "{path:?}, {text:?}: {shown:?}");
            assert!(
                !shown
                    .lines()
                    .any(|line| line.trim_start().starts_with("FORGED")),
                "{shown}"
            );
        }
    }
}

fn sane(text: &str) -> Result<(), TestCaseError> {
    let report = report(text);
    for problem in &report.problems {
        prop_assert!(problem.span.end <= text.len() && problem.line >= 1 && problem.column >= 1);
        prop_assert!(!problem.message.is_empty());
    }
    prop_assert!(report.problems.is_empty() == report.render(false).is_empty());
    Ok(())
}

const WORDS: &[&str] = &[
    "apiVersion: edsr.dev/v1\n",
    "kind: Detector\n",
    "kind: Playbook\n",
    "kind: Source\n",
    "metadata: ",
    "{",
    "}",
    "[",
    "]",
    ": ",
    ", ",
    "\n",
    "  ",
    "- ",
    "---\n",
    "spec:",
    "match",
    "ratio",
    "on",
    "&a ",
    "*a",
    "!x ",
    "|\n",
    ">-\n",
    "\"",
    "'",
    "${",
    "steps",
    "\t",
    "é",
    "\u{feff}",
    "<<: ",
    "? ",
    "%YAML 1.2\n",
    "99999999999999999999",
    "above",
    "5%",
    "#",
    "data.x == 1",
    "\\",
    "secret",
    "auth",
    "\r\n",
    "\0",
    "with",
    "uses: exec/run",
    "...\n",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_a_report(text in "\\PC{0,200}") {
        sane(&text)?;
    }

    #[test]
    fn any_words_get_a_report(words in prop::collection::vec(prop::sample::select(WORDS), 0..60)) {
        sane(&words.concat())?;
    }

    #[test]
    fn any_damage_to_a_bundle_gets_a_report(cut in 0..4000_usize, length in 0..40_usize, word in prop::sample::select(WORDS)) {
        let whole = concat!(
            include_str!("../../../examples/quickstart/playbooks/restart-checkout.yaml"), "---\n",
            include_str!("../../../examples/quickstart/detectors/checkout-errors.yaml"), "---\n",
            include_str!("../../../examples/quickstart/sources/deploys.yaml"),
        );
        let from = cut.min(whole.len());
        let to = (from + length).min(whole.len());
        prop_assume!(whole.is_char_boundary(from) && whole.is_char_boundary(to));
        sane(&format!("{}{word}{}", &whole[..from], &whole[to..]))?;
    }
}
