//! What the pages say exists: commands and their flags, files, links, tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{files, read, root};

#[test]
fn commands_in_the_pages_exist() {
    let mut helps = BTreeMap::new();
    let mut seen = 0;
    for (page, line) in pages().iter().flat_map(|page| commands(page)) {
        seen += 1;
        let words: Vec<_> = line.split_whitespace().skip(1).collect();
        let mut path: Vec<&str> = Vec::new();
        // As far as words are commands; the rest are arguments.
        for word in &words {
            let help = help(&mut helps, &path);
            if !lists_command(help, word) {
                break;
            }
            path.push(word);
        }
        assert!(
            !path.is_empty() || words[0].starts_with('-'),
            "{}: no such command: {line}",
            page.display()
        );
        let help = help(&mut helps, &path);
        for flag in words
            .iter()
            .filter(|word| word.starts_with("--") && word.len() > 2)
        {
            let flag = flag.split('=').next().unwrap_or_default();
            let known = help
                .split_whitespace()
                .any(|word| word.trim_end_matches(',') == flag);
            assert!(
                known,
                "{}: `{}` has no `{flag}`: {line}",
                page.display(),
                path.join(" ")
            );
        }
    }
    assert!(seen > 20, "only {seen} commands were found in the pages");
}

#[test]
fn what_the_pages_point_at_exists() {
    let sources: Vec<_> = files(&root().join("crates"), "rs")
        .iter()
        .map(|file| read(file))
        .collect();
    let mut tests = 0;
    for page in pages() {
        let text = read(&page);
        for link in between(&text, "](", ")").filter(|link| !link.contains("://")) {
            let target = link.split('#').next().unwrap_or_default();
            let target = match target {
                "" => page.clone(),
                target => page.with_file_name(target),
            };
            assert!(
                target.exists()
                    && link
                        .split_once('#')
                        .is_none_or(|(_, to)| headings(&target).contains(to)),
                "{}: the link `{link}` leads nowhere",
                page.display()
            );
        }
        for word in between(&text, "`", "`").filter(|word| !word.contains(char::is_whitespace)) {
            if word.starts_with("crates/") || word.starts_with("examples/") {
                assert!(
                    root().join(word).exists(),
                    "{}: there is no `{word}`",
                    page.display()
                );
            }
            if let Some(metric) = word.strip_prefix("edsr_") {
                let metric = metric.split('{').next().unwrap_or_default();
                let metric = metric.trim_end_matches("_total");
                let known = sources
                    .iter()
                    .any(|source| source.contains(&format!("\"{metric}\"")));
                assert!(known, "{}: there is no metric `{word}`", page.display());
            } else if is_test_name(word) {
                tests += 1;
                let known = sources
                    .iter()
                    .any(|source| source.contains(&format!("fn {word}(")));
                assert!(known, "{}: there is no test `{word}`", page.display());
            }
        }
    }
    assert!(tests > 20, "only {tests} tests are named in the pages");
}

/// The pages a reader is given.
fn pages() -> Vec<PathBuf> {
    let top = [
        "README.md",
        "ARCHITECTURE.md",
        "GLOSSARY.md",
        "CHANGELOG.md",
    ];
    let mut pages: Vec<_> = top.iter().map(|name| root().join(name)).collect();
    pages.extend(files(&root().join("docs"), "md"));
    pages.extend(files(&root().join("examples"), "md"));
    pages
}

/// The lines of a page's examples that call the program, without what follows a pipe or stands in a comment.
fn commands(page: &Path) -> Vec<(PathBuf, String)> {
    let text = read(page);
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside;
            continue;
        }
        let line = line.trim_start().trim_start_matches("$ ");
        let line = line.replace("cargo run --release -- ", "edsr ");
        if !inside || !line.starts_with("edsr ") {
            continue;
        }
        let end = [" #", " |", " >", " &"]
            .iter()
            .filter_map(|mark| line.find(mark))
            .min();
        let line = without_quotes(&line[..end.unwrap_or(line.len())]);
        found.push((page.to_owned(), line));
    }
    found
}

/// Quoted arguments may hold anything; they are no flags.
fn without_quotes(line: &str) -> String {
    let mut quote = None;
    let mut kept = String::new();
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                kept.push('_');
            }
            None => kept.push(c),
        }
    }
    kept
}

/// The headings of a page, as links name them.
fn headings(page: &Path) -> BTreeSet<String> {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let text = read(page);
    let headings = text.lines().filter_map(|line| {
        line.trim_start_matches('#')
            .strip_prefix(' ')
            .filter(|_| line.starts_with('#'))
    });
    headings
        .map(|heading| {
            heading
                .to_lowercase()
                .chars()
                .filter(kept)
                .collect::<String>()
                .replace(' ', "-")
        })
        .collect()
}

/// What `edsr <path> --help` prints.
fn help<'h>(helps: &'h mut BTreeMap<String, String>, path: &[&str]) -> &'h str {
    helps.entry(path.join(" ")).or_insert_with(|| {
        let out = Command::new(env!("CARGO_BIN_EXE_edsr"))
            .args(path)
            .arg("--help")
            .output()
            .unwrap();
        String::from_utf8(out.stdout).unwrap()
    })
}

fn lists_command(help: &str, word: &str) -> bool {
    let commands = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    let commands = commands.split("\n\n").next().unwrap_or_default();
    commands
        .lines()
        .any(|line| line.split_whitespace().next() == Some(word) && line.starts_with("  "))
}

/// What stands between two marks, on one line.
fn between<'t>(
    text: &'t str,
    open: &'static str,
    close: &'static str,
) -> impl Iterator<Item = &'t str> {
    text.lines().flat_map(move |line| {
        let mut rest = line;
        std::iter::from_fn(move || {
            let (_, inner) = rest.split_once(open)?;
            let (found, after) = inner.split_once(close)?;
            rest = after;
            Some(found)
        })
    })
}

/// Tests are named in sentences: several words, nothing but lower case.
fn is_test_name(word: &str) -> bool {
    word.matches('_').count() >= 3
        && word
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
